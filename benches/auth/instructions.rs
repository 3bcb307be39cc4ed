//! How many instructions each verdict takes, counted by callgrind and held to `instructions.txt`: unlike a time, the count is the same
//! on a busy machine, so that a change of a few percent shows.
//!
//! The counts are of one compiler and of one kind of processor (x86-64 with AVX2, BMI2 and ADX, by which aws-lc and the base64 decoder
//! choose their ways). Elsewhere the file has to be written anew: `cargo bench --bench auth -- --instructions --write`.
//!
//! The program calls itself under valgrind. Only what happens inside [`counted`] is counted, and a dump is written after each case.
use crate::tokens::{ISSUER, Issuer, NOW, authenticator, headers, judge, malformed};
use http::{HeaderMap, HeaderValue, Method, Uri, header::HOST, request::Parts};
use stackflow_gateway::{
    auth::{Authenticator, Revocations, TokenCache},
    config::{Gateway, compile},
    pipeline::{Action, Attempt, decide},
    request::Request,
    state::State,
};
use std::{
    collections::BTreeMap,
    env, fs, io,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, ExitCode},
};

const BUDGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/auth/instructions.txt");
/// How much more a case may take than is written there, and how much of a difference a flood may make: where a token lies in a map is
/// random, which is a handful of instructions.
const PERCENT: f64 = 3.0;
const PERCENT_IN_A_FLOOD: f64 = 0.5;
/// What some allocations take now and then is spread over so many.
const ROUNDS: u32 = 200;

/// The outcome, if the arguments ask for one.
pub fn asked_for() -> Option<ExitCode> {
    let asked = |name: &str| env::args().any(|argument| argument == name);
    if asked("--counted") {
        for (_, case) in cases() {
            a_case(case);
        }
        return Some(ExitCode::SUCCESS);
    }
    if !asked("--instructions") {
        return None;
    }
    let problems = match count() {
        Ok(counts) if asked("--write") => write(&counts).err().map(|error| error.to_string()).into_iter().collect(),
        Ok(counts) => compare(&counts),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("SKIPPED: nothing was counted, because valgrind is not installed");
            return Some(ExitCode::SUCCESS);
        }
        Err(error) => vec![format!("nothing was counted: {error}")],
    };
    for problem in &problems {
        println!("{problem}");
    }
    Some(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is done in each round: something that is not counted, then what is.
type Case = Box<dyn FnMut(u32, &mut dyn FnMut(&dyn Fn()))>;

/// A dump is written when this is left.
#[inline(never)]
fn a_case(mut case: Case) {
    // Allocators and caches are warm then.
    case(0, &mut |verdict| verdict());
    for round in 1..=ROUNDS {
        case(round, &mut |verdict| counted(verdict));
    }
}

#[inline(never)]
fn counted(verdict: &dyn Fn()) {
    verdict();
}

/// In the order in which they are counted.
fn cases() -> Vec<(String, Case)> {
    let issuer: &'static Issuer = Box::leak(Box::new(Issuer::new()));
    let authenticator: &'static Authenticator = Box::leak(Box::new(authenticator(issuer, Revocations::none())));
    let (kept, none) = (|| Box::leak(Box::new(TokenCache::new(100_000))), Box::leak(Box::new(TokenCache::new(0))));
    let good = |algorithm| headers(&issuer.token(algorithm, algorithm));
    let mut cases = vec![
        ("seen_before".to_owned(), judged(authenticator, kept(), good("RS256"), true)),
        ("seen_before_in_a_flood".to_owned(), judged_in_a_flood(issuer, authenticator, kept(), good("RS256"))),
        ("request".to_owned(), request(issuer, false)),
        ("request_in_a_flood".to_owned(), request(issuer, true)),
    ];
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        cases.push((format!("never_seen/{algorithm}"), judged(authenticator, none, good(algorithm), true)));
    }
    for (name, token) in malformed(issuer) {
        cases.push((format!("refused/{name}"), judged(authenticator, kept(), headers(&token), false)));
    }
    cases
}

fn judged(authenticator: &'static Authenticator, cache: &'static TokenCache, token: HeaderMap, accepted: bool) -> Case {
    Box::new(move |_, count| count(&|| assert_eq!(judge(authenticator, cache, &token), accepted)))
}

