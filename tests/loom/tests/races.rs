//! Interleavings of a few threads that meet at the same buckets.
//!
//! Preemptions are bounded where all interleavings would take too long (loom's documentation: two or three preemptions find what
//! there is to find); each model says so.

use limiter_under_loom::{
    limit::{Attempts, Caller, Charge, LimitState, Limits, Period, PeriodQuota, Plan, Plans, Quota, RouteQuota, Terms},
    time::Now,
};
use loom::thread;
use std::{net::IpAddr, sync::Arc};

const SECOND: u64 = 1_000_000_000;
const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn quota(rate: u64, burst: u64) -> Quota {
    Quota::new(rate, burst).expect("BUG: a model's quota")
}

/// A token a second each, with these bursts.
fn limits(user: u64, global: u64) -> Limits {
    Limits {
        global: quota(1, global),
        per_user: quota(1, user),
        per_address: quota(1, 1),
        failures: quota(1, 1),
        bulk_in_flight: 1,
        max_users: 10,
        plans: Plans::default(),
        routes: Vec::new(),
        dry_run: false,
    }
}

fn at(monotonic_ns: u64) -> Now {
    Now { monotonic_ns, unix_ns: monotonic_ns }
}

fn caller<'a>(limits: &Limits, subject: &'a str) -> Caller<'a> {
    Caller { issuer: "issuer", subject, terms: limits.terms(Some("client"), &[]) }
}

fn admits(state: &LimitState, limits: &Limits, subject: &str, now: u64) -> bool {
    state.admit(limits, &caller(limits, subject), Charge::User, at(now)).is_ok()
}

fn user_spent(state: &LimitState, limits: &Limits, subject: &str) -> u64 {
    limits.per_user.burst() - state.user_standing(&caller(limits, subject), at(0)).remaining
}

fn global_spent(state: &LimitState, limits: &Limits) -> u64 {
    limits.global.burst() - state.global_tokens(limits, at(0))
}

type Work<R> = fn(&LimitState, &Limits) -> R;

/// Plays `work`, each on a thread of its own, in every order; `check` sees what each found, in the order of `work`.
fn play<R: 'static, const N: usize>(
    preemptions: Option<usize>,
    limits: &Limits,
    prepare: fn(&LimitState, &Limits),
    work: [Work<R>; N],
    check: fn(&LimitState, &Limits, [R; N]),
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    let limits = limits.clone();
    model.check(move || {
        let (state, limits) = (LimitState::new(0), Arc::new(limits.clone()));
        prepare(&state, &limits);
        let threads = work.map(|work| {
            let (state, limits) = (Arc::clone(&state), Arc::clone(&limits));
            thread::spawn(move || work(&state, &limits))
        });
        let found = threads.map(|thread| thread.join().expect("BUG: a thread of the model panicked"));
        check(&state, &limits, found);
    });
}

fn nothing(_: &LimitState, _: &Limits) {}

fn count<const N: usize>(admitted: [bool; N]) -> u64 {
    admitted.into_iter().map(u64::from).sum()
}

#[test]
fn three_threads_take_two_global_tokens_exactly() {
    let work: Work<bool> = |state, limits| state.admit_anonymous(limits, Charge::User, at(0)).is_ok();
    play(None, &limits(1, 2), nothing, [work; 3], |state, limits, admitted| {
        assert_eq!((count(admitted), state.global_tokens(limits, at(0))), (2, 0));
    });
}

#[test]
fn the_last_global_token_is_given_once_and_not_refused_to_all() {
    let work: [Work<bool>; 2] = [
        |state, limits| state.admit_anonymous(limits, Charge::User, at(SECOND)).is_ok(),
        // Read its clock earlier, comes at any time.
        |state, limits| state.admit_anonymous(limits, Charge::User, at(SECOND - 1)).is_ok(),
    ];
    play(None, &limits(1, 1), nothing, work, |_, _, admitted| assert_eq!(count(admitted), 1));
}

