//! Taking over from a process that runs, and giving to one that takes over: the listeners and the lock of the quotas' state.
//!
//! The new process waits on a unix socket; the old one, told to, connects and sends its open sockets (`SCM_RIGHTS`, unix(7)) with a
//! [`Letter`]. The new one accepts connections from them and says so with one byte; only then does the old one stop to accept. Both hold
//! the same sockets meanwhile, so that no connection meets a closed door, and whatever fails before that byte leaves the old one as it
//! was.
//!
//! Who is on the other side is asked of the kernel: the same user, or root. Nothing else is believed: whoever has the sockets gets the
//! clients' tokens.

use super::listeners::{Bound, bind_unix};
use crate::config::{Gateway, ListenerAddress, stands_for};
use rustix::{
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg,
        sendmsg, sockopt::socket_peercred,
    },
    process::geteuid,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::UnixListener, task::spawn_blocking};

/// The kernel passes on 253 (`SCM_MAX_FD`).
const MOST_FILES: usize = 253;
/// Much more than any says.
const LONGEST_LETTER: usize = 1024;
/// The other process reads and writes at once when it does at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// It may have many certificates to read and quotas to restore before it serves.
const SERVING_BY: Duration = Duration::from_secs(30);
/// Whoever starts the new process and signals the old one in one breath is not too early.
const APPEARS_BY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// Says that the new process serves.
const SERVING: u8 = b'+';

/// What is sent beside the sockets. Of them the admin listener's is the first, the lock of the state file the last, if there is one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Letter {
    /// Of this form; another one is not understood.
    version: u32,
    /// The lock of the state file comes along.
    with_lock: bool,
}

const VERSION: u32 = 1;

/// Bound sockets, by what they are for.
#[derive(Debug)]
pub struct Sockets {
    /// Of the configuration's listeners, in its order.
    pub listeners: Vec<Bound>,
    /// The admin listener's.
    pub admin: Bound,
}

impl Sockets {
    /// For each address of a configuration its socket.
    ///
    /// # Errors
    /// The first address that has none, and why.
    pub fn find(
        gateway: &Gateway,
        mut find: impl FnMut(&ListenerAddress) -> io::Result<Bound>,
    ) -> Result<Self, (ListenerAddress, io::Error)> {
        let mut find = |address: &ListenerAddress| find(address).map_err(|error| (address.clone(), error));
        // The admin listener's first: with port 0 in the configuration, it is not to be taken for another's.
        let admin = find(&gateway.admin.address)?;
        let listeners = gateway.listeners.iter().map(|listener| find(&listener.address)).collect::<Result<_, _>>()?;
        Ok(Self { listeners, admin })
    }

    /// The addresses in a configuration become those that are bound: of port 0 the one that the system chose.
    ///
    /// # Errors
    /// The operating system's.
    pub fn name(&self, gateway: &mut Gateway) -> io::Result<()> {
        for (listener, socket) in gateway.listeners.iter_mut().zip(&self.listeners) {
            listener.address = socket.address()?;
        }
        gateway.admin.address = self.admin.address()?;
        Ok(())
    }

    fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        [&self.admin].into_iter().chain(&self.listeners).map(|socket| socket.as_fd().try_clone_to_owned()).collect()
    }
}

/// What a process gave: dropped before [`Self::serves`], it goes on itself.
#[derive(Debug)]
pub struct Given {
    sockets: Vec<(ListenerAddress, Bound)>,
    /// That of the state file that it wrote.
    pub lock: Option<File>,
    giver: UnixStream,
}

impl Given {
    /// The socket of an address, if it is among them.
    pub fn take(&mut self, address: &ListenerAddress) -> Option<Bound> {
        let place = self.sockets.iter().position(|(bound, _)| stands_for(address, bound))?;
        Some(self.sockets.remove(place).1)
    }

    /// Lets the giver stop: connections are accepted here.
    ///
    /// # Errors
    /// It is gone.
    pub fn serves(mut self) -> io::Result<()> {
        self.giver.write_all(&[SERVING])
    }
}

/// Waits to be given what another process has; the socket's file is removed with it.
#[derive(Debug)]
pub struct Heir {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Heir {
    fn drop(&mut self) {
        // One that cannot be removed is known by nobody listening on it.
        drop(fs::remove_file(&self.path));
    }
}

impl Heir {
    /// Waits from now on. Must be called inside a runtime.
    ///
    /// # Errors
    /// `AddrInUse` when another process waits already; otherwise the operating system's.
    pub fn wait_at(path: &Path) -> io::Result<Self> {
        Ok(Self { listener: UnixListener::from_std(bind_unix(path, 0o600)?)?, path: path.to_owned() })
    }

