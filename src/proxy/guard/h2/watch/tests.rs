//! Budgets at a clock that stands, what fills them again, and what is waited for.

use super::{End, FrameWatch, Inflow, Kind, Times};
use crate::proxy::guard::h2::frames::{
    CONTINUATION, DATA, HEADERS, PING, PRIORITY, PRIORITY_UPDATE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use std::{sync::Arc, time::Duration};

const SECOND: u64 = 1_000_000_000;
const TIMES: Times = Times { header: Duration::from_secs(10), body: Duration::from_secs(30), write: Duration::from_secs(30) };

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A connection whose preface and first SETTINGS have come.
fn watch() -> FrameWatch {
    let mut watch = FrameWatch::new(TIMES, Arc::default(), 0);
    watch.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0).expect("a preface");
    watch.receive(&frame(SETTINGS, 0, 0, &[]), 0).expect("settings");
    watch
}

/// How many of these frames go through at once, up to 5,000.
fn admitted(watch: &mut FrameWatch, frame: &[u8], now: u64) -> usize {
    (0..5_000).find(|_| watch.receive(frame, now).is_err()).unwrap_or(5_000)
}

/// Frames of this type end a fresh connection after so many, as a flood of this kind.
fn check_flood(kind: u8, flags: u8, payload: &[u8], burst: usize, expected: Kind) {
    let bytes = frame(kind, flags, u32::from(kind == RST_STREAM), payload);
    let mut watch = watch();
    assert_eq!(admitted(&mut watch, &bytes, 0), burst, "frames of type {kind}");
    assert_eq!(watch.receive(&bytes, 0), Err(End::Flood(expected)));
}

#[test]
fn a_flood_of_each_kind_ends_the_connection() {
    check_flood(SETTINGS, 0, &[], 31, Kind::Settings);
    check_flood(SETTINGS, 1, &[], 31, Kind::Settings);
    check_flood(PING, 0, &[0; 8], 100, Kind::Ping);
    check_flood(PING, 1, &[0; 8], 100, Kind::Ping);
    check_flood(PRIORITY, 0, &[0; 5], 100, Kind::Priority);
    check_flood(PRIORITY_UPDATE, 0, &[0; 5], 100, Kind::Priority);
    check_flood(WINDOW_UPDATE, 0, &[0, 0, 0, 1], 1000, Kind::WindowUpdate);
    check_flood(RST_STREAM, 0, &[0, 0, 0, 8], 200, Kind::Reset);
    check_flood(7, 0, &[0; 8], 100, Kind::Other);
    check_flood(0x2a, 0, &[0; 8], 100, Kind::Other);
    check_flood(255, 255, &[], 100, Kind::Other);
}

#[test]
fn resets_that_the_client_provokes_end_the_connection_and_others_do_not() {
    let check = |code: u8, expected: usize| {
        let bytes = frame(RST_STREAM, 0, 1, &[0, 0, 0, code]);
        let mut watch = watch();
        let sent = (0..500).find(|_| watch.send(&bytes, 0).is_err()).unwrap_or(500);
        assert_eq!(sent, expected, "RST_STREAM with code {code}");
    };
    for provoked in [1, 3, 5, 6, 7] {
        check(provoked, 100);
    }
    // NO_ERROR after an early answer, INTERNAL_ERROR and CANCEL when an upstream breaks off.
    for other in [0, 2, 8] {
        check(other, 500);
    }
}

#[test]
fn time_fills_a_budget_up_to_its_burst() {
    let mut watch = watch();
    let ping = frame(PING, 0, 0, &[0; 8]);
    assert_eq!(admitted(&mut watch, &ping, 0), 100);
    assert_eq!(admitted(&mut watch, &ping, SECOND), 10);
    assert_eq!(admitted(&mut watch, &ping, 1000 * SECOND), 100);
}

#[test]
fn a_ping_every_second_is_never_too_much() {
    let mut watch = watch();
    let ping = frame(PING, 0, 0, &[0; 8]);
    for second in 0..100_000 {
        assert_eq!(watch.receive(&ping, second * SECOND), Ok(()));
    }
}

