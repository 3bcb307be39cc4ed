//! Many threads at once: counts must come out exactly, not nearly.

use super::{super::super::gcra::tests::holds_the_bound, *};
use std::{
    sync::{Barrier, atomic::AtomicU64},
    thread,
};

/// Runs `work` on four threads that start together and returns what each found.
pub(super) fn on_four_threads<R: Send>(work: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let (work, start) = (&work, &Barrier::new(4));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|index| {
                scope.spawn(move || {
                    start.wait();
                    work(index)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("BUG: a thread of the test panicked")).collect()
    })
}

#[test]
fn one_user_at_a_stopped_clock_gets_the_burst_exactly() {
    for _ in 0..10 {
        let (state, limits) = (LimitState::new(10), Limits { per_user: quota(100, 3_000), ..limits() });
        let admitted = on_four_threads(|_| (0..1_000).filter(|_| ask(&state, &limits, "ann", 5).is_ok()).count());
        assert_eq!((admitted.iter().sum::<usize>(), remaining(&state, &limits, "ann", 5)), (3_000, 0));
        assert_eq!(state.global_tokens(&limits, at(5)), 7_000);
    }
}

/// Global runs dry under a race while users still have tokens, and the other way round: each lost race would leave a trace.
fn spent_is_admitted(user_burst: u64, global_burst: u64) {
    let state = LimitState::new(10);
    let limits = Limits { per_user: quota(1, user_burst), global: quota(1, global_burst), ..limits() };
    let subject = |index: u64| ["ann", "bob", "cat"][usize::try_from(index % 3).unwrap_or(0)];
    let ask = |index: &u64| ask(&state, &limits, subject(*index), 0).is_ok();
    let admitted: u64 = on_four_threads(|_| (0..1_500).filter(ask).count() as u64).iter().sum();
    let spent: u64 = (0..3).map(|index| user_burst - remaining(&state, &limits, subject(index), 0)).sum();
    let spent_globally = global_burst - state.global_tokens(&limits, at(0));
    assert_eq!((spent, spent_globally), (admitted, admitted));
    assert_eq!(admitted, global_burst.min(3 * user_burst));
}

#[test]
fn what_users_and_global_spent_is_what_was_admitted() {
    for _ in 0..8 {
        spent_is_admitted(1_000, 1_000);
        spent_is_admitted(300, 1_000);
        spent_is_admitted(900, 2_699);
    }
}

#[test]
fn windows_hold_while_every_thread_has_a_time_of_its_own() {
    let (state, limits) = (LimitState::new(10), Limits { per_user: quota(1_000, 20), ..limits() });
    let admitted = on_four_threads(|thread| {
        let times = (0..2_000_u64).map(|step| step * 50_000 + thread * 777_777);
        times.filter(|now| ask(&state, &limits, "ann", *now).is_ok()).collect::<Vec<_>>()
    });
    let admitted = admitted.concat();
    assert!(admitted.len() > 20);
    assert!(holds_the_bound(limits.per_user, &admitted));
}

#[test]
fn sweeps_in_between_lose_no_charge() {
    let (state, limits) = (LimitState::new(10), Limits { per_user: quota(1, 500), ..limits() });
    let admitted = on_four_threads(|thread| {
        if thread == 0 {
            (0..2_000).for_each(|_| state.sweep(&limits, at(SECOND)));
            return 0;
        }
        (0..600).filter(|_| ask(&state, &limits, "ann", SECOND).is_ok()).count()
    });
    assert_eq!(admitted.iter().sum::<usize>(), 500);
}

#[test]
fn the_bound_on_users_holds_and_who_found_no_room_is_counted() {
    let (state, limits) = (LimitState::new(10), Limits { max_users: 300, ..limits() });
    on_four_threads(|thread| (0..200).for_each(|user| spend(&state, &limits, &format!("{thread}-{user}"), 1, 0)));
    assert_eq!((state.users(), state.overflow(), state.global_tokens(&limits, at(0))), (300, 500, 9_200));
}

