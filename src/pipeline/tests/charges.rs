//! Who pays for what, and which bucket the response shows.

use super::{Spent, check_cost, words};
use crate::{
    limit::{Policy, Standing},
    pipeline::{
        Action, Judged, TokenSeen,
        test_gateway::{Ask, World, good_token},
    },
};
use serde_json::json;

const NOTHING: Spent = Spent { user: 0, address: 0, global: 0 };
const ADDRESS: Spent = Spent { address: 1, ..NOTHING };
const USER_AND_GLOBAL: Spent = Spent { user: 1, global: 1, ..NOTHING };

/// The cost of one request at a fresh gateway.
fn cost(ask: &Ask, expected: &str, cost: Spent) {
    check_cost(&World::new(""), ask, expected, cost);
}

/// The bucket that a response shows: its capacity (10: the user's, 20: the address', 30: the global one) and what is left.
fn shown(world: &World, ask: &Ask, limit: u64, remaining: u64) {
    let Standing { limit: shown_limit, remaining: shown_remaining, .. } = world.ask(ask).shown.main.standing;
    assert_eq!((shown_limit, shown_remaining), (limit, remaining), "{} {}", ask.parts.method, ask.target);
}

fn incidents() -> Ask {
    Ask::new("GET /prod/api/v1/incidents")
}

#[test]
fn an_address_pays_for_what_does_not_end_authenticated() {
    cost(&incidents(), "401 missing_token", ADDRESS);
    cost(&incidents().with("authorization", "Basic YTpi"), "401 missing_token", ADDRESS);
    cost(&incidents().with("authorization", "Bearer"), "401 invalid_token", ADDRESS);
    cost(&incidents().bearer("a.b.c"), "401 invalid_token", ADDRESS);
    cost(&incidents().bearer(&good_token().claim("exp", json!(1)).token()), "401 invalid_token", ADDRESS);
    cost(&incidents().signed_in().signed_in(), "400 invalid_request", ADDRESS);
    cost(&Ask::new("GET /elsewhere").signed_in(), "404 not_found", ADDRESS);
    cost(&Ask::new("OPTIONS /prod/api/v1/incidents").preflight("https://a.stackflow-tech.com", "GET"), "answer 204", ADDRESS);
    cost(&Ask::new("OPTIONS /prod/api/v1/incidents").preflight("https://evil.test", "GET"), "403 origin_not_allowed", ADDRESS);
    cost(&Ask::new("POST /oauth2/token"), "issue a token", ADDRESS);
    cost(&Ask::new("GET /oauth2/token"), "405 method_not_allowed", ADDRESS);
    cost(&Ask::new("GET /.well-known/jwks.json"), "answer 200", ADDRESS);
    cost(&Ask::new("GET /x").redirected(), "308 redirect_https", ADDRESS);
}

#[test]
fn what_is_refused_before_the_route_and_the_ping_cost_nothing() {
    cost(&Ask::new("GET /ping"), "answer 200", NOTHING);
    cost(&Ask::new("DELETE /ping"), "405 method_not_allowed", NOTHING);
    cost(&Ask::new("GET /a//b"), "400 invalid_request", NOTHING);
    cost(&incidents().without("host"), "400 invalid_request", NOTHING);
    cost(&Ask::new("POST /prod/api/v1/strict").with("content-length", "10485761"), "413 body_too_large", NOTHING);
}

#[test]
fn a_good_token_gives_the_address_its_token_back() {
    let world = World::new("");
    let ask = incidents().signed_in();
    check_cost(&world, &ask, "forward /api/v1/incidents", USER_AND_GLOBAL);
    check_cost(&world, &ask, "forward /api/v1/incidents", USER_AND_GLOBAL);
}

#[test]
fn a_token_seen_before_passes_an_empty_address_bucket_and_a_new_one_does_not() {
    let world = World::new("");
    let ask = incidents().signed_in();
    assert!(matches!(world.ask(&ask).token, TokenSeen::Verified(_)));
    world.drain_address(&ask);
    let decision = world.ask(&ask);
    assert_eq!(words(&decision), "forward /api/v1/incidents");
    assert!(matches!(decision.token, TokenSeen::Recalled(_)));
    let new = incidents().bearer(&good_token().claim("jti", json!("2")).token());
    check_cost(&world, &new, "429 rate_limited address", NOTHING);
}

#[test]
fn what_an_authenticated_request_may_not_ask_for_costs_nothing() {
    cost(&Ask::new("DELETE /prod/api/v1/incidents").signed_in(), "405 method_not_allowed", NOTHING);
    cost(&Ask::new("BREW /prod/api/v1/unheard").signed_in(), "405 method_not_allowed", NOTHING);
    cost(&Ask::new("GET /prod/api/v1/incidents/").signed_in(), "404 not_found", NOTHING);
    cost(&Ask::new("POST /prod/api/v1/strict").with("content-length", "1025").signed_in(), "413 body_too_large", NOTHING);
    let reader = good_token().claim("scope", json!("read"));
    cost(&Ask::new("POST /prod/api/v1/strict").bearer(&reader.token()), "403 insufficient_scope", NOTHING);
}

