//! The arithmetic against an exact token bucket that keeps its level, and at the edges of its numbers.

use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// A quota that the test knows to be valid.
pub(in crate::limit) fn quota(rate: u64, burst: u64) -> Quota {
    Quota::new(rate, burst).expect("BUG: a test's quota")
}

/// The text-book token bucket: a level in nanoseconds of refill, wide enough never to overflow.
struct Oracle {
    interval: u128,
    capacity: u128,
    level: u128,
    seen: u128,
}

impl Oracle {
    fn new(rate: u64, burst: u64) -> Self {
        let interval = 1_000_000_000_u128.div_ceil(u128::from(rate));
        let capacity = interval * u128::from(burst);
        Self { interval, capacity, level: capacity, seen: 0 }
    }

    /// Remaining and nanoseconds until full, or nanoseconds to wait and until full.
    fn charge(&mut self, now: u64) -> Result<(u128, u128), (u128, u128)> {
        let now = u128::from(now);
        self.level = self.capacity.min(self.level + (now - self.seen));
        self.seen = now;
        if self.level < self.interval {
            return Err((self.interval - self.level, self.capacity - self.level));
        }
        self.level -= self.interval;
        Ok((self.level / self.interval, self.capacity - self.level))
    }
}

fn rates() -> impl Strategy<Value = u64> {
    prop_oneof![1..=20_u64, 1..=Quota::MAX_RATE, Just(100), Just(5_000), Just(3), Just(1), Just(Quota::MAX_RATE)]
}

fn bursts() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..=5_u64, 4 => 1..=40_u64, 4 => 1..=20_000_u64, 1 => Just(1), 1 => Just(Quota::MAX_BURST)]
}

/// Gaps around nothing, around one interval, around the time to refill the bucket, and anything up to 3 s.
fn gap(interval: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(0),
        2 => 0..=interval,
        2 => interval.saturating_sub(1)..=interval + 1,
        1 => 0..=interval * 20,
        1 => 0..=3_000 * MS,
    ]
}

prop_compose! {
    fn histories()(rate in rates(), burst in bursts(), start in 0..u64::MAX / 4)
        (gaps in prop::collection::vec(gap(1_000_000_000 / rate), 1..150), rate in Just(rate), burst in Just(burst), start in Just(start))
        -> (u64, u64, Vec<u64>)
    {
        let times = gaps.into_iter().scan(start, |now, gap| { *now += gap; Some(*now) }).collect();
        (rate, burst, times)
    }
}

/// n ≤ burst + floor(W / interval) for every pair of admissions as the ends of a window.
pub(in crate::limit) fn holds_the_bound(quota: Quota, admitted: &[u64]) -> bool {
    let mut admitted = admitted.to_vec();
    admitted.sort_unstable();
    let within = |first: usize, last: usize| {
        let admissions = last - first + 1;
        admissions as u64 <= quota.burst + (admitted[last] - admitted[first]) / quota.interval_ns
    };
    (0..admitted.len()).all(|first| (first..admitted.len()).all(|last| within(first, last)))
}

