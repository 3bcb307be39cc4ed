//! The process: sockets first, then the workers, then what runs beside them; and its end, graceful or at once.
//!
//! Each worker is one thread with a runtime of its own; all accept from the same sockets. Work is never moved between workers:
//! stealing costs 10 to 16 % of the time of a request here, and a connection's data stay in one core's cache.

use super::{
    Clock, idle,
    listeners::{Bound, Connections, Serving, accept},
    logger,
    phases::Phases,
    shared::Shared,
    tls::{TlsError, server_config},
};
use crate::{
    admin::Admin,
    auth::IssuerIndex,
    config::{Gateway, Listener, ListenerAddress, LogOutput},
    observe::{LogQueue, LogWriter, Metrics, RequestIds},
    remote::{KeyFetcher, OnFetch, resolve_names},
    state::State,
};
use arc_swap::ArcSwap;
use pingora_core::{
    apps::{HttpServerApp, HttpServerOptions, http_app::HttpServer},
    connectors::{ConnectorOptions, TransportConnector},
    listeners::tls::Acceptor,
    protocols::http::v2::server::default_h2_options,
    server::configuration::ServerConf,
};
use pingora_proxy::HttpProxy;
use std::{fmt, io, sync::Arc, sync::mpsc, thread, time::Duration};
use tokio::{runtime, sync::watch};

/// Bytes of log lines that may wait to be written.
const LOG_QUEUE: usize = 8 * 1024 * 1024;
/// At the end of the process, the log's writer has this long for what waits.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Idle connections kept to the servers.
const UPSTREAM_POOL: usize = 1024;
/// Between two sweeps of all buckets; one of a million buckets takes 4 ms when all stay, 13 ms when all go.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Why the gateway does not start.
#[derive(Debug)]
pub enum RunError {
    /// An address cannot be bound.
    Bind(ListenerAddress, io::Error),
    /// TLS of a listener cannot be set up.
    Tls(TlsError),
    /// The log's file cannot be written.
    Log(std::path::PathBuf, io::Error),
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
    connections: Arc<Connections>,
    stop_accepting: watch::Sender<bool>,
    /// Never sent on: the admin listener answers until the process ends.
    _never: watch::Sender<bool>,
    proxies: Vec<Arc<HttpProxy<Phases>>>,
    /// Says that the log is written to its end.
    log_written: mpsc::Receiver<()>,
    /// Where each listener is bound, as `http://127.0.0.1:8080`, in the order of the configuration.
    pub addresses: Vec<String>,
    /// Where the admin listener is bound.
    pub admin_address: String,
}

/// Starts a gateway. Must be called inside a runtime, which then carries the admin listener and what runs in the background.
///
/// # Errors
/// Nothing is left running when it fails before the workers start: a bad address, certificate or lack of resources.
pub fn start(mut gateway: Gateway, clock: Clock) -> Result<Running, RunError> {
    let bind = |address: &ListenerAddress| Bound::bind(address).map_err(|error| RunError::Bind(address.clone(), error));
    let sockets = gateway.listeners.iter().map(|listener| bind(&listener.address)).collect::<Result<Vec<_>, _>>()?;
    let admin_socket = bind(&gateway.admin.address)?;
    for (listener, socket) in gateway.listeners.iter_mut().zip(&sockets) {
        // Port 0 is what the system chose, for redirects and metrics too. Nobody shares the configuration yet.
        if let Some(address) = socket.tcp_address() {
            listener.address = ListenerAddress::Tcp(address);
        }
    }
    let metrics = Metrics::new(&gateway, clock.now());
    let acceptors = gateway.listeners.iter().map(|listener| acceptor(listener, &metrics)).collect::<Result<Vec<_>, _>>()?;
    let queue = Arc::new(LogQueue::new(LOG_QUEUE));
    logger::install(Arc::clone(&queue), gateway.log.format, gateway.log.level, clock);
    let log_written = spawn_log_writer(&queue, gateway.log.output.clone())?;
    let shared = share(gateway, metrics, queue, clock)?;
    let (stop_accepting, shutdown) = watch::channel(false);
    let connections = Connections::new(shared.metrics.connections.clone());
    let gateway = shared.gateway.load_full();
    let proxies = Proxies::new(&shared);
    let addresses = gateway.listeners.iter().zip(&sockets).map(|(listener, socket)| url(listener, socket)).collect();
    for worker in 0..gateway.server.threads {
        let mut accepted = Vec::new();
        for ((listener, socket), tls) in gateway.listeners.iter().zip(&sockets).zip(&acceptors) {
            let serving = Serving {
                app: proxies.of(listener),
                tls: tls.clone(),
                shutdown: shutdown.clone(),
                clock,
                connections: Arc::clone(&connections),
            };
            accepted.push((socket.copy().map_err(RunError::System)?, serving));
        }
        spawn_worker(worker, clock, accepted).map_err(RunError::System)?;
    }
    let admin_address = format!("http://{}", admin_socket.local());
    let (never, admin_shutdown) = watch::channel(false);
    spawn_background(&shared, &gateway, admin_socket, admin_shutdown);
    Ok(Running {
        shared,
        connections,
        stop_accepting,
        _never: never,
        proxies: proxies.all(),
        log_written,
        addresses,
        admin_address,
    })
}