#[test]
fn what_validation_refuses_stays_charged() {
    cost(&Ask::new("GET /prod/api/v1/incidents?limit=0").signed_in(), "400 invalid_parameter", USER_AND_GLOBAL);
    let text = Ask::new("POST /prod/api/v1/incidents").with("content-length", "1").with("content-type", "text/plain");
    cost(&text.signed_in(), "415 unsupported_media_type", USER_AND_GLOBAL);
    let open = Spent { address: 1, global: 1, user: 0 };
    cost(&Ask::new("GET /prod/api/v1/open?limit=0"), "400 invalid_parameter", open);
}

#[test]
fn an_unknown_path_is_charged_like_any_other() {
    cost(&Ask::new("GET /prod/api/v1/jobs/7").signed_in(), "forward /api/v1/jobs/7", USER_AND_GLOBAL);
}

#[test]
fn a_request_that_one_policy_refuses_costs_nothing_in_another() {
    let world = World::new("");
    let ask = incidents().signed_in();
    world.drain_user();
    check_cost(&world, &ask, "429 rate_limited user", NOTHING);
    let world = World::new("");
    world.drain_global();
    check_cost(&world, &ask, "429 rate_limited global", NOTHING);
    check_cost(&world, &Ask::new("POST /prod/api/v1/incidents/bulk").signed_in(), "429 rate_limited global", NOTHING);
    check_cost(&world, &Ask::new("GET /prod/api/v1/open"), "429 rate_limited global", NOTHING);
    let world = World::new("");
    world.drain_address(&ask);
    check_cost(&world, &Ask::new("GET /prod/api/v1/open"), "429 rate_limited address", NOTHING);
    check_cost(&world, &incidents(), "429 rate_limited address", NOTHING);
    check_cost(&world, &Ask::new("GET /elsewhere"), "429 rate_limited address", NOTHING);
    check_cost(&world, &Ask::new("POST /oauth2/token"), "429 rate_limited address", NOTHING);
}

#[test]
fn of_several_refusals_the_longest_wait_is_told() {
    let world = World::new("[limits]\nglobal = { rate = 1000, burst = 12 }\nper_user = { rate = 1, burst = 10 }\n");
    world.drain_user();
    world.drain_global();
    assert_eq!(words(&world.ask(&incidents().signed_in())), "429 rate_limited user");
    let world = World::new("[limits]\nglobal = { rate = 1, burst = 12 }\nper_user = { rate = 1000, burst = 10 }\n");
    world.drain_user();
    world.drain_global();
    assert_eq!(words(&world.ask(&incidents().signed_in())), "429 rate_limited global");
}

#[test]
fn an_exempt_route_costs_its_user_nothing_but_a_place() {
    let world = World::new("");
    let ask = Ask::new("POST /prod/api/v1/incidents/bulk").signed_in();
    world.drain_user();
    check_cost(&world, &ask, "forward /api/v1/incidents/bulk", Spent { global: 1, ..NOTHING });
    let (first, second) = (world.ask(&ask), world.ask(&ask));
    check_cost(&world, &ask, "429 rate_limited bulk", NOTHING);
    drop(first);
    let Action::Forward(mut forward) = second.action else { panic!("it was forwarded") };
    let place = forward.take_bulk();
    drop(forward);
    let third = world.ask(&ask);
    assert_eq!(words(&third), "forward /api/v1/incidents/bulk");
    check_cost(&world, &ask, "429 rate_limited bulk", NOTHING);
    drop(place);
    check_cost(&world, &ask, "forward /api/v1/incidents/bulk", Spent { global: 1, ..NOTHING });
}

#[test]
fn the_exemption_holds_for_exactly_that_route() {
    let world = World::new("");
    world.drain_user();
    for line in ["POST /prod/api/v1/incidents", "GET /prod/api/v1/incidents/bulk2", "POST /prod/api/v1/incidents/bulk/x"] {
        check_cost(&world, &Ask::new(line).signed_in(), "429 rate_limited user", NOTHING);
    }
}

#[test]
fn an_open_route_is_paid_by_its_address_and_by_all() {
    let both = Spent { address: 1, global: 1, user: 0 };
    cost(&Ask::new("GET /prod/api/v1/open"), "forward /api/v1/open", both);
    // Credentials are not even looked at.
    cost(&Ask::new("GET /prod/api/v1/open").signed_in(), "forward /api/v1/open", both);
    cost(&Ask::new("GET /prod/api/v1/open").bearer("a.b.c"), "forward /api/v1/open", both);
    cost(&Ask::new("DELETE /prod/api/v1/open"), "405 method_not_allowed", ADDRESS);
}

