//! A client's connection as the framework reads and writes it in HTTP/2, with every byte shown to a [`FrameWatch`].
//!
//! What is found wrong is left in a [`Verdict`], which the accept loop reads: it has the framework write the GOAWAY, at a place
//! where one may stand. From then on what the client sends is thrown away, so that closing does not lose it that frame: a socket
//! closed over unread bytes is reset, and a reset may overtake what was written.

use super::watch::{End, FrameWatch};
use crate::proxy::Clock;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use prometheus::IntCounter;
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
    /// Read already, to find out which protocol this is.
    unread: BytesMut,
    discarded: usize,
    /// Streams that were reset for the client's fault.
    resets: IntCounter,
}

impl Watched {
    /// Takes the connection over, before its preface, with what was read of it; what is waited for is looked after at this
    /// interval.
    pub fn new(stream: Stream, unread: BytesMut, watch: FrameWatch, clock: Clock, every: Duration, resets: IntCounter) -> Self {
        Self { stream, watch, verdict: Verdict::default(), clock, every, timer: None, unread, discarded: 0, resets }
    }

    /// Where it is said why the connection is to be ended.
    pub fn verdict(&self) -> Verdict {
        Arc::clone(&self.verdict)
    }

    fn end(&self, end: End) {
        // The first reason is the reason.
        let _ = self.verdict.set(end);
    }

    fn is_ended(&self) -> bool {
        self.verdict.get().is_some()
    }

    /// Has this task woken again while something is waited for, until it is overdue.
    fn poll_time(&mut self, context: &mut Context<'_>) {
        while self.watch.is_waiting() && !self.is_ended() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.every)));
            if timer.as_mut().poll(context).is_pending() {
                return;
            }
            timer.set(tokio::time::sleep(self.every));
            if let Some(end) = self.watch.overdue(self.clock.monotonic_ns()) {
                return self.end(end);
            }
        }
        self.timer = None;
    }

    /// What the client sends, and first what was read of it already.
    fn poll_client(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        if self.unread.is_empty() {
            // A connection may live for long, and this is needed once.
            self.unread = BytesMut::new();
        }
        Poll::Ready(Ok(()))
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

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_time(context);
        if !this.is_ended() {
            let before = buffer.filled().len();
            ready!(this.poll_client(context, buffer))?;
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
        if let Poll::Ready(Ok(count)) = &written {
            let judged = this.watch.send(&bytes[..*count], this.clock.monotonic_ns());
            this.resets.inc_by(this.watch.take_provoked());
            judged.unwrap_or_else(|end| this.end(end));
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