#[test]
fn one_user_on_two_threads_gets_one_token_once() {
    let work: Work<bool> = |state, limits| admits(state, limits, "ann", 0);
    play(Some(2), &limits(1, 5), nothing, [work; 2], |state, limits, admitted| {
        assert_eq!((count(admitted), user_spent(state, limits, "ann"), global_spent(state, limits)), (1, 1, 1));
        assert_eq!(state.users(), 1);
    });
}

#[test]
fn two_users_that_race_for_the_last_global_token_are_charged_all_or_nothing() {
    let work: [Work<bool>; 2] =
        [|state, limits| admits(state, limits, "ann", 0), |state, limits| admits(state, limits, "bob", 0)];
    play(None, &limits(5, 1), nothing, work, |state, limits, admitted| {
        let spent = ["ann", "bob"].map(|subject| user_spent(state, limits, subject));
        assert_eq!((count(admitted), global_spent(state, limits)), (1, 1));
        assert_eq!(spent, admitted.map(u64::from), "who was refused was charged nothing");
        assert_eq!(state.users(), 1, "and has no entry");
    });
}

#[test]
fn three_threads_of_two_users_spend_what_was_admitted() {
    let work: [Work<bool>; 3] = [
        |state, limits| admits(state, limits, "ann", 0),
        |state, limits| admits(state, limits, "ann", 0),
        |state, limits| admits(state, limits, "bob", 0),
    ];
    play(Some(2), &limits(1, 2), nothing, work, |state, limits, admitted| {
        let [ann, again, bob] = admitted.map(u64::from);
        assert_eq!((ann + again, bob), (1, 1), "a token was free for each");
        assert_eq!((user_spent(state, limits, "ann"), user_spent(state, limits, "bob")), (1, 1));
        assert_eq!(global_spent(state, limits), 2);
    });
}

#[test]
fn a_sweep_loses_no_charge_that_comes_meanwhile() {
    let work: [Work<bool>; 2] = [
        // What is there is full and forgotten; what comes is not.
        |state, limits| {
            state.sweep(limits, at(2 * SECOND));
            true
        },
        |state, limits| admits(state, limits, "ann", 2 * SECOND),
    ];
    let before: fn(&LimitState, &Limits) = |state, limits| assert!(admits(state, limits, "ann", 0));
    play(Some(2), &limits(1, 5), before, work, |state, limits, admitted| {
        assert_eq!(admitted, [true, true]);
        assert!(!admits(state, limits, "ann", 2 * SECOND), "the token is spent");
        assert_eq!(state.users(), 1);
    });
}

/// Somebody who has spent all, beside three others: another one makes the table grow.
fn four_users(state: &LimitState, limits: &Limits) {
    assert!(["ann", "bob", "cat"].iter().all(|subject| admits(state, limits, subject, 2 * SECOND)));
}

#[test]
fn who_has_spent_all_is_refused_while_the_table_grows() {
    let work: [Work<bool>; 2] =
        [|state, limits| admits(state, limits, "ann", 2 * SECOND), |state, limits| admits(state, limits, "dan", 2 * SECOND)];
    play(Some(2), &limits(1, 9), four_users, work, |state, _, admitted| {
        assert_eq!((admitted, state.users()), ([false, true], 4));
    });
}

#[test]
fn what_a_reader_finds_while_others_are_forgotten_and_come_is_whole_and_of_that_user() {
    let work: [Work<bool>; 2] = [
        |state, limits| state.user_standing(&caller(limits, "ann"), at(2 * SECOND)).remaining == 1,
        // The others are full and go; who comes takes one of their places.
        |state, limits| {
            state.sweep(limits, at(3 * SECOND));
            admits(state, limits, "dan", 3 * SECOND)
        },
    ];
    let before: fn(&LimitState, &Limits) = |state, limits| {
        assert!(["bob", "ann", "cat", "ann"].iter().all(|subject| admits(state, limits, subject, SECOND)));
    };
    play(Some(2), &limits(2, 9), before, work, |state, _, right| {
        assert_eq!((right, state.users()), ([true, true], 2));
    });
}

