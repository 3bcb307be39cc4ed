//! The line of an exchange, whatever bytes its request had.

use super::LONGEST;
use crate::{
    config::{Log, LogFormat, LogOutput, LogSubject},
    limit::Policy,
    observe::Exchange,
    pipeline::Target,
    reply::Outcome,
};
use proptest::prelude::*;
use serde_json::Value;

/// Every field, in the order of the contract.
const FIELDS: [&str; 26] = [
    "time",
    "request_id",
    "trace_id",
    "client_address",
    "method",
    "scheme",
    "host",
    "path",
    "route",
    "protocol",
    "status",
    "outcome",
    "reason",
    "policy",
    "subject",
    "client_id",
    "issuer",
    "request_bytes",
    "response_bytes",
    "duration_ms",
    "upstream_ms",
    "upstream",
    "upstream_status",
    "retries",
    "user_agent",
    "origin",
];

fn log() -> Log {
    Log {
        output: LogOutput::Stdout,
        format: LogFormat::Json,
        level: log::LevelFilter::Info,
        access: true,
        subject: LogSubject::Plain,
        sample_ok: 1.0,
    }
}

/// An exchange in which every text of a stranger is `text`, and every field has a value.
fn exchange(text: &str) -> Exchange<'_> {
    Exchange {
        began_unix_ns: 1_800_000_000_123_456_789,
        request_id: "id-1",
        trace_id: "0af7651916cd43dd8448eb211c80319c",
        client: [203, 0, 113, 7].into(),
        method: text,
        scheme: "https",
        host: text,
        path: text,
        target: Target::Unknown,
        route: "unknown",
        protocol: "HTTP/2.0",
        status: 429,
        outcome: Outcome::Limited,
        reason: Some("rate_limited"),
        policy: Some(Policy::User),
        subject: Some(text),
        client_id: Some(text),
        issuer: Some(text),
        request_bytes: 1,
        response_bytes: u64::MAX,
        duration_ns: 1_002_003_999,
        upstream_ns: Some(999),
        waited_ns: 0,
        upstream: Some("api"),
        upstream_status: Some(200),
        retries: 1,
        user_agent: Some(text),
        origin: Some(text),
    }
}

/// An exchange of which no more is known than there must be.
fn bare() -> Exchange<'static> {
    Exchange {
        reason: None,
        policy: None,
        subject: None,
        client_id: None,
        issuer: None,
        upstream_ns: None,
        upstream: None,
        upstream_status: None,
        user_agent: None,
        origin: None,
        ..exchange("x")
    }
}

fn line(exchange: &Exchange<'_>, log: &Log) -> String {
    let mut out = Vec::new();
    exchange.write_line(log, &mut out);
    String::from_utf8(out).expect("a line is UTF-8")
}

/// The object of a line, which has all fields, in order, and nothing else.
fn object(exchange: &Exchange<'_>, log: &Log) -> Value {
    let line = line(exchange, log);
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    let mut from = 0;
    for field in FIELDS {
        let name = format!("\"{field}\":");
        from += line[from..].find(&name).unwrap_or_else(|| panic!("no {field} in its place: {line}")) + name.len();
    }
    let object: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(object.as_object().map(serde_json::Map::len), Some(FIELDS.len()), "{line}");
    object
}

fn text_line(exchange: &Exchange<'_>) -> String {
    line(exchange, &Log { format: LogFormat::Text, ..log() })
}

const TEXTS: [&str; 8] = ["method", "host", "path", "subject", "client_id", "issuer", "user_agent", "origin"];

