//! The demo keeps what it prints: its lines are pasted into a shell in order, and each shows what it says it shows.
mod support;

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt::Write,
    process::Command,
    time::{Duration, Instant},
};
use support::{DEADLINE, Gateway, JSON, request, run_tool};

/// The lines to paste: all that begin with `export` or `curl`; the scrape is the last.
fn lines_to_paste(demo: &Gateway) -> Vec<String> {
    demo.stdout.wait_all("the line that scrapes the metrics", DEADLINE, |lines| {
        let to_paste = |line: &&String| line.starts_with("export ") || line.starts_with("curl ");
        let last = lines.iter().position(|line| to_paste(&line) && line.contains("/metrics"))?;
        Some(lines[..=last].iter().filter(to_paste).cloned().collect())
    })
}

/// What each line shows when all are pasted into one shell.
fn paste(lines: &[String]) -> Vec<String> {
    let mut script = String::new();
    for line in lines {
        // The value that an `export` found is what it shows.
        let name = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')).map(|(name, _)| name);
        let shown = name.map_or(String::new(), |name| format!("echo \"$(printenv {name})\"\n"));
        writeln!(script, "{line}\n{shown}printf '\\n--- next\\n'").expect("writing to a string");
    }
    let output = run_tool(Command::new("bash").arg("-s"), &script);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing fails");
    let mut shown: Vec<String> = text.split("\n--- next").map(|part| part.trim().to_owned()).collect();
    assert_eq!(shown.pop().as_deref(), Some(""), "every line was run");
    shown
}

#[test]
fn every_line_that_the_demo_prints_shows_what_it_promises() {
    let demo = Gateway::demo();
    let lines = lines_to_paste(&demo);
    let shown = paste(&lines);
    let of = |words: &str| {
        let place =
            lines.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("a line with {words} in {lines:#?}"));
        (&lines[place], shown[place].as_str())
    };
    let check = |words: &str, parts: &[&str]| {
        let (line, text) = of(words);
        for part in parts {
            assert!(text.to_ascii_lowercase().contains(&part.to_ascii_lowercase()), "{part} in what this shows: {line}\n{text}");
        }
    };
    in_this_order(&lines);
    assert_eq!(of("export TOKEN=").1.split('.').count(), 3, "a token of three parts: {}", of("export TOKEN=").1);
    check(
        "curl -sS -i -w '\\n' -H \"Authorization: Bearer $TOKEN\" \"",
        &["200 OK", "X-RateLimit-Limit: 100", "X-RateLimit-Remaining: ", "X-Request-Id: "],
    );
    another_page(of("incidents?limit=2\"").1, of("cursor=$CURSOR").1);
    check("VPN drops every hour", &["201 Created", "Location: ", "X-RateLimit-Limit: 100"]);
    check("-X OPTIONS", &["204 No Content", "Access-Control-Allow-Origin: https://", "Access-Control-Allow-Methods: "]);
    check(
        "/metrics",
        &["stackflow_gateway_requests_total{", "outcome=\"limited\"", "outcome=\"unauthorized\"", "outcome=\"preflight\""],
    );
    several_events(of("text/event-stream").1);
    a_job(of("export JOB=").1, of("/jobs/$JOB").1);
    let unauthorized = shown.iter().find(|text| text.contains(" 401 ")).expect("a 401 is shown");
    assert!(
        unauthorized.to_ascii_lowercase().contains("www-authenticate: bearer") && unauthorized.contains("missing_token"),
        "{unauthorized}"
    );
    burst_is_limited(of("-Z").1);
}

/// What each line is for, in the order in which somebody who tries it wants to know.
fn in_this_order(lines: &[String]) {
    let order = [
        "export TOKEN=",
        "curl -sS -i -w '\\n' -H \"Authorization: Bearer $TOKEN\" \"",
        "export CURSOR=",
        "cursor=$CURSOR",
        "VPN drops every hour",
        "curl -sS -i -w '\\n' \"",
        " -Z ",
        "export JOB=",
        "/jobs/$JOB",
        "-X OPTIONS",
        "text/event-stream",
        "/metrics",
    ];
    assert_eq!(lines.len(), order.len(), "{lines:#?}");
    for (line, words) in lines.iter().zip(order) {
        assert!(line.contains(words), "{words} in {line}");
    }
}

