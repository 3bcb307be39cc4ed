//! The short way to an upstream, for the requests that most are: without a body or with one that is held, over HTTP/1.1 or
//! HTTP/2, to an HTTP/1 server.
//!
//! The framework's own way joins two halves by channels, clones the head with its spelling and takes the client's connection
//! down after any failure. Here one loop reads the server and watches the client. The connections, their pool, the reading and
//! the validation of responses are the framework's all the same, and choosing, dressing, retrying and judging failures are what
//! the general way does: everything that needs more (streamed bodies, unusual connection options) takes that way.
//!
//! What opens a WebSocket goes no other way: once both sides have agreed, their connections are taken out of the framework's hands.

use super::{
    ctx::Ctx,
    guard::take_over,
    idle,
    phases::{Phases, dress_request, final_status},
    tunnel::{self, Carried, Side},
};
use crate::{
    pipeline::Forward,
    response_headers::{decimal, nominated},
    upstream::websocket,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora_core::{
    Error, ErrorSource, ErrorType, Result,
    protocols::http::{HttpTask, v1::client::HttpSession},
    upstreams::peer::{HttpPeer, Peer},
};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use pingora_timeout::timeout;
use std::time::Duration;

/// Whether a request can go the short way: in origin form, its body (if it is of a kind that has one) held whole, nothing asked
/// of the connection beyond keeping or closing it.
pub fn suits(session: &Session, has_body: bool) -> bool {
    let head = session.req_header();
    let headers = &head.headers;
    let usual = |value: &http::HeaderValue| {
        value.as_bytes().eq_ignore_ascii_case(b"keep-alive") || value.as_bytes().eq_ignore_ascii_case(b"close")
    };
    let fits = if has_body {
        matches!(head.method, Method::POST | Method::PUT | Method::PATCH)
    } else {
        matches!(head.method, Method::GET | Method::HEAD | Method::DELETE)
    };
    fits && matches!(head.version, Version::HTTP_11 | Version::HTTP_2)
        && head.raw_path().starts_with(b"/")
        && headers.get_all(header::CONNECTION).iter().all(usual)
        && !headers.contains_key(header::UPGRADE)
        // A body that came in chunks goes on with its length.
        && (has_body || !headers.contains_key(header::TRANSFER_ENCODING))
}

/// What a response is followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// The next request.
    Whole,
    /// Another protocol.
    Switched,
}

/// What became of one attempt.
enum Attempt {
    /// The response is with the client.
    Done,
    /// It never reached a server.
    Unsent(Box<Error>),
    /// It failed before anything of a response was passed on.
    Failed(Box<Error>),
}

impl Phases {
    /// Sends the request and passes the response on, or answers that it failed.
    ///
    /// # Errors
    /// The client is gone, or a response that had begun cannot be ended: its connection must not be used again.
    pub(super) async fn forward_directly(&self, session: &mut Session, ctx: &mut Ctx, body: Option<Bytes>) -> Result<()> {
        loop {
            let (error, again) = match self.choose_server(ctx) {
                // No address is known: asking again at once finds the same.
                Err(error) => (error, false),
                Ok(peer) => match self.attempt(session, ctx, &peer, body.as_ref()).await? {
                    Attempt::Done => return Ok(()),
                    Attempt::Unsent(error) => (error, Self::may_retry(ctx)),
                    Attempt::Failed(error) => {
                        let again = Self::retries_after(&error, session, ctx);
                        (error, again)
                    }
                },
            };
            if again {
                continue;
            }
            let Some(rejection) = Self::judge_failure(&error, ctx) else { return Err(error) };
            return Box::pin(self.reject(session, ctx, &rejection)).await.map(|_| ());
        }
    }

