//! Requests that come late, and a clock that steps back: what was full when a sweep forgot it is not asked as of a time at which it
//! was not.

use super::*;
use crate::limit::Attempts;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// One at once and each second, of everything but global.
fn one() -> Limits {
    Limits { per_user: quota(1, 1), per_address: quota(1, 1), failures: quota(1, 1), ..limits() }
}

/// Asked at 0, forgotten at 10 s; then asked as of 0 again, and as of 9 s: of both together one is admitted, at 9 s.
fn one_of_two(ask: impl Fn(&LimitState, &Limits, u64) -> bool) {
    let (state, limits) = (LimitState::new(10), one());
    assert!(ask(&state, &limits, 0) && !ask(&state, &limits, 0));
    state.sweep(&limits, at(10 * SECOND));
    assert_eq!([0, 9 * SECOND, 10 * SECOND - 1].map(|now| ask(&state, &limits, now)), [true, false, false]);
    assert!(ask(&state, &limits, 10 * SECOND));
}

#[test]
fn who_comes_after_a_sweep_with_a_time_before_it_is_charged_as_of_the_sweep() {
    one_of_two(|state, limits, now| ask(state, limits, "ann", now).is_ok());
    one_of_two(|state, limits, now| state.charge_address(limits, ADDRESS, at(now)).is_ok());
    one_of_two(|state, limits, now| {
        let attempts = Attempts { state, limits, address: ADDRESS, now: at(now) };
        attempts.of("client", || None::<()>).is_ok()
    });
    // Those that found no room share a bucket, which is forgotten, too.
    let crowded = |limits: &Limits| Limits { max_users: 0, ..limits.clone() };
    one_of_two(|state, limits, now| state.charge_address(&crowded(limits), ADDRESS, at(now)).is_ok());
}

#[test]
fn a_route_that_is_not_configured_any_more_is_no_exception() {
    let route = Charge::Route(RouteQuota::new("/ai/query", quota(1, 1)));
    one_of_two(|state, limits, now| state.admit_anonymous(limits, route, at(now)).is_ok());
}

#[test]
fn what_is_shown_of_a_bucket_is_as_of_the_sweep_too() {
    let (state, limits) = (LimitState::new(10), one());
    state.sweep(&limits, at(10 * SECOND));
    assert!(ask(&state, &limits, "ann", 0).is_ok());
    assert_eq!(state.user_standing(&caller(&limits, ISSUER, "ann"), at(0)).full_in_ns, SECOND);
    let charge = state.charge_address(&limits, ADDRESS, at(0)).expect("it is full");
    assert_eq!(state.address_standing(&limits, ADDRESS, at(0)).full_in_ns, SECOND);
    drop(charge);
    assert_eq!(state.address_standing(&limits, ADDRESS, at(0)).full_in_ns, SECOND);
    let route = Charge::Route(RouteQuota::new("/ai/query", quota(1, 1)));
    assert!(state.admit_anonymous(&limits, route, at(0)).is_ok());
    assert_eq!(state.route_numbers(route, at(0)).map(|numbers| numbers.standing.full_in_ns), Some(SECOND));
}

/// Else it would take the debt that was made before the step for a leftover of a larger quota, and let go of it.
#[test]
fn a_sweep_by_a_clock_that_has_stepped_back_forgives_nothing() {
    let (state, limits) = (LimitState::new(10), limits());
    state.sweep(&limits, at(10 * SECOND));
    spend(&state, &limits, "ann", 100, 10 * SECOND);
    state.sweep(&limits, at(2 * SECOND));
    let refusal = ask(&state, &limits, "ann", 10 * SECOND).expect_err("the burst is spent");
    assert_eq!(refusal.numbers.standing.full_in_ns, SECOND);
}
