//! Connections that speak HTTP/2: handshake, accept loop, and their end.
//!
//! The framework's own loop has no bound on a handshake, on frames that it answers for ever, on bodies and on clients that do not
//! read, and answers some requests by itself. Here the connection is read and written under watch ([`Watched`]), and ended with a
//! GOAWAY that says why; each request is judged, and goes to the framework in a session of ours. Other connections are not
//! touched.

mod answer;
mod body;
mod frames;
mod head;
mod inflow;
mod session;
mod sessions;
mod stream;
mod watch;

pub use head::marked;

use self::{
    answer::Answer,
    body::Body,
    head::HeadBounds,
    inflow::Inflow,
    session::StreamSession,
    sessions::Sessions,
    stream::{Verdict, Watched},
    watch::{End, FrameWatch, Times},
};
use super::turns::turn;
use crate::{config::Bounds, observe::ConnectionEnd, proxy::Shared, request::HeadFault};
use bytes::{Bytes, BytesMut};
use h2::{
    Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use http::Request;
use pingora_core::{
    apps::HttpServerApp,
    protocols::{Digest, Stream, http::ServerSession},
    server::ShutdownWatch,
};
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

/// A GOAWAY has this long to leave.
const GOODBYE: Duration = Duration::from_secs(1);
/// Requests that are no requests: as many as the framework's own loop lets pass in a connection.
const MOST_MALFORMED: usize = 32;
/// Lists of header fields up to so many times their bound are read, to be answered: more has a bare 431, and four times more
/// ends the connection. What is over the bound is not kept: no more of these are in memory than there are threads and streams.
const READ_FIELDS: usize = 4;
/// Bytes of answers that wait for a client, for each stream. The framework's default of 400 KiB is 40 MB for one connection that
/// asks for much and reads nothing.
const WAITING: usize = 64 * 1024;
/// The framework takes one byte of DATA for 256 as long as nobody has read it, and ends the connection past so many in all: this
/// is 1,024 small frames, where its default is 128, which an upstream that pauses makes of a busy client.
const WAITING_SMALL_DATA: usize = 256 * 1024;
/// Between two lines of the log about connections that were ended.
const SILENCE_NS: u64 = 1_000_000_000;

/// How a configuration serves HTTP/2.
pub struct Http2 {
    options: Builder,
    times: Times,
    heads: HeadBounds,
    idle: Duration,
    every: Duration,
    shared: Arc<Shared>,
    spoke_ns: AtomicU64,
}

impl Http2 {
    /// As these bounds say.
    pub fn new(bounds: &Bounds, shared: Arc<Shared>) -> Self {
        let mut options = Builder::new();
        options.max_concurrent_streams(bounds.h2_streams);
        options.max_header_list_size(u32::try_from(bounds.headers.saturating_mul(READ_FIELDS)).unwrap_or(u32::MAX));
        options.max_send_buffer_size(WAITING);
        options.data_frame_budget(WAITING_SMALL_DATA);
        let shortest = bounds.header_timeout.min(bounds.write_timeout);
        let every = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let times = Times { header: bounds.header_timeout, body: bounds.body_timeout, write: bounds.write_timeout };
        let heads = HeadBounds { target: bounds.uri, fields: bounds.headers, count: bounds.header_count };
        Self { options, times, heads, idle: bounds.idle_timeout, every, shared, spoke_ns: AtomicU64::new(0) }
    }

    /// Serves a connection to its end; `unread` is what was read of it to find out which protocol it is.
    pub async fn serve<A>(&self, app: &Arc<A>, stream: Stream, unread: BytesMut, shutdown: &ShutdownWatch)
    where
        A: HttpServerApp + Send + Sync + 'static,
    {
        let digest = Arc::new(Digest {
            ssl_digest: stream.get_ssl_digest(),
            timing_digest: stream.get_timing_digest(),
            proxy_digest: stream.get_proxy_digest(),
            socket_digest: stream.get_socket_digest(),
        });
        let (clock, resets) = (self.shared.clock, self.shared.metrics.http2_resets.clone());
        let inflow = Arc::<Inflow>::default();
        let watch = FrameWatch::new(self.times, Arc::clone(&inflow), clock.monotonic_ns());
        let stream = Watched::new(stream, unread, watch, clock, self.every, resets);
        let verdict = stream.verdict();
        let greeted = tokio::time::timeout(self.times.header, self.options.handshake(stream)).await;
        let mut connection = match greeted {
            Ok(Ok(connection)) => connection,
            // It said something else than the preface, or left.
            Ok(Err(_)) => return,
            Err(_) => return self.note(Farewell::of(End::Unfinished)),
        };
        let accepting = Accepting { http2: self, app, digest, verdict, inflow, is_established: Arc::default(), malformed: 0 };
        if let Some(farewell) = accepting.accept(&mut connection, shutdown).await {
            self.note(farewell);
            say_goodbye(&mut connection, farewell.code).await;
        }
    }

    /// The framework has ended the connection itself, maybe for a flood; or a client that did not read was given up.
    fn note_failure(&self, error: &h2::Error, verdict: &Verdict) {
        if error.is_library() && error.is_go_away() {
            self.note(if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) { Farewell::FRAMEWORK } else { Farewell::BROKEN });
        } else if let Some(end) = verdict.get() {
            self.note(Farewell::of(*end));
        }
    }

    /// Counts an end, and says it in the log, once a second at most: whoever is sent away comes back.
    fn note(&self, farewell: Farewell) {
        self.shared.metrics.connection_ended(farewell.end);
        if farewell.end == ConnectionEnd::Idle {
            return;
        }
        let now = self.shared.clock.monotonic_ns();
        let before = self.spoke_ns.load(Ordering::Relaxed);
        let speaks = before == 0 || now.saturating_sub(before) >= SILENCE_NS;
        if speaks && self.spoke_ns.compare_exchange(before, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            log::warn!(target: "listeners", "HTTP/2 connections are ended, the last: {}", farewell.what);
        }
    }
}

