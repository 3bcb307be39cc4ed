//! The process: sockets first, then the workers, then what runs beside them; and its end, graceful or at once.
//!
//! Each worker is one thread with a runtime of its own; all accept from the same sockets. Work is never moved between workers:
//! stealing costs 10 to 16 % of the time of a request here, and a connection's data stay in one core's cache.

use super::{
    Clock,
    background::{self, NameTask, key_fetcher},
    connections::{ConnectionBounds, Connections},
    entrance::{App, Doors, PreparedTls},
    idle,
    listeners::{Bound, Serving, accept},
    logger::{self, LogSettings},
    reload::{ReloadDesk, ReloadQueue, Waiting},
    shared::{InForce, Shared},
    tls::TlsError,
};
use crate::{
    config::{Gateway, Listener, ListenerAddress},
    observe::{LogQueue, Metrics, RequestIds},
    remote::{Found, LimitStateFile},
    state::State,
    time::Now,
};
use arc_swap::ArcSwap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{fmt, io, path::PathBuf, sync::Arc, sync::mpsc, thread, time::Duration};
use tokio::{
    runtime,
    sync::{Mutex, oneshot, watch},
};

/// Bytes of log lines that may wait to be written.
const LOG_QUEUE: usize = 8 * 1024 * 1024;
/// At the end of the process, the log's writer has this long for what waits.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// And the quotas' state this long to be written a last time.
const LAST_STATE: Duration = Duration::from_secs(10);

/// Why the gateway does not start.
#[derive(Debug)]
pub enum RunError {
    /// An address cannot be bound.
    Bind(ListenerAddress, io::Error),
    /// TLS of a listener cannot be set up.
    Tls(TlsError),
    /// `limits.state_file` is another process's, or is there and cannot be read.
    LimitState(PathBuf, io::Error),
    /// The log's file cannot be written.
    Log(PathBuf, io::Error),
    /// The operating system refuses a thread, a file descriptor or random numbers.
    System(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(formatter, "{address} is already in use: stop what listens there, or choose another address")
            }
            Self::Bind(address, error) => write!(formatter, "cannot listen on {address}: {error}"),
            Self::Tls(error) => write!(formatter, "{error}"),
            Self::LimitState(path, error) if error.kind() == io::ErrorKind::WouldBlock => write!(
                formatter,
                "{} is in use by another gateway that runs: stop that one, or give this one a `limits.state_file` of its own",
                path.display()
            ),
            Self::LimitState(path, error) => write!(formatter, "cannot read the state of quotas in {}: {error}", path.display()),
            Self::Log(path, error) => write!(formatter, "cannot write the log to {}: {error}", path.display()),
            Self::System(error) => write!(formatter, "{error}"),
        }
    }
}

impl std::error::Error for RunError {}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Now; what is in flight is cut.
    AtOnce,
    /// Not ready, then not accepting, then done with what is in flight.
    Gracefully,
}

/// A gateway that serves.
pub struct Running {
    shared: Arc<Shared>,
    /// What is read again by a reload.
    file: Option<PathBuf>,
    connections: Arc<Connections>,
    stop_accepting: watch::Sender<bool>,
    /// Never sent on: the admin listener answers until the process ends.
    _never: watch::Sender<bool>,
    doors: Doors,
    names: NameTask,
    log: LogSettings,
    reload_queue: Mutex<ReloadQueue>,
    /// Says that the log is written to its end.
    log_written: mpsc::Receiver<()>,
    /// Where each listener is bound, as `http://127.0.0.1:8080`, in the order of the configuration.
    pub addresses: Vec<String>,
    /// Where the admin listener is bound.
    pub admin_address: String,
}

