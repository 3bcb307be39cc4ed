//! A client's connection below TLS and HTTP: the socket, and what waits to be written.
//!
//! A response's head and body leave in one system call: what fits waits for the flush, what does not leaves together with what
//! waits. Nothing waits while the client is waited for. The framework's own stream would write our heads and bodies apart, because its buffer is smaller than the two, and
//! measures times that nobody here asks for.

use async_trait::async_trait;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID, UniqueIDType,
    raw_connect::ProxyDigest,
};
use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// Most bytes that wait for a flush: a head and a small body. Allocated with the first write, so that an idle connection costs
/// nothing.
const WAITING: usize = 4096;

/// The socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// A connection from a client.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    /// Read before its time, and read again before what the socket has.
    unread: Vec<u8>,
    /// Waits for the flush, from this place on.
    waiting: Vec<u8>,
    written: usize,
    digest: Arc<SocketDigest>,
    established: SystemTime,
}

impl Connection {
    /// A connection just accepted; `peer` is `None` on a unix socket. `established` is a moment for the framework's records.
    #[must_use]
    pub fn new(socket: Socket, peer: Option<SocketAddr>, established: SystemTime) -> Self {
        let digest = digest(&socket, peer);
        Self { socket, unread: Vec::new(), waiting: Vec::new(), written: 0, digest, established }
    }

    /// From here on the connection comes from there: a proxy said so that is believed.
    pub fn comes_from(&mut self, source: SocketAddr) {
        self.digest = digest(&self.socket, Some(source));
    }

    /// Gives back what was read too much; nothing else may be unread.
    pub fn unread(&mut self, bytes: Vec<u8>) {
        self.unread = bytes;
    }

    /// Writes what waits, then `more`; gives how much of `more` was taken, which is 0 only when it is empty.
    fn poll_write_all_before(&mut self, context: &mut Context<'_>, more: &[u8]) -> Poll<io::Result<usize>> {
        while self.written < self.waiting.len() {
            let left = &self.waiting[self.written..];
            let (socket, count) = (Pin::new(&mut self.socket), left.len());
            let sent = ready!(socket.poll_write_both(context, left, more))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += sent.min(count);
            if sent > count {
                self.forget_written();
                return Poll::Ready(Ok(sent - count));
            }
        }
        self.forget_written();
        if more.is_empty() { Poll::Ready(Ok(0)) } else { Pin::new(&mut self.socket).poll_write_both(context, more, &[]) }
    }

    fn read_again(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.drain(..count);
        if self.unread.is_empty() {
            // A connection may live for long, and this is needed once.
            self.unread = Vec::new();
        }
    }

    /// The buffer goes with what was in it: a connection that waits for its next request holds none.
    fn forget_written(&mut self) {
        self.waiting = Vec::new();
        self.written = 0;
    }
}

fn digest(socket: &Socket, peer: Option<SocketAddr>) -> Arc<SocketDigest> {
    let digest = SocketDigest::from_raw_fd(socket.raw_fd());
    // The cell is new, so that setting it cannot fail; it spares a system call for each connection.
    let _ = digest.peer_addr.set(peer.map(Into::into));
    Arc::new(digest)
}

impl Socket {
    fn raw_fd(&self) -> std::os::fd::RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }

    fn poll_write_both(self: Pin<&mut Self>, context: &mut Context<'_>, a: &[u8], b: &[u8]) -> Poll<io::Result<usize>> {
        let both = [IoSlice::new(a), IoSlice::new(b)];
        match self.get_mut() {
            Self::Tcp(stream) if b.is_empty() => Pin::new(stream).poll_write(context, a),
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, &both),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, &both),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Whoever waits for the client has nothing more to write at this moment: a head whose body is yet to come, or half a
        // body, must not wait for the rest. An answer that is whole was flushed before.
        if !this.waiting.is_empty()
            && let Poll::Ready(Err(error)) = this.poll_write_all_before(context, &[])
        {
            return Poll::Ready(Err(error));
        }
        if !this.unread.is_empty() {
            this.read_again(buffer);
            return Poll::Ready(Ok(()));
        }
        match &mut this.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.waiting.len() + bytes.len() > WAITING {
            return this.poll_write_all_before(context, bytes);
        }
        if this.waiting.capacity() == 0 {
            this.waiting.reserve_exact(WAITING);
        }
        this.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// A socket has nothing to flush itself.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_write_all_before(context, &[]).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_all_before(context, &[]))?;
        match &mut this.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// What an error leaves waiting is sent if the socket takes it: a client that got half an answer must see that it was cut,
/// not take the connection for one that was never used, and ask again.
impl Drop for Connection {
    fn drop(&mut self) {
        let left = &self.waiting[self.written..];
        if !left.is_empty() {
            let _ = match &self.socket {
                Socket::Tcp(stream) => stream.try_write(left),
                Socket::Unix(stream) => stream.try_write(left),
            };
        }
    }
}

/// The guard reads ahead.
impl Peek for Connection {}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // The client may be gone already.
        drop(AsyncWriteExt::shutdown(self).await);
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        UniqueIDType::try_from(self.socket.raw_fd()).unwrap_or_default()
    }
}

impl Ssl for Connection {}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        let digest = TimingDigest { established_ts: self.established, establishment_duration: None, offload_wait_duration: None };
        // Room for the layer above, TLS.
        let mut layers = Vec::with_capacity(2);
        layers.push(Some(digest));
        layers
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

#[cfg(test)]
mod tests;
