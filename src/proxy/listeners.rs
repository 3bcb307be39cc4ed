//! Sockets: bound before anything else starts, so that a port in use is said plainly, then accepted from by every worker.

use super::{
    Clock,
    connection::{Connection, Socket},
    connections::{Admission, Connections, Open},
    entrance::{Door, Entrance},
    proxy_protocol::receive::receive,
};
use crate::config::ListenerAddress;
use pingora_core::{apps::ServerApp, listeners::tls::Acceptor, protocols::Stream};
use rustix::net::sockopt::{self, socket_acceptconn};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, UnixListener},
    sync::watch,
};

/// Connections that the kernel accepts for us while the workers are busy.
const BACKLOG: u32 = 4096;
/// A TLS handshake has this long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that is silent for so long is asked whether anybody is there, and given up after so many questions without an answer.
const SILENCE: Duration = Duration::from_secs(60);
const PROBE_PAUSE: Duration = Duration::from_secs(5);
const PROBES: u32 = 5;
/// Without a free file descriptor, accepting is tried again after this long.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket, not yet part of a runtime; copies accept from one queue.
#[derive(Debug)]
pub enum Bound {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A unix socket.
    Unix(std::os::unix::net::UnixListener),
}

impl Bound {
    /// Binds an address. Must be called inside a runtime.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bind(address: &ListenerAddress) -> io::Result<Self> {
        match address {
            ListenerAddress::Tcp(address) => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
                // A restart must not wait for the old process' connections to be forgotten by the kernel.
                socket.set_reuseaddr(true)?;
                socket.bind(*address)?;
                notice_the_gone(&socket)?;
                Ok(Self::Tcp(socket.listen(BACKLOG)?.into_std()?))
            }
            // Owner and group: the reverse proxy in front is in the group.
            ListenerAddress::Unix(path) => bind_unix(path, 0o660).map(Self::Unix),
        }
    }

    /// Another handle of the same socket.
    ///
    /// # Errors
    /// Out of file descriptors.
    pub fn copy(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// A socket that another process has bound and listens on.
    ///
    /// # Errors
    /// It is nothing of the kind.
    pub fn inherited(socket: OwnedFd) -> io::Result<Self> {
        if !socket_acceptconn(&socket)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket that does not listen"));
        }
        let tcp = std::net::TcpListener::from(socket);
        if tcp.local_addr().is_ok() {
            return Ok(Self::Tcp(tcp));
        }
        Ok(Self::Unix(OwnedFd::from(tcp).into()))
    }

    /// Where it is bound, with the port that the system chose.
    ///
    /// # Errors
    /// The operating system's; a unix socket without a name.
    pub fn address(&self) -> io::Result<ListenerAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenerAddress::Tcp),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::InvalidInput)?;
                Ok(ListenerAddress::Unix(path.to_owned()))
            }
        }
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

/// A WebSocket may be silent for as long as it likes: only TCP itself finds out that the other side is gone. What is set on the
/// listening socket holds for all that it accepts, and costs none of them a system call.
fn notice_the_gone(socket: &TcpSocket) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, SILENCE)?;
    sockopt::set_tcp_keepintvl(socket, PROBE_PAUSE)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    Ok(())
}

/// A socket file whose process is gone is replaced; one that somebody listens on is in use, and so is any other file.
pub(super) fn bind_unix(path: &Path, mode: u32) -> io::Result<std::os::unix::net::UnixListener> {
    let listener = match std::os::unix::net::UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path)?;
            std::os::unix::net::UnixListener::bind(path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A socket that nobody listens on. Connecting to a file of another kind fails just the same, and must not cost it.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err()
}

/// What a listener does with its connections.
pub struct Serving<A> {
    /// What each meets; asked anew for each.
    pub door: Door<A>,
    /// Becomes true when the process stops accepting.
    pub shutdown: watch::Receiver<bool>,
    /// For the framework's records.
    pub clock: Clock,
    /// Counts and bounds them.
    pub connections: Arc<Connections>,
}

impl<A> Clone for Serving<A> {
    fn clone(&self) -> Self {
        Self {
            door: Arc::clone(&self.door),
            shutdown: self.shutdown.clone(),
            clock: self.clock,
            connections: Arc::clone(&self.connections),
        }
    }
}

