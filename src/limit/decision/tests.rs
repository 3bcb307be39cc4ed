//! All policies together: what refuses, what is charged, what the answer says; then a simulation and threads.

use super::{
    super::{
        gcra::tests::quota,
        period::{Period, Span},
        plans::Plans,
        shown::Pace,
    },
    *,
};
use std::{collections::BTreeMap, fmt::Write};

mod late;
mod policies;
mod simulation;
mod threads;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const ISSUER: &str = "https://issuer";

/// User 100 at once and per second, global 5000 and 10000, as installed.
fn limits() -> Limits {
    Limits {
        global: quota(5_000, 10_000),
        per_user: quota(100, 100),
        per_address: quota(1_000, 2_000),
        failures: quota(1, 100),
        bulk_in_flight: 4,
        max_users: 1_000,
        plans: Plans::default(),
        routes: Vec::new(),
        dry_run: false,
    }
}

/// A user whom no plan is for.
fn caller<'a>(limits: &Limits, issuer: &'a str, subject: &'a str) -> Caller<'a> {
    Caller { issuer, subject, terms: limits.terms(None, &[]) }
}

fn at(monotonic_ns: u64) -> Now {
    Now { monotonic_ns, unix_ns: 1_700_000_000 * SECOND + monotonic_ns }
}

fn ask(state: &LimitState, limits: &Limits, subject: &str, now: u64) -> Result<Admission, Refusal> {
    state.admit(limits, &caller(limits, ISSUER, subject), Charge::User, at(now))
}

fn ask_exempt(state: &LimitState, limits: &Limits, subject: &str, now: u64) -> Result<Admission, Refusal> {
    state.admit(limits, &caller(limits, ISSUER, subject), Charge::Exempt, at(now))
}

/// Spends tokens that the test knows to be there.
fn spend(state: &LimitState, limits: &Limits, subject: &str, times: u64, now: u64) {
    (0..times).for_each(|_| drop(ask(state, limits, subject, now).expect("BUG: the test expects a token")));
}

fn spend_global(state: &LimitState, limits: &Limits, times: u64, now: u64) {
    (0..times).for_each(|_| assert!(state.admit_anonymous(limits, Charge::User, at(now)).is_ok(), "the test expects a token"));
}

fn remaining(state: &LimitState, limits: &Limits, subject: &str, now: u64) -> u64 {
    state.user_standing(&caller(limits, ISSUER, subject), at(now)).remaining
}

#[test]
fn the_user_past_the_burst_is_refused_with_the_users_numbers() {
    let (state, limits) = (LimitState::new(10), limits());
    spend(&state, &limits, "ann", 100, 0);
    let refusal = ask(&state, &limits, "ann", 0).expect_err("BUG: the burst is spent");
    assert_eq!(
        (refusal.numbers.policy, refusal.numbers.pace, refusal.retry_after_s),
        (Policy::User, Pace::Bucket(limits.per_user), 1)
    );
    assert_eq!(refusal.numbers.standing, Standing { limit: 100, remaining: 0, full_in_ns: SECOND });
}

#[test]
fn past_the_global_burst_everyone_is_refused_with_the_global_numbers() {
    let (state, limits) = (LimitState::new(10), limits());
    spend_global(&state, &limits, 10_000, 0);
    let refusal = ask(&state, &limits, "ann", 0).expect_err("BUG: the burst is spent");
    assert_eq!(
        (refusal.numbers.policy, refusal.numbers.pace, refusal.retry_after_s),
        (Policy::Global, Pace::Bucket(limits.global), 1)
    );
    assert_eq!(refusal.numbers.standing, Standing { limit: 10_000, remaining: 0, full_in_ns: 2 * SECOND });
    assert_eq!(state.admit_anonymous(&limits, Charge::User, at(0)), Err(refusal));
}

#[test]
fn what_the_user_policy_refuses_costs_nothing_globally() {
    let (state, limits) = (LimitState::new(10), limits());
    spend(&state, &limits, "ann", 100, 0);
    (0..1_000).for_each(|_| assert!(ask(&state, &limits, "ann", 0).is_err()));
    assert_eq!(state.global_tokens(&limits, at(0)), 9_900);
}

#[test]
fn what_the_global_policy_refuses_costs_the_user_nothing_and_makes_no_entry() {
    let (state, limits) = (LimitState::new(10), limits());
    spend(&state, &limits, "ann", 1, 0);
    spend_global(&state, &limits, 9_999, 0);
    assert!(ask(&state, &limits, "ann", 0).is_err() && ask(&state, &limits, "bob", 0).is_err());
    assert_eq!((remaining(&state, &limits, "ann", 0), remaining(&state, &limits, "bob", 0), state.users()), (99, 100, 1));
}

