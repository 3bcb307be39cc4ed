//! Keeps the issuers' keys fresh: fetches them at start, in the background, and when a request brings an unknown key.
//!
//! Invariants
//! - One task fetches for one issuer, so there is never a second fetch of it at the same time, and a dead issuer holds up no other.
//! - Only a whole, usable key set replaces the old one; after any failure the old set stays.
//! - Requests ask for at most one fetch per `refresh_cooldown`; nothing a client or a key server sends makes more.
//! - A fetch takes at most `fetch_timeout` in all and reads at most `jwks_size` bytes a document. Cache headers of the key server are not read.
//!
//! Not here: which key verifies what (`auth`), and whether the gateway is ready (`admin`).
use super::key_document::{FetchError, KeyDocument};
use crate::{
    auth::{Authenticator, Issuer, IssuerIndex, KeyRing, KeySet, KeySource, LeftOut},
    time::Now,
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How a fetch ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// A new key set is in place.
    Updated,
    /// The same keys as before.
    Unchanged,
    /// The old set stays.
    Failed,
}

impl FetchResult {
    /// Every result, for metrics made ahead.
    pub const ALL: [Self; 3] = [Self::Updated, Self::Unchanged, Self::Failed];

    /// Its name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// What is known about an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// When keys were last fetched, in seconds since 1970.
    pub last_success_unix_s: Option<u64>,
    /// Why the last fetch failed, if it did: printable, short, without secrets.
    pub last_error: Option<String>,
    /// Keys at this moment.
    pub keys: usize,
}

/// The moment, handed in.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;
/// Told of every fetch.
pub type OnFetch = Arc<dyn Fn(IssuerIndex, FetchResult) + Send + Sync>;

/// The keys of all issuers of one configuration.
pub struct KeyFetcher {
    /// By `IssuerIndex`.
    watched: Vec<Arc<Watched>>,
}

impl fmt::Debug for KeyFetcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyFetcher").field("issuers", &self.watched.len()).finish_non_exhaustive()
    }
}

impl KeyFetcher {
    /// Reads key files at once, so that their issuers are ready from the start; everything else waits for [`Self::run`].
    #[must_use]
    pub fn new(authenticator: &Authenticator, clock: &Clock, on_fetch: &OnFetch) -> Self {
        let watch = |(index, issuer)| Arc::new(Watched::new(IssuerIndex(index), issuer, Arc::clone(clock), Arc::clone(on_fetch)));
        let watched: Vec<Arc<Watched>> = authenticator.issuers().iter().enumerate().map(watch).collect();
        for issuer in &watched {
            if let Some(text) = issuer.source.read_at_once() {
                issuer.settle(text);
            }
        }
        Self { watched }
    }