/// Of these times those at which one bucket admits.
fn admitted(quota: Quota, mut times: Vec<u64>) -> Vec<u64> {
    let mut tat = 0;
    times.retain(|now| quota.charge(tat, *now).map(|charged| tat = charged).is_ok());
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn decides_remains_and_waits_exactly_as_a_token_bucket((rate, burst, times) in histories()) {
        let (quota, mut oracle, mut tat) = (quota(rate, burst), Oracle::new(rate, burst), 0);
        oracle.seen = u128::from(times[0]);
        for now in times {
            match (quota.charge(tat, now), oracle.charge(now)) {
                (Ok(charged), Ok((remaining, full_in))) => {
                    tat = charged;
                    let standing = quota.standing(tat, now);
                    prop_assert_eq!((u128::from(standing.remaining), u128::from(standing.full_in_ns)), (remaining, full_in));
                    prop_assert!(standing.remaining < standing.limit);
                }
                (Err(empty), Err((wait, full_in))) => {
                    prop_assert_eq!((u128::from(empty.wait_ns), u128::from(empty.standing.full_in_ns)), (wait, full_in));
                    prop_assert_eq!(empty.standing.remaining, 0);
                }
                (ours, theirs) => prop_assert!(false, "{ours:?} against {theirs:?}"),
            }
        }
    }

    #[test]
    fn every_window_between_two_admissions_holds_the_bound((rate, burst, times) in histories()) {
        let quota = quota(rate, burst);
        prop_assert!(holds_the_bound(quota, &admitted(quota, times)));
    }

    #[test]
    fn every_window_holds_the_bound_when_times_come_in_any_order(
        (rate, burst, times) in histories().prop_flat_map(|(r, b, times)| (Just(r), Just(b), Just(times).prop_shuffle()))
    ) {
        let (quota, mut tat, mut admitted) = (quota(rate, burst), 0, Vec::new());
        for now in times {
            if let Ok(charged) = quota.charge(tat, now) {
                prop_assert!(charged >= tat, "a charge never lowers the TAT");
                tat = charged;
                admitted.push(now);
            }
        }
        prop_assert!(holds_the_bound(quota, &admitted));
    }

    #[test]
    fn who_is_alone_and_waits_for_retry_after_is_admitted((rate, burst, times) in histories()) {
        let (quota, mut tat) = (quota(rate, burst), 0);
        for now in times {
            match quota.charge(tat, now) {
                Ok(charged) => tat = charged,
                Err(empty) => {
                    prop_assert!(quota.charge(tat, now + empty.retry_after_s() * SECOND_NS).is_ok());
                    prop_assert!(quota.charge(tat, now + empty.wait_ns).is_ok());
                    prop_assert!(quota.charge(tat, now + empty.wait_ns - 1).is_err());
                }
            }
        }
    }

    #[test]
    fn the_bucket_is_full_when_reset_says_so_and_not_before((rate, burst, times) in histories()) {
        let (quota, mut tat) = (quota(rate, burst), 0);
        for now in times {
            tat = quota.charge(tat, now).unwrap_or(tat);
            let full_in_ns = quota.standing(tat, now).full_in_ns;
            prop_assert_eq!(quota.standing(tat, now + full_in_ns).remaining, burst);
            prop_assert!(full_in_ns == 0 || quota.standing(tat, now + full_in_ns - 1).remaining < burst);
        }
    }

    #[test]
    fn a_sweep_between_any_two_requests_changes_no_decision((rate, burst, times) in histories(), ahead in 0..=SWEEP_SLACK_NS) {
        let (quota, mut kept, mut swept) = (quota(rate, burst), 0, 0);
        for now in times {
            swept = quota.swept(swept, now + ahead).unwrap_or(0);
            prop_assert_eq!(quota.standing(kept, now), quota.standing(swept, now));
            prop_assert_eq!(quota.charge(kept, now).map(|tat| quota.standing(tat, now)), quota.charge(swept, now).map(|tat| quota.standing(tat, now)));
            kept = quota.charge(kept, now).unwrap_or(kept);
            swept = quota.charge(swept, now).unwrap_or(swept);
        }
    }

    /// The clock ends after 584 years, and refuses there instead of wrapping round to a full bucket.
    #[test]
    fn up_to_the_end_of_the_clock_it_decides_as_at_its_beginning(
        rate in rates(), burst in bursts(), before_end in prop::collection::vec(0..5 * SECOND_NS, 1..60)
    ) {
        let (quota, mut tat) = (quota(rate, burst), 0);
        let mut exact = 0_u128;
        for now in before_end.into_iter().map(|before| u64::MAX - before) {
            let charged = exact.max(now.into()) + u128::from(quota.interval_ns);
            let fits = charged <= u128::from(u64::MAX) && charged - u128::from(now) <= u128::from(quota.capacity_ns);
            match quota.charge(tat, now) {
                Ok(next) => {
                    prop_assert!(fits && u128::from(next) == charged);
                    (tat, exact) = (next, charged);
                }
                Err(empty) => {
                    prop_assert!(!fits && empty.wait_ns >= 1 && empty.standing.remaining == 0);
                }
            }
        }
    }

    /// Times that jump about by more than a bucket holds, in both directions.
    #[test]
    fn a_clock_that_jumps_about_admits_no_more_in_any_window(
        rate in rates(), burst in 1..20_u64, times in prop::collection::vec(0..100 * SECOND_NS, 1..150)
    ) {
        let quota = quota(rate, burst);
        prop_assert!(holds_the_bound(quota, &admitted(quota, times)));
    }

    #[test]
    fn no_number_makes_it_panic_or_admit_beyond_the_capacity(
        rate in 1..=Quota::MAX_RATE, burst in 1..=Quota::MAX_BURST, tat: u64, now: u64, tokens: u32
    ) {
        let quota = quota(rate, burst);
        if let Ok(charged) = quota.charge(tat, now) {
            prop_assert!(charged >= tat && charged >= now && charged - now <= quota.capacity_ns);
        }
        let standing = quota.standing(quota.drained(tat, now, tokens), now);
        prop_assert!(standing.remaining <= standing.limit);
        prop_assert!(quota.swept(tat, now).is_none_or(|swept| swept <= tat));
    }
}