/// Ten tokens under unknown keys before each good one.
fn judged_in_a_flood(
    issuer: &'static Issuer,
    authenticator: &'static Authenticator,
    cache: &'static TokenCache,
    token: HeaderMap,
) -> Case {
    Box::new(move |round, count| {
        for number in 0..10 {
            let unknown = usize::try_from(round * 10 + number).expect("it fits");
            assert!(!judge(authenticator, cache, &headers(&issuer.unknown(unknown))));
        }
        count(&|| assert!(judge(authenticator, cache, &token)));
    })
}

/// All that is decided about a good request; in a flood, after ten that bring tokens under unknown keys from as many addresses.
fn request(issuer: &'static Issuer, flood: bool) -> Case {
    let text = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[upstreams.api]\nservers = [\"http://127.0.0.1:3000\"]\n\
         [[routes]]\npath = \"/incidents\"\n[limits]\nper_user = {{ rate = 1000000, burst = 1000000 }}\n\
         [[auth.issuers]]\nissuer = \"{ISSUER}\"\nclient_ids = [\"570cnagpgoochn29a113du6jnt\"]\nalgorithms = [\"RS256\", \"EdDSA\"]\n"
    );
    let gateway = compile(Path::new("gateway.toml"), &text).unwrap_or_else(|problems| panic!("{problems}"));
    issuer.publish(&gateway.auth.authenticator);
    let state = State::new(&gateway);
    let good = head(&issuer.token("RS256", "RS256"));
    Box::new(move |round, count| {
        for number in (0..10).filter(|_| flood) {
            let unknown = round * 10 + number;
            let parts = head(&issuer.unknown(usize::try_from(unknown).expect("it fits")));
            assert!(!is_forwarded(&gateway, &state, &parts, Ipv4Addr::from_bits(0x0a00_0000 + unknown).into()));
        }
        let client = Ipv4Addr::new(203, 0, 113, 7).into();
        count(&|| assert!(is_forwarded(&gateway, &state, &good, client)));
    })
}

fn head(token: &str) -> Parts {
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method = Method::GET;
    parts.uri = Uri::from_static("/prod/api/v1/incidents");
    parts.headers = headers(token);
    parts.headers.insert(HOST, HeaderValue::from_static("api.example.com"));
    parts
}

fn is_forwarded(gateway: &Gateway, state: &State, parts: &Parts, client: IpAddr) -> bool {
    let target = "/prod/api/v1/incidents";
    let request = Request { parts, target, client, https: false, redirect_only: false, has_body: false, fault: None };
    matches!(decide(gateway, state, &request, Attempt::First, NOW).action, Action::Forward(_))
}

/// Instructions of each case.
type Counts = BTreeMap<String, f64>;

fn count() -> io::Result<Counts> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--quiet",
            "--toggle-collect=auth::instructions::counted",
            "--dump-after=auth::instructions::a_case",
        ])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(env::current_exe()?)
        .arg("--counted")
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let mut counts = Counts::new();
    for (number, (name, _)) in (1..).zip(cases()) {
        let dump = fs::read_to_string(folder.join(format!("out.{number}")))?;
        let total = dump.lines().rev().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<f64>().ok());
        let total = total.ok_or_else(|| io::Error::other(format!("{name}: the dump has no total")))?;
        counts.insert(name, (total / f64::from(ROUNDS)).round());
    }
    Ok(counts)
}

fn write(counts: &Counts) -> io::Result<()> {
    let lines: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}\n")).collect();
    fs::write(BUDGET, lines.concat())
}

/// What is wrong with these counts.
fn compare(counts: &Counts) -> Vec<String> {
    let text = fs::read_to_string(BUDGET).unwrap_or_default();
    let budget: BTreeMap<&str, f64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    let mut problems = Vec::new();
    for (name, count) in counts {
        let Some(budgeted) = budget.get(name.as_str()) else {
            problems.push(format!("{name}: {count} instructions, and no budget for them"));
            continue;
        };
        let more = (count / budgeted - 1.0) * 100.0;
        println!("{name:40} {count:8} {more:+6.1} %");
        if more > PERCENT {
            problems.push(format!("{name}: {count} instructions, {more:.1} % more than the {budgeted} of the budget"));
        }
    }
    problems.extend(budget.keys().filter(|name| !counts.contains_key(**name)).map(|name| format!("{name} was not counted")));
    for name in ["seen_before", "request"] {
        let (calm, flooded) = (counts[name], counts[&format!("{name}_in_a_flood")]);
        if (flooded / calm - 1.0).abs() * 100.0 > PERCENT_IN_A_FLOOD {
            problems.push(format!("{name}: {calm} instructions, and {flooded} in a flood of unknown keys"));
        }
    }
    problems
}
