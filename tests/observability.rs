//! What operators see: metrics, probes; and what nobody may add to them.
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};
use support::{Certificate, Client, Issuer, JwksServer, KeyServing, NOBODY, Setup, World, run_tool};

const LIST: &str = "/prod/api/incidents";

fn world() -> World {
    World::with(with_dead_upstream)
}

fn with_dead_upstream(setup: Setup) -> Setup {
    setup
        .with(&format!("[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[api]\nupstream = \"api\""))
        .route("path = \"/dead\"\nupstream = \"dead\"")
}

/// A bit of everything.
fn exercise(world: &World) {
    let auth = world.auth();
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
    let (world, _keys) = complete_world();
    exercise(&world);
    world.gateway.wait_metric("stackflow_gateway_jwks_refresh_total{issuer=\"https://pool.test/url\",result=\"updated\"}", 1.0);
    world.gateway.wait_metric("stackflow_gateway_requests_total{outcome=\"preflight\"}", 1.0);
    let scrape = world.gateway.metrics();
    // With TLS and keys by URL every family has a series to be judged.
    for (_, family, _) in FAMILIES {
        assert!(scrape.lines().any(|line| !line.starts_with('#') && line.contains(family)), "{family} in:\n{scrape}");
    }
    let output = run_tool(Command::new("promtool").args(["check", "metrics"]), &scrape);
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), String::from_utf8_lossy(&output.stderr).as_ref()), ("", ""));
}

/// Families of the contract: kind, name, labels.
const FAMILIES: [(&str, &str, &[&str]); 34] = [
    ("counter", "requests_total", &["code", "method", "outcome", "route"]),
    ("histogram", "request_duration_seconds", &["route"]),
    ("histogram", "upstream_duration_seconds", &["upstream"]),
    ("histogram", "overhead_duration_seconds", &[]),
    ("gauge", "requests_in_flight", &[]),
    ("counter", "request_bytes_total", &[]),
    ("counter", "response_bytes_total", &[]),
    ("gauge", "connections", &[]),
    ("counter", "connections_refused_total", &[]),
    ("counter", "proxy_protocol_refused_total", &["reason"]),
    ("counter", "http2_resets_total", &[]),
    ("counter", "connections_ended_total", &["reason"]),
    ("counter", "auth_total", &["issuer", "result"]),
    ("counter", "jwks_refresh_total", &["issuer", "result"]),
    ("gauge", "jwks_last_success_timestamp_seconds", &["issuer"]),
    ("gauge", "jwks_keys", &["issuer"]),
    ("counter", "limit_decisions_total", &["decision", "policy"]),
    ("gauge", "limit_tokens", &["policy"]),
    ("gauge", "limit_users", &[]),
    ("counter", "limit_evictions_total", &[]),
    ("gauge", "limit_quotas", &[]),
    ("counter", "limit_state_failures_total", &[]),
    ("gauge", "upstream_healthy", &["server", "upstream"]),
    ("counter", "upstream_failures_total", &["kind", "upstream"]),
    ("counter", "upstream_retries_total", &["upstream"]),
    ("counter", "access_log_dropped_total", &[]),
    ("counter", "config_reload_total", &["result"]),
    ("gauge", "config_last_reload_success", &[]),
    ("gauge", "config_last_reload_timestamp_seconds", &[]),
    ("gauge", "tls_certificate_not_after_timestamp_seconds", &["listener"]),
    ("gauge", "build_info", &["version"]),
    ("gauge", "process_resident_memory_bytes", &[]),
    ("counter", "process_cpu_seconds_total", &[]),
    ("gauge", "process_open_fds", &[]),
];

/// A gateway with a TLS listener and an issuer by URL, so that every family has something to show.
fn complete_world() -> (World, JwksServer) {
    let certificate = Certificate::self_signed("api.test");
    let keys = JwksServer::start(KeyServing::Good(Issuer::new("https://pool.test/url").jwks_json()));
    let by_url = format!("issuer = \"https://pool.test/url\"\njwks_url = \"{}\"\nclient_ids = \"any\"", keys.url());
    let tls = "[[listeners]]\naddress = \"127.0.0.1:0\"\n\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\
               tls = { certificate = \"api.pem\", private_key = \"api-key.pem\" }\n";
    let world = World::with(|setup| {
        with_dead_upstream(setup)
            .issuer(&by_url)
            .listeners(tls)
            .file("api.pem", &certificate.pem)
            .file("api-key.pem", &certificate.key_pem)
    });
    (world, keys)
}

