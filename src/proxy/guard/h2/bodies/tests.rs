//! Who is waited for, and for how long.

use super::{Bodies, FIRST_WINDOW};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Stream 1 sends this many bytes in each second, in frames of their own; when it is found to stall.
fn stalls_after(sent: &[u32]) -> Option<usize> {
    let mut bodies = Bodies::new(Duration::from_secs(30), 10);
    bodies.begin(1);
    for (second, bytes) in sent.iter().enumerate() {
        if *bytes > 0 {
            bodies.spend(1, *bytes);
            bodies.content(1, *bytes);
            bodies.renew(1, *bytes);
            bodies.renew(0, *bytes);
        }
        bodies.tick(SECOND);
        if let Some(stream) = bodies.take_stalled() {
            assert_eq!(stream, 1);
            return Some(second);
        }
    }
    None
}

#[test]
fn a_silent_body_ends_after_the_time_out() {
    // The first tick sees that the request itself has come.
    assert_eq!(stalls_after(&[0; 40]), Some(31));
    assert_eq!(stalls_after(&[&[0; 20][..], &[20_000], &[0; 40]].concat()), Some(51));
}

#[test]
fn a_dribbling_body_ends_once_its_average_is_below_the_least_rate() {
    assert_eq!(stalls_after(&[230; 100]), Some(31));
    assert_eq!(stalls_after(&[240; 1000]), None);
    // What came at first counts: 24,000 bytes are 100 seconds' worth, and those after them little.
    assert_eq!(stalls_after(&[&[24_000][..], &[1; 200]].concat()), Some(101));
}

#[test]
fn who_waits_for_the_gateway_does_not_stall() {
    let check = |spent_of_stream: i64, spent_of_all: i64, expected: bool| {
        let mut bodies = Bodies::new(Duration::from_secs(30), 10);
        bodies.begin(1);
        bodies.begin(3);
        let length = |spent: i64| u32::try_from(spent).expect("within the window");
        bodies.spend(1, length(spent_of_stream));
        bodies.spend(5, length(spent_of_all - spent_of_stream));
        for _ in 0..100 {
            bodies.tick(SECOND);
        }
        let stalled = bodies.take_stalled() == Some(1);
        assert_eq!(stalled, expected, "{spent_of_stream} of the stream's window, {spent_of_all} of the connection's");
    };
    check(0, 0, true);
    check(FIRST_WINDOW, FIRST_WINDOW, false);
    check(0, FIRST_WINDOW, false);
    check(FIRST_WINDOW - 16_383, FIRST_WINDOW - 16_383, false);
    // Half the window is used at most when all was read.
    check(FIRST_WINDOW / 2, FIRST_WINDOW / 2, true);
}

#[test]
fn what_has_ended_is_waited_for_no_more() {
    let mut bodies = Bodies::new(Duration::from_secs(30), 10);
    bodies.begin(1);
    bodies.begin(3);
    bodies.end(1);
    bodies.tick(SECOND);
    bodies.tick(31 * SECOND);
    assert_eq!(bodies.take_stalled(), Some(3));
    assert_eq!(bodies.take_stalled(), None);
    assert!(bodies.is_empty());
}

#[test]
fn no_more_are_followed_than_there_is_room_for() {
    let mut bodies = Bodies::new(Duration::from_secs(30), 2);
    for stream in [1, 3, 5] {
        bodies.begin(stream);
    }
    assert_eq!(bodies.open.len(), 2);
}