/// Two policies refuse: the user for `user_rate`'s interval, global for `global_rate`'s.
fn longest(user_rate: u64, global_rate: u64, expected: Policy) {
    let state = LimitState::new(10);
    let limits = Limits { per_user: quota(user_rate, 1), global: quota(global_rate, 1), ..limits() };
    spend(&state, &limits, "ann", 1, 0);
    assert_eq!(ask(&state, &limits, "ann", 0).expect_err("BUG: both are spent").numbers.policy, expected);
}

#[test]
fn of_two_refusals_the_longer_wait_is_reported() {
    longest(10, 100, Policy::User);
    longest(100, 10, Policy::Global);
    longest(1_000_000, 999_999, Policy::Global);
}

#[test]
fn of_two_equal_waits_the_users_is_reported() {
    longest(10, 10, Policy::User);
}

#[test]
fn a_refused_user_who_waits_for_retry_after_is_admitted() {
    let state = LimitState::new(10);
    let limits = Limits { per_user: quota(1, 3), global: quota(2, 3), ..limits() };
    spend(&state, &limits, "ann", 3, 0);
    let refusal = ask(&state, &limits, "ann", 1).expect_err("BUG: spent");
    assert!(ask(&state, &limits, "ann", 1 + refusal.retry_after_s * SECOND).is_ok());
}

#[test]
fn a_charge_is_shown_with_what_is_left_after_it() {
    let (state, limits) = (LimitState::new(10), limits());
    let user = ask(&state, &limits, "ann", 0).expect("BUG: full").user;
    assert_eq!(user, Standing { limit: 100, remaining: 99, full_in_ns: 10 * MS });
    assert_eq!(state.global_tokens(&limits, at(0)), 9_999);
}

#[test]
fn users_have_buckets_of_their_own() {
    let (state, limits) = (LimitState::new(10), limits());
    spend(&state, &limits, "ann", 100, 0);
    assert!(ask(&state, &limits, "bob", 0).is_ok());
    assert!(state.admit(&limits, &caller(&limits, "https://other", "ann"), Charge::User, at(0)).is_ok());
}

#[test]
fn a_look_at_a_user_charges_nothing_and_makes_no_entry() {
    let (state, limits) = (LimitState::new(10), limits());
    assert_eq!(remaining(&state, &limits, "ann", 0), 100);
    assert_eq!((state.users(), state.addresses()), (0, 0));
}

#[test]
fn an_exempt_route_refuses_past_the_places_with_the_users_numbers() {
    let (state, limits) = (LimitState::new(10), limits());
    spend(&state, &limits, "ann", 30, 0);
    let held: Vec<_> = (0..4).map(|_| ask_exempt(&state, &limits, "ann", 0)).collect();
    assert!(held.iter().all(Result::is_ok));
    let refusal = ask_exempt(&state, &limits, "ann", 0).expect_err("BUG: four are in flight");
    assert_eq!((refusal.numbers.policy, refusal.retry_after_s, refusal.numbers.pace), (Policy::Bulk, 1, Pace::Places(4)));
    assert_eq!(refusal.numbers.standing, Standing { limit: 100, remaining: 0, full_in_ns: 300 * MS });
    assert_eq!(state.global_tokens(&limits, at(0)), 9_966, "a refusal costs nothing globally");
    drop(held);
    assert!(ask_exempt(&state, &limits, "ann", 0).is_ok());
}

#[test]
fn an_exempt_route_that_global_refuses_takes_no_place() {
    let (state, limits) = (LimitState::new(10), Limits { global: quota(1, 1), bulk_in_flight: 1, ..limits() });
    spend_global(&state, &limits, 1, 0);
    assert_eq!(ask_exempt(&state, &limits, "ann", 0).expect_err("BUG: spent").numbers.policy, Policy::Global);
    assert!(ask_exempt(&state, &limits, "ann", SECOND).is_ok());
}

