//! That what is given arrives as it was, and that nothing is taken from, or left with, a process that does not do its part.

use super::*;
use rustix::fs::{Mode, OFlags};
use std::net::TcpListener;

fn socket() -> Bound {
    Bound::Tcp(TcpListener::bind("127.0.0.1:0").expect("a free port"))
}

fn sockets() -> Sockets {
    Sockets { listeners: vec![socket(), socket()], admin: socket() }
}

/// A file that belongs to nobody else.
fn lock() -> File {
    rustix::fs::open("/tmp", OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR).map(File::from).expect("an unnamed file")
}

/// Both ends of what a giver and an heir talk over.
fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("two sockets")
}

fn given(sockets: &Sockets, lock: Option<&File>) -> (io::Result<()>, Given) {
    let (heir, giver) = pair();
    let files = sockets.copies().expect("file descriptors");
    std::thread::scope(|scope| {
        let written = scope.spawn(|| write(heir, &files, lock));
        let taken = read(giver).expect("a letter");
        let copy = Given { sockets: Vec::new(), lock: None, giver: taken.giver.try_clone().expect("a file descriptor") };
        copy.serves().expect("the giver is there");
        (written.join().expect("no panic"), taken)
    })
}

#[test]
fn all_sockets_arrive_and_are_known_by_their_addresses() {
    let before = sockets();
    let (written, mut given) = given(&before, None);
    written.expect("taken");
    assert!(given.lock.is_none());
    let addresses =
        [&before.admin, &before.listeners[0], &before.listeners[1]].map(|socket| socket.address().expect("an address"));
    for address in [1, 0, 2].map(|place| &addresses[place]) {
        let taken = given.take(address).expect("it was given");
        assert_eq!(&taken.address().expect("an address"), address);
        assert!(given.take(address).is_none(), "once");
    }
}

#[test]
fn port_0_stands_for_any_port_and_the_admin_listener_is_first() {
    let before = sockets();
    let (_, mut given) = given(&before, None);
    let any = ListenerAddress::Tcp("127.0.0.1:0".parse().expect("an address"));
    let order: Vec<_> = std::iter::from_fn(|| given.take(&any)).map(|socket| socket.address().expect("an address")).collect();
    let expected =
        [&before.admin, &before.listeners[0], &before.listeners[1]].map(|socket| socket.address().expect("an address"));
    assert_eq!(order, expected);
}

#[test]
fn the_lock_of_the_with_lock_comes_along() {
    let (written, given) = given(&sockets(), Some(&lock()));
    written.expect("taken");
    assert!(given.lock.is_some());
    assert_eq!(given.sockets.len(), 3, "and is none of the listeners");
}

/// What the giver hears of an heir that does this.
#[track_caller]
fn check_giver(heir: impl FnOnce(UnixStream) + Send, expected: &str) {
    let (at_giver, at_heir) = pair();
    let files = sockets().copies().expect("file descriptors");
    let result = std::thread::scope(|scope| {
        scope.spawn(|| heir(at_heir));
        write(at_giver, &files, None).map_err(in_words)
    });
    assert_eq!(result.expect_err("nothing was taken").to_string(), expected);
}

#[test]
fn an_heir_that_ends_has_taken_nothing() {
    check_giver(|heir| drop(read(heir)), "the other process ended");
}

#[test]
fn an_heir_that_says_anything_else_has_taken_nothing() {
    check_giver(
        |mut heir| {
            drop(read_letter(&heir));
            drop(heir.write_all(b"-"));
        },
        "the other process says something else",
    );
}

/// What the heir hears of a giver that sends this, with a socket or without, and ends.
#[track_caller]
fn check_heir(bytes: &[u8], socket: Option<&OwnedFd>, expected: &str) {
    let (giver, heir) = pair();
    let files: Vec<BorrowedFd<'_>> = socket.into_iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(files.is_empty() || control.push(SendAncillaryMessage::ScmRights(&files)));
    sendmsg(&giver, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).expect("sent");
    drop(giver);
    assert_eq!(read(heir).expect_err("nothing was given").to_string(), expected);
}

#[test]
fn a_letter_without_an_end_is_not_taken() {
    check_heir(b"{\"version\":1", None, "it broke off");
}

#[test]
fn a_letter_that_is_too_long_is_not_taken() {
    check_heir(&[b' '; LONGEST_LETTER + 1], None, "it broke off");
}

#[test]
fn a_letter_of_another_version_is_not_taken() {
    check_heir(b"{\"version\":2,\"with_lock\":false}\n", None, "it is of another version");
}

#[test]
fn something_else_than_a_letter_is_not_taken() {
    check_heir(b"GET / HTTP/1.1\r\n", None, "it cannot be read");
}

#[test]
fn a_socket_that_does_not_listen_is_not_taken() {
    let letter = b"{\"version\":1,\"with_lock\":false}\n";
    check_heir(letter, Some(&pair().0.into()), "a socket that does not listen");
}

#[test]
fn a_file_that_is_no_socket_is_not_taken() {
    let letter = b"{\"version\":1,\"with_lock\":false}\n";
    check_heir(letter, Some(&lock().into()), "Socket operation on non-socket (os error 88)");
}
