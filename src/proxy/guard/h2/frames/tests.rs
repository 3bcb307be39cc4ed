//! The same events however the bytes are sliced.

use super::{DATA, Event, FrameReader, HEADERS, Head, PREFACE, WINDOW_UPDATE};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// All events of these bytes, in slices of this size; pieces of one payload are one.
fn events(bytes: &[u8], slice: usize) -> Vec<Event> {
    let mut reader = FrameReader::new(PREFACE);
    let mut events: Vec<Event> = Vec::new();
    for mut piece in bytes.chunks(slice) {
        while let Some(event) = reader.next(&mut piece) {
            match (events.last_mut(), event) {
                (Some(Event::Content(_, sum)), Event::Content(_, more)) => *sum += more,
                _ => events.push(event),
            }
        }
        assert!(piece.is_empty(), "all is taken");
    }
    assert!(reader.is_between_frames());
    events
}

#[test]
fn frames_are_found_however_they_are_sliced() {
    let bytes = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(HEADERS, 5, 1, &[1, 2, 3, 4, 5]),
        frame(WINDOW_UPDATE, 0, 0x8000_0003, &[0, 1, 0, 2]),
        frame(DATA, 0, 3, &[7, 8]),
    ]
    .concat();
    let head = |length, kind, flags, stream| Head { length, kind, flags, stream };
    let (settings, headers) = (head(0, 4, 0, 0), head(5, HEADERS, 5, 1));
    let (update, data) = (head(4, WINDOW_UPDATE, 0, 3), head(2, DATA, 0, 3));
    let expected = [
        Event::Begun(settings),
        Event::Ended(settings, 0),
        Event::Begun(headers),
        Event::Content(headers, 5),
        Event::Ended(headers, 0x0102_0304),
        Event::Begun(update),
        Event::Content(update, 4),
        Event::Ended(update, 0x0001_0002),
        Event::Begun(data),
        Event::Content(data, 2),
        Event::Ended(data, 0x0708_0000),
    ];
    for slice in 1..=bytes.len() {
        assert_eq!(events(&bytes, slice), expected, "slices of {slice}");
    }
}

#[test]
fn half_a_head_and_half_a_payload_are_within_a_frame() {
    let mut reader = FrameReader::new(0);
    assert!(reader.is_between_frames());
    assert_eq!(reader.next(&mut &[0, 0, 1][..]), None);
    assert!(!reader.is_between_frames(), "three bytes of a head");
    assert!(matches!(reader.next(&mut &[DATA, 0, 0, 0, 0, 1][..]), Some(Event::Begun(_))));
    assert!(!reader.is_between_frames(), "a payload is to come");
}

#[test]
fn which_frames_end_a_stream_and_which_leave_a_block_open() {
    let head = |kind, flags| Head { length: 0, kind, flags, stream: 1 };
    assert!(head(DATA, 1).ends_stream() && head(HEADERS, 1).ends_stream());
    // The same bit acknowledges.
    assert!(!head(4, 1).ends_stream() && !head(DATA, 8).ends_stream());
    assert!(head(HEADERS, 1).leaves_block_open() && head(9, 0).leaves_block_open());
    assert!(!head(HEADERS, 4).leaves_block_open() && !head(9, 4).leaves_block_open() && !head(DATA, 0).leaves_block_open());
}
