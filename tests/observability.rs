//! What operators see: metrics, probes and the access log; and what nobody may see in them.
mod support;

use serde_json::{Value, json};
use std::{collections::BTreeSet, process::Command};
use support::{Backend, Gateway, Issuer, NOBODY, Setup, run_tool};

const LIST: &str = "/prod/api/incidents";

struct World {
    gateway: Gateway,
    _backend: Backend,
    issuer: Issuer,
}

fn world() -> World {
    world_with("")
}

fn world_with(tables: &str) -> World {
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/one"));
    let gateway = Setup::new(backend.address(), &issuer)
        .with(&format!("[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[api]\nupstream = \"api\"\n{tables}"))
        .route("path = \"/dead\"\nupstream = \"dead\"")
        .start();
    World { gateway, _backend: backend, issuer }
}

/// A bit of everything.
fn exercise(world: &World) {
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let auth = ("Authorization", bearer.as_str());
    let preflight = [("Origin", "https://app.stackflow-tech.com"), ("Access-Control-Request-Method", "GET")];
    for (method, target, headers) in [
        ("GET", LIST, vec![auth]),
        ("GET", "/prod/api/v1/incidents/INC1", vec![auth]),
        ("HEAD", LIST, vec![auth]),
        ("DELETE", LIST, vec![auth]),
        ("GET", LIST, vec![]),
        ("GET", "/elsewhere", vec![]),
        ("GET", "/prod/api/dead", vec![auth]),
        ("OPTIONS", LIST, preflight.to_vec()),
        ("GET", "/ping", vec![]),
    ] {
        world.gateway.connect().exchange(method, target, &headers, b"");
    }
}

#[test]
fn promtool_finds_nothing_to_say_about_a_scrape() {
    let world = world();
    exercise(&world);
    world.gateway.wait_metric("stackflow_gateway_requests_total{outcome=\"preflight\"}", 1.0);
    let output = run_tool(Command::new("promtool").args(["check", "metrics"]), &world.gateway.metrics());
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), String::from_utf8_lossy(&output.stderr).as_ref()), ("", ""));
}

#[test]
fn every_family_of_the_contract_is_there() {
    let world = world();
    exercise(&world);
    let scrape = world.gateway.metrics();
    for family in [
        "requests_total",
        "request_duration_seconds",
        "upstream_duration_seconds",
        "overhead_duration_seconds",
        "requests_in_flight",
        "request_bytes_total",
        "response_bytes_total",
        "connections",
        "auth_total",
        "jwks_keys",
        "limit_decisions_total",
        "limit_tokens",
        "limit_users",
        "limit_evictions_total",
        "upstream_failures_total",
        "upstream_retries_total",
        "access_log_dropped_total",
        "build_info",
    ] {
        assert!(scrape.contains(&format!("# TYPE stackflow_gateway_{family} ")), "{family} in:\n{scrape}");
    }
    for process in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"] {
        assert!(scrape.contains(process), "{process}");
    }
}

#[test]
fn each_request_is_counted_once_under_its_outcome() {
    let world = world();
    exercise(&world);
    for (labels, count) in [
        ("route=\"/incidents\",method=\"GET\",code=\"200\",outcome=\"forwarded\"", 1.0),
        ("route=\"/incidents/{id}\",outcome=\"forwarded\"", 1.0),
        ("route=\"/incidents\",method=\"HEAD\",outcome=\"forwarded\"", 1.0),
        ("code=\"405\",outcome=\"rejected\"", 1.0),
        ("code=\"401\",outcome=\"unauthorized\"", 1.0),
        ("code=\"404\",outcome=\"rejected\"", 1.0),
        ("code=\"502\",outcome=\"upstream_failed\"", 1.0),
        ("code=\"204\",outcome=\"preflight\"", 1.0),
    ] {
        world.gateway.wait_metric(&format!("stackflow_gateway_requests_total{{{labels}}}"), count);
    }
    world.gateway.wait_metric("stackflow_gateway_requests_in_flight", 0.0);
    world.gateway.wait_metric("stackflow_gateway_limit_users", 1.0);
    world.gateway.wait_metric("stackflow_gateway_jwks_keys{issuer=\"https://pool.test/one\"}", 1.0);
    assert!(world.gateway.metric("stackflow_gateway_auth_total{issuer=\"https://pool.test/one\"}") >= 1.0);
    assert!(world.gateway.metric("stackflow_gateway_upstream_failures_total{upstream=\"dead\"}") >= 1.0);
    assert!(world.gateway.metric("stackflow_gateway_limit_decisions_total{policy=\"user\"}") >= 1.0);
}

