//! Serves a connection: finds out the protocol, and in HTTP/1 reads each head before the framework sees anything of it.

use super::{
    head::{self, Head, Scan},
    stand_in::stand_in,
    stream::Guarded,
    turns::turn,
};
use crate::{
    config::Bounds,
    proxy::{Clock, entrance::App},
    request::HeadFault,
};
use async_trait::async_trait;
use bytes::BytesMut;
use memchr::memchr;
use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp, ServerApp},
    protocols::{ALPN, Stream, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_timeout::timeout;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::io::AsyncWriteExt;

/// RFC 9113, section 3.4: what an HTTP/2 client with prior knowledge sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Where not even a request line can be made out.
const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a connection is held to.
#[derive(Clone, Copy, Debug)]
pub struct Guarding {
    /// Bytes of a request target, and of a head whose end has not come: of more the rest is not waited for.
    target: usize,
    head: usize,
    header_timeout: Duration,
    body_timeout: Duration,
    write_timeout: Duration,
    idle_timeout: Duration,
    clock: Clock,
}

/// Left behind by a request that the gateway refused, for the next on its connection.
#[derive(Clone, Copy, Debug)]
pub struct Refused;

/// A method and a version, with what is around them.
const AROUND_TARGET: usize = 64;

impl Guarding {
    /// By the configuration.
    #[must_use]
    pub fn new(bounds: &Bounds, clock: Clock) -> Self {
        Self {
            target: bounds.uri,
            head: bounds.uri + AROUND_TARGET + bounds.headers,
            header_timeout: bounds.header_timeout,
            body_timeout: bounds.body_timeout,
            write_timeout: bounds.write_timeout,
            idle_timeout: bounds.idle_timeout,
            clock,
        }
    }

    fn guard(&self, stream: Stream) -> Guarded {
        Guarded::new(stream, self.clock, self.body_timeout, self.write_timeout)
    }
}

/// What a connection brings next.
enum Next {
    /// A request whose head is good.
    Request(Head),
    /// One whose head is not.
    Refused(HeadFault),
    /// Nothing more.
    Nothing,
}

#[async_trait]
impl ServerApp for App {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let over_tls = stream.get_ssl_digest().is_some();
        let by_alpn = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let mut guarded = Box::new(self.guarding.guard(stream));
        let (is_http2, fault) = match self.http2 {
            Some(_) if !over_tls => match first_bytes(&mut guarded, &self.guarding, &mut shutdown.clone()).await {
                First::Preface => (true, None),
                First::Other => (false, None),
                First::Late => (false, Some(HeadFault::Late)),
                First::Nothing => return None,
            },
            _ => (by_alpn, None),
        };
        match &self.http2 {
            // Too many already: a protocol in which one client asks a hundred times is not begun.
            Some(_) if is_http2 && self.full => None,
            Some(http2) if is_http2 => {
                let (stream, unread) = guarded.into_unguarded()?;
                // Apart, because connections of HTTP/1 need no room for it.
                Box::pin(http2.serve(&self.proxy, stream, unread, shutdown)).await;
                None
            }
            _ => {
                self.serve_http1(guarded, fault, shutdown).await;
                None
            }
        }
    }
}

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
enum First {
    /// The client speaks HTTP/2 without having asked.
    Preface,
    /// It does not.
    Other,
    /// What might have become a preface has not, in the time of a head.
    Late,
    Nothing,
}

/// No more is read than it takes to know: a request in HTTP/1 may be shorter than a preface and wait for its answer.
async fn first_bytes(guarded: &mut Guarded, guarding: &Guarding, closing: &mut ShutdownWatch) -> First {
    if !comes(guarded, guarding, closing).await {
        return First::Nothing;
    }
    let more = async {
        while guarded.input().len() < PREFACE.len() && PREFACE.starts_with(guarded.input()) {
            if !matches!(guarded.read_more().await, Ok(true)) {
                return First::Nothing;
            }
        }
        if guarded.input().starts_with(PREFACE) { First::Preface } else { First::Other }
    };
    timeout(guarding.header_timeout, more).await.unwrap_or(First::Late)
}

/// Waits for the first byte of a request. It is not waited for once the process stops accepting.
async fn comes(guarded: &mut Guarded, guarding: &Guarding, closing: &mut ShutdownWatch) -> bool {
    let closed = pin!(closing.wait_for(|closed| *closed));
    tokio::select! {
        biased;
        came = timeout(guarding.idle_timeout, guarded.read_more()) => matches!(came, Ok(Ok(true))),
        _ = closed => false,
    }
}