/// What the requests of one connection share.
struct Accepting<'a, A> {
    http2: &'a Http2,
    app: &'a Arc<A>,
    digest: Arc<Digest>,
    verdict: Verdict,
    inflow: Arc<Inflow>,
    /// Its last request was served.
    is_established: Arc<AtomicBool>,
    malformed: usize,
}

impl<A> Accepting<'_, A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    /// Accepts requests until the client leaves (`None`) or is to be sent away.
    async fn accept(mut self, connection: &mut Connection<Watched, Bytes>, shutdown: &ShutdownWatch) -> Option<Farewell> {
        let sessions = Arc::new(Sessions::default());
        let (mut stop, mut stopping) = (shutdown.clone(), false);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.changed(), if !stopping => {
                    connection.graceful_shutdown();
                    stopping = true;
                    continue;
                }
                accepted = connection.accept() => accepted,
                // The connection was polled just before, in the same task.
                end = reached(&self.verdict) => return Some(end),
                () = sessions.idle_for(self.http2.idle) => return Some(Farewell::IDLE),
            };
            match accepted {
                Some(Ok((request, respond))) => {
                    if !self.is_established.load(Ordering::Relaxed) {
                        turn().await;
                    }
                    let session = self.session(request, respond);
                    if self.malformed >= MOST_MALFORMED {
                        return Some(Farewell::MALFORMED);
                    }
                    let (app, shutdown, serving) = (Arc::clone(self.app), shutdown.clone(), sessions.begin());
                    drop(tokio::spawn(async move {
                        let _serving = serving;
                        app.process_new_http(session, &shutdown).await;
                    }));
                }
                Some(Err(error)) => {
                    self.http2.note_failure(&error, &self.verdict);
                    return None;
                }
                None => return None,
            }
        }
    }

    /// A request as the framework gets it: judged, and whole in itself.
    fn session(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>) -> ServerSession {
        let (head, body) = request.into_parts();
        let (head, fault) = head::judge(head, self.http2.heads);
        self.malformed += usize::from(matches!(fault, Some(HeadFault::Invalid(_))));
        let Times { body: body_timeout, write, .. } = self.http2.times;
        let body = Body::new(body, body_timeout, Arc::clone(&self.inflow), self.http2.shared.clock);
        let session = StreamSession::new(
            head,
            body,
            Answer::new(respond, write, Arc::clone(&self.is_established)),
            Arc::clone(&self.digest),
        );
        ServerSession::new_custom(Box::new(session))
    }
}

/// How a connection is ended.
#[derive(Clone, Copy)]
struct Farewell {
    end: ConnectionEnd,
    code: Reason,
    /// For the log.
    what: &'static str,
}

impl Farewell {
    const IDLE: Self = Self { end: ConnectionEnd::Idle, code: Reason::NO_ERROR, what: "idle" };
    const MALFORMED: Self =
        Self { end: ConnectionEnd::Malformed, code: Reason::ENHANCE_YOUR_CALM, what: "too many malformed requests" };
    const FRAMEWORK: Self = Self {
        end: ConnectionEnd::Flood,
        code: Reason::ENHANCE_YOUR_CALM,
        what: "too many empty DATA, CONTINUATION, resets before acceptance, or fields",
    };

    const BROKEN: Self = Self { end: ConnectionEnd::Malformed, code: Reason::PROTOCOL_ERROR, what: "no frames of HTTP/2" };

    fn of(end: End) -> Self {
        let (end, code, what) = match end {
            End::Flood(kind) => (ConnectionEnd::Flood, Reason::ENHANCE_YOUR_CALM, kind.what()),
            End::Unfinished => (ConnectionEnd::Unfinished, Reason::NO_ERROR, "what was begun was not ended in time"),
            End::Unread => (ConnectionEnd::Unread, Reason::NO_ERROR, "the client does not read"),
        };
        Self { end, code, what }
    }
}

/// The verdict, once there is one; never wakes by itself.
async fn reached(verdict: &Verdict) -> Farewell {
    poll_fn(|_| verdict.get().map_or(Poll::Pending, |end| Poll::Ready(Farewell::of(*end)))).await
}

/// The framework writes a GOAWAY and closes.
async fn say_goodbye(connection: &mut Connection<Watched, Bytes>, code: Reason) {
    connection.abrupt_shutdown(code);
    let closed = poll_fn(|context| connection.poll_closed(context));
    // Whether it was read makes no difference: the connection is dropped.
    let _ = tokio::time::timeout(GOODBYE, closed).await;
}