/// Series without their values.
fn series(scrape: &str) -> BTreeSet<String> {
    scrape.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn strangers_cannot_add_series() {
    let world = world();
    let strange = |name: &str| {
        let bearer = format!("Bearer {}", world.issuer.user(name));
        let auth = ("Authorization", bearer.as_str());
        world.gateway.connect().get(&format!("/prod/api/{name}"), &[auth]);
        world.gateway.connect().get(&format!("/prod/api/incidents/{name}?q={name}"), &[auth]);
        world
            .gateway
            .connect()
            .get(&format!("/{name}"), &[("Host", name), ("User-Agent", name), ("Origin", &format!("https://{name}.test"))]);
        world.gateway.connect().exchange(
            &name.to_uppercase().replace(|byte: char| byte.is_ascii_digit(), "X"),
            LIST,
            &[auth],
            b"",
        );
        world
            .gateway
            .connect()
            .get(LIST, &[("Authorization", &format!("Bearer {}", Issuer::new(&format!("https://{name}.test")).user(name)))]);
    };
    strange("first");
    world.gateway.wait_metric("stackflow_gateway_requests_total", 5.0);
    let before = series(&world.gateway.metrics());
    for index in 0..10 {
        strange(&format!("stranger{index}{}", "x".repeat(index)));
    }
    world.gateway.wait_metric("stackflow_gateway_requests_total", 55.0);
    let scrape = world.gateway.metrics();
    let added: Vec<String> = series(&scrape).difference(&before).cloned().collect();
    assert!(added.is_empty(), "{added:?}");
    assert!(!scrape.contains("stranger"), "{scrape}");
}

#[test]
fn probes_answer_and_the_public_listener_shows_none_of_it() {
    let world = world();
    assert_eq!(world.gateway.admin_get("/livez").status, 200);
    assert_eq!(world.gateway.admin_get("/readyz").status, 200);
    assert!(world.gateway.admin_get("/metrics").only("Content-Type").starts_with("text/plain"));
    assert_eq!(world.gateway.admin_get("/nothing").status, 404);
    for path in ["/metrics", "/livez", "/readyz", "/prod/api/../metrics"] {
        assert_ne!(world.gateway.connect().get(path, &[]).status, 200, "{path}");
    }
}

#[test]
fn the_admin_listener_answers_to_its_own_address_only() {
    let world = world();
    let ask = |host: &str| {
        let mut client = support::Client::connect(world.gateway.admin);
        client.send(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        client.read_response("GET").status
    };
    assert_eq!(ask(&world.gateway.admin.to_string()), 200);
    assert_eq!(ask("127.0.0.1"), 200);
    assert_ne!(ask("rebound.attacker.test"), 200, "DNS rebinding");
}

#[test]
fn the_access_log_has_one_object_a_request() {
    let world = world();
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let headers = [
        ("Authorization", bearer.as_str()),
        ("User-Agent", "tests/1"),
        ("Origin", "https://app.stackflow-tech.com"),
        ("X-Request-Id", "log-1"),
    ];
    world.gateway.connect().get("/prod/api/v1/incidents/INC1?q=hidden", &headers);
    let entry = world.gateway.access_log("log-1");
    for (field, value) in [
        ("client_address", json!("127.0.0.1")),
        ("method", json!("GET")),
        ("scheme", json!("http")),
        ("host", json!("api.test")),
        ("path", json!("/prod/api/v1/incidents/INC1")),
        ("route", json!("/incidents/{id}")),
        ("status", json!(200)),
        ("outcome", json!("forwarded")),
        ("subject", json!("ada")),
        ("client_id", json!("test-client")),
        ("issuer", json!("https://pool.test/one")),
        ("upstream", json!("api")),
        ("upstream_status", json!(200)),
        ("user_agent", json!("tests/1")),
        ("origin", json!("https://app.stackflow-tech.com")),
    ] {
        assert_eq!(entry[field], value, "{field} in {entry}");
    }
    for field in ["response_bytes", "duration_ms", "upstream_ms"] {
        assert!(entry[field].is_number(), "{field} in {entry}");
    }
    assert!(entry["protocol"].as_str().is_some_and(|protocol| protocol.contains("1.1")), "{entry}");
    assert!(entry["time"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{entry}");
    assert_eq!(entry["trace_id"].as_str().map(str::len), Some(32), "{entry}");
    let once = world.gateway.stdout.all().iter().filter(|line| line.contains("log-1")).count();
    assert_eq!(once, 1);
}

#[test]
fn the_access_log_says_why_a_request_was_not_forwarded() {
    let world = world_with("[limits]\nper_user = { rate = 1, burst = 1 }");
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let ask = |id: &str, target: &str, authorization: &str| {
        world.gateway.connect().get(target, &[("Authorization", authorization), ("X-Request-Id", id)]);
        world.gateway.access_log(id)
    };
    let dead = ask("dead", "/prod/api/dead", &bearer);
    assert_eq!(
        (&dead["outcome"], &dead["status"], &dead["upstream_status"]),
        (&json!("upstream_failed"), &json!(502), &Value::Null),
        "{dead}"
    );
    let limited = (0..20)
        .map(|turn| ask(&format!("limited-{turn}"), LIST, &bearer))
        .find(|entry| entry["status"] == 429)
        .expect("a refusal");
    assert_eq!(
        (&limited["outcome"], &limited["policy"], &limited["subject"]),
        (&json!("limited"), &json!("user"), &json!("ada")),
        "{limited}"
    );
    let refused = ask("refused", LIST, "Bearer a.b.c");
    assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("unauthorized"), &json!("malformed")), "{refused}");
    assert_eq!(refused["subject"], Value::Null, "nothing was proven: {refused}");
}

#[test]
fn no_log_line_holds_a_token_a_cookie_or_a_query_value() {
    let world = world_with("[log]\nlevel = \"debug\"");
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
    world.gateway.access_log("the-last");
    let written = world.gateway.written();
    for secret in [signature, "cookie-secret", "query-secret", "YmFzaWM6c2VjcmV0"] {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    assert!(!world.gateway.metrics().contains("secret"));
}

#[test]
fn subjects_can_be_kept_out_of_the_log() {
    for (subject, check) in [
        ("off", Value::is_null as fn(&Value) -> bool),
        ("hash", |value| value.as_str().is_some_and(|text| text != "ada" && text.len() >= 8)),
    ] {
        let world = world_with(&format!("[log]\nsubject = \"{subject}\""));
        let bearer = format!("Bearer {}", world.issuer.user("ada"));
        world.gateway.connect().get(LIST, &[("Authorization", &bearer), ("X-Request-Id", "whose")]);
        let entry = world.gateway.access_log("whose");
        assert!(check(&entry["subject"]), "{subject}: {entry}");
    }
}