#[test]
fn nothing_a_client_can_forge_selects_a_bucket() {
    let world = World::new("");
    world.drain_user();
    for name in ["x-auth-subject", "x-forwarded-for", "x-user", "cookie"] {
        check_cost(&world, &incidents().signed_in().with(name, "user-2"), "429 rate_limited user", NOTHING);
    }
    let other = incidents().bearer(&good_token().claim("sub", json!("user-2")).token());
    assert_eq!(words(&world.ask(&other)), "forward /api/v1/incidents");
}

#[test]
fn the_alias_of_a_base_path_shares_the_bucket_the_route_and_the_target() {
    let world = World::new("");
    let (long, short) = (world.ask(&incidents().signed_in()), world.ask(&Ask::new("GET /prod/api/incidents").signed_in()));
    assert_eq!(words(&long), words(&short));
    assert_eq!(long.target, short.target);
    assert_eq!((long.shown.main.standing.remaining, short.shown.main.standing.remaining), (9, 8));
}

#[test]
fn a_response_shows_the_bucket_of_who_asked() {
    let fresh = || World::new("");
    shown(&fresh(), &incidents().signed_in(), 10, 9);
    shown(&fresh(), &Ask::new("POST /prod/api/v1/incidents/bulk").signed_in(), 10, 10);
    shown(&fresh(), &Ask::new("DELETE /prod/api/v1/incidents").signed_in(), 10, 10);
    shown(&fresh(), &Ask::new("GET /prod/api/v1/incidents/").signed_in(), 10, 10);
    shown(&fresh(), &Ask::new("GET /prod/api/v1/incidents?limit=0").signed_in(), 10, 9);
}

#[test]
fn where_nobody_is_authenticated_it_shows_the_address() {
    let fresh = || World::new("");
    shown(&fresh(), &incidents(), 20, 19);
    shown(&fresh(), &incidents().bearer("a.b.c"), 20, 19);
    shown(&fresh(), &Ask::new("GET /elsewhere"), 20, 19);
    shown(&fresh(), &Ask::new("OPTIONS /prod/api/v1/x").preflight("https://a.stackflow-tech.com", "GET"), 20, 19);
    shown(&fresh(), &Ask::new("GET /prod/api/v1/open"), 20, 19);
    shown(&fresh(), &Ask::new("POST /oauth2/token"), 20, 19);
    shown(&fresh(), &Ask::new("GET /ping"), 20, 20);
    shown(&fresh(), &Ask::new("GET /a//b"), 20, 20);
}

#[test]
fn a_refusal_shows_the_policy_that_refuses() {
    let ask = incidents().signed_in();
    let world = World::new("");
    world.drain_user();
    shown(&world, &ask, 10, 0);
    shown(&world, &Ask::new("POST /prod/api/v1/incidents/bulk").signed_in(), 10, 0);
    let world = World::new("");
    world.drain_global();
    shown(&world, &ask, 30, 0);
    let world = World::new("");
    world.drain_address(&ask);
    shown(&world, &incidents(), 20, 0);
}

/// What the metrics are told: user, global, address, bulk, route, quota.
fn judged(world: &World, ask: &Ask, expected: &str) {
    let letter = |judged: &Judged| match judged {
        Judged::No => '-',
        Judged::Admitted => 'a',
        Judged::Refused => 'r',
    };
    let told: String = world.ask(ask).judged.iter().map(letter).collect();
    assert_eq!(told, expected, "{} {}", ask.parts.method, ask.target);
}

#[test]
fn each_policy_that_judged_is_told_once() {
    assert_eq!(Policy::ALL, [Policy::User, Policy::Global, Policy::Address, Policy::Bulk, Policy::Route, Policy::Quota]);
    let world = World::new("");
    judged(&world, &Ask::new("GET /ping"), "------");
    judged(&world, &incidents(), "--a---");
    judged(&world, &incidents().signed_in(), "aa----");
    judged(&world, &incidents().signed_in(), "aa----");
    judged(&world, &Ask::new("POST /prod/api/v1/incidents/bulk").signed_in(), "-a-a--");
    judged(&world, &Ask::new("GET /prod/api/v1/open"), "-aa---");
    judged(&world, &Ask::new("DELETE /prod/api/v1/incidents").signed_in(), "------");
    world.drain_user();
    judged(&world, &incidents().signed_in(), "r-----");
    world.drain_global();
    judged(&world, &Ask::new("GET /prod/api/v1/open"), "-r----");
    world.drain_address(&incidents());
    judged(&world, &incidents(), "--r---");
}
