//! What is told of a bucket, a period and places in flight.

use super::*;
use crate::limit::Period;

const MS: u64 = 1_000_000;

/// Of a bucket with this debt: window in seconds, requests left, nanoseconds until there is one more.
fn bucket(rate: u64, burst: u64, debt_ns: u64, expected: (u64, u64, Option<u64>)) {
    let quota = Quota::new(rate, burst).expect("a quota");
    let numbers = Numbers::of_bucket(Policy::User, quota, quota.standing(debt_ns, 0));
    let found = (numbers.window_s().unwrap_or(0), numbers.standing.remaining, numbers.more_in_ns());
    assert_eq!(found, expected, "{rate} {burst} {debt_ns}");
}

#[test]
fn a_bucket_gives_its_capacity_out_in_whole_seconds() {
    bucket(100, 100, 0, (1, 100, None));
    bucket(5_000, 10_000, 0, (2, 10_000, None));
    bucket(100, 150, 0, (2, 150, None));
    bucket(1_000, 1, 0, (1, 1, None));
    bucket(1, 100, 0, (100, 100, None));
}

#[test]
fn there_is_more_once_the_next_whole_request_has_come_back() {
    bucket(100, 100, 1, (1, 99, Some(1)));
    bucket(100, 100, 10 * MS, (1, 99, Some(10 * MS)));
    bucket(100, 100, 10 * MS + 1, (1, 98, Some(1)));
    bucket(100, 100, 1_000 * MS, (1, 0, Some(10 * MS)));
    bucket(100, 100, 999 * MS, (1, 0, Some(9 * MS)));
    // Left over from a larger quota.
    bucket(100, 100, 3_000 * MS, (1, 0, Some(2_010 * MS)));
}

#[test]
fn a_period_gives_all_back_at_its_end() {
    let standing = |remaining| Standing { limit: 5, remaining, full_in_ns: 7 };
    let numbers = |remaining| Numbers::of_span(Span::of(Period::Day, 0), standing(remaining));
    assert_eq!((numbers(3).window_s(), numbers(3).more_in_ns(), numbers(5).more_in_ns()), (Some(86_400), Some(7), None));
}

#[test]
fn of_places_nobody_knows_when_they_come_back() {
    let standing = Standing { limit: 4, remaining: 0, full_in_ns: 0 };
    let numbers = Numbers { policy: Policy::Bulk, standing, pace: Pace::Places(2) };
    assert_eq!((numbers.window_s(), numbers.more_in_ns(), numbers.capacity()), (None, None, 2));
}
