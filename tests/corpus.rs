//! Raw requests of HTTP/1, each with what must become of it: refused, or forwarded in one form that leaves the upstream nothing to decide.
//!
//! The cases are in `tests/corpus/*.txt`, each with its source, and in `families`, where a rule makes many alike. Every case comes alone,
//! behind a good request and in front of one; some come cut at every byte. The upstream records what reaches it, byte by byte.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

#[path = "corpus/case.rs"]
mod case;
#[path = "corpus/connection.rs"]
mod connection;
#[path = "corpus/families.rs"]
mod families;
#[path = "corpus/upstream.rs"]
mod upstream;

use case::{Case, Forwarded, HOST, ORIGIN, Refused, Verdict};
use connection::{Answers, Connection, says_close};
use support::{Gateway, Issuer, Response, Setup, assert_decorated, assert_shared_with};
use upstream::{Seen, Upstream};

/// More failures than this say nothing new.
const MOST_FAILURES: usize = 40;

struct Corpus {
    gateway: Gateway,
    upstream: Upstream,
    bearer: String,
}

impl Corpus {
    fn start() -> Self {
        let (upstream, issuer) = (Upstream::start(), Issuer::new("https://pool.test/one"));
        let gateway = Setup::new(upstream.address, &issuer)
            .with(&format!("[cors]\nallowed_origins = [\"{ORIGIN}\"]"))
            .with("[limits]\nper_user = { rate = 100000, burst = 100000 }\nper_address = { rate = 100000, burst = 100000 }\nglobal = { rate = 100000, burst = 100000 }")
            .start();
        Self { gateway, upstream, bearer: format!("Bearer {}", issuer.user("ada")) }
    }

    fn read(&self, file: &str, text: &str) -> Vec<Case> {
        case::read(file, text, &self.bearer)
    }

    /// A good request for a place of its own, and what its answer and the upstream say of it.
    fn good(&self, place: &str) -> (Vec<u8>, String) {
        let request = format!(
            "GET /prod/api/v1/{place} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {}\r\nOrigin: {ORIGIN}\r\n\r\n",
            self.bearer
        );
        (request.into_bytes(), format!("/api/v1/{place}"))
    }

    /// Each case alone, behind a good request, and in front of one.
    fn check_all(&self, cases: &[Case]) {
        assert!(!cases.is_empty(), "no cases");
        let mut failures = Vec::new();
        for case in cases {
            for (place, before, after) in [("alone", false, false), ("behind", true, false), ("in front", false, true)] {
                if let Err(what) = self.check(case, before, after, &|connection, bytes| connection.send(bytes)) {
                    failures.push(format!("{} ({place}; {}): {what}", case.name, case.source));
                }
            }
            if failures.len() > MOST_FAILURES {
                break;
            }
        }
        assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
    }

    /// Sends a case as `send` does, and says what is wrong with what became of it.
    fn check(&self, case: &Case, before: bool, after: bool, send: &dyn Fn(&mut Connection, &[u8])) -> Result<(), String> {
        let from = self.upstream.count();
        let (first, first_target) = self.good("before");
        let (last, last_target) = self.good("after");
        let parts = [if before { &*first } else { &[] }, &*case.bytes, if after { &*last } else { &[] }];
        let mut connection = Connection::open(self.gateway.address());
        send(&mut connection, &parts.concat());
        // A refusal that closes, or one answer for each request: whichever comes first ends the reading.
        let count = 1 + usize::from(before) + usize::from(after);
        let answers = connection.read(count);
        let expected_before: Vec<&str> = if before { vec![&first_target] } else { vec![] };
        let judged = case.verdicts.iter().map(|verdict| {
            let mut wanted: Vec<Wanted<'_>> = expected_before.iter().map(|target| Wanted::Good(target)).collect();
            wanted.push(Wanted::Case(verdict));
            if after {
                wanted.push(Wanted::Good(&last_target));
            }
            self.judge(&wanted, &answers, from)
        });
        // Before anything is read of the record: what is in doubt at the upstream is wrong, whatever the client was told.
        let record = self.upstream.wait(from, 0);
        if let Some(violation) = record.violations.first() {
            return Err(format!("the upstream read {violation}"));
        }
        let wrong: Vec<String> = judged.filter_map(Result::err).collect();
        // One of the verdicts that are right is enough.
        if wrong.len() < case.verdicts.len() { Ok(()) } else { Err(wrong.join("; or: ")) }
    }

