//! The log: one entry a request with all that operators ask for, in which form and where to; and what nobody may find in it.
mod support;

use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};
use support::{DEADLINE, JSON, NOBODY, World};

const LIST: &str = "/prod/api/incidents";

/// Every entry has these, and nothing else.
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

/// With an upstream that nobody can reach, for the path `/dead`.
fn world(tables: &str) -> World {
    World::with(|setup| {
        setup
            .with(&format!("[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[api]\nupstream = \"api\"\n{tables}"))
            .route("path = \"/dead\"\nupstream = \"dead\"")
    })
}

/// Exactly the fields of the contract, these with these values, and the times in order.
fn check(entry: &Value, expected: &Value) {
    let fields: BTreeSet<&str> = entry.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(fields, FIELDS.into_iter().collect(), "{entry}");
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&entry[field], value, "{field} in {entry}");
    }
    let time = entry["time"].as_str().expect("a time");
    assert!(time.len() == "2026-11-24T08:00:00.000Z".len() && time.starts_with("20") && time.ends_with('Z'), "{entry}");
    let trace = entry["trace_id"].as_str().expect("a trace");
    assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{entry}");
    let took = entry["duration_ms"].as_f64().expect("a number");
    let upstream = entry["upstream_ms"].as_f64().unwrap_or_default();
    assert!(0.0 < took && upstream <= took, "{entry}");
    assert_eq!(entry["upstream_ms"].is_null(), entry["upstream"].is_null(), "asked or not: {entry}");
}

#[test]
fn an_entry_of_a_forwarded_request_says_all_there_is() {
    let world = world("");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [
        JSON,
        ("User-Agent", "tests/1"),
        ("Origin", "https://app.stackflow-tech.com"),
        ("X-Request-Id", "log-1"),
        ("Traceparent", &traceparent),
    ];
    world.ask("PATCH", "/prod/api/v1/incidents/INC1?q=hidden", &headers, b"{\"a\":1}");
    let expected = json!({
        "request_id": "log-1", "trace_id": trace, "client_address": "127.0.0.1", "method": "PATCH", "scheme": "http",
        "host": "api.test", "path": "/prod/api/v1/incidents/INC1", "route": "/incidents/{id}", "protocol": "HTTP/1.1",
        "status": 200, "outcome": "forwarded", "reason": null, "policy": null, "subject": "ada", "client_id": "test-client",
        "issuer": "https://pool.test/one", "request_bytes": 7, "response_bytes": 11, "upstream": "api", "upstream_status": 200,
        "retries": 0, "user_agent": "tests/1", "origin": "https://app.stackflow-tech.com",
    });
    check(&world.gateway.access_log("log-1"), &expected);
    assert_eq!(world.gateway.stdout.all().iter().filter(|line| line.contains("log-1")).count(), 1);
}

