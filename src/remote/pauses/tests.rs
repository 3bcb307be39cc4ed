//! Soon after a failure, then rarer; never later than asked for.
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn retries_come_soon_and_then_rarer() {
    let pauses = |longest_s| {
        [1, 2, 3, 4, 5, 6, 7, 40, u32::MAX].map(|failures| retry_pause(failures, Duration::from_secs(longest_s)).as_secs())
    };
    assert_eq!(pauses(86_400), [1, 2, 4, 8, 16, 30, 30, 30, 30], "an outage is not made longer by a long cooldown");
    assert_eq!(pauses(10), [1, 2, 4, 8, 10, 10, 10, 10, 10]);
    assert_eq!(pauses(1), [1; 9]);
}

#[test]
fn pauses_are_up_to_a_tenth_shorter_and_never_longer() {
    assert_eq!(earlier(600 * SECOND, 0), 600 * SECOND);
    assert!(earlier(600 * SECOND, 255) > 540 * SECOND && earlier(600 * SECOND, 255) < 541 * SECOND);
    assert!(earlier(SECOND, 255) >= 900 * SECOND / 1000);
}
