//! Routes, plans and quotas beside user and global: charged all or none, in whatever order they refuse.

use super::{
    super::super::{
        limits::RouteQuota,
        period::{Period, PeriodQuota},
        plans::{Plan, Terms},
    },
    threads::on_four_threads,
    *,
};

const DAY: u64 = 86_400 * SECOND;

/// 3 in a second and at once, of all users of a route together.
fn route() -> RouteQuota {
    RouteQuota::new("/ai/query", quota(3, 3))
}

fn daily(requests: u64) -> PeriodQuota {
    PeriodQuota { requests, period: Period::Day }
}

/// `client` under a plan of these numbers; anybody else under none.
fn with_plan(per_user: Quota, quota: Option<PeriodQuota>) -> Limits {
    let plan = Plan { client_ids: vec!["client".to_owned()], groups: vec![], terms: Terms { per_user, quota } };
    Limits { plans: Plans::new(vec![plan]), ..limits() }
}

/// A request by that client.
fn ask_as_client(state: &LimitState, limits: &Limits, subject: &str, charge: Charge, now: u64) -> Result<Admission, Refusal> {
    let caller = Caller { issuer: ISSUER, subject, terms: limits.terms(Some("client"), &[]) };
    state.admit(limits, &caller, charge, at(now))
}

/// What is left: of ann's bucket, of ann's quota, of the route's bucket, of global.
fn left(state: &LimitState, limits: &Limits, now: u64) -> [u64; 4] {
    let caller = Caller { issuer: ISSUER, subject: "ann", terms: limits.terms(Some("client"), &[]) };
    let remaining = |numbers: Option<Numbers>| numbers.map_or(0, |numbers| numbers.standing.remaining);
    [
        state.user_standing(&caller, at(now)).remaining,
        remaining(state.quota_numbers(&caller, at(now))),
        remaining(state.route_numbers(Charge::Route(route()), at(now))),
        state.global_tokens(limits, at(now)),
    ]
}

/// Each of four policies has `tokens` left, in the order of [`left`]; one is asked for twice. All or nothing of it is taken.
fn all_or_none(tokens: [u64; 4], refused_by: Policy) {
    let [user, day, of_route, global] = tokens;
    let limits = Limits { global: quota(1, global), ..with_plan(quota(1, user), Some(daily(day))) };
    let (state, charge) = (LimitState::new(10), Charge::Route(RouteQuota { quota: quota(1, of_route), ..route() }));
    assert!(ask_as_client(&state, &limits, "ann", charge, 0).is_ok());
    let after = left(&state, &limits, 0);
    let refusal = ask_as_client(&state, &limits, "ann", charge, 0).expect_err("one is used up");
    assert_eq!((refusal.numbers.policy, refusal.numbers.standing.remaining), (refused_by, 0));
    assert_eq!(left(&state, &limits, 0), after, "{refused_by:?}");
    assert_eq!((after[0], after[1], after[3]), (user - 1, day - 1, global - 1));
}

#[test]
fn what_one_policy_refuses_costs_nothing_in_any_other() {
    all_or_none([1, 9, 9, 9], Policy::User);
    all_or_none([9, 1, 9, 9], Policy::Quota);
    all_or_none([9, 9, 1, 9], Policy::Route);
    all_or_none([9, 9, 9, 1], Policy::Global);
    // The end of the day is further away than a second; of equal waits the first that is asked.
    all_or_none([1, 1, 1, 1], Policy::Quota);
    all_or_none([1, 9, 1, 1], Policy::User);
    all_or_none([9, 9, 1, 1], Policy::Route);
}

#[test]
fn of_all_refusals_the_longest_wait_is_told() {
    let state = LimitState::new(10);
    let limits = Limits { global: quota(1, 1), ..with_plan(quota(10, 1), Some(daily(9))) };
    let charge = Charge::Route(RouteQuota { quota: quota(100, 1), ..route() });
    assert!(ask_as_client(&state, &limits, "ann", charge, 0).is_ok());
    let refusal = ask_as_client(&state, &limits, "ann", charge, 0).expect_err("three are used up");
    assert_eq!((refusal.numbers.policy, refusal.retry_after_s), (Policy::Global, 1));
    assert!(ask_as_client(&state, &limits, "ann", charge, SECOND).is_ok(), "who waits as told is admitted");
}