#[test]
fn a_client_that_reads_may_ask_for_more_as_often_as_it_gets_something() {
    let mut watch = watch();
    let (data, update) = (frame(DATA, 0, 1, b"x"), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
    for _ in 0..100_000 {
        watch.send(&data, 0).expect("sending costs nothing");
        for _ in 0..2 {
            assert_eq!(watch.receive(&update, 0), Ok(()));
        }
        assert_eq!(watch.receive(&frame(PING, 0, 0, &[0; 8]), 0), Ok(()));
    }
}

#[test]
fn who_waits_for_its_answers_may_reset_streams() {
    let mut watch = watch();
    for _ in 0..10_000 {
        watch.send(&frame(HEADERS, 5, 1, &[]), 0).expect("sending costs nothing");
        assert_eq!(watch.receive(&frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]), 0), Ok(()));
    }
}

#[test]
fn data_has_no_budget() {
    let mut watch = watch();
    watch.receive(&frame(HEADERS, 4, 1, &[]), 0).expect("a request");
    let data = frame(DATA, 0, 1, b"x");
    for _ in 0..200_000 {
        assert_eq!(watch.receive(&data, 0), Ok(()));
    }
}

/// What is overdue after each of these seconds, when these bytes came at the beginning.
fn overdue(bytes: &[u8], seconds: u64) -> Option<(u64, End)> {
    let mut watch = watch();
    watch.receive(bytes, 0).expect("no flood");
    (1..=seconds).find_map(|second| watch.overdue(second * SECOND).map(|found| (second, found)))
}

#[test]
fn what_was_begun_must_be_ended_in_time() {
    let unfinished = End::Unfinished;
    assert_eq!(overdue(&[0], 100), Some((11, unfinished)));
    assert_eq!(overdue(&[0, 0, 9, PING], 100), Some((11, unfinished)));
    assert_eq!(overdue(&frame(HEADERS, 1, 1, &[1, 2, 3]), 100), Some((11, unfinished)), "a block without an end");
    assert_eq!(overdue(&frame(HEADERS, 5, 1, &[1, 2, 3])[..10], 100), Some((11, unfinished)), "half a frame");
    let open = [frame(HEADERS, 1, 1, &[]), frame(CONTINUATION, 0, 1, &[])].concat();
    assert_eq!(overdue(&open, 100), Some((11, unfinished)));
    // Half a DATA frame.
    let half = [frame(HEADERS, 4, 1, &[]), frame(DATA, 0, 1, &[0; 100])[..50].to_vec()].concat();
    assert_eq!(overdue(&half, 100), Some((31, unfinished)));
    // And one that belongs to no request.
    assert_eq!(overdue(&frame(DATA, 0, 1, &[0; 2400])[..50], 100), Some((31, unfinished)));
}

/// With 2,400 bytes that come so many a second.
fn check_data(bytes_a_second: usize, expected: Option<(u64, End)>) {
    let mut watch = watch();
    let data = frame(DATA, 0, 1, &[0; 2400]);
    let found = (0..).zip(data.chunks(bytes_a_second)).find_map(|(second, part)| {
        watch.receive(part, second * SECOND).expect("no flood");
        watch.overdue(second * SECOND).map(|found| (second, found))
    });
    assert_eq!(found, expected, "{bytes_a_second} bytes a second");
}

#[test]
fn a_frame_of_data_may_come_at_the_least_rate_after_the_time_of_any_body() {
    check_data(1, Some((40, End::Unfinished)));
    check_data(50, Some((40, End::Unfinished)));
    check_data(60, None);
}

#[test]
fn a_connection_that_owes_nothing_is_waited_for_as_long_as_it_likes() {
    assert_eq!(overdue(&frame(HEADERS, 5, 1, &[]), 1000), None);
    let whole = [frame(HEADERS, 4, 1, &[]), frame(DATA, 1, 1, b"x")].concat();
    assert_eq!(overdue(&whole, 1000), None);
    assert_eq!(overdue(&[frame(HEADERS, 4, 1, &[]), frame(RST_STREAM, 0, 1, &[0; 4])].concat(), 1000), None);
    let mut watch = watch();
    assert!(!watch.is_waiting());
    watch.receive(&[0], 0).expect("no flood");
    assert!(watch.is_waiting());
}

#[test]
fn settings_must_follow_the_preface() {
    let mut watch = FrameWatch::new(TIMES, Arc::default(), 0);
    watch.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0).expect("a preface");
    assert!(watch.is_waiting());
    assert_eq!(watch.overdue(10 * SECOND), None);
    assert_eq!(watch.overdue(11 * SECOND), Some(End::Unfinished));
}