fn refused((rate, burst): (u64, u64), expected: QuotaError) {
    assert_eq!(Quota::new(rate, burst), Err(expected));
}

#[test]
fn a_rate_of_zero_is_refused() {
    refused((0, 1), QuotaError::RateZero);
}

#[test]
fn a_rate_above_a_million_is_refused() {
    refused((1_000_001, 1), QuotaError::RateTooHigh);
}

#[test]
fn a_burst_of_zero_is_refused() {
    refused((1, 0), QuotaError::BurstZero);
}

#[test]
fn a_burst_above_its_maximum_is_refused() {
    refused((1, 100_000_001), QuotaError::BurstTooHigh);
}

/// Takes `taken` tokens at once, then looks at what the next request gets at `now`.
fn check((rate, burst): (u64, u64), taken: u64, now: u64, expected: Result<u64, (u64, u64)>) {
    let quota = quota(rate, burst);
    let tat = (0..taken).fold(0, |tat, _| quota.charge(tat, 0).expect("BUG: within the burst"));
    let decided = quota.charge(tat, now);
    let seen = decided.map(|tat| quota.standing(tat, now).remaining).map_err(|empty| (empty.wait_ns, empty.retry_after_s()));
    assert_eq!(seen, expected);
}

#[test]
fn the_request_after_the_burst_waits_one_interval() {
    check((100, 100), 100, 0, Err((10 * MS, 1)));
}

#[test]
fn a_nanosecond_before_a_token_is_there_it_refuses() {
    check((100, 100), 100, 10 * MS - 1, Err((1, 1)));
}

#[test]
fn at_the_nanosecond_a_token_is_there_it_admits() {
    check((100, 100), 100, 10 * MS, Ok(0));
}

#[test]
fn a_wait_of_exactly_a_second_is_one_second() {
    check((1, 1), 1, 0, Err((SECOND_NS, 1)));
}

#[test]
fn the_first_request_leaves_one_less_than_the_burst() {
    check((100, 100), 0, 0, Ok(99));
}

#[test]
fn a_partial_token_does_not_count() {
    check((100, 100), 50, 5 * MS, Ok(49));
}

#[test]
fn an_idle_bucket_holds_no_more_than_its_burst() {
    check((5_000, 10_000), 10_000, 3_600 * SECOND_NS, Ok(9_999));
}

#[test]
fn a_burst_of_one_spaces_requests_by_an_interval() {
    check((1_000_000, 1), 1, 999, Err((1, 1)));
    check((1_000_000, 1), 1, 1_000, Ok(0));
}

#[test]
fn a_rate_that_does_not_divide_a_second_comes_out_lower() {
    check((3, 3), 3, 333_333_333, Err((1, 1)));
    check((3, 3), 3, 333_333_334, Ok(0));
}

#[test]
fn the_largest_quota_admits_its_burst() {
    let quota = quota(1, Quota::MAX_BURST);
    assert!(quota.charge((Quota::MAX_BURST - 1) * SECOND_NS, 0).is_ok());
    assert!(quota.charge((Quota::MAX_BURST - 1) * SECOND_NS + 1, 0).is_err());
}

