//! The decision as a whole, over a gateway compiled from TOML and tokens signed with real keys.

mod charges;
mod forwarding;
mod keys;
mod order;
mod own_answers;
mod policies;

use super::{
    Action, Decision,
    test_gateway::{Ask, Spent, World},
};
use bytes::Bytes;

/// A decision in words: `405 method_not_allowed`, `forward /api/v1/x`, `answer 204`, `issue a token`, `await keys`.
fn words(decision: &Decision) -> String {
    match &decision.action {
        Action::Forward(forward) => format!("forward {}", text(forward.target())),
        Action::Answer(_, reply) => format!("answer {}", reply.status.as_u16()),
        Action::Reject(rejection) => {
            let (status, code, _) = rejection.row();
            let policy = rejection.policy().map_or(String::new(), |policy| format!(" {}", policy.label()));
            format!("{} {code}{policy}", status.as_u16())
        }
        Action::IssueToken => "issue a token".to_owned(),
        Action::AwaitKeys { .. } => "await keys".to_owned(),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("targets are text")
}

/// The decision on one request, asked of a fresh gateway.
fn check(ask: &Ask, expected: &str) {
    check_with("", ask, expected);
}

/// The same with `more` in the configuration.
fn check_with(more: &str, ask: &Ask, expected: &str) {
    assert_eq!(words(&World::new(more).ask(ask)), expected, "{} {}", ask.parts.method, ask.target);
}

/// The decision on one request, and what it costs whom.
fn check_cost(world: &World, ask: &Ask, expected: &str, cost: Spent) {
    let before = world.spent(ask);
    let decision = world.ask(ask);
    assert_eq!(words(&decision), expected, "{} {}", ask.parts.method, ask.target);
    // What is held while the request is under way ends with it.
    drop(decision);
    let after = world.spent(ask);
    let spent =
        Spent { user: after.user - before.user, address: after.address - before.address, global: after.global - before.global };
    assert_eq!(spent, cost, "{} {}", ask.parts.method, ask.target);
}