/// The label names of a series: `name{a="b",…}`; values may hold anything but quotes.
fn labels(series: &str) -> BTreeSet<&str> {
    let inside = series.split_once('{').map_or("", |(_, inside)| inside.trim_end_matches('}'));
    inside.split("\",").filter_map(|pair| Some(pair.split_once("=\"")?.0)).collect()
}

#[test]
fn every_family_of_the_contract_is_there_with_its_labels() {
    let (world, _keys) = complete_world();
    exercise(&world);
    world.gateway.wait_metric("stackflow_gateway_jwks_refresh_total{issuer=\"https://pool.test/url\",result=\"updated\"}", 1.0);
    world.gateway.wait_metric("stackflow_gateway_requests_total{outcome=\"preflight\"}", 1.0);
    let scrape = world.gateway.metrics();
    for (kind, family, expected) in FAMILIES {
        let process = family.starts_with("process_");
        let name = if process { family.to_owned() } else { format!("stackflow_gateway_{family}") };
        assert!(scrape.contains(&format!("# TYPE {name} {kind}\n")), "{kind} {name} in:\n{scrape}");
        assert!(scrape.contains(&format!("# HELP {name} ")), "{name} says what it is");
        let parts = if kind == "histogram" { vec!["_bucket", "_sum", "_count"] } else { vec![""] };
        for part in parts {
            let full = format!("{name}{part}");
            let series: Vec<&str> = scrape
                .lines()
                .filter(|line| line.strip_prefix(&full).is_some_and(|rest| rest.starts_with(['{', ' '])))
                .filter_map(|line| Some(line.rsplit_once(' ')?.0))
                .collect();
            assert!(!series.is_empty(), "{full} has a series in:\n{scrape}");
            let expected: BTreeSet<&str> = expected.iter().copied().chain((part == "_bucket").then_some("le")).collect();
            for series in series {
                assert_eq!(labels(series), expected, "{series}");
            }
        }
    }
    let known: BTreeSet<String> = FAMILIES.iter().map(|(_, family, _)| format!("stackflow_gateway_{family}")).collect();
    let others = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unknown: Vec<&str> = others.filter(|name| !name.starts_with("process_") && !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "the contract and the documentation have no {unknown:?}");
}

#[test]
fn histograms_span_what_the_contract_says() {
    let (world, _keys) = complete_world();
    exercise(&world);
    world.gateway.wait_metric("stackflow_gateway_requests_total{outcome=\"preflight\"}", 1.0);
    let scrape = world.gateway.metrics();
    for (family, least, most) in [
        ("request_duration_seconds", 0.0005, 60.0),
        ("upstream_duration_seconds", 0.0005, 60.0),
        ("overhead_duration_seconds", 0.000_01, 0.01),
    ] {
        let prefix = format!("stackflow_gateway_{family}_bucket");
        let mut bounds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for line in scrape.lines().filter(|line| line.starts_with(&prefix)) {
            let (series, _) = line.rsplit_once(' ').expect("a value");
            let (others, bound) = series.split_once("le=\"").expect("a bound");
            bounds.entry(others).or_default().push(bound.trim_end_matches("\"}").parse().expect("a number or +Inf"));
        }
        assert!(!bounds.is_empty(), "{family}");
        for (series, bounds) in bounds {
            assert!(bounds.is_sorted() && bounds.len() >= 10, "{series}: {bounds:?}");
            let ends = (bounds[0], bounds[bounds.len() - 2], bounds[bounds.len() - 1]);
            assert_eq!(ends, (least, most, f64::INFINITY), "{series}: {bounds:?}");
        }
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
        let mut client = Client::connect(world.gateway.admin);
        client.send(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        client.read_response("GET").status
    };
    assert_eq!(ask(&world.gateway.admin.to_string()), 200);
    assert_eq!(ask("127.0.0.1"), 200);
    assert_ne!(ask("rebound.attacker.test"), 200, "DNS rebinding");
}
