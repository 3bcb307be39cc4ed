//! Turns by a clock that is a number.

use super::*;

/// What each of those waits who ask at these moments.
fn check(workers: usize, asked_ns: &[u64], expected: &[u64]) {
    let turns = Turns::new(workers);
    let waits: Vec<u64> = asked_ns.iter().map(|now| turns.take(*now)).collect();
    assert_eq!(waits, expected);
}

#[test]
fn those_who_ask_at_once_wait_one_behind_the_other() {
    check(1, &[0, 0, 0, 0], &[0, 250_000, 500_000, 750_000]);
    check(2, &[0, 0, 0], &[0, 125_000, 250_000]);
}

#[test]
fn whoever_asks_rarely_does_not_wait() {
    check(1, &[0, 250_000, 500_000, 10_000_000], &[0, 0, 0, 0]);
}

#[test]
fn turns_that_nobody_took_are_not_saved_up() {
    check(1, &[0, 1_000_000_000, 1_000_000_000, 1_000_100_000], &[0, 0, 250_000, 400_000]);
}

#[test]
fn of_new_connections_a_thousand_may_come_at_once() {
    let turns = Turns::of_arrivals();
    assert!((0..1000).all(|_| turns.take(1_000_000_000) == 0));
    assert_eq!((turns.take(1_000_000_000), turns.take(1_000_000_000)), (0, 250_000));
}

#[test]
fn no_number_of_workers_and_no_moment_is_too_large() {
    check(0, &[0, 0], &[0, 250_000]);
    check(usize::MAX, &[u64::MAX, u64::MAX], &[0, 0]);
}