proptest! {
    #[test]
    fn any_text_arrives_as_it_was(text in any::<String>()) {
        prop_assume!(text.len() <= LONGEST);
        let object = object(&exchange(&text), &log());
        for field in TEXTS {
            prop_assert_eq!(object[field].as_str(), Some(&*text));
        }
    }

    #[test]
    fn any_text_leaves_the_text_form_one_line_of_as_many_words(text in any::<String>()) {
        prop_assume!(!text.is_empty());
        let line = text_line(&exchange(&text));
        let expected = text_line(&exchange("x")).split(' ').count();
        prop_assert_eq!(line.trim_end_matches('\n').split(char::is_whitespace).count(), expected, "{}", line);
        prop_assert!(line.ends_with('\n') && !line.trim_end_matches('\n').contains(char::is_control));
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters(text in "\\PC{300,600}", more in "[a-z]{1024}") {
        let text = text + &more;
        let object = object(&exchange(&text), &log());
        for field in TEXTS {
            let kept = object[field].as_str().unwrap_or_default();
            prop_assert!(text.starts_with(kept));
            prop_assert!((LONGEST - 3..=LONGEST).contains(&kept.len()), "{} bytes", kept.len());
        }
    }
}

#[test]
fn a_text_at_the_bound_is_whole_and_one_over_it_is_cut() {
    for (length, kept) in [(LONGEST, LONGEST), (LONGEST + 1, LONGEST)] {
        let object = object(&exchange(&"a".repeat(length)), &log());
        assert_eq!(object["path"].as_str().map(str::len), Some(kept));
    }
}

#[test]
fn the_text_form_is_cut_too() {
    assert!(text_line(&exchange(&"a".repeat(100_000))).len() < 5 * LONGEST);
}

#[test]
fn nothing_of_a_request_can_add_a_field() {
    let object = object(&exchange("\",\"subject\":\"root"), &log());
    assert_eq!(object["subject"], "\",\"subject\":\"root");
}

#[test]
fn what_is_not_known_is_null_and_there() {
    let object = object(&bare(), &log());
    for field in [
        "reason",
        "policy",
        "subject",
        "client_id",
        "issuer",
        "upstream_ms",
        "upstream",
        "upstream_status",
        "user_agent",
        "origin",
    ] {
        assert_eq!(object[field], Value::Null, "{field}");
    }
}

#[test]
fn each_field_has_its_form() {
    let object = object(&exchange("x"), &log());
    assert_eq!(object["time"], "2027-01-15T08:00:00.123Z");
    assert_eq!(object["client_address"], "203.0.113.7");
    assert_eq!((&object["outcome"], &object["policy"]), (&"limited".into(), &"user".into()));
    assert_eq!((&object["status"], &object["retries"]), (&429.into(), &1.into()));
    assert_eq!((&object["request_bytes"], &object["response_bytes"]), (&1.into(), &u64::MAX.into()));
    assert!(line(&exchange("x"), &log()).contains("\"duration_ms\":1002.003,\"upstream_ms\":0.000,"));
}

#[test]
fn the_text_form_has_what_people_look_for() {
    let expected = "2027-01-15T08:00:00.123Z 203.0.113.7 ann\\u{20}b 429 ann\\u{20}b ann\\u{20}b limited rate_limited(user) \
        18446744073709551615 bytes 1002.003 ms id=id-1\n";
    assert_eq!(text_line(&exchange("ann b")), expected);
    assert!(text_line(&bare()).contains(" 203.0.113.7 - 429 "));
}

/// How a user's name stands in both forms.
fn subject(form: LogSubject, expected: Option<&str>) {
    let log = Log { subject: form, ..log() };
    assert_eq!(object(&exchange("ann"), &log)["subject"].as_str(), expected);
    let text = line(&exchange("ann"), &Log { format: LogFormat::Text, ..log });
    assert_eq!(text.split(' ').nth(2), Some(expected.unwrap_or("-")));
}

#[test]
fn a_user_is_named_as_configured() {
    subject(LogSubject::Plain, Some("ann"));
    subject(LogSubject::Off, None);
    // The first half of SHA-256 of "ann".
    subject(LogSubject::Hash, Some("49915e0d7d4b402e3017d010bc1c0e83"));
    assert_eq!(object(&bare(), &Log { subject: LogSubject::Hash, ..log() })["subject"], Value::Null);
}

/// Whether an exchange is written when half of the good ones are.
fn sampled(status: u16, outcome: Outcome, chance: f64, expected: bool) {
    let log = Log { sample_ok: 0.5, ..log() };
    assert_eq!(Exchange { status, outcome, ..bare() }.is_logged(&log, || chance), expected, "{status} {outcome:?} {chance}");
}

#[test]
fn what_went_wrong_is_always_written() {
    for (status, outcome) in [
        (400, Outcome::Rejected),
        (401, Outcome::Unauthorized),
        (403, Outcome::Preflight),
        (404, Outcome::Forwarded),
        (429, Outcome::Limited),
        (499, Outcome::Forwarded),
        (502, Outcome::UpstreamFailed),
        (200, Outcome::UpstreamFailed),
    ] {
        sampled(status, outcome, 0.99, true);
    }
}

#[test]
fn of_what_went_well_a_share_is_written() {
    for (status, outcome) in
        [(200, Outcome::Forwarded), (304, Outcome::Forwarded), (204, Outcome::Preflight), (200, Outcome::Answered)]
    {
        sampled(status, outcome, 0.49, true);
        sampled(status, outcome, 0.5, false);
    }
}

#[test]
fn nothing_is_written_where_the_access_log_is_off_and_all_or_none_at_the_ends() {
    let is_logged = |access, sample_ok, chance| {
        Exchange { status: 200, outcome: Outcome::Forwarded, ..bare() }.is_logged(&Log { access, sample_ok, ..log() }, || chance)
    };
    assert!(!is_logged(false, 1.0, 0.0));
    assert!(!is_logged(true, 0.0, 0.0));
    assert!(is_logged(true, 1.0, 0.999));
    assert!(!Exchange { ..exchange("x") }.is_logged(&Log { access: false, ..log() }, || 0.0));
}

#[test]
fn no_chance_is_asked_for_where_all_is_written() {
    let fine = Exchange { status: 200, outcome: Outcome::Forwarded, ..bare() };
    assert!(fine.is_logged(&log(), || panic!("asked")));
    assert!(exchange("x").is_logged(&Log { sample_ok: 0.0, ..log() }, || panic!("asked")));
}

proptest! {
    #[test]
    fn any_time_is_written_as_a_calendar_writes_it(unix_ns in any::<u64>()) {
        let mut out = Vec::new();
        super::write_time(unix_ns, &mut out);
        let expected = humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(unix_ns));
        prop_assert_eq!(String::from_utf8(out).expect("ASCII"), expected.to_string());
    }
}
