//! `RateLimit` and `RateLimit-Policy` as clients meet them: structured fields, true numbers, and nobody else's.
mod support;

use serde_json::json;
use std::{collections::BTreeMap, thread, time::Duration};
use support::{Backend, Response, Setup, World};

const LIST: &str = "/prod/api/incidents";
const LIMITS: &str = r#"
[limits]
ietf_headers = true
per_user = { rate = 100, burst = 150 }
state_file = "quotas"
[[limits.plans]]
name = "metered"
groups = ["metered"]
quota = { requests = 9, period = "day" }
[[limits.plans]]
name = "slow"
groups = ["slow"]
per_user = { rate = 1, burst = 2 }
"#;

fn world(change: impl FnOnce(Setup) -> Setup) -> World {
    let fields = "RateLimit: \"upstream\";r=1\r\nRateLimit-Policy: \"upstream\";q=1\r\nRateLimit-Reset: 7\r\n";
    let backend = Backend::scripted(move |call| call.answer(200, fields, "{}"));
    World::behind(backend, change)
}

fn member(world: &World, group: &str) -> String {
    world.issuer.token(|claims| claims["cognito:groups"] = json!([group]))
}

/// A list of items with parameters (RFC 9651, sections 3.1 and 3.3): their names, and theirs with their values. Strict in what
/// these fields need: strings as items, integers or strings as values.
#[track_caller]
fn items(response: &Response, name: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let item = |text: &str| {
        let mut parts = text.trim().split(';');
        let label = parts.next().and_then(|label| label.strip_prefix('"')?.strip_suffix('"')).expect("a string");
        assert!(label.bytes().all(|byte| byte.is_ascii_lowercase()), "{label}");
        let parameters = parts.map(|part| {
            let (key, value) = part.split_once('=').expect("a parameter with a value");
            assert!(value.parse::<u32>().is_ok() || value.starts_with('"'), "{value}");
            (key.to_owned(), value.trim_matches('"').to_owned())
        });
        (label.to_owned(), parameters.collect())
    };
    response.only(name).split(',').map(item).collect()
}

/// A number of one policy in one of the fields.
#[track_caller]
fn number(response: &Response, field: &str, policy: &str, parameter: &str) -> Option<u64> {
    let items = items(response, field);
    let (_, parameters) = items.iter().find(|(label, _)| label == policy).unwrap_or_else(|| panic!("{policy} in {response:?}"));
    parameters.get(parameter).map(|value| value.parse().expect("a number"))
}

#[test]
fn an_admitted_request_shows_what_is_left_and_the_policy() {
    let world = world(|setup| setup.with(LIMITS).route("path = \"/slow\"\nlimit = { rate = 2, burst = 5 }"));
    let response = world.get(LIST);
    assert_eq!((response.only("RateLimit"), response.only("RateLimit-Policy")), ("\"user\";r=149;t=1", "\"user\";q=150;w=2"));
    assert_eq!((response.header("RateLimit-Reset"), response.number("X-RateLimit-Remaining")), (None, 149));
    let response = world.gateway.connect().get_as(&member(&world, "metered"), "/prod/api/slow");
    let left = |policy, parameter| number(&response, "RateLimit", policy, parameter);
    assert_eq!((left("route", "r"), left("route", "t"), left("quota", "r")), (Some(4), Some(1), Some(8)));
    assert!(left("quota", "t").is_some_and(|seconds| (1..=86_400).contains(&seconds)));
    assert_eq!(response.only("RateLimit-Policy"), "\"user\";q=150;w=2, \"route\";q=5;w=3, \"quota\";q=9;w=86400");
}

#[test]
fn a_refusal_shows_when_there_is_more_and_is_true() {
    let world = world(|setup| setup.with(LIMITS));
    let (token, mut client) = (member(&world, "slow"), world.gateway.connect());
    let mut all = (0..100).map(|_| client.get_as(&token, LIST));
    let refused = all.find(|response| response.status == 429).expect("two are soon used up");
    let seconds = number(&refused, "RateLimit", "user", "t").expect("some are missing");
    assert_eq!((number(&refused, "RateLimit", "user", "r"), seconds), (Some(0), refused.number("Retry-After")));
    assert_eq!(refused.only("RateLimit-Policy"), "\"user\";q=2;w=2");
    thread::sleep(Duration::from_secs(seconds));
    let response = client.get_as(&token, LIST);
    assert_eq!((response.status, number(&response, "RateLimit", "user", "r")), (200, Some(0)));
}

#[test]
fn every_answer_of_the_gateways_own_has_them() {
    let world = world(|setup| setup.with(LIMITS));
    let mut client = world.gateway.connect();
    for (target, status) in [(LIST, 401), ("/elsewhere", 404), ("/ping", 200)] {
        let response = client.get(target, &[]);
        assert_eq!((response.status, response.only("RateLimit-Policy")), (status, "\"address\";q=2000;w=2"), "{target}");
    }
    let response = world.ask("DELETE", LIST, &[], b"");
    assert_eq!((response.status, response.only("RateLimit")), (405, "\"user\";r=150"));
}

#[test]
fn places_in_flight_are_no_matter_of_time() {
    let gate = support::Gate::default();
    let held = gate.clone();
    let backend = Backend::scripted(move |call| {
        call.read_body();
        held.wait();
        call.answer(200, "", "{}");
    });
    let world = World::behind(backend, |setup| setup.with("[limits]\nietf_headers = true\nbulk_in_flight = 1"));
    thread::scope(|scope| {
        let bulk = || world.post("/prod/api/incidents/bulk", b"{\"records\":[]}");
        let first = scope.spawn(bulk);
        world.backend.wait_total(1);
        let refused = bulk();
        gate.open();
        assert_eq!((refused.status, first.join().unwrap().status), (429, 200));
        assert_eq!(refused.only("RateLimit"), "\"bulk\";r=0, \"user\";r=100");
        assert_eq!(refused.only("RateLimit-Policy"), "\"bulk\";q=1;qu=\"concurrent-requests\", \"user\";q=100;w=1");
    });
}

#[test]
fn pages_may_read_them() {
    let world = world(|setup| setup.with(LIMITS));
    let response = world.ask("GET", LIST, &[("Origin", "https://app.stackflow-tech.com")], b"");
    let exposed = response.list("Access-Control-Expose-Headers");
    assert!(exposed.contains(&"RateLimit") && exposed.contains(&"RateLimit-Policy"), "{exposed:?}");
}

#[test]
fn without_the_key_an_upstreams_fields_pass_and_the_gateway_sends_none() {
    let world = world(|setup| setup);
    let response = world.get(LIST);
    assert_eq!((response.only("RateLimit"), response.only("RateLimit-Reset")), ("\"upstream\";r=1", "7"));
    let refused = world.gateway.connect().get(LIST, &[]);
    assert_eq!((refused.status, refused.header("RateLimit"), refused.header("RateLimit-Policy")), (401, None, None));
}