#[test]
fn an_exempt_route_reports_global_when_its_wait_is_longer_than_a_second() {
    let (state, mut limits) = (LimitState::new(10), Limits { bulk_in_flight: 1, ..limits() });
    let _held = ask_exempt(&state, &limits, "ann", 0).expect("BUG: full");
    limits.global = quota(1, 1);
    spend_global(&state, &limits, 1, SECOND);
    assert_eq!(ask_exempt(&state, &limits, "ann", SECOND).expect_err("BUG: in flight").numbers.policy, Policy::Bulk);
    limits.global = quota(1, 3);
    spend_global(&state, &limits, 2, SECOND);
    limits.global = quota(1, 1);
    let refusal = ask_exempt(&state, &limits, "ann", SECOND).expect_err("BUG: in flight and spent");
    assert_eq!((refusal.numbers.policy, refusal.retry_after_s), (Policy::Global, 3));
}

#[test]
fn an_exempt_route_charges_global_only_and_shows_the_user_as_is() {
    let (state, limits) = (LimitState::new(10), limits());
    spend(&state, &limits, "ann", 100, 0);
    let admission = ask_exempt(&state, &limits, "ann", 0).expect("BUG: the user's bucket does not matter");
    assert_eq!((admission.user.remaining, state.users(), state.global_tokens(&limits, at(0))), (0, 1, 9_899));
    assert!(ask_exempt(&state, &limits, "bob", 0).is_ok_and(|bob| bob.user.remaining == 100 && bob.bulk.is_some()));
    assert_eq!(state.users(), 1, "an exempt request makes no bucket");
}

#[test]
fn a_bulk_cap_of_zero_is_no_cap() {
    let (state, limits) = (LimitState::new(10), Limits { bulk_in_flight: 0, ..limits() });
    let held: Vec<_> = (0..1_000).map(|_| ask_exempt(&state, &limits, "ann", 0)).collect();
    assert!(held.iter().all(Result::is_ok));
}

#[test]
fn a_place_outlives_the_state_it_came_from() {
    let (state, limits) = (LimitState::new(10), limits());
    let admission = ask_exempt(&state, &limits, "ann", 0).expect("BUG: full");
    drop(state);
    drop(admission);
}

#[test]
fn a_new_user_at_the_bound_is_admitted_by_global_alone_and_counted() {
    let (state, limits) = (LimitState::new(1), Limits { max_users: 1, ..limits() });
    spend(&state, &limits, "ann", 1, 0);
    spend(&state, &limits, "bob", 150, 0);
    assert_eq!((state.users(), state.overflow(), state.global_tokens(&limits, at(0))), (1, 150, 9_849));
    spend(&state, &limits, "ann", 99, 0);
    assert_eq!(ask(&state, &limits, "ann", 0).expect_err("BUG: spent").numbers.policy, Policy::User);
    assert_eq!(state.overflow(), 150);
}

#[test]
fn a_new_user_at_the_bound_of_an_exempt_route_is_admitted_without_a_place_and_counted() {
    let (state, limits) = (LimitState::new(1), Limits { max_users: 1, ..limits() });
    let ann = ask_exempt(&state, &limits, "ann", 0).expect("BUG: full");
    let bob = ask_exempt(&state, &limits, "bob", 0).expect("BUG: full");
    assert_eq!((ann.bulk.is_some(), bob.bulk.is_some(), state.overflow()), (true, false, 1));
}

#[test]
fn at_the_bound_global_still_refuses_and_that_is_not_counted() {
    let (state, limits) = (LimitState::new(0), Limits { max_users: 0, global: quota(1, 1), ..limits() });
    spend(&state, &limits, "ann", 1, 0);
    assert_eq!(ask(&state, &limits, "bob", 0).expect_err("BUG: spent").numbers.policy, Policy::Global);
    assert_eq!(state.overflow(), 1);
}

#[test]
fn a_sweep_makes_room_for_new_users() {
    let (state, limits) = (LimitState::new(1), Limits { max_users: 1, ..limits() });
    spend(&state, &limits, "ann", 1, 0);
    state.sweep(&limits, at(2 * SECOND));
    assert_eq!((state.users(), state.evictions()), (0, 1));
    spend(&state, &limits, "bob", 1, 2 * SECOND);
    assert_eq!((state.users(), state.overflow()), (1, 0));
}

#[test]
fn a_sweep_forgets_full_buckets_only() {
    let (state, limits) = (LimitState::new(10), limits());
    spend(&state, &limits, "idle", 1, 0);
    spend(&state, &limits, "live", 100, SECOND);
    state.sweep(&limits, at(SECOND + 10 * MS - 1));
    assert_eq!(state.users(), 2);
    state.sweep(&limits, at(SECOND + 10 * MS));
    assert_eq!((state.users(), remaining(&state, &limits, "live", SECOND + 10 * MS)), (1, 1));
}

