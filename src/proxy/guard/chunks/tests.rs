//! What is refused wherever it is cut, and what comes out of the rest.

use super::*;
use proptest::prelude::*;

/// Reads a body in pieces that end at these places.
fn read(body: &[u8], cuts: &[usize]) -> Result<(BytesMut, usize, bool), ChunkFault> {
    let (mut chunks, mut output, mut taken) = (Chunks::default(), BytesMut::new(), 0);
    for end in cuts.iter().copied().chain([body.len()]) {
        while taken < end && !chunks.is_done() {
            taken += chunks.reframe(&body[taken..end], &mut output)?;
        }
    }
    Ok((output, taken, chunks.is_done()))
}

/// The data of chunks as they come out, read by the plainest reader there is.
fn data(framed: &[u8]) -> Vec<u8> {
    let (mut rest, mut data) = (framed, Vec::new());
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a size's line");
        let digits = std::str::from_utf8(&rest[..end]).expect("digits");
        assert!(digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{digits}");
        let size = usize::from_str_radix(digits, 16).expect("a size");
        rest = &rest[end + 2..];
        data.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n");
        rest = &rest[size + 2..];
        if size == 0 {
            assert!(rest.is_empty());
            return data;
        }
    }
}

fn refused(body: &str, expected: ChunkFault) {
    assert_eq!(read(body.as_bytes(), &[]), Err(expected), "{body:?}");
    let all: Vec<_> = (1..body.len()).collect();
    assert_eq!(read(body.as_bytes(), &all), Err(expected), "{body:?}, byte by byte");
}

fn comes_out(body: &str, expected: &str) {
    let (output, taken, done) = read(body.as_bytes(), &[]).expect("a good body");
    assert_eq!((String::from_utf8_lossy(&output).as_ref(), taken, done), (expected, body.len(), true), "{body:?}");
    for cut in 0..body.len() {
        let (output, _, done) = read(body.as_bytes(), &[cut]).expect("a good body");
        assert_eq!((data(&output), done), (data(expected.as_bytes()), true), "{body:?}, cut at {cut}");
    }
}

#[test]
fn sizes_that_differ_between_readers_are_refused() {
    for size in ["", " 3", "3 ", "\t3", "+3", "-3", "0x3", "3h", "3,", "\"3\"", "_3", "3.0", "\u{663}", "3\0", "\0"] {
        refused(&format!("{size}\r\nabc\r\n0\r\n\r\n"), SIZE);
    }
    refused("3\nabc\r\n0\r\n\r\n", SIZE);
    refused("3\rabc\r\n0\r\n\r\n", SIZE);
    refused("3\r\r\nabc\r\n0\r\n\r\n", SIZE);
    refused("\r\n3\r\nabc\r\n0\r\n\r\n", SIZE);
    refused("3\r\nabc\r\n\r\n", SIZE);
    for too_long in ["0000000000000003", "ffffffffffffffff", "10000000000000000", "fffffffffffffffff3"] {
        refused(&format!("{too_long}\r\nabc\r\n0\r\n\r\n"), SIZE);
    }
}

#[test]
fn extensions_that_hide_something_are_refused() {
    for extension in ["\n", "a\nb", "a\r", "\0", "\u{7f}", "\u{e9}", "\u{1}"] {
        let expected = if extension == "a\r" { SIZE } else { EXTENSION_FAULT };
        refused(&format!("3;{extension}\r\nabc\r\n0\r\n\r\n"), expected);
    }
    refused(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(EXTENSION + 1)), EXTENSION_FAULT);
    refused(&format!("0;{}\r\n\r\n", "a".repeat(EXTENSION + 1)), EXTENSION_FAULT);
}

#[test]
fn chunks_that_do_not_end_where_they_say_are_refused() {
    for rest in ["abcd\r\n0\r\n\r\n", "abc0\r\n\r\n", "abc\n0\r\n\r\n", "abc\r0\r\n\r\n", "ab\r\n0\r\n\r\n", "abc \r\n0\r\n\r\n"]
    {
        refused(&format!("3\r\n{rest}"), END);
    }
}

#[test]
fn trailers_that_are_none_are_refused() {
    for trailer in
        ["\n", " x: y\r\n", "\tx: y\r\n", ": y\r\n", "x: y\n\r\n", "x: \0\r\n", "x: y\rz\r\n", "x: y\r\n\n", "x: \u{7f}\r\n"]
    {
        refused(&format!("0\r\n{trailer}\r\n"), TRAILER);
    }
    refused(&format!("0\r\nx: {}\r\n\r\n", "y".repeat(TRAILERS)), TRAILER);
    refused(&format!("0\r\n{}\r\n", "x: y\r\n".repeat(TRAILERS)), TRAILER);
}

#[test]
fn what_comes_out_is_what_was_understood() {
    comes_out("0\r\n\r\n", "0\r\n\r\n");
    comes_out("3\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n");
    comes_out("003\r\nabc\r\n000\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n");
    comes_out("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n");
    comes_out("2;name=\"value\" ; x\r\n\r\n\r\n0;last\r\n\r\n", "2\r\n\r\n\r\n0\r\n\r\n");
    comes_out("0\r\nAuthorization: x\r\nContent-Length: 5\r\n\r\n", "0\r\n\r\n");
}

#[test]
fn nothing_after_the_end_is_taken() {
    let (output, taken, done) = read(b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n", &[]).expect("a good body");
    assert_eq!((&output[..], taken, done), (&b"1\r\na\r\n0\r\n\r\n"[..], 11, true));
}

#[test]
fn a_body_that_is_cut_off_is_not_over() {
    let body = b"3;x\r\nabc\r\n0\r\nx: y\r\n\r\n";
    for end in 0..body.len() {
        let (output, _, done) = read(&body[..end], &[]).expect("nothing wrong so far");
        assert!(!done && !output.ends_with(b"0\r\n\r\n"), "{end}");
    }
}

proptest! {
    #[test]
    fn the_data_is_the_same_however_it_is_cut(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        mut cuts in prop::collection::vec(0_usize..300, 0..8),
    ) {
        let mut body = Vec::new();
        for piece in &pieces {
            body.extend_from_slice(format!("{:X};e\r\n", piece.len()).as_bytes());
            body.extend_from_slice(piece);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\nt: v\r\n\r\n");
        cuts.retain(|cut| *cut < body.len());
        cuts.sort_unstable();
        let (output, taken, done) = read(&body, &cuts).expect("a good body");
        prop_assert_eq!((taken, done), (body.len(), true));
        prop_assert_eq!(data(&output), pieces.concat());
    }

    #[test]
    fn the_verdict_is_the_same_however_it_is_cut(body in "[0-9a-f;\r\n x:]{0,60}", cut in 0_usize..60) {
        let cut = cut.min(body.len());
        let (whole, pieces) = (read(body.as_bytes(), &[]), read(body.as_bytes(), &[cut]));
        match (whole, pieces) {
            (Ok((_, taken, done)), Ok((_, also_taken, also_done))) => {
                prop_assert_eq!((taken, done), (also_taken, also_done));
            }
            (whole, pieces) => prop_assert_eq!(whole.err(), pieces.err()),
        }
    }
}