#[test]
fn address_reservations_that_all_end_well_leave_a_full_bucket() {
    let (state, limits) = (LimitState::new(10), limits());
    let address = IpAddr::from([192, 0, 2, 1]);
    on_four_threads(|thread| {
        for round in 0..1_000 {
            let charge = state.charge_address(&limits, address, at(round)).expect("BUG: four of 2000 at most");
            let kept = thread == 0 && round % 10 == 0;
            if !kept {
                state.refund_address(charge);
            }
        }
    });
    assert_eq!(state.address_standing(&limits, address, at(0)).remaining, 1_900);
}

/// All of many users at once, each far beyond its burst, and nobody short of it by one.
#[test]
fn every_one_of_many_users_gets_the_burst_exactly_at_a_stopped_clock() {
    let (state, limits) = (LimitState::new(10), Limits { per_user: quota(1, 30), global: quota(1, 100_000), ..limits() });
    let subjects: Vec<String> = (0..200).map(|index| format!("user-{index}")).collect();
    let admitted = on_four_threads(|thread| {
        let asked =
            (0..20).flat_map(|_| subjects.iter().cycle().skip(usize::try_from(50 * thread).unwrap_or(0)).take(subjects.len()));
        asked.filter(|subject| ask(&state, &limits, subject, 9).is_ok()).count()
    });
    assert_eq!(admitted.iter().sum::<usize>(), 200 * 30);
    assert!(subjects.iter().all(|subject| remaining(&state, &limits, subject, 9) == 0));
    assert_eq!(state.global_tokens(&limits, at(9)), 100_000 - 200 * 30);
}

/// What came of requests at a clock that all threads move.
#[derive(Default)]
struct Found {
    admitted: Vec<u64>,
    refused: Vec<u64>,
}

fn hammer(state: &LimitState, limits: &Limits, clock: &AtomicU64, subject: &str) -> Found {
    let mut found = Found::default();
    for _ in 0..3_000 {
        let now = clock.fetch_add(10_000, Relaxed);
        let list = if ask(state, limits, subject, now).is_ok() { &mut found.admitted } else { &mut found.refused };
        list.push(now);
    }
    found
}

/// Four threads make 12,000 requests in 120 ms, after one at 0. No window admits too many; and a bucket that was never full between
/// its first charge and a refusal has lost no token: what was admitted by then has filled it, to within one token.
fn assert_exact(quota: Quota, limits: &Limits, subjects: [&str; 4]) {
    let (state, clock) = (LimitState::new(10), AtomicU64::new(0));
    spend(&state, limits, subjects[0], 1, 0);
    let subject = |thread: u64| subjects[usize::try_from(thread).unwrap_or(0)];
    let found = on_four_threads(|thread| hammer(&state, limits, &clock, subject(thread)));
    let admitted: Vec<u64> = found.iter().flat_map(|found| &found.admitted).copied().chain([0]).collect();
    assert!(holds_the_bound(quota, &admitted));
    let refused_at = found.iter().flat_map(|found| &found.refused).max().expect("BUG: more than a burst");
    let least = quota.burst() + refused_at / SECOND.div_ceil(quota.rate()) - 1;
    assert!(admitted.len() as u64 >= least, "{} admitted of at least {least}", admitted.len());
}

#[test]
fn one_user_at_a_clock_that_threads_move_gets_what_the_windows_allow_and_no_less() {
    let limits = Limits { per_user: quota(1_000, 20), ..limits() };
    assert_exact(limits.per_user, &limits, ["ann"; 4]);
}

#[test]
fn users_and_global_at_a_clock_that_threads_move_get_what_the_windows_allow_and_no_less() {
    let limits = Limits { per_user: quota(1_000_000, 100_000), global: quota(2_000, 300), ..limits() };
    assert_exact(limits.global, &limits, ["ann", "bob", "cat", "dan"]);
}
