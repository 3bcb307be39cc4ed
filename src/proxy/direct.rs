//! Forwards a request to an HTTP/1 server and passes the response on.
//!
//! The framework's own way joins two halves by channels, clones the head with its spelling, takes the client's connection down after
//! any failure, and bounds each reading but no whole head. Here one loop reads both sides ([`Talk`]). The connections, the reading and the
//! validation of responses are the framework's all the same.
//!
//! Invariants: what is sent to a server is framed by what was understood. A request is sent again only if nothing of its body
//! was, and no answer to it seen. Once a WebSocket is agreed upon, both its connections are taken out of the framework's hands.

use super::{
    bodies::{told_length, waits_to_be_asked},
    ctx::Ctx,
    guard::take_over,
    idle,
    phases::{Phases, dress_request, final_status},
    talk::{Passed, Talk, send},
    tunnel::{self, Carried, Side},
};
use crate::{
    pipeline::Forward,
    response_headers::{decimal, nominated},
    upstream::websocket,
};
use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use pingora_core::{
    Error, ErrorSource, Result,
    protocols::http::v1::client::HttpSession,
    upstreams::peer::{HttpPeer, Peer},
};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

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
    /// The client is gone or its body refused, or a response that had begun cannot be ended: its connection must not be used again.
    pub(super) async fn forward_directly(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        loop {
            let (error, again) = match self.choose_server(ctx) {
                // No address is known: asking again at once finds the same.
                Err(error) => (error, false),
                Ok(peer) => match self.attempt(session, ctx, &peer).await? {
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

    async fn attempt(&self, session: &mut Session, ctx: &mut Ctx, peer: &HttpPeer) -> Result<Attempt> {
        let head = Self::request_head(session, ctx)?;
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
        if let Some(body) = ctx.held.clone().filter(|_| !ctx.streamed) {
            // From here on the server may have seen it: such a request is not sent again.
            ctx.request_bytes = body.len() as u64;
            if let Err(error) = send(&mut server, Some(body), true).await {
                return Ok(Attempt::Failed(error));
            }
        }
        let sending = ctx.streamed;
        match Talk::new(self, session, ctx, &mut server, sending).carry().await {
            Ok(passed) => {
                self.end(session, ctx, server, peer, passed).await;
                Ok(Attempt::Done)
            }
            // Nothing of a response is with the client: it can still be told, or another server asked.
            Err(error) if *error.esource() == ErrorSource::Upstream && final_status(session).is_none() => {
                Ok(Attempt::Failed(error))
            }
            Err(error) => Err(error),
        }
    }

    /// What becomes of the server's connection.
    async fn end(&self, session: &mut Session, ctx: &mut Ctx, mut server: HttpSession, peer: &HttpPeer, passed: Passed) {
        match passed {
            Passed::Whole => {
                let announced = server.resp_header().and_then(|head| idle::announced(&head.headers));
                server.respect_keepalive();
                if let Some(stream) = server.reuse().await {
                    idle::put(peer.reuse_hash(), stream, ctx.upstream_ended_ns.unwrap_or_default(), announced);
                }
            }
            Passed::Spent => server.shutdown().await,
            Passed::Switched => Box::pin(self.tunnel(session, ctx, server, peer)).await,
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

    /// The head for the server: the client's without what concerned its connection, framed and dressed.
    fn request_head(session: &Session, ctx: &Ctx) -> Result<RequestHeader> {
        let from = session.req_header();
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = from.method.clone();
        parts.version = Version::HTTP_11;
        parts.headers = from.headers.clone();
        strip_hop_by_hop(&mut parts.headers);
        frame(&mut parts.headers, session, ctx);
        dress_request(session, &mut parts, ctx)?;
        if ctx.forward.as_ref().is_some_and(Forward::websocket) {
            switch(&mut parts.headers);
        }
        Ok(RequestHeader::from(parts))
    }
}

/// One length, or chunks; and whether the server is to say first that it wants the body.
fn frame(headers: &mut HeaderMap, session: &Session, ctx: &Ctx) {
    let length = match (&ctx.held, ctx.streamed) {
        (Some(held), false) => Some(held.len() as u64),
        (_, true) => told_length(session),
        // RFC 9110, section 8.6: where a method means a body, that there is none is told too.
        (None, false) => matches!(session.req_header().method, Method::POST | Method::PUT | Method::PATCH).then_some(0),
    };
    match length {
        Some(length) => drop(headers.insert(header::CONTENT_LENGTH, decimal(length))),
        None if ctx.streamed => drop(headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))),
        None => {}
    }
    if ctx.streamed && ctx.held.is_none() && waits_to_be_asked(session) {
        headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    }
}

/// What both sides of a WebSocket write (RFC 6455, section 4).
pub(super) fn switch(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(websocket::WEBSOCKET));
}

/// RFC 9110, section 7.6.1, and what is said anew.
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