impl Running {
    /// The log output is opened again: log rotation.
    pub fn reopen_log(&self) {
        self.shared.log.reopen();
    }

    /// Ends the gateway; what is logged is written before this returns.
    pub async fn stop(self, how: Stop) {
        if how == Stop::Gracefully {
            self.drain().await;
        }
        self.shared.log.close();
        // Somebody may have stopped reading the log: the process does not wait for ever to be heard.
        let _ = self.log_written.recv_timeout(LAST_WORDS);
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
        for proxy in &self.proxies {
            proxy.http_cleanup().await;
        }
        if tokio::time::timeout(gateway.server.drain_timeout, self.connections.all_gone()).await.is_err() {
            log::warn!(target: "gateway", "drain_timeout is over: requests in flight are cut");
        }
        log::info!(target: "gateway", "stopped");
    }
}

/// The proxies of the three kinds of listeners; listeners of a kind share connections to the servers.
struct Proxies {
    plain: Arc<HttpProxy<Phases>>,
    http2: Arc<HttpProxy<Phases>>,
    redirect: Arc<HttpProxy<Phases>>,
}

impl Proxies {
    fn new(shared: &Arc<Shared>) -> Self {
        let connector = Arc::new(TransportConnector::new(Some(ConnectorOptions::from_server_conf(&ServerConf {
            upstream_keepalive_pool_size: UPSTREAM_POOL,
            ..ServerConf::default()
        }))));
        let proxy = |http2, redirect_only| proxy(shared, &connector, http2, redirect_only);
        Self { plain: proxy(false, false), http2: proxy(true, false), redirect: proxy(true, true) }
    }

    fn of(&self, listener: &Listener) -> Arc<HttpProxy<Phases>> {
        Arc::clone(match (listener.redirect_https, listener.http2) {
            (true, _) => &self.redirect,
            (false, true) => &self.http2,
            (false, false) => &self.plain,
        })
    }

    fn all(self) -> Vec<Arc<HttpProxy<Phases>>> {
        vec![self.plain, self.http2, self.redirect]
    }
}

fn proxy(shared: &Arc<Shared>, connector: &Arc<TransportConnector>, http2: bool, redirect_only: bool) -> Arc<HttpProxy<Phases>> {
    let gateway = shared.gateway.load();
    let most_retries = gateway.upstreams.0.iter().map(|upstream| upstream.settings.retries).max().unwrap_or(0);
    let conf = ServerConf {
        threads: gateway.server.threads,
        // The framework counts attempts.
        max_retries: most_retries as usize + 1,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        ..ServerConf::default()
    };
    let phases = Phases { shared: Arc::clone(shared), redirect_only, connector: Arc::clone(connector) };
    let mut proxy = HttpProxy::new(phases, Arc::new(conf));
    proxy.handle_init_modules();
    let mut options = HttpServerOptions::default();
    options.h2c = http2;
    options.h2_idle_timeout = Some(gateway.bounds.idle_timeout);
    proxy.server_options = Some(options);
    let mut h2 = default_h2_options();
    h2.max_concurrent_streams(gateway.bounds.h2_streams);
    h2.max_header_list_size(u32::try_from(gateway.bounds.headers.saturating_mul(2)).unwrap_or(u32::MAX));
    proxy.h2_options = Some(h2);
    Arc::new(proxy)
}

