//! The connection as the framework sees it: one request at a time.
//!
//! The framework gets the body of the request whose head it was given, framed as it was understood, and after that nothing until
//! it has answered: what the client has already sent of its next request waits here. So the framework's parser never has to find
//! out where a request ends.

use super::{
    chunks::{ChunkFault, Chunks},
    handover::Owner,
    head::BodyFraming,
    pace::Pace,
};
use crate::proxy::Clock;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest, UniqueID,
    UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use std::{
    error, fmt, io,
    mem::{self, MaybeUninit},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::Sleep,
};

/// Read at once when it is not known how much is needed; on the stack, so that a connection that waits holds no buffer.
const READ: usize = 4096;
/// Bytes of requests to come that are read while one is answered. More than that waits in the kernel.
const AHEAD: usize = 16 * 1024;
/// A connection that is closed with bytes unread would be reset, and the answer lost with it: so much is read and thrown away,
/// for so long.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(1);
/// So many connections at a time: they have left the count of those that are open.
pub const MOST_LINGERING: usize = 64;

/// A client's connection with the guard on it.
pub struct Guarded {
    /// `None` once it is taken to linger, or given away.
    inner: Option<Stream>,
    /// Read from the client, and neither handed on nor understood yet.
    input: BytesMut,
    framing: Framing,
    /// The client has closed its side.
    ended: bool,
    pace: Pace,
    clock: Clock,
    write_timeout: Duration,
    /// Runs while the client takes nothing of what is written.
    stuck: Option<Pin<Box<Sleep>>>,
    pub(super) owner: Mutex<Owner>,
}

enum Framing {
    /// The request's body is over, or none has begun.
    Between,
    /// So many bytes of the body are left.
    Length(u64),
    /// The body comes in chunks; those read anew wait to be handed on.
    Chunked(Box<(Chunks, BytesMut)>),
    /// The body was refused: nothing that comes means anything.
    Refused,
}

/// A body that is refused while it is read; within an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRefused {
    /// It breaks the grammar; a sentence for the client.
    Malformed(&'static str),
    /// It comes too slowly.
    TooSlow,
}

impl fmt::Display for BodyRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed(what) => what,
            Self::TooSlow => "the body comes too slowly",
        })
    }
}

impl error::Error for BodyRefused {}

impl From<BodyRefused> for io::Error {
    fn from(refused: BodyRefused) -> Self {
        Self::new(io::ErrorKind::InvalidData, refused)
    }
}

impl Guarded {
    /// A connection just established, with TLS already taken off.
    #[must_use]
    pub fn new(stream: Stream, clock: Clock, body_timeout: Duration, write_timeout: Duration) -> Self {
        let pace = Pace::new(body_timeout);
        let (inner, input, framing) = (Some(stream), BytesMut::new(), Framing::Between);
        Self { inner, input, framing, ended: false, pace, clock, write_timeout, stuck: None, owner: Mutex::default() }
    }

    /// What the client has sent and nobody has taken.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// Takes the first bytes of what the client has sent.
    pub fn take_input(&mut self, count: usize) -> BytesMut {
        // Usually there is no more than that: the buffer itself is handed on.
        if count == self.input.len() { mem::take(&mut self.input) } else { self.input.split_to(count) }
    }

    /// From here on the framework may read a body.
    pub fn expect_body(&mut self, framing: BodyFraming) {
        self.pace.begin();
        self.framing = match framing {
            BodyFraming::Length(0) => Framing::Between,
            BodyFraming::Length(length) => Framing::Length(length),
            BodyFraming::Chunked => Framing::Chunked(Box::default()),
        };
    }

    /// What comes next means nothing.
    pub fn refuse(&mut self) {
        self.framing = Framing::Refused;
        self.input = BytesMut::new();
    }

    /// The connection as it came, and what was read of it: another protocol.
    pub fn into_unguarded(mut self) -> Option<(Stream, BytesMut)> {
        Some((self.inner.take()?, mem::take(&mut self.input)))
    }

