//! How a protocol is told by its first bytes, and what a connection brings.

use super::*;
use crate::proxy::connection::{Connection, Socket};
use std::time::SystemTime;
use tokio::{net::UnixStream, sync::watch};

/// With times that are over soon.
fn guarding() -> Guarding {
    let soon = Duration::from_millis(20);
    Guarding {
        target: 100,
        head: 1000,
        header_timeout: soon,
        body_timeout: soon,
        write_timeout: soon,
        idle_timeout: soon,
        clock: Clock::start(),
    }
}

/// A guarded connection, and the client's end of it.
fn pair() -> (Guarded, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    (guarding().guard(Box::new(Connection::new(Socket::Unix(near), None, SystemTime::UNIX_EPOCH))), far)
}

/// What is told by bytes after which the client waits, and that they are still there.
async fn check_first(sent: &[u8], expected: First) {
    let (mut guarded, mut client) = pair();
    client.write_all(sent).await.expect("room");
    let (_stop, mut closing) = watch::channel(false);
    assert_eq!(first_bytes(&mut guarded, &guarding(), &mut closing).await, expected, "{sent:?}");
    assert_eq!(guarded.input(), sent);
}

#[tokio::test]
async fn a_request_shorter_than_a_preface_is_not_waited_for() {
    check_first(b"G", First::Other).await;
    check_first(b"GET / HTTP/1.1\r\n\r\n", First::Other).await;
    check_first(b"PRI * HTTP/1.1\r\n", First::Other).await;
    check_first(b"POST /a HTTP/1.1\r\nHost: a\r\n\r\n", First::Other).await;
}

#[tokio::test]
async fn a_preface_is_seen_and_kept() {
    check_first(PREFACE, First::Preface).await;
    check_first(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", First::Preface).await;
}

#[tokio::test]
async fn a_client_that_waits_within_a_preface_is_late() {
    check_first(&PREFACE[..1], First::Late).await;
    check_first(&PREFACE[..23], First::Late).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for_once_the_process_stops_accepting() {
    check_first(b"", First::Nothing).await;
    let (mut guarded, client) = pair();
    drop(client);
    let (stop, mut closing) = watch::channel(false);
    assert_eq!(first_bytes(&mut guarded, &guarding(), &mut closing).await, First::Nothing);
    let (mut guarded, _client) = pair();
    stop.send(true).expect("a receiver");
    let patient = Guarding { idle_timeout: Duration::from_secs(600), ..guarding() };
    assert_eq!(first_bytes(&mut guarded, &patient, &mut closing).await, First::Nothing);
}

/// What comes of bytes after which the client waits.
async fn next(sent: &[u8]) -> String {
    let (mut guarded, mut client) = pair();
    client.write_all(sent).await.expect("room");
    let (_stop, mut closing) = watch::channel(false);
    match next_request(&mut guarded, &guarding(), &mut closing).await {
        Next::Request(head) => format!("{} bytes", head.length),
        Next::Refused(fault) => format!("{fault:?}"),
        Next::Nothing => "nothing".to_owned(),
    }
}

#[tokio::test]
async fn a_head_has_its_time() {
    assert_eq!(next(b"").await, "nothing");
    for sent in [&b"G"[..], b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n", b"\r\n"] {
        assert_eq!(next(sent).await, "Late");
    }
    assert_eq!(next(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await, "27 bytes");
}

#[tokio::test]
async fn a_head_without_end_is_not_waited_for() {
    assert_eq!(next(&[b'a'; 1001]).await, "TargetTooLong(100)");
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "a: b\r\n".repeat(200));
    assert_eq!(next(fields.as_bytes()).await, "FieldsTooLarge");
    assert!(next(b"GET / HTTP/1.1\r\nHost: a\n").await.starts_with("Invalid"));
}

#[tokio::test]
async fn what_has_begun_is_read_though_the_process_stops_accepting() {
    let (_stop, mut closing) = watch::channel(true);
    let (mut guarded, mut client) = pair();
    assert!(matches!(next_request(&mut guarded, &guarding(), &mut closing).await, Next::Nothing));
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    guarded.read_more().await.expect("bytes");
    assert!(matches!(next_request(&mut guarded, &guarding(), &mut closing).await, Next::Request(_)));
}
