//! What a gateway needs before it has sockets: TLS, the log, the keys of the issuers; and what is shared once it has them.

use super::{
    Clock,
    background::key_fetcher,
    entrance::PreparedTls,
    logger::{self, LogSettings},
    reload::{ReloadDesk, ReloadQueue},
    server::RunError,
    shared::{InForce, Shared},
};
use crate::{
    config::Gateway,
    observe::{LimitedUsers, LogQueue, Metrics, RequestIds},
    remote::{Found, KeyFetcher, LimitStateFile},
    state::State,
    time::Now,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::{
    fs::File,
    io,
    sync::{Arc, mpsc},
};

/// Bytes of log lines that may wait to be written.
const LOG_QUEUE: usize = 8 * 1024 * 1024;

/// A gateway that can serve as soon as it has sockets.
pub(super) struct Prepared {
    pub gateway: Gateway,
    pub tls: PreparedTls,
    pub queue: Arc<LogQueue>,
    pub log: LogSettings,
    /// Says that the log is written to its end.
    pub log_written: mpsc::Receiver<()>,
    pub keys: Keys,
    pub clock: Clock,
}

/// The keys of the issuers, and where fetches are counted.
pub(super) struct Keys {
    metrics: Arc<Metrics>,
    fetcher: Arc<KeyFetcher>,
}

impl Keys {
    /// Not fetched yet.
    pub fn new(gateway: &Gateway, clock: Clock) -> Self {
        let metrics = Arc::new(Metrics::new(clock.now()));
        Self { fetcher: Arc::new(key_fetcher(gateway, &metrics, clock)), metrics }
    }
}

impl Prepared {
    /// Everything that can fail but the sockets. Keys are fetched from now on. Must be called inside a runtime.
    ///
    /// # Errors
    /// A bad certificate, a log that cannot be written, a lack of resources.
    pub fn new(gateway: Gateway, clock: Clock) -> Result<Self, RunError> {
        let tls = PreparedTls::read(&gateway).map_err(RunError::Tls)?;
        logger::try_output(&gateway.log.output).map_err(|(path, error)| RunError::Log(path.to_owned(), error))?;
        let queue = Arc::new(LogQueue::new(LOG_QUEUE));
        let log = logger::install(&queue, &gateway.log, clock);
        let log_written = log.spawn_writer().map_err(RunError::System)?;
        let keys = Keys::new(&gateway, clock);
        let fetcher = Arc::clone(&keys.fetcher);
        drop(tokio::spawn(async move { fetcher.run().await }));
        Ok(Self { gateway, tls, queue, log, log_written, keys, clock })
    }

    /// Waits until each issuer has keys or its `fetch_timeout` is over.
    ///
    /// # Errors
    /// None has any.
    pub async fn await_keys(&self) -> Result<(), RunError> {
        let issuers = self.gateway.auth.authenticator.issuers();
        for issuer in issuers.iter().filter(|issuer| issuer.keys.is_empty()) {
            self.keys.fetcher.await_keys(issuer).await;
        }
        if issuers.iter().all(|issuer| issuer.keys.is_empty()) { Err(RunError::NoKeys) } else { Ok(()) }
    }
}

/// What all connections share. Also what the unit tests of this folder begin with.
///
/// # Errors
/// No random numbers; a state of quotas that another process has, or that cannot be read.
pub(super) fn share(
    gateway: Gateway,
    log: Arc<LogQueue>,
    Keys { metrics, fetcher }: Keys,
    clock: Clock,
    lock: Option<File>,
) -> Result<(Arc<Shared>, ReloadQueue), RunError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|error| RunError::System(io::Error::other(error.to_string())))?;
    let key = std::array::from_fn(|word| seed[word * 8..word * 8 + 8].iter().fold(0u64, |key, byte| key << 8 | u64::from(*byte)));
    let (state, limit_state) = restore(&gateway, clock.now(), lock)?;
    let (reloads, reload_queue) = ReloadDesk::new();
    let shared = Shared {
        state,
        limit_state,
        keys: fetcher,
        gateway: ArcSwap::from_pointee(InForce::new(gateway, &metrics, 1)),
        metrics,
        clock,
        log,
        ids: RequestIds::new(key),
        reloads,
        last_reload: ArcSwapOption::empty(),
        limited: LimitedUsers::default(),
    };
    Ok((Arc::new(shared), reload_queue))
}

/// The state of a start: empty but for the quotas that were kept, under the lock of the process before if it gave one.
fn restore(gateway: &Gateway, now: Now, lock: Option<File>) -> Result<(State, Option<LimitStateFile>), RunError> {
    let Some(path) = gateway.state_file.clone() else { return Ok((State::new(gateway), None)) };
    let unusable = |error| RunError::LimitState(path.clone(), error);
    let inherited = match lock {
        Some(lock) => LimitStateFile::inherit(&path, lock).map_err(unusable)?,
        None => None,
    };
    let file = inherited.map_or_else(|| LimitStateFile::take(path.clone()).map_err(unusable), Ok)?;
    let found = file.read().map_err(unusable)?;
    let state = match &found {
        Found::Kept(kept) => State::restored(gateway, kept, now),
        Found::Nothing | Found::Damaged(..) => State::new(gateway),
    };
    let level = if matches!(found, Found::Damaged(..)) { log::Level::Error } else { log::Level::Info };
    log::log!(target: "limits", level, "{}: {found}", path.display());
    Ok((state, Some(file)))
}