#[test]
fn evictions_count_addresses_too() {
    let (state, limits) = (LimitState::new(10), limits());
    drop(state.charge_address(&limits, IpAddr::from([192, 0, 2, 1]), at(0)).expect("BUG: full"));
    assert_eq!(state.addresses(), 1);
    state.sweep(&limits, at(10 * SECOND));
    assert_eq!((state.addresses(), state.evictions()), (0, 1));
}

#[test]
fn a_changed_quota_holds_at_once_and_keeps_the_balance() {
    let (state, before) = (LimitState::new(10), limits());
    spend(&state, &before, "ann", 40, 0);
    let after = Limits { per_user: quota(100, 50), max_users: 10, ..limits() };
    assert_eq!(remaining(&state, &after, "ann", 0), 10);
    spend(&state, &after, "ann", 10, 0);
    assert!(ask(&state, &after, "ann", 0).is_err());
    assert_eq!(remaining(&state, &before, "ann", 0), 50);
}

#[test]
fn debt_beyond_a_shrunken_bucket_is_let_go_by_the_sweep() {
    let (state, before) = (LimitState::new(10), Limits { per_user: quota(1, 100), global: quota(1, 100), ..limits() });
    spend(&state, &before, "ann", 100, 0);
    let after = limits();
    assert_eq!(ask(&state, &after, "ann", 0).expect_err("BUG: 100 s of debt").retry_after_s, 100, "what is said is true");
    state.sweep(&after, at(0));
    assert_eq!(ask(&state, &after, "ann", 0).expect_err("BUG: empty").retry_after_s, 1);
    assert!(ask(&state, &after, "ann", SECOND).is_ok());
}

#[test]
fn a_changed_bound_holds_at_once() {
    let state = LimitState::new(1);
    spend(&state, &Limits { max_users: 1, ..limits() }, "ann", 1, 0);
    spend(&state, &Limits { max_users: 2, ..limits() }, "bob", 1, 0);
    assert_eq!((state.users(), state.overflow()), (2, 0));
}

#[test]
fn past_an_addresss_burst_it_is_refused_with_the_addresss_numbers() {
    let (state, limits) = (LimitState::new(10), Limits { per_address: quota(10, 2), ..limits() });
    let charge =
        |address: [u8; 4]| state.charge_address(&limits, IpAddr::from(address), at(0)).map(|charge| charge.standing.remaining);
    assert_eq!((charge([192, 0, 2, 1]), charge([192, 0, 2, 1])), (Ok(1), Ok(0)));
    let refusal = charge([192, 0, 2, 1]).expect_err("BUG: spent");
    assert_eq!(
        (refusal.numbers.policy, refusal.numbers.pace, refusal.retry_after_s),
        (Policy::Address, Pace::Bucket(limits.per_address), 1)
    );
    assert_eq!(refusal.numbers.standing, Standing { limit: 2, remaining: 0, full_in_ns: 200 * MS });
    assert_eq!(charge([192, 0, 2, 2]), Ok(1));
    assert_eq!(state.global_tokens(&limits, at(0)), 10_000);
}

#[test]
fn a_refunded_address_is_as_before() {
    let (state, limits) = (LimitState::new(10), limits());
    let address = IpAddr::from([192, 0, 2, 1]);
    let charge = state.charge_address(&limits, address, at(0)).expect("BUG: full");
    assert_eq!(state.address_standing(&limits, address, at(0)).remaining, 1_999);
    state.refund_address(charge);
    assert_eq!(state.address_standing(&limits, address, at(0)).remaining, 2_000);
}

/// The sentence of a refusal.
fn detail(numbers: Numbers, expected: &str) {
    assert_eq!(Refusal { numbers, retry_after_s: 1 }.detail(), expected);
}

#[test]
fn the_sentence_names_the_limit_and_its_size() {
    let standing = Standing { limit: 7, remaining: 0, full_in_ns: 1 };
    let bucket = |policy, rate| Numbers::of_bucket(policy, quota(rate, 7), standing);
    detail(bucket(Policy::User, 100), "per-user limit of 100 requests per second exceeded");
    detail(bucket(Policy::Global, 5_000), "global limit of 5000 requests per second exceeded");
    detail(bucket(Policy::Address, 1_000), "per-address limit of 1000 unauthenticated requests per second exceeded");
    detail(bucket(Policy::User, 1), "per-user limit of 1 request per second exceeded");
    detail(bucket(Policy::Route, 10), "route limit of 10 requests per second exceeded");
    detail(Numbers::of_places(4, standing), "per-user limit of 4 bulk requests in flight exceeded");
    detail(Numbers::of_places(1, standing), "per-user limit of 1 bulk request in flight exceeded");
    detail(Numbers::of_span(Span::of(Period::Day, 0), standing), "per-user quota of 7 requests per day exceeded");
    detail(Numbers::of_span(Span::of(Period::Month, 0), standing), "per-user quota of 7 requests per month exceeded");
}

