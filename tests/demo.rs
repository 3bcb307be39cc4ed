//! The demo keeps what it prints: its lines are pasted into a shell in order, and each shows what it says it shows.
mod support;

use std::{
    fmt::Write,
    process::Command,
    time::{Duration, Instant},
};
use support::{DEADLINE, Gateway, run_tool};

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
    assert!(lines.len() >= 9, "{lines:#?}");
    assert_eq!(of("export TOKEN=").1.split('.').count(), 3, "a token of three parts: {}", of("export TOKEN=").1);
    check(
        "curl -sS -i -w '\\n' -H \"Authorization: Bearer $TOKEN\" \"",
        &["200 OK", "X-RateLimit-Limit: 100", "X-RateLimit-Remaining: ", "X-Request-Id: "],
    );
    check("cursor=$CURSOR", &["\"next_cursor\""]);
    check("VPN drops every hour", &["201 Created", "Location: ", "X-RateLimit-Limit: 100"]);
    check("-X OPTIONS", &["204 No Content", "Access-Control-Allow-Origin: https://", "Access-Control-Allow-Methods: "]);
    check(
        "/metrics",
        &["stackflow_gateway_requests_total{", "outcome=\"limited\"", "outcome=\"unauthorized\"", "outcome=\"preflight\""],
    );
    check("text/event-stream", &["data: "]);
    check("$JOB", &["job_id"]);
    let unauthorized = shown.iter().find(|text| text.contains(" 401 ")).expect("a 401 is shown");
    assert!(
        unauthorized.to_ascii_lowercase().contains("www-authenticate: bearer") && unauthorized.contains("missing_token"),
        "{unauthorized}"
    );
    burst_is_limited(of("-Z").1);
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
fn a_second_demo_says_plainly_that_the_port_is_taken() {
    let first = Gateway::demo();
    let address = first.address().to_string();
    let output = Gateway::output(&["demo", "--address", &address, "--admin", "127.0.0.1:0"], "", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.to_lowercase().contains("in use"), "{stderr}");
}