#[test]
fn all_callers_of_a_route_share_its_bucket_and_other_routes_do_not() {
    let (state, limits, charge) = (LimitState::new(10), limits(), Charge::Route(route()));
    for subject in ["ann", "bob"] {
        assert!(state.admit(&limits, &caller(&limits, ISSUER, subject), charge, at(0)).is_ok());
    }
    let shown = state.admit_anonymous(&limits, charge, at(0)).expect("one is left").expect("the route has a limit");
    assert_eq!((shown.policy, shown.standing.remaining), (Policy::Route, 0));
    let refusal = state.admit(&limits, &caller(&limits, ISSUER, "cat"), charge, at(0)).expect_err("all are taken");
    assert_eq!(
        (refusal.numbers.policy, refusal.numbers.pace, refusal.retry_after_s),
        (Policy::Route, Pace::Bucket(route().quota), 1)
    );
    assert_eq!(state.admit_anonymous(&limits, charge, at(0)).map_err(|refusal| refusal.numbers.policy), Err(Policy::Route));
    assert_eq!((remaining(&state, &limits, "cat", 0), state.global_tokens(&limits, at(0))), (100, 9_997));
    let other = Charge::Route(RouteQuota::new("/changes", quota(3, 3)));
    assert!(state.admit(&limits, &caller(&limits, ISSUER, "cat"), other, at(0)).is_ok());
}

#[test]
fn a_routes_bucket_keeps_its_debt_when_its_numbers_change_and_none_beyond_a_bucket() {
    let (state, limits) = (LimitState::new(10), limits());
    let of = |quota| Charge::Route(RouteQuota { quota, ..route() });
    for _ in 0..60 {
        assert!(state.admit_anonymous(&limits, of(quota(1, 60)), at(0)).is_ok());
    }
    let slow = of(quota(10, 10));
    assert_eq!(state.admit_anonymous(&limits, slow, at(0)).map_err(|refusal| refusal.retry_after_s), Err(60));
    // Nobody waits out what only the larger bucket held: the next sweep lets go of it.
    let reloaded = Limits { routes: vec![RouteQuota { quota: quota(10, 10), ..route() }], ..limits };
    state.sweep(&reloaded, at(0));
    assert_eq!(state.admit_anonymous(&reloaded, slow, at(0)).map_err(|refusal| refusal.retry_after_s), Err(1));
    // A route that is gone is forgotten once it is full.
    let removed = Limits { routes: vec![], ..reloaded };
    state.sweep(&removed, at(SECOND));
    assert_eq!(state.route_numbers(slow, at(SECOND)).map(|numbers| numbers.standing.remaining), Some(10));
    assert_eq!(state.routes.len(), 1);
    state.sweep(&removed, at(2 * SECOND - 1));
    assert_eq!(state.routes.len(), 1, "a request may be under way with a time of a second ago");
    state.sweep(&removed, at(2 * SECOND));
    assert_eq!(state.routes.len(), 0);
}

#[test]
fn a_plan_gives_its_own_numbers_and_another_plan_finds_the_debt() {
    let state = LimitState::new(10);
    let limits = with_plan(quota(500, 1_000), None);
    for _ in 0..1_000 {
        assert!(ask_as_client(&state, &limits, "ann", Charge::User, 0).is_ok());
    }
    let refusal = ask_as_client(&state, &limits, "ann", Charge::User, 0).expect_err("the burst is spent");
    assert_eq!((refusal.numbers.pace, refusal.numbers.standing.limit), (Pace::Bucket(quota(500, 1_000)), 1_000));
    // Two seconds of debt, where a bucket of all others holds one: with a token of another client ann waits it out.
    let refusal = ask(&state, &limits, "ann", 0).expect_err("the debt stays");
    assert_eq!((refusal.numbers.pace, refusal.retry_after_s), (Pace::Bucket(limits.per_user), 2));
    assert!(ask(&state, &limits, "ann", SECOND + 10 * MS).is_ok());
    assert!(ask(&state, &limits, "bob", 0).is_ok());
}

#[test]
fn a_sweep_takes_no_debt_from_the_users_of_the_largest_plan() {
    let state = LimitState::new(10);
    let limits = with_plan(quota(1, 100), None);
    for _ in 0..100 {
        assert!(ask_as_client(&state, &limits, "ann", Charge::User, 0).is_ok());
    }
    state.sweep(&limits, at(0));
    assert_eq!(
        ask_as_client(&state, &limits, "ann", Charge::User, 0).map_err(|refusal| refusal.numbers.standing.full_in_ns).err(),
        Some(100 * SECOND)
    );
    // Without the plan it is a leftover.
    let reloaded = super::limits();
    state.sweep(&reloaded, at(0));
    assert_eq!(ask(&state, &reloaded, "ann", 0).map_err(|refusal| refusal.numbers.standing.full_in_ns).err(), Some(SECOND));
}

