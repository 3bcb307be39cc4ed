//! Quotas by day and month: exact under races, under every clock, and over restarts.

use super::*;
use crate::limit::{Damage, Period, random::Random};
use std::{collections::BTreeMap, thread};

/// 2026-11-24T00:00:00Z.
const TODAY: u64 = 20_781 * DAY_NS;
const HOUR: u64 = 3_600 * SECOND_NS;
const MOST: usize = 1_000;

fn quota(requests: u64, period: Period) -> PeriodQuota {
    PeriodQuota { requests, period }
}

fn share(quotas: &Quotas, quota: PeriodQuota, subject: &str, now: Now) -> Share {
    quotas.share(quota, "https://issuer", subject, now)
}

/// So long after the process started, at this time of the wall clock.
fn at(monotonic_ns: u64, unix_ns: u64) -> Now {
    Now { monotonic_ns, unix_ns }
}

/// Asks with nobody else to agree.
fn ask(quotas: &Quotas, quota: PeriodQuota, subject: &str, now: Now) -> Result<Standing, Empty> {
    quotas.charge(share(quotas, quota, subject, now), MOST, now, |own| own).map(|(standing, _)| standing)
}

/// How many of `times` requests at one moment are admitted.
fn admitted(quotas: &Quotas, quota: PeriodQuota, subject: &str, times: u64, now: Now) -> u64 {
    (0..times).filter(|_| ask(quotas, quota, subject, now).is_ok()).count() as u64
}

#[test]
fn past_the_quota_a_user_is_refused_until_the_period_ends() {
    let (quotas, day) = (Quotas::new(MOST), quota(3, Period::Day));
    let now = at(0, TODAY + 23 * HOUR);
    assert_eq!(admitted(&quotas, day, "ann", 5, now), 3);
    let empty = ask(&quotas, day, "ann", now).expect_err("it is used up");
    assert_eq!(empty.standing, Standing { limit: 3, remaining: 0, full_in_ns: HOUR });
    assert_eq!((empty.wait_ns, empty.retry_after_s()), (HOUR, 3_600));
    // Also of that last moment of a day that is a nanosecond long.
    let last = at(0, TODAY + DAY_NS - 1);
    assert_eq!(ask(&quotas, day, "ann", last).expect_err("it is used up").retry_after_s(), 1);
    assert!(ask(&quotas, day, "ann", at(HOUR, TODAY + DAY_NS)).is_ok());
}

#[test]
fn who_waits_as_told_is_admitted() {
    for (period, requests) in [(Period::Day, 1), (Period::Month, 2)] {
        for offset in [0, 1, SECOND_NS - 1, SECOND_NS, 12 * HOUR + 1, DAY_NS - 1] {
            let (quotas, quota) = (Quotas::new(MOST), quota(requests, period));
            let now = at(offset, TODAY + offset);
            admitted(&quotas, quota, "ann", requests, now);
            let wait = ask(&quotas, quota, "ann", now).expect_err("it is used up").retry_after_s() * SECOND_NS;
            assert!(ask(&quotas, quota, "ann", at(offset + wait, TODAY + offset + wait)).is_ok(), "{period:?} {offset}");
        }
    }
}

#[test]
fn what_others_refuse_is_not_counted() {
    let (quotas, day, now) = (Quotas::new(MOST), quota(3, Period::Day), at(0, TODAY));
    let refused: Result<((), bool), ()> = quotas.charge(share(&quotas, day, "ann", now), MOST, now, |_| Err(()));
    assert_eq!((refused, quotas.len(), quotas.snapshot(now)), (Err(()), 0, None));
    assert_eq!(quotas.standing(share(&quotas, day, "ann", now)).remaining, 3);
}