#[test]
fn every_policy_has_a_label_of_its_own() {
    let labels: BTreeMap<_, _> = Policy::ALL.iter().map(|policy| (policy.label(), *policy)).collect();
    assert_eq!(labels.into_keys().collect::<Vec<_>>(), ["address", "bulk", "global", "quota", "route", "user"]);
}

/// What `work` allocates, times 100, once everything it touches exists.
fn allocates_nothing(mut work: impl FnMut(u64)) {
    work(0);
    let counted = allocation_counter::measure(|| (1..100).for_each(&mut work));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_known_user_costs_no_allocation() {
    let (state, limits) = (LimitState::new(10), Limits { per_user: quota(1, 50), ..limits() });
    allocates_nothing(|round| drop(ask(&state, &limits, "ann", round)));
    allocates_nothing(|round| drop(ask_exempt(&state, &limits, "ann", round)));
    let address = IpAddr::from([192, 0, 2, 1]);
    allocates_nothing(|round| drop(state.charge_address(&limits, address, at(round))));
}

#[test]
fn a_refused_new_user_costs_no_allocation() {
    let (state, limits) = (LimitState::new(10), Limits { global: quota(1, 1), ..limits() });
    spend_global(&state, &limits, 1, 0);
    let first = allocation_counter::measure(|| drop(ask(&state, &limits, "bob", 0)));
    let first_exempt = allocation_counter::measure(|| drop(ask_exempt(&state, &limits, "cat", 0)));
    assert_eq!((first.count_total, first_exempt.count_total), (0, 0));
}

#[test]
fn empty_buckets_for_a_million_users_take_little_memory() {
    let counted = allocation_counter::measure(|| drop(LimitState::new(1_000_000)));
    assert!(counted.bytes_max < 2_300_000, "{} bytes", counted.bytes_max);
}

/// With what growing took for a while.
#[test]
fn a_million_users_take_at_most_72_megabytes() {
    let limits = Limits { global: quota(1, 2_000_000), max_users: 1_000_000, ..limits() };
    let mut users = 0;
    let counted = allocation_counter::measure(|| {
        let state = LimitState::new(1_000_000);
        let mut subject = String::new();
        for index in 0..1_000_000 {
            subject.clear();
            write!(subject, "user-{index}").expect("BUG: a string takes everything");
            spend(&state, &limits, &subject, 1, 0);
        }
        users = state.users();
    });
    assert_eq!(users, 1_000_000);
    assert!(counted.bytes_max <= 72_000_000, "{} bytes", counted.bytes_max);
}

/// Only a full bucket is forgotten: strangers who fill the map find no room, and who is limited stays so.
#[test]
fn a_flood_of_new_subjects_does_not_free_a_user_who_is_limited() {
    let (state, limits) = (LimitState::new(10), Limits { max_users: 50, per_user: quota(1, 10), ..limits() });
    spend(&state, &limits, "ann", 10, 0);
    for round in 0..9 {
        (0..200).for_each(|stranger| spend(&state, &limits, &format!("{round}-{stranger}"), 1, 0));
        state.sweep(&limits, at(SECOND / 2));
        assert_eq!(ask(&state, &limits, "ann", SECOND / 2).expect_err("BUG: still limited").numbers.policy, Policy::User);
    }
    assert_eq!((state.users(), state.overflow()), (50, 9 * 200 - 49));
    assert!(ask(&state, &limits, "ann", SECOND).is_ok() && ask(&state, &limits, "ann", SECOND).is_err());
}

/// Who knows which subjects meet in one process knows nothing of another one.
#[test]
fn which_subjects_meet_in_a_shard_differs_between_two_instances() {
    let meeting = |state: &LimitState| {
        let shard = |index: u64| state.keys.user(ISSUER, &index.to_string()) % 64;
        (1..200).filter(|index| shard(*index) == shard(0)).collect::<Vec<_>>()
    };
    assert_ne!(meeting(&LimitState::new(10)), meeting(&LimitState::new(10)));
}