#[test]
fn who_comes_late_while_a_sweep_forgets_is_not_judged_as_of_before_it() {
    let work: [Work<bool>; 2] = [
        // Forgets what was full at 2 s.
        |state, limits| {
            state.sweep(limits, at(3 * SECOND));
            true
        },
        |state, limits| admits(state, limits, "ann", 0),
    ];
    let before: fn(&LimitState, &Limits) = |state, limits| assert!(admits(state, limits, "ann", 0));
    play(Some(2), &limits(1, 5), before, work, |state, limits, [_, late]| {
        assert_eq!(count([late, admits(state, limits, "ann", 2 * SECOND)]), 1, "one token was there at 2 s");
    });
}

/// Ten seconds of debt under an old quota, of which the new one keeps one.
fn leave_global_debt(state: &LimitState, limits: &Limits) {
    let old = Limits { global: quota(1, 10), ..limits.clone() };
    (0..10).for_each(|_| assert!(state.admit_anonymous(&old, Charge::User, at(0)).is_ok()));
}

fn sweep_at_0(state: &LimitState, limits: &Limits) -> bool {
    state.sweep(limits, at(0));
    true
}

/// The new quota's charge comes at 1 s.
fn charge_at_1(state: &LimitState, limits: &Limits) -> bool {
    state.admit_anonymous(limits, Charge::User, at(SECOND)).is_ok()
}

#[test]
fn a_sweep_that_lets_go_of_leftover_debt_loses_no_global_charge() {
    play(None, &limits(1, 1), leave_global_debt, [sweep_at_0, charge_at_1], |state, limits, [_, admitted]| {
        assert_eq!(count([admitted, charge_at_1(state, limits)]), 1, "the sweep gave one token back, once");
    });
}

#[test]
fn two_sweeps_that_let_go_of_leftover_debt_lose_no_global_charge_between_them() {
    let work: [Work<bool>; 3] = [sweep_at_0, sweep_at_0, charge_at_1];
    play(Some(2), &limits(1, 1), leave_global_debt, work, |state, limits, [_, _, admitted]| {
        assert_eq!(count([admitted, charge_at_1(state, limits)]), 1, "one token came back, once");
    });
}

#[test]
fn the_bound_on_users_holds_while_they_race_for_the_last_place() {
    let work: [Work<bool>; 2] =
        [|state, limits| admits(state, limits, "ann", 0), |state, limits| admits(state, limits, "bob", 0)];
    let limits = Limits { max_users: 1, ..limits(5, 5) };
    play(Some(2), &limits, nothing, work, |state, limits, admitted| {
        assert_eq!((count(admitted), state.users(), state.overflow()), (2, 1, 1));
        let spent = ["ann", "bob"].map(|subject| user_spent(state, limits, subject));
        assert_eq!((spent[0] + spent[1], global_spent(state, limits)), (1, 2));
    });
}

#[test]
fn a_place_that_a_sweep_frees_is_taken_once() {
    let work: [Work<bool>; 3] = [
        |state, limits| {
            state.sweep(limits, at(3 * SECOND));
            true
        },
        |state, limits| admits(state, limits, "bob", 3 * SECOND),
        |state, limits| admits(state, limits, "cat", 3 * SECOND),
    ];
    let before: fn(&LimitState, &Limits) = |state, limits| assert!(admits(state, limits, "ann", 0));
    let limits = Limits { max_users: 1, ..limits(1, 5) };
    play(Some(2), &limits, before, work, |state, _, admitted| {
        assert_eq!(count(admitted), 3);
        assert!(state.users() <= 1, "{} users", state.users());
        assert!((1..=2).contains(&state.overflow()), "{} of two found no place", state.overflow());
    });
}

