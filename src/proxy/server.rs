//! The process: sockets first, then the workers, then what runs beside them; and its end, graceful or at once.
//!
//! Each worker is one thread with a runtime of its own; all accept from the same sockets. Work is never moved between workers:
//! stealing costs 10 to 16 % of the time of a request here, and a connection's data stay in one core's cache.

use super::{
    Clock,
    background::{self, NameTask},
    connections::{ConnectionBounds, Connections},
    entrance::{App, Doors, PreparedTls},
    idle,
    listeners::{Bound, Serving, accept},
    logger::LogSettings,
    prepared::{Prepared, share},
    reload::{ReloadQueue, Waiting},
    shared::{InForce, Shared},
    tls::TlsError,
    upgrade::{self, Heir, Sockets},
};
use crate::config::{Gateway, Listener, ListenerAddress};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{fmt, fs::File, io, path::PathBuf, sync::Arc, sync::mpsc, thread, time::Duration};
use tokio::{
    runtime,
    sync::{Mutex, oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};

/// Tasks after which a worker looks for what has come.
const EVENT_INTERVAL: u32 = 8;
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
    /// There is nothing to take over.
    Upgrade(PathBuf, io::Error),
    /// To take over now would be an outage: no issuer has keys.
    NoKeys,
    /// The operating system refuses a thread, a file descriptor or random numbers.
    System(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(formatter, "{address} is already in use: stop what listens there, or choose another address")
            }
            Self::Bind(address, error) => {
                write!(formatter, "cannot listen on {address}: {error}: {}", bind_remedy(address, error.kind()))
            }
            Self::Tls(error) => write!(formatter, "{error}"),
            Self::LimitState(path, error) if error.kind() == io::ErrorKind::WouldBlock => write!(
                formatter,
                "{} is in use by another gateway that runs: stop that one, or give this one a `limits.state_file` of its own",
                path.display()
            ),
            Self::LimitState(path, error) => write!(formatter, "cannot read the state of quotas in {}: {error}", path.display()),
            Self::Log(path, error) => write!(formatter, "cannot write the log to {}: {error}", path.display()),
            Self::Upgrade(path, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(formatter, "another process already waits at {} to take over: end one of them", path.display())
            }
            Self::Upgrade(path, error) => {
                write!(formatter, "cannot wait at {} (`server.upgrade_socket`) to take over: {error}", path.display())
            }
            Self::NoKeys => {
                formatter.write_str("no issuer has keys, so that every request would be refused: nothing is taken over")
            }
            Self::System(error) => write!(formatter, "{error}"),
        }
    }
}

impl std::error::Error for RunError {}

impl RunError {
    /// Whether what is written is wrong on this machine, whatever else runs on it and as whom.
    #[must_use]
    pub fn is_written_wrong(&self) -> bool {
        matches!(self, Self::Bind(_, error) if error.kind() == io::ErrorKind::AddrNotAvailable)
    }
}

fn bind_remedy(address: &ListenerAddress, kind: io::ErrorKind) -> &'static str {
    match (address, kind) {
        (_, io::ErrorKind::AddrNotAvailable) => {
            "write an address of this machine (`ip address` lists them), or for a listener 0.0.0.0 or [::], which is all of them"
        }
        (ListenerAddress::Tcp(_), io::ErrorKind::PermissionDenied) => {
            "write a port from 1024 on, or let the process have the capability CAP_NET_BIND_SERVICE"
        }
        (ListenerAddress::Unix(_), io::ErrorKind::PermissionDenied) => "let the gateway's user write to the socket's folder",
        (_, _) => "choose another address",
    }
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Now; what is in flight is cut.
    AtOnce,
    /// Not ready, then not accepting, then done with what is in flight.
    Gracefully,
    /// The same for a process whose listeners another one serves: it has nobody to wait for but who is connected.
    HandedOver,
}

/// A gateway that serves.
pub struct Running {
    shared: Arc<Shared>,
    /// What is read again by a reload.
    file: Option<PathBuf>,
    /// For who takes over; none once this one accepts no more, or they would go on listening.
    sockets: Option<Sockets>,
    connections: Arc<Connections>,
    stop_accepting: watch::Sender<bool>,
    /// The admin listener answers until the process ends, or until another process answers there.
    admin_stops: watch::Sender<bool>,
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
    /// How many connections there may be, as it was at the start.
    pub connection_bounds: ConnectionBounds,
}

/// Starts a gateway, which reloads `file`. Must be called inside a runtime, which then carries the admin listener and what runs in
/// the background.
///
/// # Errors
/// Nothing is left running when it fails before the workers start: a bad address, certificate or lack of resources.
pub fn start(gateway: Gateway, clock: Clock, file: Option<PathBuf>) -> Result<Running, RunError> {
    let bind = |address: &ListenerAddress| Bound::bind(address);
    let sockets = Sockets::find(&gateway, bind).map_err(|(address, error)| RunError::Bind(address, error))?;
    serve(Prepared::new(gateway, clock)?, sockets, None, file)
}

/// Starts a gateway with the listeners of the process that runs, once that process is told to give them; addresses that it does not
/// have are bound. Until then nothing of it is touched, and keys are fetched meanwhile. Must be called inside a runtime; may be
/// dropped while it waits.
///
/// # Errors
/// As of [`start`], and when no issuer has keys: the other process goes on.
pub async fn take_over(gateway: Gateway, clock: Clock, file: PathBuf) -> Result<Running, RunError> {
    let prepared = Prepared::new(gateway, clock)?;
    let path = prepared.gateway.server.upgrade_socket.clone();
    let heir = Heir::wait_at(&path).map_err(|error| RunError::Upgrade(path.clone(), error))?;
    prepared.await_keys().await?;
    log::info!(target: "upgrade", "waiting at {} for what runs to be told (SIGQUIT) to hand over", path.display());
    let mut given = heir.receive().await.map_err(|error| RunError::Upgrade(path.clone(), error))?;
    let find = |address: &ListenerAddress| given.take(address).map_or_else(|| Bound::bind(address), Ok);
    let sockets = Sockets::find(&prepared.gateway, find).map_err(|(address, error)| RunError::Bind(address, error))?;
    let lock = given.lock.take();
    let running = serve(prepared, sockets, lock, Some(file))?;
    log::info!(target: "upgrade", "taken over");
    // One that is gone by now accepts nothing either.
    drop(given.serves());
    Ok(running)
}

