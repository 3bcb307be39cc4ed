//! What every server must take.

use crate::cases::{
    Case, Expect, MARK, NOTHING, Step, answered, case, continuation, data, fields, get, open, open_get, open_post, part, ping,
    priority, reset, steps, whole, window_update, with,
};
use crate::support::http2::{
    CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PADDED, PREFACE, WITH_PRIORITY, block, frame, settings,
};

const ZERO_WINDOW: (u16, u32) = (4, 0);

pub fn cases() -> Vec<Case> {
    [streams(), frames(), messages(), hpack()].into_iter().flatten().collect()
}

fn streams() -> Vec<Case> {
    let hello = Step::Send([PREFACE, &settings(&[(4, 65_535)])].concat());
    vec![
        Case { name: "generic/1/1 a preface", greets: false, steps: vec![hello], expect: Expect::SettingsFirst },
        case("generic/2/1 PRIORITY on an idle stream", &[priority(1, 0, 255), ping(0, NOTHING)], Expect::Pong(NOTHING)),
        case(
            "generic/2/2 WINDOW_UPDATE on a half-closed stream",
            &[settings(&[ZERO_WINDOW]), get(1), window_update(1, 1)],
            Expect::Data,
        ),
        case(
            "generic/2/3 PRIORITY on a half-closed stream",
            &[settings(&[ZERO_WINDOW]), get(1), priority(1, 0, 255), window_update(1, 1)],
            Expect::Data,
        ),
        case(
            "generic/2/4 RST_STREAM on a half-closed stream",
            &[get(1), reset(1, CANCEL), ping(0, NOTHING)],
            Expect::PongOrClosed(NOTHING),
        ),
        steps(
            "generic/2/5 PRIORITY on a closed stream",
            vec![Step::Send(get(1)), answered(), Step::Send([priority(1, 0, 255), ping(0, NOTHING)].concat())],
            Expect::Pong(NOTHING),
        ),
    ]
}

fn frames() -> Vec<Case> {
    let padded_data = frame(DATA, END_STREAM | PADDED, 1, b"\x05test\0\0\0\0\0");
    let padded_head = [&[8][..], &with("GET", &[]), &[0; 8]].concat();
    let head_with_priority = [&[0, 0, 0, 0, 255][..], &with("GET", &[])].concat();
    let every_setting = settings(&[(1, 4096), (2, 1), (3, 100), (4, 65_535), (5, 16_384), (6, 100)]);
    let goaway = frame(GOAWAY, 0, 0, &[&0u32.to_be_bytes()[..], &NO_ERROR.to_be_bytes(), b"h2spec"].concat());
    let block = with("GET", &[]);
    vec![
        case("generic/3.1/1 DATA", &[open_post(1), data(1, b"test", true)], Expect::Answer(1)),
        case("generic/3.1/2 DATA twice", &[open_post(1), data(1, b"test", false), data(1, b"test", true)], Expect::Answer(1)),
        case("generic/3.1/3 DATA with padding", &[open_post(1), padded_data], Expect::Answer(1)),
        case("generic/3.2/1 HEADERS", &[get(1)], Expect::Answer(1)),
        case(
            "generic/3.2/2 HEADERS with padding",
            &[frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, &padded_head)],
            Expect::Answer(1),
        ),
        case(
            "generic/3.2/3 HEADERS with priority",
            &[frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, &head_with_priority)],
            Expect::Answer(1),
        ),
        case("generic/3.3/1 PRIORITY with weight 1", &[priority(1, 0, 0), get(1)], Expect::Answer(1)),
        case("generic/3.3/2 PRIORITY with weight 256", &[priority(1, 0, 255), get(1)], Expect::Answer(1)),
        case("generic/3.3/3 PRIORITY with a dependency", &[priority(3, 1, 0), get(1)], Expect::Answer(1)),
        case("generic/3.3/4 PRIORITY, exclusive", &[priority(1, 1 << 31, 0), get(1)], Expect::Answer(1)),
        case("generic/3.3/5 PRIORITY for a higher stream", &[priority(3, 0, 255), get(1)], Expect::Answer(1)),
        case("generic/3.4/1 RST_STREAM", &[open_get(1), reset(1, CANCEL), ping(0, NOTHING)], Expect::PongOrClosed(NOTHING)),
        case("generic/3.5/1 SETTINGS", &[every_setting], Expect::SettingsAck),
        case("generic/3.7/1 PING", &[ping(0, MARK)], Expect::Pong(MARK)),
        case("generic/3.8/1 GOAWAY", &[goaway, ping(0, MARK)], Expect::PongOrClosed(MARK)),
        case("generic/3.9/1 WINDOW_UPDATE of the connection", &[window_update(0, 1), ping(0, NOTHING)], Expect::Pong(NOTHING)),
        case("generic/3.9/2 WINDOW_UPDATE of a stream", &[get(1), window_update(1, 1)], Expect::Answer(1)),
        case("generic/3.10/1 CONTINUATION", &[part(1, &block[..5], true), continuation(1, &block[5..], true)], Expect::Answer(1)),
        case(
            "generic/3.10/2 CONTINUATION twice",
            &[part(1, &block[..5], true), continuation(1, &block[5..10], false), continuation(1, &block[10..], true)],
            Expect::Answer(1),
        ),
    ]
}

