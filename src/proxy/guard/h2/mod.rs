//! Connections that speak HTTP/2: handshake, accept loop, and their end.
//!
//! The framework's own loop has no bound on a handshake, on frames that it answers for ever, on bodies and on clients that do not
//! read. This one is the same but for those: the connection is read and written under watch ([`Watched`]), and ended with a
//! GOAWAY that says why. Other connections are not touched, and nothing here decides about a request.

mod bodies;
mod frames;
mod head;
mod sessions;
mod stream;
mod watch;

pub use head::marked;

use self::{
    sessions::Sessions,
    stream::{Verdict, Watched},
    watch::{End, FrameWatch, Times},
};
use crate::{config::Bounds, observe::ConnectionEnd, proxy::Shared};
use bytes::Bytes;
use h2::{Reason, server::Connection};
use pingora_core::{
    apps::HttpServerApp,
    protocols::{
        Digest, Stream,
        http::{
            ServerSession,
            v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake},
        },
    },
    server::ShutdownWatch,
};
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

/// A GOAWAY has this long to leave.
const GOODBYE: Duration = Duration::from_secs(1);
/// Requests that are no requests: as many as the framework's own loop lets pass in a connection.
const MOST_MALFORMED: usize = 32;
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
    options: H2Options,
    times: Times,
    idle: Duration,
    streams: u32,
    every: Duration,
    shared: Arc<Shared>,
    spoke_ns: AtomicU64,
}

impl Http2 {
    /// As these bounds say.
    pub fn new(bounds: &Bounds, shared: Arc<Shared>) -> Self {
        let mut options = default_h2_options();
        options.max_concurrent_streams(bounds.h2_streams);
        options.max_header_list_size(u32::try_from(bounds.headers.saturating_mul(2)).unwrap_or(u32::MAX));
        options.max_send_buffer_size(WAITING);
        options.data_frame_budget(WAITING_SMALL_DATA);
        let shortest = bounds.header_timeout.min(bounds.body_timeout).min(bounds.write_timeout);
        let every = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        // Whoever reads a body waits for it too, and can answer 408: that comes first.
        let body = bounds.body_timeout + 2 * every;
        let times = Times { header: bounds.header_timeout, body, write: bounds.write_timeout };
        let (idle, streams) = (bounds.idle_timeout, bounds.h2_streams);
        Self { options, times, idle, streams, every, shared, spoke_ns: AtomicU64::new(0) }
    }

    /// Serves a connection to its end.
    pub async fn serve<A>(&self, app: &Arc<A>, stream: Stream, shutdown: &ShutdownWatch)
    where
        A: HttpServerApp + Send + Sync + 'static,
    {
        let digest = Arc::new(Digest {
            ssl_digest: stream.get_ssl_digest(),
            timing_digest: stream.get_timing_digest(),
            proxy_digest: stream.get_proxy_digest(),
            socket_digest: stream.get_socket_digest(),
        });
        let clock = self.shared.clock;
        let watch = FrameWatch::new(self.times, self.streams, clock.monotonic_ns());
        let (stream, verdict) = Watched::new(stream, watch, clock, self.every);
        let greeted = tokio::time::timeout(self.times.header, handshake(Box::new(stream), Some(self.options.clone()))).await;
        let mut connection = match greeted {
            Ok(Ok(connection)) => connection,
            // It said something else than the preface, or left.
            Ok(Err(_)) => return,
            Err(_) => return self.note(Farewell::of(End::Unfinished)),
        };
        if let Some(farewell) = self.accept(app, &mut connection, &digest, &verdict, shutdown).await {
            self.note(farewell);
            say_goodbye(&mut connection, farewell.code).await;
        }
    }

    /// Accepts requests until the client leaves (`None`) or is to be sent away.
    async fn accept<A>(
        &self,
        app: &Arc<A>,
        connection: &mut Connection<Stream, Bytes>,
        digest: &Arc<Digest>,
        verdict: &Verdict,
        shutdown: &ShutdownWatch,
    ) -> Option<Farewell>
    where
        A: HttpServerApp + Send + Sync + 'static,
    {
        let sessions = Arc::new(Sessions::default());
        let (mut stop, mut stopping, mut malformed) = (shutdown.clone(), false, 0);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.changed(), if !stopping => {
                    connection.graceful_shutdown();
                    stopping = true;
                    continue;
                }
                accepted = HttpSession::from_h2_conn(connection, Arc::clone(digest)) => accepted,
                // The connection was polled just before, in the same task.
                end = reached(verdict) => return Some(end),
                () = sessions.idle_for(self.idle) => return Some(Farewell::IDLE),
            };
            match accepted {
                Ok(Some(H2Accept::Session(mut session))) => {
                    head::judge(session.req_header_mut());
                    let (app, shutdown, serving) = (Arc::clone(app), shutdown.clone(), sessions.begin());
                    drop(tokio::spawn(async move {
                        let _serving = serving;
                        app.process_new_http(ServerSession::new_http2(session), &shutdown).await;
                    }));
                }
                Ok(Some(H2Accept::Rejected)) => {
                    malformed += 1;
                    if malformed >= MOST_MALFORMED {
                        return Some(Farewell::MALFORMED);
                    }
                }
                Ok(None) => return None,
                Err(error) => {
                    self.note_failure(&error, verdict);
                    return None;
                }
            }
        }
    }

    /// The framework has ended the connection itself, maybe for a flood; or a client that did not read was given up.
    fn note_failure(&self, error: &pingora_core::Error, verdict: &Verdict) {
        let cause = error.root_cause().downcast_ref::<h2::Error>();
        if cause.is_some_and(|cause| cause.is_library() && cause.reason() == Some(Reason::ENHANCE_YOUR_CALM)) {
            self.note(Farewell::FRAMEWORK);
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
async fn say_goodbye(connection: &mut Connection<Stream, Bytes>, code: Reason) {
    connection.abrupt_shutdown(code);
    let closed = poll_fn(|context| connection.poll_closed(context));
    // Whether it was read makes no difference: the connection is dropped.
    let _ = tokio::time::timeout(GOODBYE, closed).await;
}