#[test]
fn users_issuers_days_and_months_are_counted_apart() {
    let (quotas, now) = (Quotas::new(MOST), at(0, TODAY));
    assert_eq!(admitted(&quotas, quota(3, Period::Day), "ann", 9, now), 3);
    assert_eq!(admitted(&quotas, quota(3, Period::Day), "bob", 9, now), 3);
    assert_eq!(admitted(&quotas, quota(5, Period::Month), "ann", 9, now), 5);
    let other = quotas.share(quota(1, Period::Day), "https://other", "ann", now);
    assert!(quotas.charge(other, MOST, now, |own| own).is_ok());
}

#[test]
fn another_plan_finds_what_was_used_under_the_one_before() {
    let (quotas, now) = (Quotas::new(MOST), at(0, TODAY));
    admitted(&quotas, quota(10, Period::Day), "ann", 4, now);
    assert_eq!(ask(&quotas, quota(5, Period::Day), "ann", now).map(|standing| standing.remaining).ok(), Some(0));
    let empty = ask(&quotas, quota(2, Period::Day), "ann", now).expect_err("more than that is used");
    assert_eq!((empty.standing.limit, empty.standing.remaining), (2, 0));
    assert_eq!(admitted(&quotas, quota(10, Period::Day), "ann", 9, now), 5);
}

#[test]
fn a_clock_that_steps_back_and_forth_opens_no_period_twice() {
    let (quotas, day) = (Quotas::new(MOST), quota(3, Period::Day));
    let mut given = BTreeMap::<u64, u64>::new();
    for (monotonic, days) in [0, 1, 0, 2, 1, 0, 400, 2, 399, 0, 400, 1].into_iter().enumerate() {
        let now = at(monotonic as u64 * HOUR, TODAY + days * DAY_NS + monotonic as u64 * SECOND_NS);
        *given.entry(days).or_default() += admitted(&quotas, day, "ann", 2, now);
        quotas.sweep(MOST, now);
    }
    assert!(given.values().all(|given| *given <= 3), "{given:?}");
    assert_eq!(given[&0], 3);
}

#[test]
fn nobody_is_locked_out_beyond_the_end_of_the_period_that_the_clock_names() {
    let (quotas, day) = (Quotas::new(MOST), quota(1, Period::Day));
    // A clock four years ahead, for a minute.
    assert!(ask(&quotas, day, "ann", at(0, TODAY + 1_461 * DAY_NS)).is_ok());
    assert!(ask(&quotas, day, "ann", at(1, TODAY + 1_461 * DAY_NS)).is_err());
    let right = at(60 * SECOND_NS, TODAY + 23 * HOUR);
    assert!(ask(&quotas, day, "ann", right).is_ok());
    assert_eq!(ask(&quotas, day, "ann", right).map_err(|empty| empty.wait_ns).err(), Some(HOUR));
}

/// Requests, sweeps, restarts and a clock that is wrong by up to half a day, or by that and a year; against counts that are never
/// forgotten. Returns how many were admitted and refused.
fn play(seed: u64) -> [u64; 2] {
    let (mut random, mut met, mut counts) = (Random(seed), [0; 2], BTreeMap::<(u64, u64), u64>::new());
    let (mut quotas, day) = (Quotas::new(MOST), quota(4, Period::Day));
    let (mut passed, mut started, mut wrong) = (5 * DAY_NS, 0, 0_i128);
    for _ in 0..2_000 {
        passed += random.below(HOUR / 2);
        if random.one_in(20) {
            let years = i128::from(random.below(4) / 3);
            wrong = i128::from(random.below(DAY_NS)) - i128::from(DAY_NS / 2) + years * 365 * i128::from(DAY_NS);
        }
        let unix_ns = u64::try_from(i128::from(TODAY + passed) + wrong).expect("after 1970");
        let now = at(passed - started, unix_ns);
        match random.below(40) {
            0 => drop(quotas.sweep(MOST, now)),
            1 => {
                quotas.snapshot_lost();
                let file = quotas.snapshot(now).expect("it was lost");
                started = passed;
                quotas = Quotas::restored(&Kept::decode(&file).expect("it is whole"), MOST, at(0, unix_ns));
            }
            user => {
                let count = counts.entry((user % 3, unix_ns / DAY_NS)).or_default();
                let admitted = ask(&quotas, day, &(user % 3).to_string(), now).is_ok();
                assert_eq!(admitted, *count < 4, "{passed}: {count} of user {} on day {}", user % 3, unix_ns / DAY_NS);
                *count += u64::from(admitted);
                met[usize::from(!admitted)] += 1;
            }
        }
    }
    met
}

