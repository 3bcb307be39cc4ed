//! Guessing at the token endpoint, refusals first.

use super::*;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

const SECOND_NS: u64 = 1_000_000_000;
const HERE: [u8; 4] = [203, 0, 113, 7];

fn limits(rate: u64, burst: u64, max_users: usize) -> Limits {
    let quota = |rate, burst| Quota::new(rate, burst).expect("a quota");
    let failures = quota(rate, burst);
    Limits {
        global: quota(1, 1),
        per_user: quota(1, 1),
        per_address: quota(1, 1),
        failures,
        bulk_in_flight: 0,
        max_users,
        plans: super::super::plans::Plans::default(),
        routes: Vec::new(),
        dry_run: false,
    }
}

fn now(seconds: u64) -> Now {
    Now { monotonic_ns: seconds * SECOND_NS, unix_ns: seconds * SECOND_NS }
}

fn asked<'a>(state: &'a LimitState, limits: &'a Limits, address: impl Into<IpAddr>, seconds: u64) -> Attempts<'a> {
    Attempts { state, limits, address: address.into(), now: now(seconds) }
}

/// What becomes of a secret: `Ok(whether it was right)`, or the wait.
fn attempt(attempts: Attempts<'_>, client_id: &str, right: bool) -> Result<bool, u64> {
    let judged = attempts.of(client_id, || right.then_some(()));
    judged.map(|proven| proven.is_some()).map_err(|refusal| refusal.retry_after_s)
}

#[test]
fn past_the_burst_the_secret_is_not_looked_at() {
    let (state, limits) = (LimitState::new(10), limits(1, 3, 10));
    let here = asked(&state, &limits, HERE, 5);
    for _ in 0..3 {
        assert_eq!(attempt(here, "ada", false), Ok(false));
    }
    let refusal = here.of("ada", || -> Option<()> { panic!("the secret is compared") }).expect_err("an empty bucket");
    assert_eq!((refusal.retry_after_s, refusal.standing.limit, refusal.standing.remaining), (1, 3, 0));
    assert_eq!(refusal.detail(), "limit of 1 failed authentication per second for this client from this address exceeded");
}

#[test]
fn a_right_secret_is_refused_too_until_the_wait_is_over() {
    let (state, limits) = (LimitState::new(10), limits(1, 2, 10));
    for right in [false, false] {
        assert_eq!(attempt(asked(&state, &limits, HERE, 0), "ada", right), Ok(right));
    }
    assert_eq!(attempt(asked(&state, &limits, HERE, 0), "ada", true), Err(1));
    assert_eq!(attempt(asked(&state, &limits, HERE, 1), "ada", true), Ok(true));
    assert_eq!(attempt(asked(&state, &limits, HERE, 1), "ada", false), Ok(false), "the right secret cost nothing");
    assert_eq!(attempt(asked(&state, &limits, HERE, 1), "ada", false), Err(1));
}

#[test]
fn a_stranger_elsewhere_locks_nobody_out() {
    let (state, limits) = (LimitState::new(10), limits(1, 1, 10));
    assert_eq!(attempt(asked(&state, &limits, HERE, 0), "ada", false), Ok(false));
    assert_eq!(attempt(asked(&state, &limits, HERE, 0), "ada", false), Err(1));
    assert_eq!(attempt(asked(&state, &limits, [203, 0, 113, 8], 0), "ada", true), Ok(true));
    assert_eq!(attempt(asked(&state, &limits, HERE, 0), "bob", true), Ok(true), "nor another client at the same address");
}

#[test]
fn addresses_of_one_ipv6_network_are_one() {
    let (state, limits) = (LimitState::new(10), limits(1, 1, 10));
    let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
    assert_eq!(attempt(asked(&state, &limits, address("2001:db8::1"), 0), "ada", false), Ok(false));
    assert_eq!(attempt(asked(&state, &limits, address("2001:db8::ffff:2"), 0), "ada", true), Err(1));
    assert_eq!(attempt(asked(&state, &limits, address("2001:db8:0:1::1"), 0), "ada", true), Ok(true));
    assert_eq!(attempt(asked(&state, &limits, address("::ffff:203.0.113.7"), 0), "ada", false), Ok(false));
    assert_eq!(attempt(asked(&state, &limits, HERE, 0), "ada", true), Err(1));
}

#[test]
fn at_the_bound_the_address_alone_is_the_limit() {
    let (state, limits) = (LimitState::new(1), limits(1, 1, 1));
    let here = asked(&state, &limits, HERE, 0);
    assert_eq!(attempt(here, "first", false), Ok(false));
    for _ in 0..5 {
        assert_eq!(attempt(here, "ada", false), Ok(false));
    }
    assert_eq!(attempt(here, "ada", true), Ok(true), "nobody is locked out");
    assert_eq!((attempt(here, "first", true), state.failures.buckets.len()), (Err(1), 1));
}

#[test]
fn full_buckets_are_forgotten_and_right_secrets_leave_none() {
    let (state, limits) = (LimitState::new(10), limits(1, 100, 10));
    assert_eq!(attempt(asked(&state, &limits, HERE, 0), "ada", true), Ok(true));
    assert_eq!(state.failures.buckets.len(), 0);
    assert_eq!(attempt(asked(&state, &limits, HERE, 0), "ada", false), Ok(false));
    state.sweep(&limits, now(1));
    assert_eq!(state.failures.buckets.len(), 1, "a request under way may be as old as a second");
    state.sweep(&limits, now(2));
    assert_eq!((state.failures.buckets.len(), state.evictions()), (0, 1));
}

#[test]
fn threads_that_race_try_no_more_than_the_burst() {
    let (state, limits) = (LimitState::new(10), limits(1, 50, 10));
    let tried = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let _thread = scope.spawn(|| {
                for _ in 0..100 {
                    let _ = asked(&state, &limits, HERE, 0).of("ada", || {
                        tried.fetch_add(1, Relaxed);
                        None::<()>
                    });
                }
            });
        }
    });
    assert_eq!(tried.load(Relaxed), 50);
}
