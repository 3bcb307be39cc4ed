//! Tokens whose key is not known (yet): what is held while keys are looked for, and both ways it can end.

use super::words;
use crate::{
    auth::test_keys::{ALL_KEYS, Draft},
    limit::Policy,
    pipeline::{
        Action, Attempt, Judged, TokenSeen,
        test_gateway::{Ask, Spent, World, gateway_without_keys, good_token, now},
    },
    reply::Rejection,
};
use serde_json::json;

fn incidents(token: &Draft) -> Ask {
    Ask::new("GET /prod/api/v1/incidents").bearer(&token.token())
}

fn without_keys() -> World {
    World::of(gateway_without_keys(""))
}

/// Asks, waits for keys that `come` or not, and asks again.
fn asked_twice(world: &World, ask: &Ask, come: impl FnOnce(&World)) -> crate::pipeline::Decision {
    let Action::AwaitKeys { issuer, reserved } = world.ask(ask).action else { panic!("it waits for keys") };
    assert_eq!(issuer.0, 0);
    assert_eq!(world.spent(ask).address, 1, "held while it waits");
    come(world);
    world.ask_again(ask, Attempt::KeysAwaited(reserved))
}

fn keys_come(world: &World) {
    world.gateway.auth.authenticator.issuers()[0].keys.replace(ALL_KEYS.clone());
}

#[test]
fn what_needs_no_key_to_be_refused_does_not_wait() {
    for token in [good_token().claim("exp", json!(1)), good_token().claim("token_use", json!("other"))] {
        assert_eq!(words(&without_keys().ask(&incidents(&token))), "401 invalid_token");
    }
}

#[test]
fn keys_that_do_not_come_end_in_a_503_that_the_address_pays() {
    let (world, ask) = (without_keys(), incidents(&good_token()));
    let decision = asked_twice(&world, &ask, |_| ());
    assert!(matches!(decision.action, Action::Reject(Rejection::KeysUnavailable)));
    assert!(matches!(decision.token, TokenSeen::NoKeys(_)));
    assert_eq!(decision.judged[Policy::Address as usize], Judged::Admitted);
    assert_eq!((decision.shown.main.standing.limit, decision.shown.main.standing.remaining), (20, 19));
    assert_eq!(world.spent(&ask), Spent { address: 1, ..Spent::default() });
}

#[test]
fn a_key_that_does_not_come_ends_in_a_401_that_the_address_pays() {
    let (world, ask) = (World::new(""), incidents(&good_token().header("kid", json!("unheard"))));
    let decision = asked_twice(&world, &ask, |_| ());
    assert_eq!(words(&decision), "401 invalid_token");
    assert_eq!(decision.judged[Policy::Address as usize], Judged::Admitted);
    assert_eq!(world.spent(&ask), Spent { address: 1, ..Spent::default() });
}

#[test]
fn keys_that_come_let_it_through_and_give_the_address_its_token_back() {
    let (world, ask) = (without_keys(), incidents(&good_token()));
    let decision = asked_twice(&world, &ask, keys_come);
    assert_eq!(words(&decision), "forward /api/v1/incidents");
    assert_eq!(decision.judged[Policy::Address as usize], Judged::No);
    assert_eq!(world.spent(&ask), Spent { user: 1, global: 1, address: 0 });
}

#[test]
fn a_token_that_another_request_verified_meanwhile_gives_it_back_too() {
    let (world, ask) = (without_keys(), incidents(&good_token()));
    let decision = asked_twice(&world, &ask, |world| {
        keys_come(world);
        let _ = world.ask(&ask);
    });
    assert!(matches!(decision.token, TokenSeen::Recalled(_)));
    assert_eq!(world.spent(&ask), Spent { user: 2, global: 2, address: 0 });
}

#[test]
fn a_request_that_leaves_while_it_waits_is_charged() {
    let (world, ask) = (without_keys(), incidents(&good_token()));
    drop(world.ask(&ask));
    assert_eq!(world.spent(&ask).address, 1);
}

#[test]
fn a_remembered_token_ends_with_its_time() {
    let (world, ask) = (World::new(""), incidents(&good_token()));
    assert_eq!(words(&world.ask(&ask)), "forward /api/v1/incidents");
    let late = crate::time::Now { unix_ns: now().unix_ns + 2 * 3_600_000_000_000, ..now() };
    let decision = crate::pipeline::decide(&world.gateway, &world.state, &ask.request(), Attempt::First, late);
    assert_eq!(words(&decision), "401 invalid_token");
}