    /// Fetches for as long as it is polled; dropping it ends all fetching. A second call does nothing.
    pub async fn run(&self) {
        let mut tasks = JoinSet::new();
        for issuer in &self.watched {
            if let Some(ends) = lock(&issuer.task_ends).take() {
                tasks.spawn(Arc::clone(issuer).keep_fresh(ends));
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Called for a request whose key is unknown: waits for the fetch under way, or for one that it starts, at most
    /// `fetch_timeout`. Returns at once when none is under way and the last one asked for is less than `refresh_cooldown` ago.
    /// May be dropped at any point.
    pub async fn await_keys(&self, issuer: IssuerIndex) {
        let Some(issuer) = self.watched.get(issuer.0) else { return };
        if let Some(mut finished) = issuer.under_way() {
            // Too late or given up: the request is judged by the keys of that moment.
            let _ = timeout(issuer.fetch_timeout, finished.changed()).await;
        }
    }

    /// How the issuer's keys are. Of an index that does not exist: no keys.
    #[must_use]
    pub fn status(&self, issuer: IssuerIndex) -> KeyStatus {
        let Some(issuer) = self.watched.get(issuer.0) else {
            return KeyStatus { last_success_unix_s: None, last_error: None, keys: 0 };
        };
        let progress = lock(&issuer.progress);
        KeyStatus {
            last_success_unix_s: progress.last_success_unix_s,
            last_error: progress.last_error.clone(),
            keys: issuer.keys.len(),
        }
    }
}

/// One issuer, shared by its task and the requests that wait for it.
struct Watched {
    index: IssuerIndex,
    name: String,
    keys: Arc<KeyRing>,
    source: KeyDocument,
    refresh: Duration,
    cooldown: Duration,
    fetch_timeout: Duration,
    clock: Clock,
    on_fetch: OnFetch,
    progress: Mutex<Progress>,
    /// Wakes the task.
    demand: watch::Sender<()>,
    /// Changes when a fetch ends; closed when the task is gone, which ends every wait.
    finished: watch::Receiver<()>,
    /// Taken by the task.
    task_ends: Mutex<Option<TaskEnds>>,
}

struct TaskEnds {
    demand: watch::Receiver<()>,
    finished: watch::Sender<()>,
}

#[derive(Default)]
struct Progress {
    /// From when a fetch is asked for or begun until it ends.
    fetching: bool,
    demanded_ns: Option<u64>,
    /// In a row.
    failures: u32,
    last_success_unix_s: Option<u64>,
    last_error: Option<String>,
}

impl Watched {
    fn new(index: IssuerIndex, issuer: &Issuer, clock: Clock, on_fetch: OnFetch) -> Self {
        let settings = &issuer.settings;
        let ((demand, demanded), (ended, finished)) = (watch::channel(()), watch::channel(()));
        // Own keys have no task: its ends are dropped, so that nobody waits for them.
        let own = matches!(settings.keys, KeySource::Own(_));
        let ends = (!own).then_some(TaskEnds { demand: demanded, finished: ended });
        Self {
            index,
            name: settings.issuer.clone(),
            keys: Arc::clone(&issuer.keys),
            source: KeyDocument::new(settings),
            refresh: settings.refresh,
            cooldown: settings.refresh_cooldown,
            fetch_timeout: settings.fetch_timeout,
            clock,
            on_fetch,
            progress: Mutex::default(),
            demand,
            finished,
            task_ends: Mutex::new(ends),
        }
    }

    /// The end of the fetch under way, after asking for one if it is time. The lock holds off both the task's beginning and
    /// its end, so that no end is missed and no fetch is asked for twice.
    fn under_way(&self) -> Option<watch::Receiver<()>> {
        let now_ns = (self.clock)().monotonic_ns;
        let mut progress = lock(&self.progress);
        let mut finished = self.finished.clone();
        finished.mark_unchanged();
        if progress.fetching {
            return Some(finished);
        }
        let since_ns = |demanded_ns| Duration::from_nanos(now_ns.saturating_sub(demanded_ns));
        if progress.demanded_ns.is_some_and(|demanded_ns| since_ns(demanded_ns) < self.cooldown) || self.demand.send(()).is_err()
        {
            return None;
        }
        progress.demanded_ns = Some(now_ns);
        progress.fetching = true;
        Some(finished)
    }

    /// The task: a fetch at once, then whenever it is time or asked for.
    async fn keep_fresh(self: Arc<Self>, mut ends: TaskEnds) {
        // A file was read when this was made.
        if !self.source.is_file() {
            self.fetch(&mut ends).await;
        }
        loop {
            let pause = self.pause();
            // The other end of the demand is in `self`: it does not close while this runs.
            tokio::select! {
                () = sleep(pause) => {}
                _ = ends.demand.changed() => {}
            }
            self.fetch(&mut ends).await;
        }
    }

    fn pause(&self) -> Duration {
        match lock(&self.progress).failures {
            0 => self.refresh,
            failures => retry_pause(failures, self.cooldown),
        }
    }

    async fn fetch(&self, ends: &mut TaskEnds) {
        {
            let mut progress = lock(&self.progress);
            progress.fetching = true;
            // Whoever asked until now gets this fetch.
            ends.demand.mark_unchanged();
        }
        let text = timeout(self.fetch_timeout, self.source.fetch()).await;
        self.settle(text.unwrap_or(Err(FetchError::TooLate(self.fetch_timeout))));
        let mut progress = lock(&self.progress);
        progress.fetching = false;
        ends.finished.send_replace(());
    }

    /// Puts good keys in place, and writes down how it went.
    fn settle(&self, text: Result<Vec<u8>, FetchError>) {
        let keys = text.and_then(|text| KeySet::parse(&text).map_err(FetchError::Keys));
        let result = match keys {
            Ok((set, left_out)) => self.put_in_place(set, &left_out),
            Err(error) => {
                let error = error.printable();
                log::warn!(target: "keys", "issuer {}: keys could not be fetched: {error}", self.name);
                let mut progress = lock(&self.progress);
                progress.failures = progress.failures.saturating_add(1);
                progress.last_error = Some(error);
                FetchResult::Failed
            }
        };
        (self.on_fetch)(self.index, result);
    }

    fn put_in_place(&self, set: KeySet, left_out: &[LeftOut]) -> FetchResult {
        let count = set.len();
        let changed = self.keys.replace(set);
        {
            let mut progress = lock(&self.progress);
            progress.failures = 0;
            progress.last_error = None;
            progress.last_success_unix_s = Some((self.clock)().unix_s());
        }
        if !changed {
            return FetchResult::Unchanged;
        }
        log::info!(target: "keys", "issuer {}: {count} keys in place", self.name);
        for LeftOut { kid, reason } in left_out {
            log::warn!(target: "keys", "issuer {}: key \"{kid}\" is left out: {reason}", self.name);
        }
        FetchResult::Updated
    }
}

/// 1 s after the first failure, twice as long after each further one, at most the cooldown.
fn retry_pause(failures: u32, cooldown: Duration) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(20)).min(cooldown)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section is a few assignments; none leaves the value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
