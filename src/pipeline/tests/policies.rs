//! Routes' limits, plans, quotas and trying limits out, as the order of decisions meets them.

use super::{Spent, check_cost, words};
use crate::{
    limit::Policy,
    pipeline::{
        Action, Attempt, Judged,
        test_gateway::{Ask, World, gateway_without_keys, good_token},
    },
};
use serde_json::json;

const LIMITS: &str = "global = { rate = 1, burst = 30 }\nper_user = { rate = 1, burst = 10 }\n\
    per_address = { rate = 1, burst = 20 }\nbulk_in_flight = 1\nstate_file = \"quotas\"\n";
const PLANS: &str = "[[limits.plans]]\nname = \"gold\"\nclient_ids = [\"partner\"]\nper_user = { rate = 2, burst = 15 }\n\
    [[limits.plans]]\nname = \"metered\"\ngroups = [\"metered\"]\nquota = { requests = 3, period = \"month\" }\n";
const ROUTES: &str = "[[routes]]\npath = \"/slow\"\nlimit = { rate = 1, burst = 2 }\n\
    [[routes]]\npath = \"/open-slow\"\nauth = \"none\"\nlimit = { rate = 1, burst = 2 }\n";
const NOTHING: Spent = Spent { user: 0, address: 0, global: 0 };
const USER_AND_GLOBAL: Spent = Spent { user: 1, global: 1, ..NOTHING };

/// With `more` in `[limits]`.
fn world(more: &str) -> World {
    World::new(&format!("[limits]\n{LIMITS}{more}\n{PLANS}\n{ROUTES}"))
}

fn slow() -> Ask {
    Ask::new("GET /prod/api/v1/slow")
}

/// A user of the plan with a quota.
fn metered(line: &str) -> Ask {
    Ask::new(line).bearer(&good_token().claim("cognito:groups", json!(["other", "metered"])).token())
}

/// Which policies the headers show, with capacity and what is left.
fn shown(world: &World, ask: &Ask) -> String {
    let shown = world.ask(ask).shown;
    let all = std::iter::once(shown.main).chain(shown.also.into_iter().flatten());
    let one = |numbers: crate::limit::Numbers| {
        format!("{} {}/{}", numbers.policy.label(), numbers.standing.remaining, numbers.standing.limit)
    };
    all.map(one).collect::<Vec<_>>().join(", ")
}

/// Which policies judged: `+` admitted, `-` refused.
fn judged(world: &World, ask: &Ask) -> String {
    let decision = world.ask(ask);
    let sign = |policy: &Policy| match decision.judged[*policy as usize] {
        Judged::No => String::new(),
        Judged::Admitted => format!("+{} ", policy.label()),
        Judged::Refused => format!("-{} ", policy.label()),
    };
    Policy::ALL.iter().map(sign).collect::<String>().trim_end().to_owned()
}

#[test]
fn a_routes_limit_is_on_top_of_the_users_and_refuses_without_a_charge() {
    let world = world("");
    let forwarded = "forward /api/v1/slow";
    check_cost(&world, &slow().signed_in(), forwarded, USER_AND_GLOBAL);
    let other = slow().bearer(&good_token().claim("sub", json!("user-2")).token());
    check_cost(&world, &other, forwarded, Spent { global: 1, ..NOTHING });
    check_cost(&world, &slow().signed_in(), "429 rate_limited route", NOTHING);
    check_cost(&world, &other, "429 rate_limited route", NOTHING);
    // The alias of the base path is the same route, another route another bucket.
    check_cost(&world, &Ask::new("GET /prod/api/slow").signed_in(), "429 rate_limited route", NOTHING);
    check_cost(&world, &Ask::new("GET /prod/api/v1/incidents").signed_in(), "forward /api/v1/incidents", USER_AND_GLOBAL);
}