/// A connection with an eye on what its bodies see of it.
fn watch_and_inflow() -> (FrameWatch, Arc<Inflow>) {
    let inflow = Arc::<Inflow>::default();
    let mut watch = FrameWatch::new(TIMES, Arc::clone(&inflow), 0);
    watch.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0).expect("a preface");
    (watch, inflow)
}

#[test]
fn a_client_without_a_window_is_not_waited_for() {
    let (mut watch, inflow) = watch_and_inflow();
    watch.receive(&frame(DATA, 0, 1, &[0; 16_384]).repeat(2), 5 * SECOND).expect("no flood");
    assert_eq!(inflow.client_time(6 * SECOND), 6 * SECOND, "half of the window is left");
    watch.receive(&frame(DATA, 0, 1, &[0; 16_384]), 7 * SECOND).expect("no flood");
    watch.receive(&frame(DATA, 0, 3, b"x"), 7 * SECOND).expect("no flood");
    assert_eq!(inflow.client_time(60 * SECOND), 7 * SECOND, "less than a frame is left");
    let renewal = 49_153u32.to_be_bytes();
    watch.send(&frame(WINDOW_UPDATE, 0, 1, &renewal), 60 * SECOND).expect("no flood");
    assert_eq!(inflow.client_time(61 * SECOND), 7 * SECOND, "the window of one stream is not that of all");
    watch.send(&frame(WINDOW_UPDATE, 0, 0, &renewal), 67 * SECOND).expect("no flood");
    assert_eq!(inflow.client_time(70 * SECOND), 10 * SECOND);
}

#[test]
fn what_comes_after_half_a_frame_of_data_is_seen_to_wait_for_it() {
    let (mut watch, inflow) = watch_and_inflow();
    let data = frame(DATA, 0, 1, &[0; 100]);
    watch.receive(&data[..9], 0).expect("no flood");
    assert!(inflow.is_within_data());
    watch.receive(&data[9..], 0).expect("no flood");
    assert!(!inflow.is_within_data());
}

#[test]
fn resets_for_the_fault_of_a_client_are_told_once() {
    let mut watch = watch();
    watch.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 1]).repeat(3), 0).expect("no flood");
    watch.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), 0).expect("no flood");
    assert_eq!((watch.take_provoked(), watch.take_provoked()), (3, 0));
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let mut watch = watch();
    watch.wait_to_send(0);
    watch.wait_to_send(20 * SECOND);
    assert_eq!(watch.overdue(30 * SECOND), None);
    assert_eq!(watch.overdue(31 * SECOND), Some(End::Unread));
    watch.send(&[0], 31 * SECOND).expect("no flood");
    assert_eq!(watch.overdue(1000 * SECOND), None);
}

#[test]
fn verdicts_do_not_depend_on_how_bytes_are_sliced() {
    let ping = frame(PING, 0, 0, &[0; 8]).repeat(101);
    for slice in [1, 2, 7, 9, 17, 100, 5_000] {
        let mut watch = watch();
        let verdicts: Vec<_> = ping.chunks(slice).map(|piece| watch.receive(piece, 0)).collect();
        let first = verdicts.iter().position(Result::is_err).expect("the last is too much");
        assert_eq!(first, verdicts.len() - 1, "slices of {slice}");
    }
}

proptest::proptest! {
    /// Whatever comes, and however it is sliced: no panic, and the same verdict.
    #[test]
    fn any_bytes_are_judged_alike(frames in proptest::collection::vec((0u8..12, 0u8..64, 0u32..8, 0usize..40), 0..400), tail in 0usize..9, slice in 1usize..50) {
        let mut bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, stream, length)| frame(*kind, *flags, *stream, &vec![0xff; *length])).collect();
        bytes.truncate(bytes.len().saturating_sub(tail));
        let judge = |slice: usize| {
            let mut watch = watch();
            let verdict = bytes.chunks(slice).map(|piece| watch.receive(piece, 0)).find(Result::is_err);
            // The same bytes as what the gateway says, and time that passes in leaps.
            let _ = bytes.chunks(slice).map(|piece| watch.send(piece, 0)).find(Result::is_err);
            let _ = watch.overdue(u64::MAX);
            verdict
        };
        proptest::prop_assert_eq!(judge(slice), judge(bytes.len().max(1)));
    }
}