/// Starts a gateway, which reloads `file`. Must be called inside a runtime, which then carries the admin listener and what runs in
/// the background.
///
/// # Errors
/// Nothing is left running when it fails before the workers start: a bad address, certificate or lack of resources.
pub fn start(mut gateway: Gateway, clock: Clock, file: Option<PathBuf>) -> Result<Running, RunError> {
    let (sockets, admin_socket) = bind(&mut gateway)?;
    let tls = PreparedTls::read(&gateway).map_err(RunError::Tls)?;
    logger::try_output(&gateway.log.output).map_err(|(path, error)| RunError::Log(path.to_owned(), error))?;
    let queue = Arc::new(LogQueue::new(LOG_QUEUE));
    let log = logger::install(&queue, &gateway.log, clock);
    let log_written = log.spawn_writer().map_err(RunError::System)?;
    let (shared, mut reload_queue) = share(gateway, queue, clock)?;
    if file.is_none() {
        reload_queue.close();
    }
    let gateway = shared.gateway.load_full();
    let (stop_accepting, shutdown) = watch::channel(false);
    let bounds = ConnectionBounds::new(&gateway, open_files());
    log::info!(target: "listeners", "at most {} connections, {} of one address", bounds.all, bounds.address);
    let connections = Connections::new(bounds, shared.metrics.connections.clone(), shared.metrics.connections_refused.clone());
    let doors = Doors::new(&shared, &gateway, &tls);
    for worker in 0..gateway.server.threads {
        let mut accepted = Vec::new();
        for (socket, door) in sockets.iter().zip(doors.all()) {
            let (shutdown, connections) = (shutdown.clone(), Arc::clone(&connections));
            let serving = Serving { door: Arc::clone(door), shutdown, clock, connections };
            accepted.push((socket.copy().map_err(RunError::System)?, serving));
        }
        spawn_worker(worker, clock, accepted).map_err(RunError::System)?;
    }
    let admin_address = format!("http://{}", admin_socket.local());
    let (never, admin_shutdown) = watch::channel(false);
    background::spawn(&shared, admin_socket, admin_shutdown);
    Ok(Running {
        names: NameTask::spawn(&gateway.upstreams),
        addresses: gateway.listeners.iter().zip(&sockets).map(|(listener, socket)| url(listener, socket)).collect(),
        shared,
        file,
        connections,
        stop_accepting,
        _never: never,
        doors,
        log,
        reload_queue: Mutex::new(reload_queue),
        log_written,
        admin_address,
    })
}

impl Running {
    /// The log output is opened again: log rotation.
    pub fn reopen_log(&self) {
        self.shared.log.reopen();
    }

    /// Those who ask for a reload at the admin listener, once somebody does. May be dropped at any point.
    pub async fn reload_asked(&self) -> Waiting {
        self.reload_queue.lock().await.next().await
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// What is not asked for by each request follows a configuration that was taken up.
    pub(super) fn follow(&self, next: &InForce, tls: &PreparedTls) {
        self.connections.follow(ConnectionBounds::new(next, open_files()));
        self.doors.follow(next, tls, &self.shared.metrics);
        self.names.follow(&next.upstreams);
        self.log.follow(&next.log);
    }

    /// Ends the gateway; what is logged is written before this returns.
    pub async fn stop(mut self, how: Stop) {
        self.reload_queue.get_mut().close();
        if how == Stop::Gracefully {
            self.drain().await;
        }
        // Requests that are cut may still be counted; a second's loss is what a kill costs, too.
        self.keep_limit_state().await;
        self.shared.log.close();
        // Somebody may have stopped reading the log: the process does not wait for ever to be heard.
        let _ = self.log_written.recv_timeout(LAST_WORDS);
    }

    /// Writes the quotas' state a last time, on a thread that the end of the process does not wait for: a disk may hang.
    async fn keep_limit_state(&self) {
        let (kept, is_kept) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let write = move || {
            shared.keep_limit_state();
            // Nobody may be waiting any more.
            let _ = kept.send(());
        };
        let written = thread::Builder::new().name("state".to_owned()).spawn(write);
        if written.is_err() || tokio::time::timeout(LAST_STATE, is_kept).await.is_err() {
            log::error!(target: "limits", "the quotas' state could not be written a last time");
        }
    }

    /// Readiness falls first; after `drain_delay` the listeners close and idle connections with them; what is in flight has
    /// `drain_timeout`, and the process does not wait longer than needed.
    async fn drain(&self) {
        let gateway = self.shared.gateway.load_full();
        self.shared.state.start_draining();
        log::info!(target: "gateway", "draining");
        tokio::time::sleep(gateway.server.drain_delay).await;
        // The receivers live as long as the workers.
        let _ = self.stop_accepting.send(true);
        self.doors.close_connections().await;
        if tokio::time::timeout(gateway.server.drain_timeout, self.connections.all_gone()).await.is_err() {
            log::warn!(target: "gateway", "drain_timeout is over: requests in flight are cut");
        }
        log::info!(target: "gateway", "stopped");
    }
}

/// How many files the process may have open: as many as the system lets it ask for.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    limit.unwrap_or(u64::MAX)
}

