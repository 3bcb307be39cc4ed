//! Limits that are only tried: what would have been refused goes on, and is counted, logged and shown.
mod support;

use serde_json::{Value, json};
use support::{Setup, World};

const LIST: &str = "/prod/api/incidents";
const REFUSED: &str = "stackflow_gateway_limit_decisions_total{decision=\"refused\"}";

fn limits(more: &str) -> impl FnOnce(Setup) -> Setup {
    let limits = format!("[limits]\nper_user = {{ rate = 1, burst = 2 }}\nper_address = {{ rate = 1, burst = 2 }}\n{more}");
    move |setup| setup.with(&limits)
}

/// Status, outcome, reason and policy in the access log.
fn log_of(world: &World, id: &str) -> Value {
    let entry = world.gateway.access_log(id);
    json!([entry["status"], entry["outcome"], entry["reason"], entry["policy"]])
}

#[test]
fn nothing_is_refused_and_everything_is_said() {
    let world = World::with(limits("dry_run = true"));
    let mut client = world.gateway.connect();
    let ids: Vec<String> = (0..20).map(|number| format!("request-{number:02}")).collect();
    for id in &ids {
        let response = world.ask_on(&mut client, "GET", LIST, &[("X-Request-Id", id)], b"");
        assert_eq!((response.status, response.header("Retry-After")), (200, None), "{id}");
        assert_eq!(response.number("X-RateLimit-Limit"), 2);
    }
    let (fine, limited) = (json!([200, "forwarded", null, null]), json!([200, "forwarded", "would_limit", "user"]));
    let logged: Vec<Value> = ids.iter().map(|id| log_of(&world, id)).collect();
    assert!(logged.iter().all(|entry| *entry == fine || *entry == limited), "{logged:?}");
    // Two at once and one a second are admitted, and charged: the rest would have been refused.
    let count = logged.iter().filter(|entry| **entry == limited).count();
    assert!((1..=18).contains(&count) && logged[0] == fine, "{logged:?}");
    assert_eq!(world.backend.requests().len(), 20);
    #[expect(clippy::cast_precision_loss, reason = "at most 18")]
    world.gateway.wait_metric("stackflow_gateway_limit_decisions_total{decision=\"refused\",policy=\"user\"}", count as f64);
    world.gateway.wait_metric("stackflow_gateway_requests_total{outcome=\"limited\"}", 0.0);
    world.gateway.wait_metric("stackflow_gateway_requests_total{outcome=\"forwarded\",code=\"200\"}", 20.0);
}

#[test]
fn who_is_not_authenticated_gets_the_answer_of_the_case() {
    let world = World::with(limits("dry_run = true"));
    let mut client = world.gateway.connect();
    let ids: Vec<String> = (0..20).map(|number| format!("stranger-{number:02}")).collect();
    for id in &ids {
        let response = client.get(LIST, &[("X-Request-Id", id)]);
        assert_eq!((response.status, response.header("Retry-After")), (401, None), "{id}");
    }
    let logged: Vec<Value> = ids.iter().map(|id| log_of(&world, id)).collect();
    assert!(logged.contains(&json!([401, "unauthorized", "missing_token", "address"])), "{logged:?}");
    assert_eq!(world.get(LIST).status, 200, "a new token is verified though the address is empty");
}

#[test]
fn a_reload_ends_the_trial_and_begins_another() {
    let world = World::with(limits("dry_run = true"));
    let ask = |times: usize| (0..times).map(|_| world.get(LIST).status).collect::<Vec<_>>();
    assert_eq!(ask(20), [200; 20]);
    let counted = world.gateway.metric(REFUSED);
    assert!(counted > 0.5, "{counted}");
    world.take_up(limits(""));
    assert!(ask(20).contains(&429));
    world.take_up(limits("dry_run = true"));
    assert_eq!(ask(20), [200; 20]);
}