#[test]
fn an_entry_says_why_a_request_was_not_forwarded() {
    let world = world("[limits]\nper_user = { rate = 1, burst = 1 }");
    let ask = |id: &str, target: &str, authorization: &str| {
        let response = world.gateway.connect().get(target, &[("Authorization", authorization), ("X-Request-Id", id)]);
        (world.gateway.access_log(id), response.body.len())
    };
    let nobody = json!({"subject": null, "client_id": null, "issuer": null});
    let not_asked = json!({"upstream": null, "upstream_status": null, "upstream_ms": null, "retries": 0, "request_bytes": 0});
    let all = |parts: &[&Value], response_bytes: usize| {
        let members = parts.iter().filter_map(|part| part.as_object()).flatten();
        let mut all: serde_json::Map<String, Value> = members.map(|(name, value)| (name.clone(), value.clone())).collect();
        all.insert("response_bytes".to_owned(), json!(response_bytes));
        Value::Object(all)
    };
    let ada = json!({"subject": "ada", "client_id": "test-client", "issuer": "https://pool.test/one"});
    // A retry is taken before it is given up: nothing was sent.
    let dead = json!({
        "status": 502, "outcome": "upstream_failed", "reason": "bad_upstream", "policy": null, "route": "/dead",
        "upstream": "dead", "upstream_status": null, "retries": 1,
    });
    let (entry, length) = ask("dead", "/prod/api/dead", &world.bearer);
    check(&entry, &all(&[&dead, &ada], length));
    let (entry, length) = (0..20)
        .map(|turn| ask(&format!("limited-{turn}"), LIST, &world.bearer))
        .find(|(entry, _)| entry["status"] == 429)
        .expect("a refusal");
    let limited = json!({"status": 429, "outcome": "limited", "reason": "rate_limited", "policy": "user", "route": "/incidents"});
    check(&entry, &all(&[&limited, &ada, &not_asked], length));
    for (name, target, authorization, expected) in [
        ("malformed", LIST, "Bearer a.b.c", json!({"status": 401, "outcome": "unauthorized", "reason": "malformed"})),
        ("none", LIST, "Basic YTpi", json!({"status": 401, "outcome": "unauthorized", "reason": "missing_token"})),
        ("outside", "/x", "Basic YTpi", json!({"status": 404, "outcome": "rejected", "reason": "not_found", "route": "outside"})),
    ] {
        let (entry, length) = ask(name, target, authorization);
        check(&entry, &all(&[&expected, &nobody, &not_asked, &json!({"policy": null, "path": target})], length));
    }
}

#[test]
fn no_log_line_holds_a_token_a_cookie_or_a_query_value() {
    for format in ["json", "text"] {
        let world = world(&format!("[log]\nlevel = \"trace\"\nformat = \"{format}\""));
        let token = world.issuer.user("ada");
        let signature = token.rsplit('.').next().expect("a signature");
        let bearer = format!("Bearer {token}");
        let all = [("Authorization", bearer.as_str()), ("Cookie", "session=cookie-secret"), ("X-Request-Id", "quiet")];
        for target in [
            "/prod/api/incidents?cursor=query-secret",
            "/prod/api/dead?cursor=query-secret",
            "/elsewhere?cursor=query-secret",
            "/prod/api/a/../b?cursor=query-secret",
        ] {
            world.gateway.connect().get(target, &all);
        }
        world.gateway.connect().get(LIST, &[("Authorization", &format!("Bearer {token}x"))]);
        world.gateway.connect().get(LIST, &[("Authorization", "Basic YmFzaWM6c2VjcmV0")]);
        world.gateway.connect().send(format!("GET / HTTP/1.1\r\nBad Header: {token}\r\n\r\n").as_bytes());
        world.gateway.connect().get("/ping", &[("X-Request-Id", "the-last")]);
        world.gateway.stdout.wait("the last entry", DEADLINE, |line| line.contains("the-last").then_some(()));
        let written = world.gateway.written();
        for secret in [signature, "cookie-secret", "query-secret", "YmFzaWM6c2VjcmV0"] {
            let line = written.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{format}: {secret}");
        }
        assert!(!world.gateway.metrics().contains("secret"));
    }
}

#[test]
fn subjects_can_be_kept_out_of_the_log() {
    let subject = |form: &str| {
        let world = world(&format!("[log]\nsubject = \"{form}\""));
        let ask = |id: &str, user: &str| {
            let bearer = format!("Bearer {}", world.issuer.user(user));
            world.gateway.connect().get(LIST, &[("Authorization", &bearer), ("X-Request-Id", id)]);
            world.gateway.access_log(id)["subject"].clone()
        };
        [ask("first", "ada"), ask("second", "ada"), ask("third", "bob")]
    };
    assert_eq!(subject("plain"), [json!("ada"), json!("ada"), json!("bob")]);
    assert_eq!(subject("off"), [Value::Null, Value::Null, Value::Null]);
    let [first, second, third] = subject("hash");
    assert!(first.as_str().is_some_and(|text| text != "ada" && text.len() >= 16), "{first}");
    assert_eq!(first, second, "the same for the same user");
    assert_ne!(first, third);
}

