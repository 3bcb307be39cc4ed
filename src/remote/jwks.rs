//! Keeps the issuers' keys fresh: fetches them at start, in the background, and when a request brings an unknown key.
//!
//! Invariants
//! - One task fetches for one issuer, so there is never a second fetch of it at the same time, and a dead issuer holds up no other.
//! - Only a whole, usable key set replaces the old one; after any failure the old set stays.
//! - Requests ask for at most one fetch per `refresh_cooldown`; nothing a client or a key server sends makes more.
//! - A fetch takes at most `fetch_timeout` in all and reads at most `jwks_size` bytes a document. Cache headers of the key server are not read.
//!
//! Not here: which key verifies what (`auth`), and whether the gateway is ready (`admin`).
use super::download::{DownloadError, Downloader};
use crate::{
    auth::{Authenticator, Issuer, IssuerIndex, KeyRing, KeySet, KeySetError, KeySource, LeftOut},
    time::Now,
};
use serde::Deserialize;
use std::{
    error::Error,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
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
    pub fn new(authenticator: &Authenticator, clock: Clock, on_fetch: OnFetch) -> Self {
        let watch =
            |(index, issuer)| Arc::new(Watched::new(IssuerIndex(index), issuer, Arc::clone(&clock), Arc::clone(&on_fetch)));
        let watched: Vec<Arc<Watched>> = authenticator.issuers().iter().enumerate().map(watch).collect();
        for issuer in &watched {
            if let Source::File(path) = &issuer.source {
                issuer.settle(read_file(path, issuer.limit).and_then(|text| parse(&text)));
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
    source: Source,
    refresh: Duration,
    cooldown: Duration,
    fetch_timeout: Duration,
    limit: usize,
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

enum Source {
    Url(String, Downloader),
    Discovery(String, Downloader),
    File(PathBuf),
    /// Known from the start.
    Own,
}

impl Watched {
    fn new(index: IssuerIndex, issuer: &Issuer, clock: Clock, on_fetch: OnFetch) -> Self {
        let settings = &issuer.settings;
        let downloader = || Downloader::new(settings.ca_file.as_deref(), settings.jwks_size);
        let source = match &settings.keys {
            KeySource::Url(url) => Source::Url(url.clone(), downloader()),
            KeySource::Discovery(url) => Source::Discovery(url.clone(), downloader()),
            KeySource::File(path) => Source::File(path.clone()),
            KeySource::Own(_) => Source::Own,
        };
        let ((demand, demanded), (ended, finished)) = (watch::channel(()), watch::channel(()));
        // Own keys have no task: its ends are dropped, so that nobody waits for them.
        let ends = (!matches!(source, Source::Own)).then_some(TaskEnds { demand: demanded, finished: ended });
        Self {
            index,
            name: settings.issuer.clone(),
            keys: Arc::clone(&issuer.keys),
            source,
            refresh: settings.refresh,
            cooldown: settings.refresh_cooldown,
            fetch_timeout: settings.fetch_timeout,
            limit: settings.jwks_size,
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
        if !matches!(self.source, Source::File(_)) {
            self.fetch(&mut ends).await;
        }
        loop {
            let pause = self.pause();
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
        let loaded = timeout(self.fetch_timeout, self.load()).await;
        self.settle(loaded.unwrap_or(Err(FetchError::TooLate(self.fetch_timeout))));
        let mut progress = lock(&self.progress);
        progress.fetching = false;
        ends.finished.send_replace(());
    }

    async fn load(&self) -> Result<(KeySet, Vec<LeftOut>), FetchError> {
        let text = match &self.source {
            Source::Url(url, downloader) => downloader.get(url).await?.to_vec(),
            Source::Discovery(url, downloader) => {
                let jwks_uri = jwks_uri(&downloader.get(url).await?, &self.name)?;
                downloader.get(&jwks_uri).await?.to_vec()
            }
            Source::File(path) => {
                let (path, limit) = (path.clone(), self.limit);
                spawn_blocking(move || read_file(&path, limit)).await.map_err(|_| FetchError::Interrupted)??
            }
            Source::Own => return Err(FetchError::Interrupted),
        };
        parse(&text)
    }

    /// Puts good keys in place, and writes down how it went.
    fn settle(&self, loaded: Result<(KeySet, Vec<LeftOut>), FetchError>) {
        let result = match loaded {
            Ok((set, left_out)) => self.put_in_place(set, &left_out),
            Err(error) => {
                let error = printable(&error);
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

/// Why there are no new keys.
#[derive(Debug)]
enum FetchError {
    Download(DownloadError),
    File(io::Error),
    TooLarge(usize),
    TooLate(Duration),
    Keys(KeySetError),
    /// The discovery document; what is wrong with it.
    Discovery(&'static str),
    Interrupted,
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Download(error) => error.fmt(formatter),
            Self::File(_) => formatter.write_str("the file cannot be read"),
            Self::TooLarge(limit) => write!(formatter, "larger than {limit} bytes"),
            Self::TooLate(deadline) => write!(formatter, "not complete within {deadline:?}"),
            Self::Keys(error) => error.fmt(formatter),
            Self::Discovery(what) => write!(formatter, "the discovery document {what}"),
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Download(error) => error.source(),
            Self::File(error) => Some(error),
            Self::Keys(error) => error.source(),
            Self::TooLarge(_) | Self::TooLate(_) | Self::Discovery(_) | Self::Interrupted => None,
        }
    }
}

impl From<DownloadError> for FetchError {
    fn from(error: DownloadError) -> Self {
        Self::Download(error)
    }
}

fn parse(text: &[u8]) -> Result<(KeySet, Vec<LeftOut>), FetchError> {
    KeySet::parse(text).map_err(FetchError::Keys)
}

/// `jwks_uri` of a discovery document that is the issuer's own (OpenID Connect Discovery 1.0, section 4.3; RFC 8414, section 3.3:
/// `issuer` must be identical, or one issuer could speak for another).
fn jwks_uri(document: &[u8], issuer: &str) -> Result<String, FetchError> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let document: Document =
        serde_json::from_slice(document).map_err(|_| FetchError::Discovery("is not one, or lacks issuer or jwks_uri"))?;
    if document.issuer != issuer {
        return Err(FetchError::Discovery("names another issuer"));
    }
    Ok(document.jwks_uri)
}

/// At most `limit` bytes, whatever the file's size is said to be.
fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(FetchError::File)?;
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut text).map_err(FetchError::File)?;
    if text.len() > limit { Err(FetchError::TooLarge(limit)) } else { Ok(text) }
}

/// An error with its causes on one line. Key servers write part of it, so control characters are escaped and it is cut.
fn printable(error: &FetchError) -> String {
    const LENGTH: usize = 300;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    let escape =
        |character: char| if character.is_control() { character.escape_default().collect() } else { String::from(character) };
    text.chars().map(escape).collect::<String>().chars().take(LENGTH).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section is a few assignments; none leaves the value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
