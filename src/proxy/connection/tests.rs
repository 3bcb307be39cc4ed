//! When written bytes leave.

use super::{Connection, Socket, WAITING};
use std::time::SystemTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// A connection and its other end.
fn pair() -> (Connection, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    (Connection::new(Socket::Unix(near), None, SystemTime::UNIX_EPOCH), far)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

#[test]
fn nothing_leaves_before_the_flush_and_then_all_at_once() {
    run(async {
        let (mut near, mut far) = pair();
        near.write_all(b"head").await.expect("the far end is open");
        near.write_all(b"body").await.expect("the far end is open");
        let mut buffer = [0; 16];
        assert!(far.try_read(&mut buffer).is_err(), "nothing is there to read");
        near.flush().await.expect("the far end is open");
        assert_eq!(far.read(&mut buffer).await.expect("bytes came"), 8);
        assert_eq!(&buffer[..8], b"headbody");
    });
}

#[test]
fn what_does_not_fit_leaves_with_what_waits_and_in_order() {
    run(async {
        let (mut near, mut far) = pair();
        let large: Vec<u8> = (0..1_000_000u32).map(|number| number.to_le_bytes()[0]).collect();
        let expected: Vec<u8> = b"head".iter().chain(&large).chain(b"tail").copied().collect();
        let write = async {
            near.write_all(b"head").await.expect("the far end reads");
            near.write_all(&large).await.expect("the far end reads");
            near.write_all(b"tail").await.expect("the far end reads");
            near.shutdown().await.expect("the far end reads");
        };
        let mut read = Vec::new();
        let (count, ()) = tokio::join!(far.read_to_end(&mut read), write);
        assert_eq!(count.expect("the near end closes"), expected.len());
        assert!(read == expected, "the bytes in their order");
    });
}

#[test]
fn a_write_of_exactly_the_bound_waits_and_one_byte_more_leaves() {
    run(async {
        let (mut near, mut far) = pair();
        near.write_all(&[1; WAITING]).await.expect("the far end is open");
        let mut buffer = vec![0; WAITING + 1];
        assert!(far.try_read(&mut buffer).is_err(), "nothing is there to read");
        near.write_all(&[2]).await.expect("the far end is open");
        far.read_exact(&mut buffer).await.expect("all of it came");
        assert_eq!((buffer[WAITING - 1], buffer[WAITING]), (1, 2));
    });
}

#[test]
fn an_empty_flush_does_nothing() {
    run(async {
        let (mut near, _far) = pair();
        near.flush().await.expect("nothing to do");
    });
}

#[test]
fn what_waits_leaves_when_the_client_is_waited_for() {
    run(async {
        let (mut near, mut far) = pair();
        near.write_all(b"head").await.expect("the far end is open");
        let mut buffer = [0; 16];
        let both = tokio::join!(far.read(&mut buffer[..4]), async {
            let mut nothing = [0; 1];
            tokio::select! {
                biased;
                read = near.read(&mut nothing) => panic!("nothing was sent: {read:?}"),
                () = std::future::ready(()) => {}
            }
        });
        assert_eq!(both.0.expect("bytes came"), 4);
        assert_eq!(&buffer[..4], b"head");
    });
}

#[test]
fn what_waits_leaves_when_the_connection_is_dropped() {
    run(async {
        let (mut near, mut far) = pair();
        near.write_all(b"half").await.expect("the far end is open");
        drop(near);
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.expect("the near end is closed");
        assert_eq!(read, b"half");
    });
}