#[test]
fn the_limit_of_an_open_route_holds_for_all_and_gives_the_address_its_token_back() {
    let world = world("");
    let ask = Ask::new("GET /prod/api/v1/open-slow");
    for _ in 0..2 {
        check_cost(&world, &ask, "forward /api/v1/open-slow", Spent { address: 1, global: 1, user: 0 });
    }
    check_cost(&world, &ask, "429 rate_limited route", NOTHING);
    assert_eq!((judged(&world, &ask), shown(&world, &ask)), ("-route".to_owned(), "route 0/2".to_owned()));
}

#[test]
fn a_plan_is_found_by_client_or_group_and_shown() {
    let world = world("");
    let partner = Ask::new("GET /prod/api/v1/incidents").bearer(&good_token().claim("client_id", json!("partner")).token());
    assert_eq!(shown(&world, &partner), "user 14/15");
    assert_eq!(
        shown(
            &world,
            &Ask::new("DELETE /prod/api/v1/incidents").bearer(&good_token().claim("client_id", json!("partner")).token())
        ),
        "user 14/15"
    );
    // The bucket is the user's under every plan: half a second of debt is one whole request less where one comes in a second.
    assert_eq!(shown(&world, &Ask::new("GET /prod/api/v1/incidents").signed_in()), "user 8/10");
    let user_2 = good_token().claim("cognito:groups", json!(["metered"])).claim("sub", json!("user-2"));
    assert_eq!(shown(&world, &Ask::new("GET /prod/api/v1/slow").bearer(&user_2.token())), "user 9/10, route 1/2, quota 2/3");
}

#[test]
fn a_quota_refuses_after_its_requests_and_exempt_routes_are_exempt_of_it() {
    let world = world("");
    let ask = metered("GET /prod/api/v1/incidents");
    for _ in 0..3 {
        check_cost(&world, &ask, "forward /api/v1/incidents", USER_AND_GLOBAL);
    }
    check_cost(&world, &ask, "429 rate_limited quota", NOTHING);
    assert_eq!((judged(&world, &ask), shown(&world, &ask)), ("-quota".to_owned(), "quota 0/3".to_owned()));
    let bulk = metered("POST /prod/api/v1/incidents/bulk");
    assert_eq!((judged(&world, &bulk), shown(&world, &bulk)), ("+global +bulk".to_owned(), "user 7/10".to_owned()));
    // Another user of the same plan has a quota of its own; the same user without the plan has none.
    assert_eq!(words(&world.ask(&Ask::new("GET /prod/api/v1/incidents").signed_in())), "forward /api/v1/incidents");
}

/// The three fields show one policy: the quota is not looked up for them.
#[test]
fn a_quota_that_did_not_judge_is_shown_in_the_ietf_fields_alone() {
    let bulk = metered("POST /prod/api/v1/incidents/bulk");
    assert_eq!(shown(&world(""), &bulk), "user 10/10");
    assert_eq!(shown(&world("ietf_headers = true\n"), &bulk), "user 10/10, quota 3/3");
}

#[test]
fn each_policy_that_judged_is_counted() {
    let world = world("");
    assert_eq!(judged(&world, &metered("GET /prod/api/v1/slow")), "+user +global +route +quota");
    assert_eq!(judged(&world, &Ask::new("GET /prod/api/v1/open-slow")), "+global +address +route");
}

#[test]
fn with_ietf_fields_a_refusal_shows_the_other_policies_too() {
    let world = world("ietf_headers = true\n");
    let ask = metered("GET /prod/api/v1/slow");
    assert_eq!(shown(&world, &ask), "user 9/10, route 1/2, quota 2/3");
    drop(world.ask(&ask));
    assert_eq!(shown(&world, &ask), "route 0/2, user 8/10, quota 1/3");
    world.drain_global();
    assert_eq!(shown(&world, &metered("GET /prod/api/v1/incidents")), "global 0/30, user 8/10, quota 1/3");
    world.drain_address(&ask);
    assert_eq!(shown(&world, &Ask::new("GET /prod/api/v1/incidents")), "address 0/20");
}

