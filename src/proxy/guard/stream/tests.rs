//! What the framework gets to read, and when.

use super::*;
use crate::proxy::connection::{Connection, Socket};
use std::time::SystemTime;
use tokio::net::UnixStream;

/// A guarded connection, and the client's end of it.
fn pair() -> (Guarded, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    (
        Guarded::new(
            Box::new(Connection::new(Socket::Unix(near), None, SystemTime::UNIX_EPOCH)),
            Clock::start(),
            Duration::from_secs(1),
            Duration::from_millis(20),
        ),
        far,
    )
}

/// Whether a read has nothing to give, once the runtime has looked at what has come.
async fn waits(guarded: &mut Guarded) -> bool {
    let mut byte = [0];
    let looked = async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = guarded.read(&mut byte) => false,
        () = looked => true,
    }
}

async fn read(guarded: &mut Guarded, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    guarded.read_exact(&mut bytes).await.expect("so many bytes");
    bytes
}

#[tokio::test]
async fn no_more_than_the_body_is_handed_on() {
    let (mut guarded, mut client) = pair();
    client.write_all(b"headbodyGET").await.expect("room");
    assert!(guarded.read_more().await.expect("bytes"));
    assert_eq!(&guarded.take_input(4)[..], b"head");
    guarded.expect_body(BodyFraming::Length(6));
    client.write_all(b" /next").await.expect("room");
    assert_eq!(read(&mut guarded, 6).await, b"bodyGE");
    assert!(guarded.is_between_requests() && waits(&mut guarded).await);
    assert_eq!(guarded.input(), b"T /next");
}

#[tokio::test]
async fn a_long_body_is_read_past_what_had_come_with_its_head() {
    let (mut guarded, mut client) = pair();
    client.write_all(b"hab").await.expect("room");
    guarded.read_more().await.expect("bytes");
    guarded.take_input(1);
    guarded.expect_body(BodyFraming::Length(5));
    client.write_all(b"cdeNEXT").await.expect("room");
    assert_eq!(read(&mut guarded, 5).await, b"abcde");
    assert!(guarded.input().is_empty(), "the next request waits in the kernel");
    assert!(guarded.read_more().await.expect("bytes"));
    assert_eq!(guarded.input(), b"NEXT");
}

#[tokio::test]
async fn a_body_in_chunks_ends_where_it_ends() {
    let (mut guarded, mut client) = pair();
    guarded.expect_body(BodyFraming::Chunked);
    client.write_all(b"3;x\r\nabc\r\n0\r\nt: v\r\n\r\nNEXT").await.expect("room");
    assert_eq!(read(&mut guarded, 13).await, b"3\r\nabc\r\n0\r\n\r\n");
    assert!(guarded.is_between_requests());
    assert_eq!(guarded.input(), b"NEXT");
}

#[tokio::test]
async fn a_refused_body_is_an_error_that_says_why() {
    let (mut guarded, mut client) = pair();
    guarded.expect_body(BodyFraming::Chunked);
    client.write_all(b"1\r\na\r\n-1\r\n").await.expect("room");
    let error = guarded.read(&mut [0; 100]).await.expect_err("nothing to hand on");
    let refused = error.get_ref().and_then(|cause| cause.downcast_ref::<BodyRefused>()).expect("the cause");
    assert_eq!(*refused, BodyRefused::Malformed("the size of a chunk is malformed"));
    assert!(guarded.read(&mut [0; 100]).await.is_err() && !guarded.is_between_requests());
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_unless_it_has_asked_again() {
    let (mut guarded, mut client) = pair();
    assert!(waits(&mut guarded).await);
    AsyncWriteExt::shutdown(&mut client).await.expect("an open socket");
    assert_eq!(guarded.read(&mut [0]).await.expect("the end"), 0);
    let (mut guarded, mut client) = pair();
    client.write_all(b"GET").await.expect("room");
    AsyncWriteExt::shutdown(&mut client).await.expect("an open socket");
    assert!(waits(&mut guarded).await);
    assert_eq!(guarded.input(), b"GET");
    assert!(!guarded.read_more().await.expect("the end"));
}

#[tokio::test]
async fn no_more_is_read_ahead_than_its_bound() {
    let (mut guarded, mut client) = pair();
    client.write_all(&vec![b'a'; AHEAD * 2]).await.expect("room");
    assert!(waits(&mut guarded).await);
    assert!((AHEAD..AHEAD + READ).contains(&guarded.input().len()), "{}", guarded.input().len());
}

#[tokio::test]
async fn a_body_that_is_cut_off_ends_early() {
    for framing in [BodyFraming::Length(5), BodyFraming::Chunked] {
        let (mut guarded, mut client) = pair();
        guarded.expect_body(framing);
        client.write_all(b"5\r\n").await.expect("room");
        AsyncWriteExt::shutdown(&mut client).await.expect("an open socket");
        let mut all = Vec::new();
        guarded.read_to_end(&mut all).await.expect("the end");
        assert!(!guarded.is_between_requests(), "{framing:?}");
    }
}

#[tokio::test]
async fn an_answer_arrives_though_the_request_was_not_read_to_its_end() {
    let (mut guarded, mut client) = pair();
    client.write_all(&vec![b'x'; 20_000]).await.expect("room");
    guarded.read_more().await.expect("bytes");
    guarded.refuse();
    guarded.write_all(b"no").await.expect("room");
    drop(guarded);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("no reset");
    assert_eq!(answer, b"no");
}

#[tokio::test]
async fn whoever_takes_nothing_of_its_answer_is_given_up_by_every_kind_of_write() {
    let (mut guarded, _client) = pair();
    // More than any socket holds, in pieces that only wait to be flushed.
    let error = loop {
        let written = guarded.write_all(&[b'x'; 4000]).await;
        let flushed = guarded.flush().await;
        if let Err(error) = written.and(flushed) {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(AsyncWriteExt::shutdown(&mut guarded).await.expect_err("still stuck").kind(), io::ErrorKind::TimedOut);
}