    fn judge(&self, wanted: &[Wanted<'_>], answers: &Answers, from: usize) -> Result<(), String> {
        let closing = wanted.iter().position(Wanted::closes);
        // A connection may be closed behind any answer that says so: then nothing more is done for it.
        let said = answers.closed && answers.responses.last().is_some_and(says_close);
        let end = closing.map_or(wanted.len(), |at| at + 1);
        let answered = &wanted[..if said { end.min(answers.responses.len()) } else { end }];
        if let Some(rest) = &answers.rest {
            return Err(format!("no answer in {rest}"));
        }
        if answers.responses.len() != answered.len() {
            return Err(format!("{} answers for {}: {:?}", answers.responses.len(), answered.len(), answers.responses));
        }
        if !said && answers.closed != closing.is_some() {
            return Err(format!("closed: {}; {:?}", answers.closed, answers.responses));
        }
        // Before the upstream is waited for: where a verdict is not this one, nothing may come.
        answered.iter().zip(&answers.responses).try_for_each(|(wanted, response)| wanted.accept(response))?;
        let expected: Vec<&Wanted<'_>> = answered.iter().filter(|wanted| wanted.reaches_the_upstream()).collect();
        let seen = self.upstream.wait(from, expected.len()).requests;
        if seen.len() != expected.len() {
            return Err(format!("{} requests reached the upstream, not {}: {seen:?}", seen.len(), expected.len()));
        }
        expected.iter().zip(&seen).try_for_each(|(wanted, seen)| wanted.compare(seen))
    }
}

/// What the next answer and the next request at the upstream must be.
enum Wanted<'a> {
    /// A good request of the test's own, with this target at the upstream.
    Good(&'a str),
    Case(&'a Verdict),
}

impl Wanted<'_> {
    fn closes(&self) -> bool {
        matches!(self, Self::Case(Verdict::Refused(Refused { closed: true, .. })))
    }

    fn reaches_the_upstream(&self) -> bool {
        !matches!(self, Self::Case(Verdict::Refused(_)))
    }

    fn compare(&self, seen: &Seen) -> Result<(), String> {
        match self {
            Self::Good(target) if seen.target == *target && seen.body.is_empty() => Ok(()),
            Self::Case(Verdict::Forwarded(forwarded)) => compare(forwarded, seen),
            Self::Good(_) | Self::Case(_) => Err(format!("the upstream saw {seen:?}")),
        }
    }

    fn accept(&self, response: &Response) -> Result<(), String> {
        match self {
            Self::Good(target) => accept_forwarded(target, response),
            Self::Case(Verdict::Forwarded(forwarded)) if forwarded.method == "HEAD" => Ok(()),
            Self::Case(Verdict::Forwarded(forwarded)) => accept_forwarded(&forwarded.target, response),
            Self::Case(Verdict::Refused(refused)) => accept_refusal(refused, response),
        }
    }
}

fn compare(forwarded: &Forwarded, seen: &Seen) -> Result<(), String> {
    let same = seen.method == forwarded.method && seen.target == forwarded.target && seen.body == forwarded.body;
    if !same || seen.all("host") != [forwarded.host.as_bytes()] {
        return Err(format!("the upstream saw {seen:?}"));
    }
    for (name, value) in &forwarded.with {
        if seen.all(name) != [&**value] {
            return Err(format!("{name} reached the upstream as {:?}", seen.all(name)));
        }
    }
    match forwarded.without.iter().find(|name| !seen.all(name).is_empty()) {
        Some(name) => Err(format!("{name} reached the upstream")),
        None => Ok(()),
    }
}

fn accept_forwarded(target: &str, response: &Response) -> Result<(), String> {
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if response.status == 200 && body["target"] == *target {
        return Ok(());
    }
    Err(format!("answered with {response:?}"))
}

/// JSON with all that every answer carries, but where no head can be made out.
fn accept_refusal(refused: &Refused, response: &Response) -> Result<(), String> {
    if response.status != refused.status {
        return Err(format!("answered with {response:?}"));
    }
    let Some(code) = &refused.code else { return Ok(()) };
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if body["code"] != **code || body["status"] != refused.status || response.all("Content-Type") != ["application/json"] {
        return Err(format!("answered with {response:?}"));
    }
    if *code == "method_not_allowed" && response.all("Allow").is_empty() {
        return Err(format!("without Allow: {response:?}"));
    }
    let decorated = std::panic::catch_unwind(|| {
        assert_decorated("refusal", response);
        assert_shared_with("refusal", Some(ORIGIN), response);
    });
    decorated.map_err(|_| format!("not decorated: {response:?}"))
}

macro_rules! of_file {
    ($($test:ident: $file:literal,)*) => {$(
        #[test]
        fn $test() {
            let corpus = Corpus::start();
            corpus.check_all(&corpus.read($file, include_str!(concat!("corpus/", $file))));
        }
    )*};
}

of_file! {
    lengths_and_codings_have_one_reading_or_none: "framing.txt",
    chunks_have_one_reading_or_none: "chunks.txt",
    heads_have_one_reading_or_none: "heads.txt",
    request_lines_have_one_reading_or_none: "request_lines.txt",
    a_host_is_one_and_plain: "hosts.txt",
    the_trophies_of_others_are_none_here: "trophies.txt",
}

macro_rules! of_family {
    ($($test:ident: $family:ident,)*) => {$(
        #[test]
        fn $test() {
            let corpus = Corpus::start();
            corpus.check_all(&families::$family(&corpus.bearer));
        }
    )*};
}

of_family! {
    no_disguise_of_a_transfer_encoding_gets_through: disguises,
    no_byte_in_a_field_name_is_read_in_two_ways: bytes_in_names,
    no_byte_in_a_field_value_is_read_in_two_ways: bytes_in_values,
    no_byte_in_a_target_is_read_in_two_ways: bytes_in_targets,
    no_byte_in_a_method_or_version_is_read_in_two_ways: bytes_in_request_lines,
    no_spelling_of_a_length_is_read_in_two_ways: lengths,
    no_spelling_of_a_chunk_size_is_read_in_two_ways: chunk_sizes,
}

/// The verdict does not depend on how the network cuts what was sent.
#[test]
fn a_case_cut_at_any_byte_is_the_same_case() {
    let corpus = Corpus::start();
    let mut failures = Vec::new();
    for case in families::sample(&corpus.bearer) {
        for cut in 1..case.bytes.len() {
            let send = |connection: &mut Connection, bytes: &[u8]| {
                connection.send(&bytes[..cut]);
                connection.send(&bytes[cut..]);
            };
            if let Err(what) = corpus.check(&case, false, false, &send) {
                failures.push(format!("{} cut at {cut}: {what}", case.name));
                break;
            }
        }
        let drop_by_drop = |connection: &mut Connection, bytes: &[u8]| bytes.iter().for_each(|byte| connection.send(&[*byte]));
        for (before, after) in [(false, false), (true, false), (false, true)] {
            if let Err(what) = corpus.check(&case, before, after, &drop_by_drop) {
                failures.push(format!("{} byte by byte: {what}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// RFC 9113, section 3.4: the preface begins a connection. Behind a request it is one of HTTP/1.1 that is none.
#[test]
fn what_is_no_request_behind_a_good_one_ends_the_connection() {
    let corpus = Corpus::start();
    for (name, rest) in [
        ("HTTP/2's preface", &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]),
        ("a NUL, http-garden's bonus 3", b"\0\r\n\r\n"),
        ("the rest of a body, CL.0 of PortSwigger 2022", b"a=b&c=d\r\n\r\n"),
        ("HTTP/0.9", b"GET /prod/api/v1/incidents\r\n"),
    ] {
        let (good, target) = corpus.good("before");
        let from = corpus.upstream.count();
        let mut connection = Connection::open(corpus.gateway.address());
        connection.send(&[&good, rest].concat());
        let answers = connection.read(2);
        let statuses: Vec<u16> = answers.responses.iter().map(|response| response.status).collect();
        assert!(answers.closed && (statuses == [200, 400] || statuses == [200]), "{name}: {answers:?}");
        let seen = corpus.upstream.wait(from, 1);
        assert!(seen.violations.is_empty(), "{name}: {seen:?}");
        assert_eq!(seen.requests.iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>(), [target], "{name}");
    }
}
