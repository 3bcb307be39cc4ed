//! The answer to a request, and for how long it waits for a client to take it.
//!
//! The last of an answer, if it is small, does not keep its request: heads and all that belongs to a request would otherwise pile
//! up behind a client that asks for much and gives no window to answer it.

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Response, header, response::Parts};
use pingora_core::{Error, ErrorType, OrErr, Result, protocols::http::date::get_cached_date};
use pingora_http::ResponseHeader;
use pingora_timeout::timeout;
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// Longest end of an answer that is left behind for the client to take: the gateway's own answers are shorter.
const LEFT_BEHIND: usize = 2048;
const WRITING: &str = "while writing an answer";

/// One request's answer.
pub struct Answer {
    respond: SendResponse<Bytes>,
    /// Once the head is out.
    stream: Option<SendStream<Bytes>>,
    /// The last head, without its fields: nobody asks for those again.
    written: Option<ResponseHeader>,
    ended: bool,
    sent: usize,
    timeout: Duration,
    /// Whether the last request of the connection was served, not refused.
    is_established: Arc<AtomicBool>,
}

impl Answer {
    /// Nothing of it was sent; `timeout` is how long a client may take nothing.
    pub fn new(respond: SendResponse<Bytes>, timeout: Duration, is_established: Arc<AtomicBool>) -> Self {
        Self { respond, stream: None, written: None, ended: false, sent: 0, timeout, is_established }
    }

    /// Status and version of the last head that was sent.
    pub fn written(&self) -> Option<&ResponseHeader> {
        self.written.as_ref()
    }

    /// Bytes of body that were sent.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Sends a head: one of those that come before the answer, or its own.
    ///
    /// # Errors
    /// The client is gone.
    pub fn begin(&mut self, mut head: ResponseHeader, end: bool) -> Result<()> {
        if self.ended || self.stream.is_some() {
            return Ok(());
        }
        let is_informational = head.status.is_informational();
        if !is_informational {
            head.insert_header(header::DATE, get_cached_date())?;
            let is_good = !head.status.is_client_error();
            self.is_established.store(is_good, Ordering::Relaxed);
        }
        let mut parts = Parts::from(head);
        let mut written = http::Response::new(()).into_parts().0;
        (written.status, written.version) = (parts.status, parts.version);
        self.written = Some(ResponseHeader::from(written));
        // RFC 9113, section 8.2.2.
        for name in [header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE] {
            parts.headers.remove(name);
        }
        for name in ["keep-alive", "proxy-connection"] {
            parts.headers.remove(name);
        }
        let response = Response::from_parts(parts, ());
        if is_informational {
            return self.respond.send_informational(response).or_err(ErrorType::WriteError, WRITING);
        }
        self.stream = Some(self.respond.send_response(response, end).or_err(ErrorType::WriteError, WRITING)?);
        self.ended = end;
        Ok(())
    }

    /// Sends a part of the body; `end`: the last.
    ///
    /// # Errors
    /// The client is gone, or takes nothing.
    pub async fn write(&mut self, data: Bytes, end: bool) -> Result<()> {
        if self.ended || (data.is_empty() && !end) {
            return Ok(());
        }
        let Some(stream) = &mut self.stream else {
            return Error::e_explain(ErrorType::InternalError, "a body before its head");
        };
        self.sent += data.len();
        stream.reserve_capacity(data.len());
        if end && data.len() <= LEFT_BEHIND && stream.capacity() < data.len() {
            self.ended = true;
            if let Some(stream) = self.stream.take() {
                drop(tokio::spawn(leave_behind(stream, data, self.timeout)));
            }
            return Ok(());
        }
        send(stream, data, end, self.timeout).await?;
        self.ended = end;
        Ok(())
    }

    /// Nothing more follows. Without a head nothing is sent: the client is told by a reset, once this is dropped.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn finish(&mut self) -> Result<()> {
        if self.stream.is_some() { self.write(Bytes::new(), true).await } else { Ok(()) }
    }

    /// These fields follow the body, and nothing more.
    ///
    /// # Errors
    /// The client is gone.
    pub fn end_with(&mut self, trailers: HeaderMap) -> Result<()> {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.ended) else { return Ok(()) };
        self.ended = true;
        stream.send_trailers(trailers).or_err(ErrorType::WriteError, WRITING)
    }

    /// It cannot be ended as it was begun.
    pub fn abandon(&mut self) {
        if !self.ended {
            self.ended = true;
            self.respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Ready when the client has reset the stream, or the connection has ended.
    pub fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<Box<Error>> {
        let reset = match &mut self.stream {
            Some(stream) => stream.poll_reset(context),
            None if self.ended => return Poll::Ready(Error::new(ErrorType::ConnectionClosed)),
            None => self.respond.poll_reset(context),
        };
        reset.map(|_| Error::new(ErrorType::ConnectionClosed))
    }
}

/// As much at a time as the client gives windows for.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes, end: bool, patience: Duration) -> Result<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = match timeout(patience, poll_fn(|context| stream.poll_capacity(context))).await {
            Ok(Some(room)) => room.or_err(ErrorType::WriteError, WRITING)?,
            Ok(None) => return Error::e_explain(ErrorType::ConnectionClosed, WRITING),
            Err(_) => return Error::e_explain(ErrorType::WriteTimedout, WRITING),
        };
        let part = data.split_to(room.min(data.len()));
        let is_last = end && data.is_empty();
        stream.send_data(part, is_last).or_err(ErrorType::WriteError, WRITING)?;
        if is_last {
            return Ok(());
        }
    }
    if end { stream.send_data(data, true).or_err(ErrorType::WriteError, WRITING) } else { Ok(()) }
}

/// Waits for the windows that a small end of an answer needs. Dropped without it, the stream is reset.
async fn leave_behind(mut stream: SendStream<Bytes>, data: Bytes, patience: Duration) {
    // Nobody is left whom a failure concerns.
    drop(send(&mut stream, data, true, patience).await);
}