fn serve(mut prepared: Prepared, sockets: Sockets, lock: Option<File>, file: Option<PathBuf>) -> Result<Running, RunError> {
    sockets.name(&mut prepared.gateway).map_err(RunError::System)?;
    let (clock, tls) = (prepared.clock, prepared.tls);
    let (shared, mut reload_queue) = share(prepared.gateway, prepared.queue, prepared.keys, clock, lock)?;
    if file.is_none() {
        reload_queue.close();
    }
    let gateway = shared.gateway.load_full();
    let (stop_accepting, shutdown) = watch::channel(false);
    let bounds = ConnectionBounds::new(&gateway, open_files());
    let connections = Connections::new(bounds, shared.metrics.connections.clone(), shared.metrics.connections_refused.clone());
    let doors = Doors::new(&shared, &gateway, &tls);
    for worker in 0..gateway.server.threads {
        let mut accepted = Vec::new();
        for (socket, door) in sockets.listeners.iter().zip(doors.all()) {
            let (shutdown, connections) = (shutdown.clone(), Arc::clone(&connections));
            let serving = Serving { door: Arc::clone(door), shutdown, clock, connections };
            accepted.push((socket.copy().map_err(RunError::System)?, serving));
        }
        spawn_worker(worker, clock, accepted).map_err(RunError::System)?;
    }
    let (admin_stops, admin_shutdown) = watch::channel(false);
    background::spawn(&shared, sockets.admin.copy().map_err(RunError::System)?, admin_shutdown);
    Ok(Running {
        names: NameTask::spawn(&gateway.upstreams),
        addresses: gateway.listeners.iter().map(url).collect(),
        admin_address: format!("http://{}", gateway.admin.address),
        connection_bounds: bounds,
        shared,
        file,
        sockets: Some(sockets),
        connections,
        stop_accepting,
        admin_stops,
        doors,
        log: prepared.log,
        reload_queue: Mutex::new(reload_queue),
        log_written: prepared.log_written,
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

    /// Gives the listeners and the quotas' state to the process that waits for them, and returns once it serves. Then this one is to be
    /// stopped as [`Stop::HandedOver`]; should it fail, or be dropped, nothing has changed.
    ///
    /// # Errors
    /// Why nobody has taken over.
    pub async fn hand_over(&self) -> io::Result<()> {
        let path = self.shared.gateway.load().server.upgrade_socket.clone();
        log::info!(target: "upgrade", "handing over at {}", path.display());
        let heir = upgrade::find(&path).await?;
        let on_its_way = OnItsWay(Some(&self.shared));
        let shared = Arc::clone(&self.shared);
        let lock = timeout(LAST_STATE, spawn_blocking(move || shared.give_limit_state())).await???;
        let sockets = self.sockets.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        upgrade::give(heir, sockets, lock).await?;
        on_its_way.arrived();
        Ok(())
    }

    /// Ends the gateway; what is logged is written before this returns.
    pub async fn stop(mut self, how: Stop) {
        self.reload_queue.get_mut().close();
        match how {
            Stop::AtOnce => {}
            Stop::Gracefully => {
                let delay = self.shared.gateway.load().server.drain_delay;
                self.drain(delay).await;
            }
            Stop::HandedOver => {
                // The receiver lives as long as the listener.
                let _ = self.admin_stops.send(true);
                self.drain(Duration::ZERO).await;
            }
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
        if written.is_err() || timeout(LAST_STATE, is_kept).await.is_err() {
            log::error!(target: "limits", "the quotas' state could not be written a last time");
        }
    }

    /// Readiness falls first; after `drain_delay` the listeners close and idle connections with them; what is in flight has
    /// `drain_timeout`, and the process does not wait longer than needed.
    async fn drain(&mut self, delay: Duration) {
        let gateway = self.shared.gateway.load_full();
        self.shared.state.start_draining();
        log::info!(target: "gateway", "draining");
        tokio::time::sleep(delay).await;
        // The receivers live as long as the workers.
        let _ = self.stop_accepting.send(true);
        self.sockets = None;
        self.doors.close_connections().await;
        if timeout(gateway.server.drain_timeout, self.connections.all_gone()).await.is_err() {
            log::warn!(target: "gateway", "drain_timeout is over: requests in flight are cut");
        }
        log::info!(target: "gateway", "stopped");
    }
}

/// The quotas' state while it is given away: written again when nobody has taken it.
struct OnItsWay<'a>(Option<&'a Shared>);

impl OnItsWay<'_> {
    fn arrived(mut self) {
        self.0 = None;
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.0.and_then(|shared| shared.limit_state.as_ref()) {
            file.take_back();
        }
    }
}

/// How many files the process may have open: as many as the system lets it ask for.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    limit.unwrap_or(u64::MAX)
}

fn url(listener: &Listener) -> String {
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", listener.address)
}

fn spawn_worker(number: usize, clock: Clock, sockets: Vec<(Bound, Serving<App>)>) -> io::Result<()> {
    // More often than is usual (61): in a flood each task is a whole request, and what has come meanwhile is not even in the queue.
    let runtime = runtime::Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
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