    async fn attempt(&self, session: &mut Session, ctx: &mut Ctx, peer: &HttpPeer, body: Option<&Bytes>) -> Result<Attempt> {
        let head = Self::request_head(session, ctx, body)?;
        // Connecting, with TLS in it, has a future many times the size of all others here: apart, and only when it is needed.
        let stream = match idle::take(peer.reuse_hash(), ctx.chosen_ns) {
            Some(stream) => stream,
            None => match Box::pin(self.connector.new_stream(peer)).await {
                Ok(stream) => stream,
                Err(error) => return Ok(Attempt::Unsent(error.into_up())),
            },
        };
        let mut server = HttpSession::new_with_options(stream, peer);
        server.read_timeout = peer.options.read_timeout;
        server.write_timeout = peer.options.write_timeout;
        if let Err(error) = server.write_request_header(Box::new(head)).await {
            return Ok(Attempt::Failed(error.into_up()));
        }
        if let Some(body) = body {
            // From here on the server may have seen it: such a request is not sent again.
            ctx.request_bytes = body.len() as u64;
            if let Err(error) = send_body(&mut server, body).await {
                return Ok(Attempt::Failed(error.into_up()));
            }
        }
        match self.pass_on(session, ctx, &mut server).await {
            Ok(Passed::Switched) => {
                self.tunnel(session, ctx, server, peer).await;
                Ok(Attempt::Done)
            }
            Ok(Passed::Whole) => {
                let announced = server.resp_header().and_then(|head| idle::announced(&head.headers));
                server.respect_keepalive();
                if let Some(stream) = server.reuse().await {
                    idle::put(peer.reuse_hash(), stream, ctx.upstream_ended_ns.unwrap_or_default(), announced);
                }
                Ok(Attempt::Done)
            }
            // Nothing of a response is with the client: it can still be told, or another server asked.
            Err(error) if *error.esource() == ErrorSource::Upstream && final_status(session).is_none() => {
                Ok(Attempt::Failed(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Carries a WebSocket to its end.
    async fn tunnel(&self, session: &mut Session, ctx: &mut Ctx, mut server: HttpSession, peer: &HttpPeer) {
        // What the server sent right behind its head, if anything; that is not waited for.
        let early = tokio::select! {
            biased;
            part = server.read_body_bytes() => part.ok().flatten(),
            () = std::future::ready(()) => None,
        };
        let Some(client) = take_over(session).await else { return };
        let client = Side { taken: client, write_timeout: ctx.gateway.bounds.write_timeout };
        let early = early.map_or_else(BytesMut::new, |part| BytesMut::from(&part[..]));
        let write_timeout = peer.options.write_timeout.unwrap_or(client.write_timeout);
        let server = Side { taken: (server.into_inner(), early), write_timeout };
        let mut carried = Carried::default();
        tunnel::carry(client, server, &mut carried).await;
        (ctx.request_bytes, ctx.tunnelled) = (carried.up, carried.down);
        ctx.upstream_ended_ns = Some(self.shared.clock.monotonic_ns());
    }

    /// The head for the server: the client's without what concerned its connection, dressed.
    fn request_head(session: &Session, ctx: &Ctx, body: Option<&Bytes>) -> Result<RequestHeader> {
        let from = session.req_header();
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = from.method.clone();
        parts.version = Version::HTTP_11;
        parts.headers = from.headers.clone();
        strip_hop_by_hop(&mut parts.headers);
        if let Some(body) = body {
            parts.headers.insert(header::CONTENT_LENGTH, decimal(body.len() as u64));
        }
        dress_request(session, &mut parts, ctx)?;
        if ctx.forward.as_ref().is_some_and(Forward::websocket) {
            switch(&mut parts.headers);
        }
        Ok(RequestHeader::from(parts))
    }

    /// Reads the response and writes it, watching for a client that leaves.
    async fn pass_on(&self, session: &mut Session, ctx: &mut Ctx, server: &mut HttpSession) -> Result<Passed> {
        // To the end of the head, however it comes: a server that sends a byte now and then would pass a bound on each reading.
        let (whole, since_ns) = (server.read_timeout.take(), self.shared.clock.monotonic_ns());
        let mut head_left = whole;
        loop {
            let task = tokio::select! {
                biased;
                task = read_task(server, head_left) => task.map_err(Error::into_up)?,
                left = session.as_downstream_mut().read_body_or_idle(true) => {
                    return Err(left.err().unwrap_or_else(|| Error::new(ErrorType::ConnectionClosed)).into_down());
                }
            };
            match task {
                HttpTask::Header(mut head, end) => {
                    if head.status.is_informational() {
                        let waited = Duration::from_nanos(self.shared.clock.monotonic_ns().saturating_sub(since_ns));
                        head_left = whole.map(|whole| whole.saturating_sub(waited));
                    } else {
                        (server.read_timeout, head_left) = (whole, None);
                        frame(&mut head, session.req_header().method == Method::HEAD, end)?;
                    }
                    let passed_on = !head.status.is_informational();
                    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
                    self.dress_response(session, &mut head, ctx)?;
                    session.write_response_header(head, end && passed_on).await.map_err(Error::into_down)?;
                    if switches {
                        return Ok(Passed::Switched);
                    }
                    if end && passed_on {
                        return Ok(Passed::Whole);
                    }
                }
                HttpTask::Body(data, end) => {
                    if end {
                        ctx.upstream_ended_ns = Some(self.shared.clock.monotonic_ns());
                    }
                    let data = data.filter(|data| end || !data.is_empty());
                    if data.is_some() || end {
                        session.write_response_body(data, end).await.map_err(Error::into_down)?;
                    }
                    if end {
                        return Ok(Passed::Whole);
                    }
                }
                HttpTask::Done | HttpTask::Trailer(_) => {
                    session.write_response_body(None, true).await.map_err(Error::into_down)?;
                    return Ok(Passed::Whole);
                }
                HttpTask::UpgradedBody(..) => {
                    return Err(Error::explain(ErrorType::InvalidHTTPHeader, "an upgrade that nobody asked for").into_up());
                }
                HttpTask::Failed(error) => return Err(error.into_up()),
            }
        }
    }
}

/// What the server sends next, within `left` if that is bounded here and not by the time between two readings.
async fn read_task(server: &mut HttpSession, left: Option<Duration>) -> Result<HttpTask> {
    let Some(left) = left else { return server.read_response_task().await };
    match timeout(left, server.read_response_task()).await {
        Ok(task) => task,
        Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "the response head does not end")),
    }
}

async fn send_body(server: &mut HttpSession, body: &Bytes) -> Result<()> {
    server.write_body(body).await?;
    server.finish_body().await.map(|_| ())
}

/// What both sides of a WebSocket write (RFC 6455, section 4).
pub(super) fn switch(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(websocket::WEBSOCKET));
}

/// RFC 9110, section 7.6.1. Only what opens a WebSocket may name in `Connection` what concerns more than itself; others go the general
/// way then.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let of_the_connection = |name: &&header::HeaderName| {
        matches!(
            name.as_str(),
            "connection"
                | "keep-alive"
                | "proxy-connection"
                | "upgrade"
                | "te"
                | "trailer"
                | "proxy-authorization"
                | "proxy-authenticate"
                | "http2-settings"
                // The length is that of what is held; a client that waited to be asked for its body was asked.
                | "content-length"
                | "transfer-encoding"
                | "expect"
        )
    };
    let names: Vec<_> = headers.keys().filter(of_the_connection).cloned().chain(nominated(headers)).collect();
    for name in names {
        headers.remove(name);
    }
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
