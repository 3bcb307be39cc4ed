//! Frames and streams: RFC 7540, sections 3 to 7.

use crate::cases::{
    Case, Expect, MARK, NOTHING, Step, acknowledged, answered, case, continuation, data, dummy, get, open, open_get, open_post,
    part, ping, priority, reset, steps, whole, window_update, with,
};
use crate::support::http2::{
    ACK, CANCEL, COMPRESSION_ERROR, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, PADDED,
    PING, PREFACE, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY,
    frame, settings,
};

const WRONG: Expect = Expect::ConnectionError(&[PROTOCOL_ERROR]);
const WRONG_SIZE: Expect = Expect::ConnectionError(&[FRAME_SIZE_ERROR]);
const CLOSED: Expect = Expect::StreamError(&[STREAM_CLOSED]);

/// A type that nobody knows.
fn unknown() -> Vec<u8> {
    frame(0x16, 0, 0, &NOTHING)
}

pub fn cases() -> Vec<Case> {
    [
        starting(),
        frame_format(),
        idle_and_half_closed(),
        closed(),
        identifiers(),
        data_and_headers(),
        priority_and_reset(),
        settings_frames(),
        pings(),
        windows(),
        initial_windows(),
        continuations(),
        error_codes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn starting() -> Vec<Case> {
    let hello = Step::Send([PREFACE, &settings(&[(4, 65_535)])].concat());
    let nonsense = Step::Send(b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec());
    vec![
        Case { name: "http2/3.5/1 the preface", greets: false, steps: vec![hello], expect: Expect::SettingsFirst },
        Case { name: "http2/3.5/2 no preface", greets: false, steps: vec![nonsense], expect: WRONG },
    ]
}

fn frame_format() -> Vec<Case> {
    let (block, long) = (with("GET", &[]), [with("GET", &[]), dummy(5)].concat());
    let interrupted = |by: Vec<u8>| [part(1, &block, false), by, continuation(1, &dummy(1), true)];
    let flags = frame(PING, 0x16, 0, &NOTHING);
    let reserved = frame(PING, 0x16, 1 << 31, &NOTHING);
    vec![
        case("http2/4.1/1 unknown type", &[unknown(), ping(0, NOTHING)], Expect::Pong(NOTHING)),
        case("http2/4.1/2 undefined flags", &[flags], Expect::Ping),
        case("http2/4.1/3 reserved bit", &[reserved], Expect::Ping),
        case("http2/4.2/1 DATA of 16 KiB", &[open_post(1), data(1, &[b'x'; 16_384], true)], Expect::Answer(1)),
        case(
            "http2/4.2/2 DATA over 16 KiB",
            &[open_post(1), data(1, &[b'x'; 16_385], true)],
            Expect::StreamError(&[FRAME_SIZE_ERROR]),
        ),
        case("http2/4.2/3 HEADERS over 16 KiB", &[whole(1, &long)], WRONG_SIZE),
        case("http2/4.3/1 invalid block", &[whole(1, &[0x40])], Expect::ConnectionError(&[COMPRESSION_ERROR])),
        case("http2/4.3/2 PRIORITY within a block", &interrupted(priority(1, 0, 255)), WRONG),
        case("http2/4.3/3 HEADERS within a block", &interrupted(whole(3, &block)), WRONG),
    ]
}

fn idle_and_half_closed() -> Vec<Case> {
    let block = with("GET", &[]);
    vec![
        case("http2/5.1/1 idle: DATA", &[data(1, b"test", true)], Expect::StreamError(&[PROTOCOL_ERROR, STREAM_CLOSED])),
        case("http2/5.1/2 idle: RST_STREAM", &[reset(1, CANCEL)], WRONG),
        case("http2/5.1/3 idle: WINDOW_UPDATE", &[window_update(1, 100)], WRONG),
        case("http2/5.1/4 idle: CONTINUATION", &[continuation(1, &block, true)], WRONG),
        case("http2/5.1/5 half-closed: DATA", &[get(1), data(1, b"test", true)], CLOSED),
        case("http2/5.1/6 half-closed: HEADERS", &[get(1), get(1)], CLOSED),
        case(
            "http2/5.1/7 half-closed: CONTINUATION",
            &[get(1), continuation(1, &block, true)],
            Expect::StreamError(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
    ]
}

fn closed() -> Vec<Case> {
    let after_reset = |more: Vec<u8>| [open_get(1), reset(1, CANCEL), more];
    let after_answer = |more: Vec<u8>| vec![Step::Send(get(1)), answered(), Step::Send(more)];
    vec![
        case("http2/5.1/8 reset: DATA", &after_reset(data(1, b"test", true)), CLOSED),
        case("http2/5.1/9 reset: HEADERS", &after_reset(get(1)), CLOSED),
        case(
            "http2/5.1/10 reset: CONTINUATION",
            &after_reset(continuation(1, &dummy(1), true)),
            Expect::StreamError(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        steps("http2/5.1/11 closed: DATA", after_answer(data(1, b"test", true)), CLOSED),
        steps("http2/5.1/12 closed: HEADERS", after_answer(get(1)), Expect::ConnectionError(&[STREAM_CLOSED])),
        steps(
            "http2/5.1/13 closed: CONTINUATION",
            after_answer(continuation(1, &dummy(1), true)),
            Expect::ConnectionError(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
    ]
}

fn identifiers() -> Vec<Case> {
    let requests: Vec<u8> = (0..=100).flat_map(|number| get(2 * number + 1)).collect();
    let on_itself = [&[0, 0, 0, 1, 255][..], &with("GET", &[])].concat();
    let elsewhere = frame(PING, 0, 3, &NOTHING);
    vec![
        case("http2/5.1.1/1 even stream", &[get(2)], WRONG),
        case("http2/5.1.1/2 smaller stream", &[get(5), get(3)], WRONG),
        case(
            "http2/5.1.2/1 more streams than allowed",
            &[settings(&[(4, 0)]), requests],
            Expect::StreamError(&[PROTOCOL_ERROR, REFUSED_STREAM]),
        ),
        case(
            "http2/5.3.1/1 HEADERS that depend on themselves",
            &[frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, &on_itself)],
            Expect::StreamError(&[PROTOCOL_ERROR]),
        ),
        case("http2/5.3.1/2 PRIORITY that depends on itself", &[priority(1, 1, 255)], Expect::StreamError(&[PROTOCOL_ERROR])),
        case("http2/5.4.1/1 invalid PING: closed", std::slice::from_ref(&elsewhere), Expect::Closed),
        case("http2/5.4.1/2 invalid PING: GOAWAY (strict)", &[elsewhere], Expect::Goaway(&[PROTOCOL_ERROR])),
        case("http2/5.5/1 unknown extension", &[unknown(), ping(0, NOTHING)], Expect::Pong(NOTHING)),
        case("http2/5.5/2 unknown extension within a block", &[part(1, &with("GET", &[]), true), unknown()], WRONG),
    ]
}

fn data_and_headers() -> Vec<Case> {
    let block = with("GET", &[]);
    let interrupted = |by: Vec<u8>| [part(1, &block, false), by, continuation(1, &dummy(1), true)];
    let length_of_four = open(1, &with("POST", &[("content-length", "4")]));
    let too_much_padding = [&[u8::try_from(block.len() + 2).unwrap()][..], &block].concat();
    vec![
        case("http2/6.1/1 DATA on stream 0", &[data(0, b"test", true)], WRONG),
        case("http2/6.1/2 DATA on a half-closed stream", &[whole(1, &with("POST", &[])), data(1, b"test", true)], CLOSED),
        case(
            "http2/6.1/3 DATA with too much padding",
            &[length_of_four, frame(DATA, END_STREAM | PADDED, 1, b"\x06Test")],
            WRONG,
        ),
        case("http2/6.2/1 PRIORITY within a block", &interrupted(priority(1, 0, 255)), WRONG),
        case("http2/6.2/2 HEADERS within a block", &interrupted(whole(3, &block)), WRONG),
        case("http2/6.2/3 HEADERS on stream 0", &[get(0)], WRONG),
        case(
            "http2/6.2/4 HEADERS with too much padding",
            &[frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, &too_much_padding)],
            Expect::StreamError(&[PROTOCOL_ERROR]),
        ),
    ]
}

fn priority_and_reset() -> Vec<Case> {
    let short = Expect::StreamError(&[FRAME_SIZE_ERROR]);
    vec![
        case("http2/6.3/1 PRIORITY on stream 0", &[priority(0, 0, 255)], WRONG),
        case("http2/6.3/2 PRIORITY of 4 bytes", &[get(1), frame(PRIORITY, 0, 1, b"\x80\0\0\x01")], short),
        case("http2/6.4/1 RST_STREAM on stream 0", &[reset(0, CANCEL)], WRONG),
        case("http2/6.4/2 RST_STREAM on an idle stream", &[reset(1, CANCEL)], WRONG),
        case("http2/6.4/3 RST_STREAM of 3 bytes", &[get(1), frame(RST_STREAM, 0, 1, &[0; 3])], short),
    ]
}

fn settings_frames() -> Vec<Case> {
    let two_windows = vec![Step::Send(settings(&[(4, 100), (4, 1)])), acknowledged(), Step::Send(get(1))];
    vec![
        case("http2/6.5/1 ACK with payload", &[frame(SETTINGS, ACK, 0, &[0])], WRONG_SIZE),
        case("http2/6.5/2 SETTINGS on a stream", &[frame(SETTINGS, 0, 1, b"\0\x03\0\0\0\x64")], WRONG),
        case(
            "http2/6.5/3 SETTINGS of 3 bytes",
            &[frame(SETTINGS, 0, 0, b"\0\x03\0")],
            Expect::StreamError(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
        ),
        case("http2/6.5.2/1 ENABLE_PUSH of 2", &[settings(&[(2, 2)])], WRONG),
        case(
            "http2/6.5.2/2 INITIAL_WINDOW_SIZE of 2^31",
            &[settings(&[(4, 1 << 31)])],
            Expect::ConnectionError(&[FLOW_CONTROL_ERROR]),
        ),
        case("http2/6.5.2/3 MAX_FRAME_SIZE of 16,383", &[settings(&[(5, 16_383)])], WRONG),
        case("http2/6.5.2/4 MAX_FRAME_SIZE of 2^24", &[settings(&[(5, 1 << 24)])], WRONG),
        case("http2/6.5.2/5 unknown setting", &[settings(&[(0xff, 1)]), ping(0, NOTHING)], Expect::Pong(NOTHING)),
        steps("http2/6.5.3/1 INITIAL_WINDOW_SIZE twice", two_windows, Expect::DataOf(1)),
        case("http2/6.5.3/2 SETTINGS are acknowledged", &[settings(&[(2, 0)])], Expect::SettingsAck),
    ]
}

fn pings() -> Vec<Case> {
    let goaway = frame(GOAWAY, 0, 1, &NOTHING);
    vec![
        case("http2/6.7/1 PING", &[ping(0, MARK)], Expect::Pong(MARK)),
        case("http2/6.7/2 PING with ACK", &[ping(ACK, *b"invalid\0"), ping(0, MARK)], Expect::Pong(MARK)),
        case("http2/6.7/3 PING on a stream", &[frame(PING, 0, 1, &NOTHING)], WRONG),
        case("http2/6.7/4 PING of 6 bytes", &[frame(PING, 0, 0, &[0; 6])], WRONG_SIZE),
        case("http2/6.8/1 GOAWAY on a stream", &[goaway], WRONG),
    ]
}

const MOST: u32 = (1 << 31) - 1;

fn windows() -> Vec<Case> {
    let window_of_one = vec![Step::Send(settings(&[(4, 1)])), acknowledged(), Step::Send(get(1))];
    vec![
        case("http2/6.9/1 increment of 0", &[window_update(0, 0)], WRONG),
        case(
            "http2/6.9/2 increment of 0 on a stream",
            &[open_get(1), window_update(1, 0)],
            Expect::StreamError(&[PROTOCOL_ERROR]),
        ),
        case("http2/6.9/3 WINDOW_UPDATE of 3 bytes", &[frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1])], WRONG_SIZE),
        steps("http2/6.9.1/1 a window of 1", window_of_one, Expect::DataOf(1)),
        case(
            "http2/6.9.1/2 a window over 2^31-1",
            &[window_update(0, MOST), window_update(0, MOST)],
            Expect::Goaway(&[FLOW_CONTROL_ERROR]),
        ),
        case(
            "http2/6.9.1/3 a stream's window over 2^31-1",
            &[open_get(1), window_update(1, MOST), window_update(1, MOST)],
            Expect::Reset(1, &[FLOW_CONTROL_ERROR]),
        ),
    ]
}

fn initial_windows() -> Vec<Case> {
    let later = vec![Step::Send(settings(&[(4, 0)])), acknowledged(), Step::Send([get(1), settings(&[(4, 1)])].concat())];
    let negative = vec![
        Step::Send(settings(&[(4, 3)])),
        acknowledged(),
        Step::Send(get(1)),
        Step::Await("DATA", |frame| frame.kind == DATA),
        Step::Send(settings(&[(4, 2)])),
        acknowledged(),
        Step::Send(window_update(1, 2)),
    ];
    vec![
        steps("http2/6.9.2/1 a window after the request", later, Expect::DataOf(1)),
        steps("http2/6.9.2/2 a negative window", negative, Expect::DataOf(1)),
        case(
            "http2/6.9.2/3 INITIAL_WINDOW_SIZE over 2^31-1",
            &[frame(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0")],
            Expect::ConnectionError(&[FLOW_CONTROL_ERROR]),
        ),
    ]
}

fn continuations() -> Vec<Case> {
    let (get_block, post_block, more) = (with("GET", &[]), with("POST", &[]), dummy(1));
    let after = |first: &[u8], end, frames: &[Vec<u8>]| [&[part(1, first, end)], frames].concat();
    vec![
        case(
            "http2/6.10/1 several",
            &after(&get_block, true, &[continuation(1, &more, false), continuation(1, &more, true)]),
            Expect::Answer(1),
        ),
        case(
            "http2/6.10/2 followed by another type",
            &after(&post_block, false, &[continuation(1, &more, false), data(1, b"test", true)]),
            WRONG,
        ),
        case("http2/6.10/3 on stream 0", &after(&get_block, true, &[continuation(0, &more, true)]), WRONG),
        case("http2/6.10/4 after the end of HEADERS", &[get(1), continuation(1, &more, true)], WRONG),
        case(
            "http2/6.10/5 after the end of CONTINUATION",
            &after(&get_block, true, &[continuation(1, &more, true), continuation(1, &more, true)]),
            WRONG,
        ),
        case(
            "http2/6.10/6 after DATA",
            &after(&post_block, false, &[data(1, b"test", true), continuation(1, &more, false), continuation(0, &more, true)]),
            WRONG,
        ),
    ]
}

fn error_codes() -> Vec<Case> {
    let goaway = frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff]);
    vec![
        case("http2/7/1 GOAWAY with an unknown code", &[goaway, ping(0, MARK)], Expect::PongOrClosed(MARK)),
        case(
            "http2/7/2 RST_STREAM with an unknown code",
            &[open_post(1), reset(1, 0xff), ping(0, NOTHING)],
            Expect::PongOrClosed(NOTHING),
        ),
    ]
}
