//! The count at its bound; `tests/loom` plays its races.

use super::*;

#[test]
fn at_the_bound_nobody_enters() {
    let live = Live::default();
    assert!(live.enter(2) && live.enter(2));
    assert!(!live.enter(2));
    assert_eq!(live.count(), 2);
}

#[test]
fn a_bound_of_nothing_lets_nobody_enter() {
    let live = Live::default();
    assert!(!live.enter(0));
    assert_eq!(live.count(), 0);
}

#[test]
fn who_leaves_makes_room() {
    let live = Live::default();
    assert!((0..5).all(|_| live.enter(5)));
    live.leave(3);
    assert_eq!(live.count(), 2);
    assert!((0..3).all(|_| live.enter(5)) && !live.enter(5));
}

#[test]
fn a_lowered_bound_keeps_who_is_there() {
    let live = Live::default();
    assert!((0..5).all(|_| live.enter(5)));
    assert!(!live.enter(3));
    assert_eq!(live.count(), 5);
}
