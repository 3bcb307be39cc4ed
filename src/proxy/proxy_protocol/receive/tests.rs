//! What is taken from a connection, and what is left on it.

use super::{Ended, Expecting, receive};
use crate::{
    observe::HEADER_FAULTS,
    proxy::connection::{Connection, Socket},
};
use prometheus::{IntCounterVec, Opts};
use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::watch,
};

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n";
/// Long enough never to end by itself within a test.
const PATIENT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn expecting(is_required: bool) -> Expecting {
    Expecting { is_required, first_byte: PATIENT, header: PATIENT, refused: counters() }
}

fn counters() -> IntCounterVec {
    IntCounterVec::new(Opts::new("refused", "Not registered."), &["reason"]).expect("a name")
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

/// What comes of these pieces, sent one after the other before the far end is closed: the source, and what is left to be read.
fn outcome(expecting: &Expecting, pieces: &[&[u8]]) -> Result<(Option<SocketAddr>, Vec<u8>), Ended> {
    run(async {
        let (near, mut far) = UnixStream::pair().expect("a pair of sockets");
        let mut near = Connection::new(Socket::Unix(near), None, SystemTime::UNIX_EPOCH);
        let (_never, shutdown) = watch::channel(false);
        let send = async move {
            for piece in pieces {
                // Refused meanwhile: then the rest does not matter.
                let _ = far.write_all(piece).await;
                tokio::task::yield_now().await;
            }
        };
        let read = async {
            let (source, mut rest) = (receive(&mut near, expecting, &shutdown).await?, Vec::new());
            near.read_to_end(&mut rest).await.expect("the far end is closed");
            Ok((source, rest))
        };
        tokio::join!(read, send).0
    })
}

#[track_caller]
fn refused(is_required: bool, input: &[u8], expected: &str, counted: Option<&str>) {
    let expecting = expecting(is_required);
    match outcome(&expecting, &[input]) {
        Err(ended) => {
            assert_eq!(ended.to_string(), expected, "{}", input.escape_ascii());
            let counts = HEADER_FAULTS.map(|fault| expecting.refused.with_label_values(&[fault]).get());
            assert_eq!(counts, HEADER_FAULTS.map(|fault| u64::from(counted == Some(fault))), "{}", input.escape_ascii());
        }
        Ok(served) => panic!("{served:?}: {}", input.escape_ascii()),
    }
}

#[test]
fn what_is_no_good_header_ends_the_connection() {
    refused(true, b"GET / HTTP/1.1\r\n\r\n", "a connection without a header", Some("missing"));
    for is_required in [false, true] {
        refused(is_required, b"PROXY TCP4 a b c d\r\n", "no address of the family", Some("malformed"));
        refused(is_required, b"", "closed before the header", None);
        refused(is_required, b"PROXY TCP4 192.0.2.1", "closed before the header", None);
    }
}

#[test]
fn the_first_byte_and_the_header_have_each_their_time() {
    let late = |first_byte, header, input: &'static [u8]| {
        run(async {
            let (near, mut far) = UnixStream::pair().expect("a pair of sockets");
            let mut near = Connection::new(Socket::Unix(near), None, SystemTime::UNIX_EPOCH);
            let (_never, shutdown) = watch::channel(false);
            far.write_all(input).await.expect("the near end is open");
            let expecting = Expecting { is_required: false, first_byte, header, refused: counters() };
            let ended = receive(&mut near, &expecting, &shutdown).await;
            matches!(ended, Err(Ended::Late)) && expecting.refused.with_label_values(&["late"]).get() == 1
        })
    };
    assert!(late(SHORT, PATIENT, b""));
    assert!(late(PATIENT, SHORT, b"PROXY TCP4 192.0.2.1"));
}

#[test]
fn a_gateway_that_stops_waits_for_nobody_who_says_nothing() {
    let (stop, shutdown) = watch::channel(false);
    let ended = run(async {
        let (near, _far) = UnixStream::pair().expect("a pair of sockets");
        let mut near = Connection::new(Socket::Unix(near), None, SystemTime::UNIX_EPOCH);
        let expecting = expecting(true);
        let stopping = async { stop.send(true).expect("somebody waits") };
        tokio::join!(receive(&mut near, &expecting, &shutdown), stopping).0
    });
    assert!(matches!(ended, Err(Ended::Closed)), "{ended:?}");
}

#[test]
fn what_follows_the_header_is_read_next_however_it_is_cut() {
    let source = "192.0.2.1:40000".parse().ok();
    for rest in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", HEADER, &[7; 10_000]] {
        let input = [HEADER, rest].concat();
        let whole = outcome(&expecting(true), &[&input]).expect("a good header");
        assert_eq!(whole, (source, rest.to_vec()));
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(outcome(&expecting(false), &bytes).expect("a good header"), (source, rest.to_vec()));
    }
}

#[test]
fn without_a_header_nothing_is_taken() {
    for input in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"P:"] {
        let served = outcome(&expecting(false), &[input]).expect("it is served as it is");
        assert_eq!(served, (None, input.to_vec()), "{}", input.escape_ascii());
    }
}