#[test]
fn histories_under_wrong_clocks_and_restarts_decide_as_counting_does() {
    let mut met = [0; 2];
    for seed in 0..40 {
        for (total, part) in met.iter_mut().zip(play(seed)) {
            *total += part;
        }
    }
    assert!(met.iter().all(|kind| *kind > 1_000), "{met:?}");
}

#[test]
fn many_threads_use_a_quota_up_exactly() {
    let (quotas, month) = (Quotas::new(MOST), quota(3_000, Period::Month));
    let counted: u64 = thread::scope(|scope| {
        let ask = || admitted(&quotas, month, "ann", 1_000, at(0, TODAY));
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("BUG: a thread of the test panicked")).sum()
    });
    assert_eq!(counted, 3_000);
}

#[test]
fn a_counter_goes_when_its_period_is_over_by_both_clocks() {
    let (quotas, day) = (Quotas::new(MOST), quota(3, Period::Day));
    ask(&quotas, day, "ann", at(0, TODAY + 23 * HOUR)).expect("it is new");
    let swept = |monotonic, unix| quotas.sweep(MOST, at(monotonic, unix));
    assert_eq!(swept(DAY_NS + HOUR - 1, TODAY + 9 * DAY_NS), 0, "the clock was set forward");
    assert_eq!(swept(9 * DAY_NS, TODAY + DAY_NS - 1), 0, "the clock was set back");
    assert_eq!(swept(DAY_NS + HOUR, TODAY + DAY_NS), 1);
    assert_eq!(quotas.len(), 0);
}

#[test]
fn what_a_wrong_clock_counted_far_ahead_goes_when_room_is_needed() {
    let (quotas, day) = (Quotas::new(MOST), quota(3, Period::Day));
    ask(&quotas, day, "ann", at(0, TODAY + 1_461 * DAY_NS)).expect("it is new");
    ask(&quotas, day, "bob", at(0, TODAY + DAY_NS + HOUR)).expect("it is new");
    let later = at(2 * DAY_NS, TODAY + HOUR);
    assert_eq!(quotas.sweep(3, later), 0, "there is room");
    assert_eq!(quotas.sweep(2, later), 1, "four years ahead, not tomorrow");
}

#[test]
fn at_the_bound_a_new_user_is_admitted_uncounted_and_the_wall_clock_makes_room() {
    let (quotas, day) = (Quotas::new(2), quota(1, Period::Day));
    let ask = |subject, now| quotas.charge(share(&quotas, day, subject, now), 2, now, |own| own).map(|(_, counted)| counted).ok();
    let now = at(0, TODAY);
    assert_eq!(
        [ask("ann", now), ask("bob", now), ask("cat", now), ask("cat", now)],
        [Some(true), Some(true), Some(false), Some(false)]
    );
    assert_eq!(ask("ann", now), None, "who has a counter is limited on");
    assert_eq!(quotas.sweep(2, now), 0, "nobody who is counted today goes");
    assert_eq!(quotas.sweep(2, at(SECOND_NS, TODAY + DAY_NS)), 2);
    assert_eq!(ask("cat", at(SECOND_NS, TODAY + DAY_NS)), Some(true));
}