/// All sockets, before anything else; port 0 in the configuration becomes what the system chose, for redirects and metrics too.
fn bind(gateway: &mut Gateway) -> Result<(Vec<Bound>, Bound), RunError> {
    let bind = |address: &ListenerAddress| Bound::bind(address).map_err(|error| RunError::Bind(address.clone(), error));
    let sockets = gateway.listeners.iter().map(|listener| bind(&listener.address)).collect::<Result<Vec<_>, _>>()?;
    let admin_socket = bind(&gateway.admin.address)?;
    let addresses = gateway.listeners.iter_mut().map(|listener| &mut listener.address).chain([&mut gateway.admin.address]);
    for (address, socket) in addresses.zip(sockets.iter().chain([&admin_socket])) {
        if let Some(bound) = socket.tcp_address() {
            *address = ListenerAddress::Tcp(bound);
        }
    }
    Ok((sockets, admin_socket))
}

fn url(listener: &Listener, socket: &Bound) -> String {
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", socket.local())
}

/// Also what the unit tests of this folder begin with.
pub(super) fn share(gateway: Gateway, log: Arc<LogQueue>, clock: Clock) -> Result<(Arc<Shared>, ReloadQueue), RunError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|error| RunError::System(io::Error::other(error.to_string())))?;
    let key = std::array::from_fn(|word| seed[word * 8..word * 8 + 8].iter().fold(0u64, |key, byte| key << 8 | u64::from(*byte)));
    let now = clock.now();
    let (state, limit_state) = restore(&gateway, now)?;
    let metrics = Arc::new(Metrics::new(now));
    let (reloads, reload_queue) = ReloadDesk::new();
    let shared = Shared {
        state,
        limit_state,
        keys: Arc::new(key_fetcher(&gateway, &metrics, clock)),
        gateway: ArcSwap::from_pointee(InForce::new(gateway, &metrics, 1)),
        metrics,
        clock,
        log,
        ids: RequestIds::new(key),
        reloads,
    };
    Ok((Arc::new(shared), reload_queue))
}

/// The state of a start: empty but for the quotas that were kept.
fn restore(gateway: &Gateway, now: Now) -> Result<(State, Option<LimitStateFile>), RunError> {
    let Some(path) = gateway.state_file.clone() else { return Ok((State::new(gateway), None)) };
    let unusable = |error| RunError::LimitState(path.clone(), error);
    let file = LimitStateFile::take(path.clone()).map_err(unusable)?;
    let found = file.read().map_err(unusable)?;
    let state = match &found {
        Found::Kept(kept) => State::restored(gateway, kept, now),
        Found::Nothing | Found::Damaged(..) => State::new(gateway),
    };
    let level = if matches!(found, Found::Damaged(..)) { log::Level::Error } else { log::Level::Info };
    log::log!(target: "limits", level, "{}: {found}", path.display());
    Ok((state, Some(file)))
}

fn spawn_worker(number: usize, clock: Clock, sockets: Vec<(Bound, Serving<App>)>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        runtime.block_on(async {
            for (socket, serving) in sockets {
                drop(tokio::spawn(async move {
                    if let Err(error) = accept(socket, serving).await {
                        log::error!(target: "listeners", "a listener cannot be used: {error}");
                    }
                }));
            }
            // Connections outlive the listeners; the process' end ends this thread.
            idle::sweep(clock).await;
        });
    })?;
    Ok(())
}
