//! A client's connection as the framework reads and writes it in HTTP/2, with every byte shown to a [`FrameWatch`].
//!
//! What is found wrong is left in a [`Verdict`], which the accept loop reads: it has the framework write the GOAWAY, at a place
//! where one may stand. From then on what the client sends is thrown away, so that closing does not lose it that frame: a socket
//! closed over unread bytes is reset, and a reset may overtake what was written. A stream whose body does not come is ended by a
//! frame put into what the framework reads, which makes it reset that stream and no other.

use super::{
    frames::PRIORITY,
    watch::{End, FrameWatch, Overdue},
};
use crate::proxy::Clock;
use async_trait::async_trait;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest, UniqueID,
    UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// Most that is thrown away before a connection is closed all the same.
const MOST_DISCARDED: usize = 1 << 20;

/// Why a connection is ended; shared by the connection and whoever serves it.
pub type Verdict = Arc<OnceLock<End>>;

/// A connection under watch.
#[derive(Debug)]
pub struct Watched {
    stream: Stream,
    watch: FrameWatch,
    verdict: Verdict,
    clock: Clock,
    every: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Read before what the client sends.
    inserted: Vec<u8>,
    discarded: usize,
}

impl Watched {
    /// Takes the connection over, before its preface; what is waited for is looked after at this interval.
    pub fn new(stream: Stream, watch: FrameWatch, clock: Clock, every: Duration) -> (Self, Verdict) {
        let verdict = Verdict::default();
        let shared = Arc::clone(&verdict);
        (Self { stream, watch, verdict, clock, every, timer: None, inserted: Vec::new(), discarded: 0 }, shared)
    }

    fn end(&self, end: End) {
        // The first reason is the reason.
        let _ = self.verdict.set(end);
    }

    fn is_ended(&self) -> bool {
        self.verdict.get().is_some()
    }

    /// Lets time pass, and has this task woken at the next tick while something is waited for.
    fn poll_time(&mut self, context: &mut Context<'_>) {
        while self.watch.is_waiting() && !self.is_ended() {
            let clock = self.clock;
            let timer = self.timer.get_or_insert_with(|| {
                self.watch.begin_ticks(clock.monotonic_ns());
                Box::pin(tokio::time::sleep(self.every))
            });
            if timer.as_mut().poll(context).is_pending() {
                return;
            }
            timer.set(tokio::time::sleep(self.every));
            let now = self.clock.monotonic_ns();
            self.watch.tick(now);
            while let Some(overdue) = self.watch.take_overdue(now) {
                match overdue {
                    Overdue::Body(stream) => self.inserted.extend(ending(stream)),
                    Overdue::Connection(end) => return self.end(end),
                }
            }
        }
        self.timer = None;
    }

    /// Throws away what the client sends; ready when it is gone or has sent too much.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        while self.discarded < MOST_DISCARDED {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            self.discarded += buffer.filled().len();
        }
        Poll::Ready(())
    }

    /// What came of writing, for the watch.
    fn note_write<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.watch.wait_to_send(self.clock.monotonic_ns());
            self.poll_time(context);
            if self.verdict.get() == Some(&End::Unread) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }
}

/// A PRIORITY frame by which a stream depends on itself: an error of that stream alone (RFC 7540, section 5.3.1), which the
/// framework resets for it.
fn ending(stream: u32) -> [u8; 14] {
    let [a, b, c, d] = stream.to_be_bytes();
    [0, 0, 5, PRIORITY, 0, a, b, c, d, a, b, c, d, 0]
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_time(context);
        if !this.is_ended() {
            if !this.inserted.is_empty() {
                let count = this.inserted.len().min(buffer.remaining());
                buffer.put_slice(&this.inserted[..count]);
                this.inserted.drain(..count);
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            let Err(end) = this.watch.receive(&buffer.filled()[before..], this.clock.monotonic_ns()) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            this.end(end);
        }
        // Whoever serves the connection sees the verdict, once this is pending, and ends it.
        let _ = this.poll_discard(context);
        Poll::Pending
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written
            && let Err(end) = this.watch.send(&bytes[..*count], this.clock.monotonic_ns())
        {
            this.end(end);
        }
        this.note_write(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        if flushed.is_ready() {
            this.watch.has_sent();
        }
        this.note_write(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        if this.is_ended() {
            ready!(this.poll_discard(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Peek for Watched {}

#[async_trait]
impl Shutdown for Watched {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Watched {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Watched {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Watched {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }
}

impl GetProxyDigest for Watched {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Watched {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}