/// Under `dry_run`: what happens, what would have refused it, what it costs, what is counted and shown.
fn tried(world: &World, ask: &Ask, expected: &str, policy: Policy, judged_as: &str, shown_as: &str) {
    check_cost(world, ask, expected, NOTHING);
    assert_eq!(world.ask(ask).would_limit, Some(policy));
    assert_eq!((judged(world, ask), shown(world, ask)), (judged_as.to_owned(), shown_as.to_owned()));
}

#[test]
fn limits_that_are_only_tried_refuse_nothing_and_charge_what_they_admit() {
    let incidents = || Ask::new("GET /prod/api/v1/incidents");
    let world = world("dry_run = true\n");
    check_cost(&world, &incidents().signed_in(), "forward /api/v1/incidents", USER_AND_GLOBAL);
    assert_eq!(world.ask(&incidents().signed_in()).would_limit, None);
    world.drain_user();
    tried(&world, &incidents().signed_in(), "forward /api/v1/incidents", Policy::User, "-user", "user 0/10");
    let bulk = Ask::new("POST /prod/api/v1/incidents/bulk").signed_in();
    let held = world.ask(&bulk);
    tried(&world, &bulk, "forward /api/v1/incidents/bulk", Policy::Bulk, "-bulk", "bulk 0/10");
    drop(held);
    world.drain_global();
    tried(&world, &Ask::new("GET /prod/api/v1/open"), "forward /api/v1/open", Policy::Global, "-global", "global 0/30");
}

#[test]
fn an_address_that_is_only_tried_lets_everything_pass_to_its_own_answer() {
    let world = world("dry_run = true\n");
    let incidents = || Ask::new("GET /prod/api/v1/incidents");
    world.drain_address(&incidents());
    tried(&world, &incidents(), "401 missing_token", Policy::Address, "-address", "address 0/20");
    tried(&world, &Ask::new("GET /elsewhere"), "404 not_found", Policy::Address, "-address", "address 0/20");
    let open = Spent { global: 1, ..NOTHING };
    check_cost(&world, &Ask::new("GET /prod/api/v1/open"), "forward /api/v1/open", open);
    let new = incidents().signed_in();
    let decision = world.ask(&new);
    assert_eq!((words(&decision), decision.would_limit), ("forward /api/v1/incidents".to_owned(), Some(Policy::Address)));
    assert_eq!(decision.judged[Policy::Address as usize], Judged::Refused);
    // A token that is known does not come by the address.
    assert_eq!(world.ask(&new).would_limit, None);
}

#[test]
fn an_address_that_is_only_tried_is_told_once_after_a_wait_for_keys() {
    let more = format!("[limits]\n{LIMITS}dry_run = true\n");
    let world = World::of(gateway_without_keys(&more));
    let ask = Ask::new("GET /prod/api/v1/incidents").signed_in();
    world.drain_address(&ask);
    let decision = world.ask(&ask);
    let Action::AwaitKeys { reserved, .. } = decision.action else { panic!("there are no keys: {}", words(&decision)) };
    let decision = world.ask_again(&ask, Attempt::KeysAwaited(reserved));
    assert_eq!((words(&decision), decision.would_limit), ("503 keys_unavailable".to_owned(), Some(Policy::Address)));
    assert_eq!(decision.judged[Policy::Address as usize], Judged::Refused);
}

#[test]
fn a_request_that_a_limit_would_have_refused_is_still_refused_for_what_it_is() {
    let world = world("dry_run = true\n");
    world.drain_user();
    let decision = world.ask(&Ask::new("GET /prod/api/v1/incidents?limit=0").signed_in());
    assert_eq!((words(&decision), decision.would_limit), ("400 invalid_parameter".to_owned(), Some(Policy::User)));
}