impl App {
    /// One request after another, until one ends the connection; `fault` is what is wrong with the first.
    async fn serve_http1(&self, mut guarded: Box<Guarded>, mut fault: Option<HeadFault>, shutdown: &ShutdownWatch) {
        let (mut settings, mut is_established) = (None::<HttpPersistentSettings>, false);
        let mut closing = shutdown.clone();
        loop {
            let next = match fault.take() {
                Some(fault) => Next::Refused(fault),
                None => next_request(&mut guarded, &self.guarding, &mut closing).await,
            };
            let (head, fault) = match next {
                Next::Request(head) if !self.full => {
                    let came = guarded.take_input(head.length);
                    guarded.expect_body(head.body);
                    (head.rewritten.unwrap_or(came), None)
                }
                Next::Request(_) => (stand_in(guarded.input()).unwrap_or_default(), Some(HeadFault::Overloaded)),
                Next::Refused(fault) => match stand_in(guarded.input()) {
                    Some(head) => {
                        guarded.refuse();
                        (head, Some(fault))
                    }
                    None => return answer_barely(guarded, fault).await,
                },
                Next::Nothing => return,
            };
            if !is_established || fault.is_some() {
                turn().await;
            }
            let session = session(guarded, head, fault, settings.take());
            let Some(reused) = self.proxy.process_new_http(session, shutdown).await else { return };
            let (stream, kept) = reused.consume();
            settings = kept;
            match stream.into_any().downcast::<Guarded>() {
                Ok(stream) if stream.is_between_requests() => guarded = stream,
                _ => return,
            }
            is_established = settings.as_mut().is_none_or(|settings| settings.take_user_context().is_none());
        }
    }
}

/// The framework's session, with a head that it finds as if it had just read it.
fn session(stream: Stream, head: BytesMut, fault: Option<HeadFault>, settings: Option<HttpPersistentSettings>) -> ServerSession {
    let mut session = ServerSession::new_http1(stream);
    match settings {
        Some(settings) => settings.apply_to_session(&mut session),
        // For how long is the guard's to say: it is the guard who waits.
        None => session.set_keepalive(Some(0)),
    }
    if let Some(fault) = fault {
        session.set_connection_user_context(Some(Box::new(fault)));
    }
    if let ServerSession::H1(session) = &mut session {
        session.set_pipelined_prefix(head);
    }
    session
}

/// Waits for the next head and reads it. What waits between two requests ends when the process stops accepting; a head that has
/// begun to come is answered.
async fn next_request(guarded: &mut Guarded, guarding: &Guarding, closing: &mut ShutdownWatch) -> Next {
    if guarded.input().is_empty() && !comes(guarded, guarding, closing).await {
        return Next::Nothing;
    }
    match head::read(guarded.input()) {
        Ok(Some(head)) => Next::Request(head),
        Ok(None) => {
            timeout(guarding.header_timeout, rest_of_head(guarded, guarding)).await.unwrap_or(Next::Refused(HeadFault::Late))
        }
        Err(fault) => Next::Refused(fault),
    }
}

/// A head that did not come at once. It is read again only when its end has come, however few bytes come at a time.
async fn rest_of_head(guarded: &mut Guarded, guarding: &Guarding) -> Next {
    let mut scan = Scan::default();
    loop {
        match scan.is_complete(guarded.input()) {
            Err(fault) => return Next::Refused(fault),
            Ok(true) => break,
            Ok(false) if guarded.input().len() > guarding.head => return Next::Refused(too_large(guarded.input(), guarding)),
            Ok(false) => {}
        }
        // What comes byte by byte, on a thousand connections at a time, is not read at each.
        turn().await;
        match guarded.read_more().await {
            Ok(true) => {}
            Ok(false) | Err(_) => return Next::Nothing,
        }
    }
    match head::read(guarded.input()) {
        Ok(Some(head)) => Next::Request(head),
        Ok(None) => Next::Nothing,
        Err(fault) => Next::Refused(fault),
    }
}

/// What of a head without end is over its bound.
fn too_large(input: &[u8], guarding: &Guarding) -> HeadFault {
    let line = memchr(b'\n', input).unwrap_or(input.len());
    if line > guarding.target + AROUND_TARGET { HeadFault::TargetTooLong(guarding.target) } else { HeadFault::FieldsTooLarge }
}

/// The client sent what is no HTTP, or nothing whole in all its time.
async fn answer_barely(mut guarded: Box<Guarded>, fault: HeadFault) {
    log::debug!(target: "listeners", "no request: {fault:?}");
    guarded.refuse();
    // It may be gone.
    let _ = guarded.write_all(BARE).await;
    let _ = guarded.shutdown().await;
}

#[cfg(test)]
mod tests;
