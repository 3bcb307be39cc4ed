//! Idle connections to the servers, kept by each worker for itself.
//!
//! A worker is one thread with a runtime of its own, so its pool needs no lock, and a connection is only ever used by the
//! runtime whose reactor it is registered with. The framework's pool, which serves all threads, spawns a task with a timer for
//! each connection that goes idle and asks the kernel for the peer's address each time one is taken: 3 to 5 % of a request.
//!
//! Invariants: a connection that is handed out was idle for less than its time-out, and when the reactor last looked it was open
//! and had nothing to be read: what a server says unasked would be taken for the next answer (and still is, where it comes in the
//! moment between: HTTP/1.1 numbers no answers). At most `MOST` are kept a worker.

use super::Clock;
use http::{HeaderMap, HeaderName};
use pingora_core::protocols::Stream;
use std::{
    cell::RefCell,
    collections::HashMap,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::io::{AsyncRead, ReadBuf};

/// An idle connection is given up after this long, or a second before the server says that it will (`Keep-Alive: timeout`, as
/// Node's 5 s): the gateway should not write into a connection that is closing. Servers that close sooner and do not say so
/// (Gunicorn's own default is 2 s) cost a retry, and a request that must not be sent twice a 502.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How much sooner than the server a connection is given up.
const MARGIN: Duration = Duration::from_secs(1);
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Idle connections a worker keeps.
const MOST: usize = 512;
/// Between two looks at all of them, for those that time-outs or servers ended: nobody else would close those.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

thread_local! {
    static IDLE: RefCell<Pool> = RefCell::new(Pool::new(MOST));
}

/// An idle connection to this peer, if there is one.
pub fn take(peer: u64, now_ns: u64) -> Option<Stream> {
    IDLE.with_borrow_mut(|pool| pool.take(peer, now_ns))
}

/// Keeps a connection for the next request to this peer; `announced` is how long the server says that it keeps it.
pub fn put(peer: u64, stream: Stream, now_ns: u64, announced: Option<Duration>) {
    IDLE.with_borrow_mut(|pool| pool.put(peer, stream, now_ns, announced));
}

/// `Keep-Alive: timeout=5` (RFC 2068, section 19.7.1, and its use since), in seconds.
pub fn announced(headers: &HeaderMap) -> Option<Duration> {
    let parameters = headers.get(KEEP_ALIVE)?.to_str().ok()?.split(',');
    let timeout =
        parameters.filter_map(|parameter| parameter.trim().split_once('=')).find(|(name, _)| name.trim() == "timeout")?;
    timeout.1.trim().parse().ok().map(Duration::from_secs)
}

/// Closes what nobody will use, for as long as it is polled; each worker has one.
pub async fn sweep(clock: Clock) {
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        IDLE.with_borrow_mut(|pool| pool.sweep(clock.monotonic_ns()));
    }
}

struct Idle {
    stream: Stream,
    until_ns: u64,
}

impl Idle {
    fn is_usable(&mut self, now_ns: u64) -> bool {
        now_ns < self.until_ns && is_quiet(&mut self.stream)
    }
}

struct Pool {
    most: usize,
    kept: usize,
    /// By the framework's hash of a peer: address, TLS, name and everything else that tells connections apart. The latest
    /// last, so that those that are not needed grow old.
    by_peer: HashMap<u64, Vec<Idle>>,
}

impl Pool {
    fn new(most: usize) -> Self {
        Self { most, kept: 0, by_peer: HashMap::new() }
    }

    fn take(&mut self, peer: u64, now_ns: u64) -> Option<Stream> {
        let idle = self.by_peer.get_mut(&peer)?;
        while let Some(mut latest) = idle.pop() {
            self.kept -= 1;
            if latest.is_usable(now_ns) {
                return Some(latest.stream);
            }
        }
        None
    }

    fn put(&mut self, peer: u64, mut stream: Stream, now_ns: u64, announced: Option<Duration>) {
        let kept_for = announced.map_or(IDLE_TIMEOUT, |announced| announced.saturating_sub(MARGIN).min(IDLE_TIMEOUT));
        if !kept_for.is_zero() && self.kept < self.most && is_quiet(&mut stream) {
            self.kept += 1;
            let until_ns = now_ns.saturating_add(u64::try_from(kept_for.as_nanos()).unwrap_or(u64::MAX));
            self.by_peer.entry(peer).or_default().push(Idle { stream, until_ns });
        }
    }

    fn sweep(&mut self, now_ns: u64) {
        self.by_peer.retain(|_, idle| {
            idle.retain_mut(|idle| idle.is_usable(now_ns));
            !idle.is_empty()
        });
        self.kept = self.by_peer.values().map(Vec::len).sum();
    }
}

/// Whether the server neither closed the connection nor said anything: reading would have to wait. Costs a system call only
/// when the reactor has seen something come.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let read = std::pin::Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte));
    matches!(read, Poll::Pending)
}

#[cfg(test)]
mod tests;