#[test]
fn a_wait_over_a_second_is_rounded_up() {
    let quota = quota(1, 1);
    let empty = quota.charge(SECOND_NS + 1, 0).expect_err("BUG: the bucket is empty");
    assert_eq!((empty.wait_ns, empty.retry_after_s()), (SECOND_NS + 1, 2));
}

#[test]
fn at_the_end_of_the_clock_it_refuses() {
    assert!(quota(1, 1).charge(0, u64::MAX).is_err());
    assert!(quota(1, 1).charge(0, u64::MAX - SECOND_NS).is_ok());
}

#[test]
fn a_clock_that_jumps_back_admits_nothing_twice() {
    let quota = quota(1, 1);
    let tat = quota.charge(0, 10 * SECOND_NS).expect("BUG: full");
    assert_eq!(quota.charge(tat, 0).map_err(|empty| empty.wait_ns), Err(11 * SECOND_NS));
}

proptest! {
    /// A reload changes the quota and leaves the bucket, which the old quota (or a request that still carries it) wrote.
    #[test]
    fn whatever_another_quota_left_the_bound_of_the_present_one_holds(
        (old_rate, old_burst, before) in histories(),
        (rate, burst, times) in histories(),
    ) {
        let (old, present) = (quota(old_rate, old_burst), quota(rate, burst));
        let left = before.iter().fold(0, |tat, now| old.charge(tat, *now).unwrap_or(tat));
        // The histories meet: the second begins where the first ended.
        let (first, start) = (times[0], before[before.len() - 1]);
        let mut tat = left;
        let admitted: Vec<u64> = times.iter().map(|now| start + (now - first)).filter(|now| match present.charge(tat, *now) {
            Ok(charged) => { tat = charged; true }
            Err(_) => false,
        }).collect();
        prop_assert!(holds_the_bound(present, &admitted));
        prop_assert!(tat >= left, "what was owed is not forgiven");
    }
}

#[test]
fn a_larger_burst_gives_its_tokens_at_once() {
    let tat = (0..10).fold(0, |tat, _| quota(10, 10).charge(tat, 0).expect("BUG: within the burst"));
    assert!(quota(10, 10).charge(tat, 0).is_err());
    assert_eq!(quota(10, 15).standing(tat, 0).remaining, 5);
}

#[test]
fn a_smaller_burst_takes_its_tokens_at_once() {
    let tat = (0..5).fold(0, |tat, _| quota(10, 10).charge(tat, 0).expect("BUG: within the burst"));
    assert_eq!(quota(10, 6).standing(tat, 0).remaining, 1);
    assert_eq!(quota(10, 5).standing(tat, 0).remaining, 0);
}

/// What a sweep at 100 s makes of a TAT, under a capacity of 10 s.
fn swept(tat: u64, expected: Option<u64>) {
    assert_eq!(quota(1, 10).swept(tat, 100 * SECOND_NS), expected);
}

#[test]
fn a_live_bucket_is_kept_as_it_is() {
    swept(105 * SECOND_NS, Some(105 * SECOND_NS));
}

#[test]
fn a_bucket_that_is_full_is_kept_while_older_requests_may_be_under_way() {
    swept(100 * SECOND_NS, Some(100 * SECOND_NS));
    swept(99 * SECOND_NS + 1, Some(99 * SECOND_NS + 1));
}

#[test]
fn a_bucket_full_for_a_second_is_forgotten() {
    swept(99 * SECOND_NS, None);
    swept(0, None);
}

#[test]
fn debt_that_a_request_with_a_newer_time_may_have_made_is_kept() {
    swept(111 * SECOND_NS, Some(111 * SECOND_NS));
}

#[test]
fn debt_left_over_from_a_larger_quota_becomes_an_empty_bucket() {
    swept(111 * SECOND_NS + 1, Some(110 * SECOND_NS));
    swept(u64::MAX, Some(110 * SECOND_NS));
}

#[test]
fn the_errors_say_what_to_write() {
    assert_eq!(QuotaError::RateTooHigh.to_string(), "a rate is at most 1000000 requests per second");
    assert_eq!(QuotaError::BurstTooHigh.to_string(), "a burst is at most 100000000 requests");
}
