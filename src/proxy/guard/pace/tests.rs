//! When a body is too slow.

use super::*;

const SECOND: u64 = 1_000_000_000;

/// One piece of so many bytes after each wait of a second; when it is too slow, if it is.
fn too_slow_after(bytes: usize, seconds: u64) -> Option<u64> {
    let mut pace = Pace::new(Duration::from_secs(30));
    (1..=seconds).find(|second| {
        assert!(pace.note(true, 0, || (second - 1) * SECOND));
        !pace.note(false, bytes, || second * SECOND)
    })
}

#[test]
fn a_slow_body_has_the_time_out_and_no_more() {
    assert_eq!(too_slow_after(1, 100), Some(31));
    assert_eq!(too_slow_after(239, 100), Some(31));
    assert_eq!(too_slow_after(240, 10_000), None);
}

#[test]
fn what_came_early_counts() {
    let mut pace = Pace::new(Duration::from_secs(30));
    assert!(pace.note(false, 24_000, || unreachable!("nothing was waited for")));
    assert!(pace.note(true, 0, || 0));
    assert!(pace.note(false, 0, || 100 * SECOND));
    assert!(pace.note(true, 0, || 100 * SECOND));
    assert!(!pace.note(false, 0, || 101 * SECOND));
}

#[test]
fn a_wait_for_others_does_not_count() {
    let mut pace = Pace::new(Duration::from_secs(30));
    for hour in 0..100 {
        assert!(pace.note(true, 0, || hour * 3600 * SECOND));
        assert!(pace.note(false, 24, || hour * 3600 * SECOND + SECOND / 10));
    }
}

#[test]
fn a_wait_that_is_looked_at_again_goes_on() {
    let mut pace = Pace::new(Duration::from_secs(30));
    assert!(pace.note(true, 0, || 0));
    assert!(pace.note(true, 0, || unreachable!("it is known since when")));
    assert!(!pace.note(false, 1, || 31 * SECOND));
}

#[test]
fn each_body_has_its_own_time() {
    let mut pace = Pace::new(Duration::from_secs(30));
    assert!(pace.note(true, 0, || 0));
    assert!(pace.note(false, 1, || 20 * SECOND));
    pace.begin();
    assert!(pace.note(true, 0, || 20 * SECOND));
    assert!(pace.note(false, 1, || 40 * SECOND));
}