#[test]
fn a_snapshot_holds_all_and_is_made_only_of_changes() {
    let (quotas, day, now) = (Quotas::new(MOST), quota(3, Period::Day), at(0, TODAY));
    assert_eq!(quotas.snapshot(now), None);
    admitted(&quotas, day, "ann", 2, now);
    admitted(&quotas, quota(9, Period::Month), "bob", 9, now);
    let file = quotas.snapshot(now).expect("two have changed");
    assert_eq!(quotas.snapshot(now), None);
    let restored = Quotas::restored(&Kept::decode(&file).expect("it is whole"), MOST, now);
    assert_eq!(restored.snapshot(now), None, "it is what the file says");
    assert_eq!(admitted(&restored, day, "ann", 9, now), 1);
    assert_eq!(admitted(&restored, quota(9, Period::Month), "bob", 9, now), 0);
    quotas.snapshot_lost();
    assert!(quotas.snapshot(now).is_some());
    // A refusal changes nothing.
    admitted(&quotas, quota(9, Period::Month), "bob", 9, now);
    assert_eq!(quotas.snapshot(now), None);
}

#[test]
fn what_a_sweep_forgot_goes_out_of_the_file_and_one_that_forgot_nothing_writes_none() {
    let (quotas, day) = (Quotas::new(MOST), quota(3, Period::Day));
    ask(&quotas, day, "ann", at(0, TODAY)).expect("it is new");
    assert!(quotas.snapshot(at(0, TODAY)).is_some());
    assert_eq!((quotas.sweep(MOST, at(0, TODAY)), quotas.snapshot(at(0, TODAY))), (0, None));
    let later = at(3 * DAY_NS, TODAY + 3 * DAY_NS);
    assert_eq!(quotas.sweep(MOST, later), 1);
    assert!(quotas.snapshot(later).is_some_and(|file| Kept::decode(&file).is_ok_and(|kept| kept.is_empty())));
}

#[test]
fn who_is_admitted_uncounted_changes_no_file() {
    let (quotas, day, now) = (Quotas::new(0), quota(3, Period::Day), at(0, TODAY));
    let charged = quotas.charge(share(&quotas, day, "ann", now), 0, now, |own| own);
    assert!(charged.is_ok_and(|(_, counted)| !counted));
    assert_eq!(quotas.snapshot(now), None);
}

/// A gateway that is restarted each night must not keep each day's counters for ever.
#[test]
fn a_restart_does_not_begin_the_time_anew_for_which_a_counter_is_kept() {
    let (mut quotas, day) = (Quotas::new(MOST), quota(3, Period::Day));
    ask(&quotas, day, "ann", at(0, TODAY)).expect("it is new");
    for night in 1..=3 {
        let now = at(DAY_NS - HOUR, TODAY + night * DAY_NS - HOUR);
        quotas.sweep(MOST, now);
        quotas.snapshot_lost();
        let kept = Kept::decode(&quotas.snapshot(now).expect("it was lost")).expect("it is whole");
        quotas = Quotas::restored(&kept, MOST, at(0, TODAY + night * DAY_NS));
    }
    assert_eq!(quotas.len(), 0);
}

#[test]
fn a_file_without_names_holds_no_names() {
    let quotas = Quotas::new(MOST);
    ask(&quotas, quota(3, Period::Day), "ann@example.com", at(0, TODAY)).expect("it is new");
    let file = quotas.snapshot(at(0, TODAY)).expect("one has changed");
    assert!(file.windows(3).all(|part| part != b"ann") && Kept::decode(b"") == Err(Damage::NotAStateFile));
}

#[test]
fn a_smaller_table_takes_in_first_what_is_not_over() {
    let quotas = Quotas::new(MOST);
    for (subject, unix) in [("ann", TODAY), ("bob", TODAY + DAY_NS), ("cat", TODAY)] {
        ask(&quotas, quota(1, Period::Day), subject, at(0, unix)).expect("it is new");
    }
    let kept = Kept::decode(&quotas.snapshot(at(0, TODAY)).expect("three have changed")).expect("it is whole");
    let now = at(0, TODAY + DAY_NS + HOUR);
    let restored = Quotas::restored(&kept, 1, now);
    assert_eq!((restored.len(), ask(&restored, quota(1, Period::Day), "bob", now).is_err()), (1, true));
}