#[test]
fn text_is_one_line_a_request_for_people() {
    let world = world("[log]\nformat = \"text\"");
    let headers = [("X-Request-Id", "in-text"), ("User-Agent", "a\tb")];
    world.gateway.connect().get("/prod/api/x%0d%0ay?q=hidden", &headers);
    world.ask("GET", LIST, &headers, b"");
    let lines = world.gateway.stdout.wait_all("two entries", DEADLINE, |lines| {
        let entries: Vec<String> = lines.iter().filter(|line| line.contains("in-text")).cloned().collect();
        (entries.len() == 2).then_some(entries)
    });
    for (line, parts) in lines.iter().zip([
        vec![" 127.0.0.1 ", " 400 ", " GET ", "/prod/api/x%0d%0ay ", " rejected ", "invalid_request"],
        vec![" 127.0.0.1 ", " ada ", " 200 ", " GET ", " /prod/api/incidents ", " forwarded ", " 11 bytes ", "id=in-text"],
    ]) {
        assert!(line.starts_with("20") && serde_json::from_str::<Value>(line).is_err(), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

#[test]
fn the_access_log_can_be_switched_off() {
    let world = world("[log]\naccess = false");
    world.get(LIST);
    assert_eq!(world.gateway.connect().get(LIST, &[]).status, 401);
    world.gateway.wait_metric("stackflow_gateway_requests_total", 2.0);
    assert_eq!(entries_until_the_end(world), Vec::<Value>::new());
}

#[test]
fn good_answers_can_be_left_out_of_the_log_and_bad_ones_cannot() {
    let world = world("[log]\nsample_ok = 0.0");
    for _ in 0..5 {
        world.get(LIST);
        world.gateway.connect().get("/ping", &[]);
        world.gateway.connect().get(LIST, &[]);
        world.get("/prod/api/dead");
        world.get("/prod/api/status/404");
    }
    world.gateway.wait_metric("stackflow_gateway_requests_total", 25.0);
    let mut statuses: Vec<u64> = entries_until_the_end(world).iter().filter_map(|entry| entry["status"].as_u64()).collect();
    // An entry is written after its answer: those of two connections may change places.
    statuses.sort_unstable();
    assert_eq!(statuses, [[401; 5], [404; 5], [502; 5]].concat());
}

/// The access log's entries once the process has ended and can write no more.
fn entries_until_the_end(mut world: World) -> Vec<Value> {
    world.gateway.stop_gracefully();
    let text = String::from_utf8(world.gateway.stdout.to_end()).expect("text");
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries.filter(|entry| entry["status"].is_number()).collect()
}

#[test]
fn a_file_is_opened_again_on_sighup() {
    let world = world("[log]\noutput = \"access.log\"");
    let (current, rotated) = (world.gateway.path("access.log"), world.gateway.path("access.log.1"));
    let ask = |id: &str| world.ask("GET", LIST, &[("X-Request-Id", id)], b"").status;
    let holds = |path: &std::path::Path, id: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(id));
    assert_eq!(ask("before"), 200);
    world.gateway.poll("an entry in the file", || holds(&current, "before").then_some(()));
    fs::rename(&current, &rotated).unwrap();
    // The file is held open: what is logged now follows it.
    assert_eq!(ask("renamed"), 200);
    world.gateway.poll("an entry in the renamed file", || holds(&rotated, "renamed").then_some(()));
    world.gateway.signal("HUP");
    world.gateway.poll("a new file", || current.exists().then_some(()));
    assert_eq!(ask("after"), 200);
    world.gateway.poll("an entry in the new file", || holds(&current, "after").then_some(()));
    assert!(!holds(&rotated, "after") && !holds(&current, "before"));
    assert!(!world.gateway.stdout.text().contains("request_id"), "nowhere else: {}", world.gateway.stdout.text());
}