fn messages() -> Vec<Case> {
    let trailers = whole(1, &block(&[("x-test", "ok")]));
    vec![
        case("generic/4/1 GET", &[get(1)], Expect::Answer(1)),
        case("generic/4/2 HEAD", &[whole(1, &block(&fields("HEAD")))], Expect::Answer(1)),
        case("generic/4/3 POST", &[open_post(1), data(1, b"test", true)], Expect::Answer(1)),
        case(
            "generic/4/4 POST with trailers",
            &[open(1, &with("POST", &[("trailer", "x-test")])), data(1, b"test", false), trailers],
            Expect::Answer(1),
        ),
    ]
}

/// A GET whose block ends with these bytes.
fn ending_with(name: &'static str, representation: &[u8]) -> Case {
    case(name, &[whole(1, &[&with("GET", &[])[..], representation].concat())], Expect::Answer(1))
}

fn beginning_with(name: &'static str, representation: &[u8]) -> Case {
    case(name, &[whole(1, &[representation, &with("GET", &[])[..]].concat())], Expect::Answer(1))
}

/// `user-agent: h2spec` and `x-test: h2spec`, plain and in Huffman's code, in each of the literal representations.
fn hpack() -> Vec<Case> {
    let agent = b"\x0auser-agent\x06h2spec";
    let agent_coded = b"\x87\xb5\x05\xb1\x61\xcc\x5a\x93\x84\x9c\x48\xac\xa4";
    let test = b"\x06x-test\x06h2spec";
    let test_coded = b"\x85\xf2\xb2\x4a\x84\xff\x84\x9c\x48\xac\xa4";
    let literal = |form: u8, text: &[u8]| [&[form], text].concat();
    vec![
        ending_with("generic/5/1 indexed", b"\xba"),
        ending_with("generic/5/2 incremental, known name, Huffman", &literal(0x40, agent_coded)),
        ending_with("generic/5/3 incremental, known name", &literal(0x40, agent)),
        ending_with("generic/5/4 incremental, new name", &literal(0x40, test)),
        ending_with("generic/5/5 incremental, new name, Huffman", &literal(0x40, test_coded)),
        ending_with("generic/5/6 not indexed, known name", &literal(0, agent)),
        ending_with("generic/5/7 not indexed, known name, Huffman", &literal(0, agent_coded)),
        ending_with("generic/5/8 not indexed, new name", &literal(0, test)),
        ending_with("generic/5/9 not indexed, new name, Huffman", &literal(0, test_coded)),
        ending_with("generic/5/10 never indexed, known name", &literal(0x10, agent)),
        ending_with("generic/5/11 never indexed, known name, Huffman", &literal(0x10, agent_coded)),
        ending_with("generic/5/12 never indexed, new name", &literal(0x10, test)),
        ending_with("generic/5/13 never indexed, new name, Huffman", &literal(0x10, test_coded)),
        // To 128.
        beginning_with("generic/5/14 table size update", b"\x3f\x61"),
        // To 128, then to 4,096.
        beginning_with("generic/5/15 two table size updates", b"\x3f\x61\x3f\xe1\x1f"),
    ]
}