/// A listener inside a runtime.
enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Accepts until shutdown. Must run inside a runtime; each connection is a task of that runtime.
///
/// # Errors
/// The socket cannot be registered with the runtime.
pub async fn accept<A: ServerApp + Send + Sync + 'static>(bound: Bound, serving: Serving<A>) -> io::Result<()> {
    let listener = match bound {
        Bound::Tcp(listener) => Accepting::Tcp(TcpListener::from_std(listener)?),
        Bound::Unix(listener) => Accepting::Unix(UnixListener::from_std(listener)?),
    };
    let mut shutdown = serving.shutdown.clone();
    while !*shutdown.borrow_and_update() {
        tokio::select! {
            biased;
            _ = shutdown.changed() => {}
            accepted = listener.accept(serving.clock) => match accepted {
                Ok((stream, peer)) => {
                    admit(stream, peer, &serving);
                    // In a flood of connections those that are established come first: the others wait in the system's queue.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    log::warn!(target: "listeners", "cannot accept a connection: {error}");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }
    Ok(())
}

impl Accepting {
    async fn accept(&self, clock: Clock) -> io::Result<(Connection, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Connection::new(Socket::Tcp(stream), Some(peer), clock.wall()), Some(peer.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Connection::new(Socket::Unix(stream), None, clock.wall()), None))
            }
        }
    }
}

/// Serves a new connection, or not, as its number allows.
fn admit<A: ServerApp + Send + Sync + 'static>(connection: Connection, peer: Option<IpAddr>, serving: &Serving<A>) {
    let entrance = serving.door.load_full();
    let counted = peer.filter(|peer| !entrance.trusts(*peer));
    let (app, open) = match serving.connections.admit(counted) {
        Admission::Admitted(open) => (Arc::clone(&entrance.app), open),
        Admission::Told(open) => (Arc::clone(&entrance.full), open),
        Admission::Refused => return,
    };
    // On a unix socket there is only a local proxy.
    let is_believed = entrance.trusts(peer.unwrap_or(Ipv4Addr::LOCALHOST.into()));
    let arrived = Arrived { connection, is_believed, open };
    drop(tokio::spawn(serve(arrived, app, entrance, serving.shutdown.clone())));
}

/// A connection that was let in.
struct Arrived {
    connection: Connection,
    /// Its other end is a proxy that may say for whom it comes.
    is_believed: bool,
    open: Open,
}

/// One connection, from its first byte to its end. What is needed at its beginning alone is kept apart, and given back.
async fn serve<A: ServerApp + Send + Sync + 'static>(
    mut arrived: Arrived,
    app: Arc<A>,
    entrance: Arc<Entrance<A>>,
    shutdown: watch::Receiver<bool>,
) {
    if let Some(expecting) = &entrance.proxy_protocol {
        match Box::pin(receive(&mut arrived.connection, expecting, &shutdown)).await {
            Ok(source) if is_served(&mut arrived, source, &entrance) => {}
            Ok(_) | Err(_) => return,
        }
    }
    // Counts as long as it is open.
    let Arrived { connection, open: _open, .. } = arrived;
    let Some(stream) = secure(connection, entrance.tls.as_deref()).await else { return };
    drop(entrance);
    let mut next = app.process_new(stream, &shutdown).await;
    while let Some(stream) = next {
        next = app.process_new(stream, &shutdown).await;
    }
}

/// Takes the source that a header names for the connection's, if whoever sent the header is believed. False for one connection too
/// many of that source.
fn is_served<A>(arrived: &mut Arrived, source: Option<SocketAddr>, entrance: &Entrance<A>) -> bool {
    let Some(source) = source.filter(|_| arrived.is_believed) else { return true };
    arrived.connection.comes_from(source);
    entrance.trusts(source.ip()) || arrived.open.belongs_to(source.ip())
}

/// With TLS taken off, where there is any.
async fn secure(connection: Connection, tls: Option<&Acceptor>) -> Option<Stream> {
    let Some(acceptor) = tls else { return Some(Box::new(connection)) };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, Box::pin(acceptor.tls_handshake(connection))).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) => {
            log::debug!(target: "listeners", "TLS handshake: {error}");
            None
        }
        Err(_) => None,
    }
}