/// The object that is shown, behind a head or alone.
fn object(shown: &str) -> Value {
    let body = shown.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("an object in {shown}"));
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// Two incidents each, none of the first on the second, and a way on from both.
fn another_page(first: &str, second: &str) {
    let numbers = |shown: &str| -> BTreeSet<String> {
        let page = object(shown);
        let items = page["items"].as_array().unwrap_or_else(|| panic!("items of {page}"));
        items.iter().map(|item| item["number"].as_str().expect("a number").to_owned()).collect()
    };
    let (one, other) = (numbers(first), numbers(second));
    assert_eq!((one.len(), other.len(), one.union(&other).count()), (2, 2, 4), "{one:?} {other:?}");
    let cursor = |shown: &str| object(shown)["next_cursor"].as_str().map(str::to_owned);
    assert!(cursor(first).is_some() && cursor(second).is_some() && cursor(first) != cursor(second), "{first}\n{second}");
}

/// The job that the import has made, on its way.
fn a_job(imported: &str, shown: &str) {
    let job = object(shown);
    assert!(!imported.is_empty() && job["job_id"] == imported, "{imported}: {job}");
    assert!(["queued", "running", "complete"].iter().any(|state| job["state"] == *state), "{job}");
    assert_eq!(job["total"], 2, "{job}");
}

/// The answer word by word, and its end.
fn several_events(shown: &str) {
    let events = shown.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|data| serde_json::from_str(data).expect("JSON")).collect();
    let (last, words) = events.split_last().unwrap_or_else(|| panic!("events in {shown}"));
    assert!(words.len() > 5 && words.iter().all(|event| event["text"].is_string()) && last["sources"].is_array(), "{shown}");
}

/// A count of each status: about the burst is admitted, the rest is refused.
fn burst_is_limited(shown: &str) {
    let count = |status: &str| {
        let line = shown.lines().find(|line| line.trim().ends_with(status)).unwrap_or_else(|| panic!("{status} in {shown}"));
        line.split_whitespace().next().and_then(|count| count.parse::<u32>().ok()).unwrap_or_else(|| panic!("a count in {line}"))
    };
    let (admitted, refused) = (count("200"), count("429"));
    assert!(refused >= 1 && admitted >= 90, "{shown}");
}

#[test]
fn the_documented_lines_work_with_jq() {
    let demo = Gateway::demo();
    let login = lines_to_paste(&demo).into_iter().next().expect("a first line");
    let with_jq = format!("{} | jq -r .access_token)", login.split(" | ").next().expect("a pipe"));
    let address = demo.address();
    let list = format!("curl -sS -H \"Authorization: Bearer $TOKEN\" http://{address}/prod/api/incidents?limit=25 | jq -e .");
    let shown = paste(&[
        with_jq,
        format!(
            "curl -sS -o /dev/null -w '%{{http_code}}' -H \"Authorization: Bearer $TOKEN\" http://{address}/prod/api/incidents"
        ),
        list,
    ]);
    assert_eq!((shown[0].split('.').count(), shown[1].as_str()), (3, "200"), "{shown:?}");
}

#[test]
fn ctrl_c_stops_it_at_once() {
    let mut demo = Gateway::demo();
    lines_to_paste(&demo);
    let asked = Instant::now();
    demo.signal("INT");
    assert_eq!(demo.wait(Duration::from_secs(10)).code(), Some(0), "{}", demo.written());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[test]
fn ctrl_c_stops_it_at_once_though_events_are_on_their_way() {
    let mut demo = Gateway::demo();
    let token = paste(&lines_to_paste(&demo)[..1]).remove(0);
    let (authorization, question) = (format!("Bearer {token}"), br#"{"query":"How do I connect to the VPN?"}"#);
    let headers = [("Authorization", authorization.as_str()), ("Accept", "text/event-stream"), JSON];
    let mut client = demo.connect();
    client.send(&request("POST", "/prod/api/v1/ai/query", &headers, question));
    assert_eq!(client.read_head().status, 200);
    let first = String::from_utf8_lossy(&client.read_chunk()).into_owned();
    assert!(first.contains("data: ") && !first.contains("sources"), "{first}");
    let asked = Instant::now();
    demo.signal("INT");
    assert_eq!(demo.wait(Duration::from_secs(10)).code(), Some(0), "{}", demo.written());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[test]
fn a_second_demo_says_plainly_that_the_port_is_taken() {
    let first = Gateway::demo();
    let address = first.address().to_string();
    let output = Gateway::output(&["demo", "--address", &address, "--admin", "127.0.0.1:0"], "", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.to_lowercase().contains("in use"), "{stderr}");
}