    /// What the first comer gives who may and does.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn receive(&self) -> io::Result<Given> {
        loop {
            let stream = self.listener.accept().await?.0.into_std()?;
            match spawn_blocking(move || read(stream)).await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())) {
                Ok(given) => return Ok(given),
                Err(error) => log::warn!(target: "upgrade", "nothing was handed over: {error}"),
            }
        }
    }
}

/// Blocks, at most for [`PATIENCE`] at a time.
fn read(giver: UnixStream) -> io::Result<Given> {
    giver.set_nonblocking(false)?;
    giver.set_read_timeout(Some(PATIENCE))?;
    giver.set_write_timeout(Some(PATIENCE))?;
    check_user(&giver)?;
    let (letter, mut files) = read_letter(&giver)?;
    let lock = if letter.with_lock { files.pop().map(File::from) } else { None };
    let with_address = |file: OwnedFd| {
        let bound = Bound::inherited(file)?;
        Ok((bound.address()?, bound))
    };
    Ok(Given { sockets: files.into_iter().map(with_address).collect::<io::Result<_>>()?, lock, giver })
}

fn read_letter(giver: &UnixStream) -> io::Result<(Letter, Vec<OwnedFd>)> {
    let (mut text, mut files) = (Vec::new(), Vec::new());
    while text.last() != Some(&b'\n') {
        let mut bytes = [0; 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(giver, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                files.extend(received);
            }
        }
        text.extend_from_slice(&bytes[..received.bytes]);
        if received.bytes == 0 || text.len() > LONGEST_LETTER || files.len() > MOST_FILES {
            return Err(invalid("it broke off"));
        }
    }
    let letter: Letter = serde_json::from_slice(&text).map_err(|_| invalid("it cannot be read"))?;
    if letter.version == VERSION { Ok((letter, files)) } else { Err(invalid("it is of another version")) }
}

/// Gives to the process that waits, and returns when that one serves.
///
/// # Errors
/// It is another user's, or does not serve in time. What was given is still its giver's.
pub async fn give(heir: UnixStream, sockets: &Sockets, lock: Option<File>) -> io::Result<()> {
    let files = sockets.copies()?;
    let given = spawn_blocking(move || write(heir, &files, lock.as_ref())).await;
    given.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(in_words)
}

/// The process that waits at `path`.
///
/// # Errors
/// None does.
pub async fn find(path: &Path) -> io::Result<UnixStream> {
    let tries = APPEARS_BY.as_millis() / PAUSE.as_millis();
    for _ in 1..tries {
        if let Ok(heir) = UnixStream::connect(path) {
            return Ok(heir);
        }
        tokio::time::sleep(PAUSE).await;
    }
    UnixStream::connect(path)
}

/// Blocks until the other process serves, or does not.
fn write(mut heir: UnixStream, files: &[OwnedFd], lock: Option<&File>) -> io::Result<()> {
    heir.set_write_timeout(Some(PATIENCE))?;
    heir.set_read_timeout(Some(SERVING_BY))?;
    check_user(&heir)?;
    let mut letter = serde_json::to_vec(&Letter { version: VERSION, with_lock: lock.is_some() })?;
    letter.push(b'\n');
    let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).chain(lock.map(AsFd::as_fd)).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if letter.len() > LONGEST_LETTER || !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(invalid("there are more listeners than can be handed over"));
    }
    let sent = sendmsg(&heir, &[IoSlice::new(&letter)], &mut control, SendFlags::NOSIGNAL)?;
    heir.write_all(&letter[sent..])?;
    let mut answer = [0];
    heir.read_exact(&mut answer)?;
    if answer == [SERVING] { Ok(()) } else { Err(invalid("the other process says something else")) }
}

/// What an error says of the process that was to take over.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            invalid("the other process ended")
        }
        io::ErrorKind::WouldBlock => invalid("the other process does not serve in time"),
        _ => error,
    }
}

/// The other end is this user's, or root's.
fn check_user(stream: &UnixStream) -> io::Result<()> {
    let other = socket_peercred(stream)?.uid;
    if other == geteuid() || other.is_root() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {} is on the other side", other.as_raw())))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
