//! The pool of idle connections, over real sockets.

use super::*;
use pingora_core::protocols::l4::stream::Stream as SocketStream;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

const SECOND: u64 = 1_000_000_000;
const PEER: u64 = 7;

/// Both ends of a connection.
async fn connection() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    (Box::new(SocketStream::from(ours)), theirs)
}

#[tokio::test]
async fn a_quiet_connection_is_used_again_and_only_by_its_peer() {
    let mut pool = Pool::new(2);
    let (ours, _theirs) = connection().await;
    pool.put(PEER, ours, 0, None);
    assert!(pool.take(PEER + 1, 0).is_none());
    assert!(pool.take(PEER, 0).is_some());
    assert!(pool.take(PEER, 0).is_none());
}

#[tokio::test]
async fn the_latest_is_used_first() {
    let mut pool = Pool::new(2);
    let (first, _first) = connection().await;
    let (second, _second) = connection().await;
    let id = second.id();
    pool.put(PEER, first, 0, None);
    pool.put(PEER, second, 0, None);
    assert_eq!(pool.take(PEER, 0).unwrap().id(), id);
}

#[tokio::test]
async fn a_connection_that_was_idle_too_long_is_not_used() {
    for (idle_ns, used) in [(4 * SECOND - 1, true), (4 * SECOND, false), (u64::MAX, false)] {
        let mut pool = Pool::new(1);
        let (ours, _theirs) = connection().await;
        pool.put(PEER, ours, 0, None);
        assert_eq!(pool.take(PEER, idle_ns).is_some(), used, "{idle_ns} ns");
        assert_eq!(pool.kept, 0);
    }
}

#[tokio::test]
async fn a_server_that_says_how_long_it_keeps_a_connection_is_believed() {
    for (announced, idle_ns, used) in [
        (5, 4 * SECOND - 1, true),
        (3, 2 * SECOND - 1, true),
        (3, 2 * SECOND, false),
        (60, 4 * SECOND, false),
        (1, 0, false),
        (0, 0, false),
    ] {
        let mut pool = Pool::new(1);
        let (ours, _theirs) = connection().await;
        pool.put(PEER, ours, 0, Some(Duration::from_secs(announced)));
        assert_eq!(pool.take(PEER, idle_ns).is_some(), used, "{announced} s, {idle_ns} ns");
    }
}

#[test]
fn how_long_a_connection_is_kept_is_read_as_servers_write_it() {
    for (field, expected) in [
        ("timeout=5", Some(5)),
        ("timeout=15, max=100", Some(15)),
        ("max=100,timeout = 15", Some(15)),
        ("timeout=", None),
        ("timeout=-1", None),
        ("max=100", None),
        ("", None),
    ] {
        let headers = HeaderMap::from_iter([(KEEP_ALIVE, field.parse().unwrap())]);
        assert_eq!(announced(&headers), expected.map(Duration::from_secs), "{field}");
    }
    assert_eq!(announced(&HeaderMap::new()), None);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_or_spoke_on_unasked_is_not_used() {
    for spoken in ["", "HTTP/1.1 200 OK\r\n\r\n"] {
        let mut pool = Pool::new(1);
        let (ours, mut theirs) = connection().await;
        pool.put(PEER, ours, 0, None);
        theirs.write_all(spoken.as_bytes()).await.unwrap();
        drop(theirs);
        // On loopback what was sent has arrived, and a turn of the reactor sees all that has.
        let turn = tokio::time::timeout(Duration::from_secs(10), async {
            while pool.by_peer.get_mut(&PEER).unwrap().iter_mut().all(|idle| is_quiet(&mut idle.stream)) {
                tokio::task::yield_now().await;
            }
        });
        turn.await.unwrap();
        assert!(pool.take(PEER, 0).is_none(), "after {spoken:?}");
    }
}

#[tokio::test]
async fn a_sweep_closes_what_is_old_or_closed_and_keeps_the_rest() {
    let mut pool = Pool::new(3);
    let (old, _old) = connection().await;
    let (young, _young) = connection().await;
    pool.put(PEER, old, 0, None);
    pool.put(PEER + 1, young, 3 * SECOND, None);
    pool.sweep(4 * SECOND);
    assert_eq!((pool.kept, pool.by_peer.len()), (1, 1));
    pool.sweep(8 * SECOND);
    assert_eq!((pool.kept, pool.by_peer.len()), (0, 0));
}

#[tokio::test]
async fn no_more_than_the_bound_are_kept() {
    let mut pool = Pool::new(1);
    let (first, _first) = connection().await;
    let (second, mut theirs) = connection().await;
    pool.put(PEER, first, 0, None);
    pool.put(PEER, second, 0, None);
    assert_eq!(pool.kept, 1);
    // The other is closed at once.
    let mut byte = [0];
    assert_eq!(tokio::io::AsyncReadExt::read(&mut theirs, &mut byte).await.unwrap(), 0);
}
