//! A request's body and its response on a server's connection, both ways at once.
//!
//! Invariants: a body that is refused, or cut by its client, never arrives whole. The server's time for its answer runs while nobody
//! else is waited for, and to the end of the head, however it comes. A server that stops reading may have answered: that is the
//! client's. A connection whose request was not sent to its end is not used again.

use super::{
    bodies::{let_pass, told_length},
    ctx::Ctx,
    phases::Phases,
};
use bytes::Bytes;
use http::{Method, StatusCode, Version, header};
use pingora_core::{
    Error, ErrorType, Result,
    protocols::http::{HttpTask, v1::client::HttpSession},
};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use pingora_timeout::timeout;
use std::{future::Future, time::Duration};

/// What a response has left of the server's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It can be used for another request.
    Whole,
    /// It cannot: the server had not all of the request.
    Spent,
    /// It is another protocol's.
    Switched,
}

/// One request whose head is sent.
pub struct Talk<'a> {
    phases: &'a Phases,
    session: &'a mut Session,
    ctx: &'a mut Ctx,
    server: &'a mut HttpSession,
    /// The server's time.
    patience: Option<Duration>,
    /// The body has not been sent to its end.
    sending: bool,
    /// Since when the client is waited for while it sends, and then the server.
    since_ns: u64,
    /// The head of the response was passed on.
    begun: bool,
    /// And its end.
    answered: bool,
    /// Why the server has not all of the body.
    unsent: Option<Box<Error>>,
}

impl<'a> Talk<'a> {
    /// `sending`: the body is to be read from the client; else all of it is sent.
    pub fn new(
        phases: &'a Phases,
        session: &'a mut Session,
        ctx: &'a mut Ctx,
        server: &'a mut HttpSession,
        sending: bool,
    ) -> Self {
        let (patience, since_ns) = (server.read_timeout.take(), phases.shared.clock.monotonic_ns());
        Self { phases, session, ctx, server, patience, sending, since_ns, begun: false, answered: false, unsent: None }
    }

    /// Passes the body on and the response back, watching for a client that leaves.
    ///
    /// # Errors
    /// Of either side, marked as its.
    pub async fn carry(mut self) -> Result<Passed> {
        while self.sending || !self.answered {
            let (client_left, server_left) = self.left();
            tokio::select! {
                biased;
                task = within(server_left, self.server.read_response_task()), if !self.answered => {
                    let task = task.map_err(|error| self.unsent.take().unwrap_or(error).into_up())?;
                    if self.take_task(task).await? {
                        return Ok(Passed::Switched);
                    }
                }
                part = within(client_left, self.session.as_downstream_mut().read_body_or_idle(!self.sending)) => {
                    self.take_part(part.map_err(Error::into_down)?).await?;
                }
            }
        }
        Ok(if self.unsent.is_some() { Passed::Spent } else { Passed::Whole })
    }

    /// For how long the client and the server are still waited for.
    fn left(&self) -> (Option<Duration>, Option<Duration>) {
        let left = |whole: Duration| {
            let waited = self.phases.shared.clock.monotonic_ns().saturating_sub(self.since_ns);
            Some(whole.saturating_sub(Duration::from_nanos(waited)))
        };
        match (self.sending, self.begun) {
            // In HTTP/2 the guard knows better: a client that has no window left is waited for.
            (true, _) if self.session.req_header().version == Version::HTTP_2 => (None, None),
            (true, _) => (left(self.ctx.gateway.bounds.body_timeout), None),
            (false, false) => (None, self.patience.and_then(left)),
            // The server's connection has it, between two readings.
            (false, true) => (None, None),
        }
    }

    /// The next part of the client's body. Who has sent all of it and is read from has left.
    async fn take_part(&mut self, mut part: Option<Bytes>) -> Result<()> {
        if !self.sending {
            return Err(Error::new(ErrorType::ConnectionClosed).into_down());
        }
        let end = part.is_none() || self.session.as_downstream_mut().is_body_done();
        let_pass(told_length(self.session), &mut part, end, self.ctx)?;
        if let Err(error) = send(self.server, part, end).await {
            self.unsent = Some(error);
        }
        self.since_ns = self.phases.shared.clock.monotonic_ns();
        self.sending = !end && self.unsent.is_none();
        if !self.sending && self.begun {
            self.server.read_timeout = self.patience;
        }
        Ok(())
    }

    /// What the server sends next; whether it is the head of another protocol.
    async fn take_task(&mut self, task: HttpTask) -> Result<bool> {
        match task {
            HttpTask::Header(head, end) => return self.take_head(head, end).await,
            HttpTask::Body(data, end) => self.take_data(data, end).await?,
            HttpTask::Done | HttpTask::Trailer(_) => self.take_data(None, true).await?,
            HttpTask::UpgradedBody(..) => {
                return Err(Error::explain(ErrorType::InvalidHTTPHeader, "an upgrade that nobody asked for").into_up());
            }
            HttpTask::Failed(error) => return Err(error.into_up()),
        }
        Ok(false)
    }

    async fn take_head(&mut self, mut head: Box<ResponseHeader>, end: bool) -> Result<bool> {
        let is_final = !head.status.is_informational();
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if is_final {
            frame(&mut head, self.session.req_header().method == Method::HEAD, end)?;
        }
        self.phases.dress_response(self.session, &mut head, self.ctx)?;
        self.session.write_response_header(head, end && is_final).await.map_err(Error::into_down)?;
        if is_final {
            (self.begun, self.answered) = (true, end);
            self.server.read_timeout = self.patience.filter(|_| !self.sending);
        }
        Ok(switches)
    }

    async fn take_data(&mut self, data: Option<Bytes>, end: bool) -> Result<()> {
        if end {
            self.ctx.upstream_ended_ns = Some(self.phases.shared.clock.monotonic_ns());
        }
        let data = data.filter(|data| end || !data.is_empty());
        if data.is_some() || end {
            self.session.write_response_body(data, end).await.map_err(Error::into_down)?;
        }
        self.answered = end;
        Ok(())
    }
}

/// What comes within `left`, if that is bounded here.
async fn within<T>(left: Option<Duration>, next: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(left) = left else { return next.await };
    match timeout(left, next).await {
        Ok(next) => next,
        Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "nothing comes, or too slowly")),
    }
}

/// Sends a part of the body, and its end.
///
/// # Errors
/// The server does not take it.
pub async fn send(server: &mut HttpSession, part: Option<Bytes>, end: bool) -> Result<()> {
    if let Some(part) = part {
        server.write_body(&part).await.map_err(Error::into_up)?;
    }
    if end {
        server.finish_body().await.map_err(Error::into_up)?;
    }
    Ok(())
}

/// A body that ends with the server's connection is passed on in chunks, so that the client's can be kept.
fn frame(head: &mut ResponseHeader, is_head: bool, end: bool) -> Result<()> {
    let bodiless = is_head || end || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framed = head.headers.contains_key(header::TRANSFER_ENCODING) || head.headers.contains_key(header::CONTENT_LENGTH);
    if !bodiless && !framed {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}
