//! A body in chunks: how it is cut makes no difference, and what comes out is plain and holds the data that went in.
use bytes::BytesMut;
use stackflow_gateway::proxy::guard::chunks::{ChunkFault, Chunks};

/// What became of a body: what came out, how much was taken, whether it is over.
type Read = Result<(BytesMut, usize, bool), ChunkFault>;

/// What follows a head that says `chunked`.
pub fn chunks(input: &[u8]) {
    let whole = reframe(input, usize::MAX);
    for piece in [1, 7] {
        match (&whole, &reframe(input, piece)) {
            (Ok((framed, taken, done)), Ok((other, other_taken, other_done))) => {
                assert_eq!((taken, done), (other_taken, other_done), "in pieces of {piece}");
                assert_eq!(data(framed, *done), data(other, *done), "in pieces of {piece}");
            }
            (whole, pieces) => assert_eq!(whole.as_ref().err(), pieces.as_ref().err(), "in pieces of {piece}"),
        }
    }
    if let Ok((framed, _, true)) = &whole {
        let again = reframe(framed, usize::MAX).expect("what comes out is well formed");
        assert_eq!((&again.0, again.1, again.2), (framed, framed.len(), true));
    }
}

fn reframe(input: &[u8], piece: usize) -> Read {
    let (mut chunks, mut framed, mut taken) = (Chunks::default(), BytesMut::new(), 0);
    while taken < input.len() && !chunks.is_done() {
        let end = taken.saturating_add(piece).min(input.len());
        taken += chunks.reframe(&input[taken..end], &mut framed)?;
    }
    Ok((framed, taken, chunks.is_done()))
}

/// The data of plain chunks, which end where `done` says so.
fn data(framed: &[u8], done: bool) -> Vec<u8> {
    let (mut rest, mut data) = (framed, Vec::new());
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line");
        let digits = std::str::from_utf8(&rest[..end]).expect("digits");
        assert!(digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{digits}");
        let size = usize::from_str_radix(digits, 16).expect("a size");
        let (chunk, after) = rest[end + 2..].split_at(size);
        data.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").expect("the end of a chunk");
        assert_eq!(size == 0, done && rest.is_empty(), "the last chunk, and no other, is empty");
    }
    data
}
