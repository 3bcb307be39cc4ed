//! A request's body as it comes in frames, and for how long more of it is waited for: as in HTTP/1, so long between two parts, and
//! after that long in all no slower than the least rate.

use super::inflow::Inflow;
use crate::proxy::{
    Clock,
    guard::{pace::Pace, stream::BodyRefused},
};
use bytes::Bytes;
use h2::RecvStream;
use pingora_core::{Error, ErrorType, Result};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::Sleep;

/// Against waking again and again for what is nearly over.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);

/// One request's body.
pub struct Body {
    stream: RecvStream,
    pace: Pace,
    timeout: Duration,
    inflow: Arc<Inflow>,
    clock: Clock,
    /// The wait under way; it goes on when whoever waits does something else in between.
    wait: Option<Wait>,
    refused: bool,
    ended: bool,
    read: usize,
}

struct Wait {
    timer: Pin<Box<Sleep>>,
    /// In the client's time.
    since_ns: u64,
}

impl Body {
    /// Nothing of it has been read.
    pub fn new(stream: RecvStream, timeout: Duration, inflow: Arc<Inflow>, clock: Clock) -> Self {
        let pace = Pace::new(timeout);
        Self { stream, pace, timeout, inflow, clock, wait: None, refused: false, ended: false, read: 0 }
    }

    /// Bytes that were read.
    pub fn read(&self) -> usize {
        self.read
    }

    /// All of it was read.
    pub fn is_done(&self) -> bool {
        self.ended || self.stream.is_end_stream()
    }

    /// The next part; `None` at its end.
    ///
    /// # Errors
    /// The client gave it up, or is too slow: then nothing more of it is read.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if self.refused {
            return Poll::Ready(too_slow());
        }
        let Poll::Ready(came) = self.stream.poll_data(context) else { return self.poll_patience(context) };
        self.wait = None;
        let Some(data) = came else {
            self.ended = true;
            return Poll::Ready(Ok(None));
        };
        let data = data.map_err(|error| Error::because(ErrorType::ReadError, "while reading a body", error).into_down())?;
        // The stream may have ended meanwhile; then nothing needs its window.
        drop(self.stream.flow_control().release_capacity(data.len()));
        let (inflow, clock) = (&self.inflow, self.clock);
        if !self.pace.note(false, data.len(), || inflow.client_time(clock.monotonic_ns())) {
            return Poll::Ready(self.refuse());
        }
        self.read += data.len();
        Poll::Ready(Ok(Some(data)))
    }

    /// Nothing has come: ready once that has lasted for too long.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let (inflow, clock, timeout) = (&self.inflow, self.clock, self.timeout);
        let client_time = || inflow.client_time(clock.monotonic_ns());
        let wait = self.wait.get_or_insert_with(|| {
            let since_ns = client_time();
            // It returns whether a body is fast enough, which only what comes can change.
            let _ = self.pace.note(true, 0, || since_ns);
            Wait { timer: Box::pin(tokio::time::sleep(timeout)), since_ns }
        });
        loop {
            ready!(wait.timer.as_mut().poll(context));
            let waited = Duration::from_nanos(client_time().saturating_sub(wait.since_ns));
            if waited >= timeout && !inflow.is_within_data() {
                return Poll::Ready(self.refuse());
            }
            let again = timeout.saturating_sub(waited).max(SHORTEST_WAIT);
            wait.timer.set(tokio::time::sleep(again));
        }
    }

    fn refuse(&mut self) -> Result<Option<Bytes>> {
        self.refused = true;
        too_slow()
    }
}

fn too_slow() -> Result<Option<Bytes>> {
    let refused = io::Error::from(BodyRefused::TooSlow);
    Err(Error::because(ErrorType::ReadError, "while reading a body", refused).into_down())
}