    /// The last body was read to its end.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        matches!(self.framing, Framing::Between)
    }

    /// Waits for more of what the client sends; false when it sends no more.
    ///
    /// # Errors
    /// The connection's.
    pub async fn read_more(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|context| self.poll_more(context)).await
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.ended {
            return Poll::Ready(Ok(false));
        }
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(stream(&mut self.inner)?).poll_read(context, &mut buffer))?;
        self.input.extend_from_slice(buffer.filled());
        self.ended = buffer.filled().is_empty();
        Poll::Ready(Ok(!self.ended))
    }

    /// Nothing of the body is left: whoever reads now wants to know whether the client leaves.
    fn poll_between(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.give_away() {
            return Poll::Ready(Ok(()));
        }
        while self.input.len() < AHEAD {
            if !ready!(self.poll_more(context))? {
                // Whoever has sent another request waits for both answers, though it will not send a third.
                return if self.input.is_empty() { Poll::Ready(Ok(())) } else { self.flush_before_wait(context) };
            }
        }
        self.flush_before_wait(context)
    }

    /// To whom has asked for it: the connection and what was read of it.
    fn give_away(&mut self) -> bool {
        let owner = self.owner.get_mut().unwrap_or_else(PoisonError::into_inner);
        if matches!(owner, Owner::Asked)
            && let Some(inner) = self.inner.take()
        {
            *owner = Owner::Given((inner, mem::take(&mut self.input)));
        }
        self.inner.is_none()
    }

    /// Reading flushes what waits to be written; where nothing is read, that is done all the same.
    fn flush_before_wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(stream(&mut self.inner)?).poll_flush(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// The framework bounds only some of its writes.
    fn in_time<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let timeout = self.write_timeout;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_body(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match self.framing {
            Framing::Length(left) => self.poll_length(left, context, buffer),
            _ => self.poll_chunked(context, buffer),
        };
        let in_time = self.pace.note(read.is_pending(), buffer.filled().len() - before, || self.clock.monotonic_ns());
        if in_time {
            return read;
        }
        buffer.set_filled(before);
        self.refuse();
        Poll::Ready(Err(BodyRefused::TooSlow.into()))
    }

    fn poll_length(&mut self, left: u64, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.remaining());
        let count = if self.input.is_empty() {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
            ready!(Pin::new(stream(&mut self.inner)?).poll_read(context, &mut part))?;
            let count = part.filled().len();
            self.ended = count == 0;
            buffer.advance(count);
            count
        } else {
            let count = most.min(self.input.len());
            buffer.put_slice(&self.input[..count]);
            self.input.advance(count);
            count
        };
        let left = left - count as u64;
        self.framing = if left == 0 { Framing::Between } else { Framing::Length(left) };
        Poll::Ready(Ok(()))
    }

    fn poll_chunked(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let Framing::Chunked(reading) = &mut self.framing else { return Poll::Ready(Ok(())) };
            let (chunks, framed) = &mut **reading;
            if !framed.is_empty() {
                let count = framed.len().min(buffer.remaining());
                buffer.put_slice(&framed[..count]);
                framed.advance(count);
                if framed.is_empty() && chunks.is_done() {
                    self.framing = Framing::Between;
                }
                return Poll::Ready(Ok(()));
            }
            if self.input.is_empty() && !ready!(self.poll_more(context))? {
                return Poll::Ready(Ok(()));
            }
            if let Err(fault) = self.reframe() {
                return Poll::Ready(Err(BodyRefused::Malformed(fault.0).into()));
            }
        }
    }

    fn reframe(&mut self) -> Result<(), ChunkFault> {
        let Framing::Chunked(reading) = &mut self.framing else { return Ok(()) };
        let (chunks, framed) = &mut **reading;
        match chunks.reframe(&self.input, framed) {
            Ok(taken) => {
                self.input.advance(taken);
                Ok(())
            }
            Err(fault) => {
                self.refuse();
                Err(fault)
            }
        }
    }

    /// Bytes may still come that nobody reads.
    fn is_within_request(&self) -> bool {
        !self.ended && (!self.input.is_empty() || !matches!(self.framing, Framing::Between))
    }
}

fn stream(inner: &mut Option<Stream>) -> io::Result<&mut Stream> {
    inner.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.framing {
            Framing::Between => this.poll_between(context),
            Framing::Length(_) | Framing::Chunked(_) => this.poll_body(context, buffer),
            Framing::Refused => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(stream(&mut self.inner)?).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(stream(&mut self.inner)?).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(stream(&mut self.inner)?).poll_shutdown(context);
        self.in_time(context, shut)
    }
}

/// The answer to a request whose end was not read must arrive all the same.
impl Drop for Guarded {
    fn drop(&mut self) {
        static LINGERING: AtomicUsize = AtomicUsize::new(0);
        if !self.is_within_request() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let Some(stream) = self.inner.take() else { return };
        if LINGERING.fetch_add(1, Ordering::Relaxed) < MOST_LINGERING {
            drop(tokio::spawn(async {
                drop(tokio::time::timeout(LINGER_TIME, linger(stream)).await);
                LINGERING.fetch_sub(1, Ordering::Relaxed);
            }));
        } else {
            LINGERING.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

async fn linger(mut stream: Stream) -> io::Result<()> {
    AsyncWriteExt::shutdown(&mut stream).await?;
    let (mut left, mut space) = (LINGER_BYTES, [0; READ]);
    while left > 0 {
        match stream.read(&mut space).await? {
            0 => break,
            count => left = left.saturating_sub(count),
        }
    }
    Ok(())
}

impl fmt::Debug for Guarded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what it has read: there may be a token in it.
        formatter.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// A request's head and body are read here: nobody peeks.
impl Peek for Guarded {}

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        // The client may be gone already.
        drop(AsyncWriteExt::shutdown(self).await);
    }
}

impl UniqueID for Guarded {
    fn id(&self) -> UniqueIDType {
        self.inner.as_ref().map(|stream| stream.id()).unwrap_or_default()
    }
}

impl Ssl for Guarded {
    fn get_ssl(&self) -> Option<&pingora_core::protocols::tls::TlsRef> {
        self.inner.as_ref()?.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.as_ref()?.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        Some(ALPN::H1)
    }
}

impl GetTimingDigest for Guarded {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.as_ref().map(|stream| stream.get_timing_digest()).unwrap_or_default()
    }
}

impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.as_ref()?.get_proxy_digest()
    }
}

impl GetSocketDigest for Guarded {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.as_ref()?.get_socket_digest()
    }
}

#[cfg(test)]
mod tests;
