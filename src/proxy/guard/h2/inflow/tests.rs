//! A clock that stands while the client cannot send.

use super::Inflow;

#[test]
fn time_passes_while_the_client_could_send() {
    let inflow = Inflow::default();
    assert_eq!(inflow.client_time(7), 7);
    inflow.has_room(true, 10);
    assert_eq!(inflow.client_time(20), 20);
}

#[test]
fn time_without_room_is_left_out() {
    let inflow = Inflow::default();
    inflow.has_room(false, 10);
    inflow.has_room(false, 20);
    assert_eq!(inflow.client_time(1_000), 10);
    inflow.has_room(true, 1_000);
    inflow.has_room(true, 1_001);
    assert_eq!(inflow.client_time(1_005), 15);
    inflow.has_room(false, 1_010);
    inflow.has_room(true, 2_000);
    assert_eq!(inflow.client_time(2_000), 20);
}

#[test]
fn a_clock_never_goes_back() {
    let inflow = Inflow::default();
    let mut last = 0;
    for now in (0..10_000).step_by(7) {
        inflow.has_room(now % 3 == 0, now);
        let shown = inflow.client_time(now);
        assert!(shown >= last && shown <= now, "{shown} after {last} at {now}");
        last = shown;
    }
}