#[test]
fn a_place_on_an_exempt_route_is_held_by_one_at_a_time() {
    let work: Work<Option<u64>> = |state, limits| {
        let admitted = state.admit(limits, &caller(limits, "ann"), Charge::Exempt, at(0)).ok()?;
        let others = state.admit(limits, &caller(limits, "ann"), Charge::Exempt, at(0)).is_ok();
        drop(admitted);
        Some(u64::from(others))
    };
    play(Some(2), &limits(1, 9), nothing, [work; 2], |state, limits, found| {
        let admitted = found.iter().flatten().count() as u64;
        assert!(admitted >= 1, "the place was free for one of them");
        assert_eq!(found.iter().flatten().sum::<u64>(), 0, "nobody else while it is held");
        assert_eq!(global_spent(state, limits), admitted);
        assert!(state.admit(limits, &caller(limits, "ann"), Charge::Exempt, at(0)).is_ok(), "it came back");
    });
}

#[test]
fn an_address_token_given_back_is_taken_by_one_other() {
    let work: [Work<bool>; 2] = [
        |state, limits| {
            let charge = state.charge_address(limits, ADDRESS, at(0));
            charge.map(|charge| state.refund_address(charge)).is_ok()
        },
        |state, limits| state.charge_address(limits, ADDRESS, at(0)).map(drop).is_ok(),
    ];
    play(Some(2), &limits(1, 1), nothing, work, |state, limits, [refunded, charged]| {
        assert!(refunded || charged, "a token was free");
        let left = state.address_standing(limits, ADDRESS, at(0)).remaining;
        assert_eq!(left, u64::from(!charged), "what was kept is spent, what was given back is there");
    });
}

#[test]
fn two_wrong_secrets_that_race_are_judged_once() {
    let work: Work<bool> = |state, limits| {
        let attempts = Attempts { state, limits, address: ADDRESS, now: at(0) };
        attempts.of("client", || None::<()>).is_ok()
    };
    play(Some(2), &limits(1, 1), nothing, [work; 2], |_, _, tried| assert_eq!(count(tried), 1));
}

/// One request a day, and one a second on the route.
fn four_policies() -> Limits {
    let plan = Plan {
        client_ids: vec!["client".to_owned()],
        groups: vec![],
        terms: Terms { per_user: quota(1, 5), quota: Some(PeriodQuota { requests: 2, period: Period::Day }) },
    };
    Limits { plans: Plans::new(vec![plan]), ..limits(5, 9) }
}

fn asks_on_a_route(state: &LimitState, limits: &Limits, subject: &str) -> bool {
    let route = RouteQuota::new("/ai/query", quota(1, 1));
    state.admit(limits, &caller(limits, subject), Charge::Route(route), at(0)).is_ok()
}

#[test]
fn two_users_that_race_for_a_routes_last_token_are_charged_by_all_four_policies_or_none() {
    let work: [Work<bool>; 2] =
        [|state, limits| asks_on_a_route(state, limits, "ann"), |state, limits| asks_on_a_route(state, limits, "bob")];
    play(Some(2), &four_policies(), nothing, work, |state, limits, admitted| {
        assert_eq!((count(admitted), global_spent(state, limits), state.users()), (1, 1, 1));
        for (subject, admitted) in ["ann", "bob"].into_iter().zip(admitted) {
            let caller = caller(limits, subject);
            let left = state.quota_numbers(&caller, at(0)).map(|numbers| numbers.standing.remaining);
            let user = state.user_standing(&caller, at(0)).remaining;
            assert_eq!((user, left), (5 - u64::from(admitted), Some(2 - u64::from(admitted))));
        }
    });
}

#[test]
fn a_days_last_request_is_given_once() {
    let limits = four_policies();
    let before: fn(&LimitState, &Limits) = |state, limits| assert!(admits(state, limits, "ann", 0));
    let work: Work<bool> = |state, limits| admits(state, limits, "ann", 0);
    play(Some(2), &limits, before, [work; 2], |state, limits, admitted| {
        assert_eq!((count(admitted), global_spent(state, limits)), (1, 2));
        let left = state.quota_numbers(&caller(limits, "ann"), at(0)).map(|numbers| numbers.standing.remaining);
        assert_eq!((left, state.user_standing(&caller(limits, "ann"), at(0)).remaining), (Some(0), 3));
    });
}