#[test]
fn a_quota_refuses_until_the_day_is_over_and_shows_it() {
    let (state, limits) = (LimitState::new(10), with_plan(quota(100, 100), Some(daily(2))));
    let shown = ask_as_client(&state, &limits, "ann", Charge::User, 0).expect("it is new").quota.expect("it has one");
    assert_eq!((shown.standing.limit, shown.standing.remaining, shown.window_s()), (2, 1, Some(86_400)));
    assert!(ask_as_client(&state, &limits, "ann", Charge::User, 0).is_ok());
    let refusal = ask_as_client(&state, &limits, "ann", Charge::User, 0).expect_err("it is used up");
    let left_ns = DAY - at(0).unix_ns % DAY;
    assert_eq!((refusal.numbers.policy, refusal.retry_after_s), (Policy::Quota, left_ns / SECOND));
    assert_eq!(refusal.numbers.standing, Standing { limit: 2, remaining: 0, full_in_ns: left_ns });
    assert_eq!(refusal.detail(), "per-user quota of 2 requests per day exceeded");
    assert!(ask_as_client(&state, &limits, "ann", Charge::User, left_ns).is_ok());
}

#[test]
fn an_exempt_route_charges_no_quota() {
    let (state, limits) = (LimitState::new(10), with_plan(quota(100, 100), Some(daily(1))));
    assert!(ask_as_client(&state, &limits, "ann", Charge::User, 0).is_ok());
    let admission = ask_as_client(&state, &limits, "ann", Charge::Exempt, 0).expect("exempt of all that is the user's");
    assert!(admission.quota.is_none() && admission.bulk.is_some());
}

#[test]
fn quotas_outlive_a_restart_and_buckets_do_not() {
    let (state, limits) = (LimitState::new(10), with_plan(quota(1, 2), Some(daily(3))));
    for _ in 0..2 {
        assert!(ask_as_client(&state, &limits, "ann", Charge::User, 0).is_ok());
    }
    assert!(state.quota_snapshot(at(0)).is_some() && state.quota_snapshot(at(0)).is_none());
    (0..2).for_each(|_| state.quota_snapshot_lost());
    assert_eq!(state.quota_snapshots_lost(), 2);
    let kept = Kept::decode(&state.quota_snapshot(at(0)).expect("it was lost")).expect("it is whole");
    let state = LimitState::restored(10, &kept, at(0));
    assert_eq!(left(&state, &limits, 0)[..2], [2, 1]);
}

#[test]
fn no_policy_allocates_for_a_known_user() {
    let (state, limits) = (LimitState::new(10), with_plan(quota(1, 50), Some(daily(50))));
    let charge = Charge::Route(RouteQuota { quota: quota(1, 50), ..route() });
    allocates_nothing(|round| drop(ask_as_client(&state, &limits, "ann", charge, round)));
}

/// Threads race for what the scarcest policy has; each lost race would leave a trace in another.
fn spent_is_admitted(tokens: [u64; 4]) {
    let [user, day, of_route, global] = tokens;
    let limits = Limits { global: quota(1, global), ..with_plan(quota(1, user), Some(daily(day))) };
    let (state, charge) = (LimitState::new(10), Charge::Route(RouteQuota { quota: quota(1, of_route), ..route() }));
    let ask = |_| (0..500).filter(|_| ask_as_client(&state, &limits, "ann", charge, 0).is_ok()).count() as u64;
    let admitted: u64 = on_four_threads(ask).iter().sum();
    let caller = Caller { issuer: ISSUER, subject: "ann", terms: limits.terms(Some("client"), &[]) };
    let of_quota = state.quota_numbers(&caller, at(0)).expect("it has one").standing;
    let standing = state.route_numbers(charge, at(0)).expect("it has one").standing;
    let spent = [
        user - state.user_standing(&caller, at(0)).remaining,
        day - of_quota.remaining,
        of_route - standing.remaining,
        global - state.global_tokens(&limits, at(0)),
    ];
    assert_eq!((spent, admitted), ([admitted; 4], *tokens.iter().min().expect("four")));
}

#[test]
fn what_all_four_spent_is_what_was_admitted_however_many_threads_race() {
    for _ in 0..4 {
        spent_is_admitted([700, 1_000, 1_000, 1_000]);
        spent_is_admitted([1_000, 700, 1_000, 1_000]);
        spent_is_admitted([1_000, 1_000, 700, 1_000]);
        spent_is_admitted([1_000, 1_000, 1_000, 700]);
    }
}