fn acceptor(listener: &Listener, metrics: &Metrics) -> Result<Option<Arc<Acceptor>>, RunError> {
    let Some(tls) = &listener.tls else { return Ok(None) };
    let (config, ends) = server_config(tls, listener.http2).map_err(RunError::Tls)?;
    metrics.certificate_ends(&listener.address, ends);
    Ok(Some(Arc::new(Acceptor::from_server_config(config))))
}

fn url(listener: &Listener, socket: &Bound) -> String {
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", socket.local())
}

fn share(gateway: Gateway, metrics: Metrics, log: Arc<LogQueue>, clock: Clock) -> Result<Arc<Shared>, RunError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|error| RunError::System(io::Error::other(error.to_string())))?;
    let key = std::array::from_fn(|word| seed[word * 8..word * 8 + 8].iter().fold(0u64, |key, byte| key << 8 | u64::from(*byte)));
    let metrics = Arc::new(metrics);
    let now: crate::remote::Clock = Arc::new(move || clock.now());
    let counting = Arc::clone(&metrics);
    let issuers: Vec<String> = gateway.auth.authenticator.issuers().iter().map(|issuer| issuer.settings.issuer.clone()).collect();
    let count: OnFetch = Arc::new(move |issuer, result| {
        if let Some(index) = issuers.iter().position(|name| name == issuer) {
            counting.key_fetch(IssuerIndex(index), result, clock.now());
        }
    });
    let keys = Arc::new(KeyFetcher::new(&gateway.auth.authenticator, &now, &count));
    let state = State::new(&gateway);
    Ok(Arc::new(Shared { gateway: ArcSwap::from_pointee(gateway), state, metrics, keys, clock, log, ids: RequestIds::new(key) }))
}

fn spawn_log_writer(queue: &Arc<LogQueue>, output: LogOutput) -> Result<mpsc::Receiver<()>, RunError> {
    let append = |path: &std::path::Path| std::fs::OpenOptions::new().create(true).append(true).open(path);
    // Later failures are counted as dropped lines; one that is there from the start would leave no line at all.
    if let LogOutput::File(path) = &output {
        append(path).map_err(|error| RunError::Log(path.clone(), error))?;
    }
    let (written, log_written) = mpsc::channel();
    let queue = Arc::clone(queue);
    let open: LogWriter = Box::new(move || match &output {
        LogOutput::Stdout => Ok(Box::new(io::stdout())),
        LogOutput::File(path) => Ok(Box::new(append(path)?)),
    });
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            queue.run(open);
            // Nobody may be waiting for it.
            let _ = written.send(());
        })
        .map_err(RunError::System)?;
    Ok(log_written)
}

fn spawn_worker(number: usize, clock: Clock, sockets: Vec<(Bound, Serving<HttpProxy<Phases>>)>) -> io::Result<()> {
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

/// Admin listener, key fetches, name look-ups, sweeping.
fn spawn_background(shared: &Arc<Shared>, gateway: &Arc<Gateway>, admin: Bound, shutdown: watch::Receiver<bool>) {
    let app = Arc::new(HttpServer::new_app(Admin::new(Arc::clone(shared))));
    // It has no part in draining: probes and the last scrape are answered until the process ends.
    let serving = Serving { app, tls: None, shutdown, clock: shared.clock, connections: Connections::new(uncounted()) };
    drop(tokio::spawn(async move {
        if let Err(error) = accept(admin, serving).await {
            log::error!(target: "listeners", "the admin listener cannot be used: {error}");
        }
    }));
    let keys = Arc::clone(&shared.keys);
    drop(tokio::spawn(async move { keys.run().await }));
    drop(tokio::spawn(resolve_names(Arc::clone(gateway))));
    drop(tokio::spawn(sweep(Arc::clone(shared))));
}

fn uncounted() -> prometheus::IntGauge {
    prometheus::IntGauge::new("admin_connections", "Not registered.").expect("BUG: the name is a constant")
}

/// Forgets full buckets and keys whose time is over, on a thread that nothing else waits for: of many millions of buckets a sweep takes a while.
async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        let shared = Arc::clone(&shared);
        let sweep = move || {
            let (gateway, now) = (shared.gateway.load(), shared.clock.now());
            shared.state.limits.sweep(&gateway.limits, now);
            gateway.accept_own_keys(now);
        };
        if let Err(error) = tokio::task::spawn_blocking(sweep).await {
            log::error!(target: "limits", "a sweep of the buckets failed: {error}");
        }
    }
}
