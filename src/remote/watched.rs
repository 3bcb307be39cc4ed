//! One issuer: when it is asked for its keys, what becomes of the answer, and who waits for it.
//!
//! Invariants
//! - One task fetches, so there is never a second fetch of the same issuer at the same time; requests share the one under way.
//! - Only a whole, usable key set replaces the old one; after any failure the old set stays.
//! - Requests ask for at most one fetch per `refresh_cooldown`; nothing a client or a key server sends makes more. Cache headers
//!   of the key server are not read.
//! - A fetch takes at most `fetch_timeout` in all and reads at most `jwks_size` bytes a document.
//! - At most [`WAITING`] requests wait at the same time.
//! - The cache file's keys are used only where there are none and the first fetch did not bring any: a key that the issuer has
//!   removed does not come back while the issuer answers. Nobody waits for the disk.
//! - While the issuer answers, the cache file holds what it says: a good fetch that finds the file gone, changed or older than an
//!   hour writes it again.
//!
//! Not here: which key verifies what (`auth`), and whether the gateway is ready (`admin`).
use super::{
    key_cache::{Identity, KeptKeys, KeyCache},
    key_document::{FetchError, KeyDocument, printable},
    key_status::{Clock, FetchResult, KeyStatus, OnFetch},
    pauses::{earlier, retry_pause},
};
use crate::{
    auth::{AllLeftOut, Issuer, IssuerSettings, KeyRing, KeySet, KeySource, LeftOut},
    time::Now,
};
use std::{
    future::Future,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// How long the first fetch may take while a good set lies on the disk: a hanging issuer holds up readiness no longer.
const PATIENCE: Duration = Duration::from_millis(500);
/// How old the cache file may become while the issuer answers the same: what is told of its age is as exact.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Requests that may wait for one issuer at the same time. Tokens that make a request wait can be made by anybody, without a
/// signature. Each pays for its address first, but there are many addresses, and an HTTP/2 connection carries a hundred requests.
const WAITING: usize = 4096;

/// One issuer, shared by its task and the requests that wait for it.
pub(super) struct Watched {
    name: String,
    keys: Arc<KeyRing>,
    source: Mutex<Arc<KeyDocument>>,
    cache: Option<KeyCache>,
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
    waiting: Semaphore,
    /// Ends the task.
    gone: Notify,
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
    restored: bool,
    /// The cache file's keys, until the first fetch has ended.
    kept: Option<KeptKeys>,
    saving: Saving,
}

/// What the cache file holds, and what is being written there.
#[derive(Default)]
struct Saving {
    /// Counts changes of the set.
    version: u64,
    /// The file as this process left it.
    left: Option<Left>,
    /// The version for which a thread is at work. A disk may hang: it then has one thread, and no more.
    under_way: Option<u64>,
    /// What that thread writes next: a set that has changed meanwhile.
    next: Option<Fetched>,
}

/// The cache file as it was left.
#[derive(Clone, Copy)]
struct Left {
    version: u64,
    monotonic_ns: u64,
    identity: Identity,
}

/// A good document.
struct Fetched {
    document: Vec<u8>,
    version: u64,
    at: Now,
}

/// What was fetched, once it is read.
struct Judged {
    set: KeySet,
    left_out: AllLeftOut,
    document: Vec<u8>,
}

fn judge(document: Vec<u8>) -> Result<Judged, FetchError> {
    let (set, left_out) = KeySet::parse(&document).map_err(FetchError::Keys)?;
    Ok(Judged { set, left_out, document })
}

impl Watched {
    /// Reads what lies in files; the task is not begun.
    pub(super) fn start(issuer: &Issuer, clock: Clock, on_fetch: OnFetch) -> Arc<Self> {
        let watched = Arc::new(Self::new(issuer, KeyDocument::new(&issuer.settings), clock, on_fetch));
        let source = Arc::clone(&lock(&watched.source));
        if let Some(text) = source.read_at_once() {
            watched.settle(text.and_then(judge));
        }
        watched.read_cache();
        watched
    }

    fn new(issuer: &Issuer, source: KeyDocument, clock: Clock, on_fetch: OnFetch) -> Self {
        let settings = &issuer.settings;
        let ((demand, demanded), (ended, finished)) = (watch::channel(()), watch::channel(()));
        // Own keys have no task: its ends are dropped, so that nobody waits for them.
        let own = matches!(settings.keys, KeySource::Own(_));
        let ends = (!own).then_some(TaskEnds { demand: demanded, finished: ended });
        Self {
            name: settings.issuer.clone(),
            keys: Arc::clone(&issuer.keys),
            source: Mutex::new(Arc::new(source)),
            cache: KeyCache::new(settings),
            refresh: settings.refresh,
            cooldown: settings.refresh_cooldown,
            fetch_timeout: settings.fetch_timeout,
            clock,
            on_fetch,
            progress: Mutex::default(),
            demand,
            finished,
            waiting: Semaphore::new(WAITING),
            gone: Notify::new(),
            task_ends: Mutex::new(ends),
        }
    }

    /// An issuer that has keys already, those of the configuration before, needs no file: they are as good or better.
    fn read_cache(&self) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.keys.is_empty()) else { return };
        match cache.read() {
            Ok(kept) => lock(&self.progress).kept = kept,
            Err(error) => {
                let error = printable(&error);
                log::warn!(target: "keys", "issuer {}: jwks_cache_file is not used: {error}", self.name);
            }
        }
    }

    /// Trust and keys may lie in other files' content now: certificates are read again, and so is a key file, by the task.
    pub(super) fn read_files_again(&self, settings: &IssuerSettings) {
        *lock(&self.source) = Arc::new(KeyDocument::new(settings));
        if matches!(settings.keys, KeySource::File(_)) {
            // Fails where there is no task any more.
            let _ = self.demand.send(());
        }
    }

    /// Whether this is the issuer with that ring.
    pub(super) fn is_of(&self, keys: &Arc<KeyRing>) -> bool {
        Arc::ptr_eq(&self.keys, keys)
    }

    pub(super) fn status(&self) -> KeyStatus {
        let progress = lock(&self.progress);
        KeyStatus {
            last_success_unix_s: progress.last_success_unix_s,
            restored: progress.restored,
            last_error: progress.last_error.clone(),
            keys: self.keys.len(),
        }
    }

    /// Waits as `KeyFetcher::await_keys` says.
    pub(super) async fn await_fetch(&self) {
        let Ok(_place) = self.waiting.try_acquire() else { return };
        if let Some(mut finished) = self.under_way() {
            // Too late or given up: the request is judged by the keys of that moment.
            let _ = timeout(self.fetch_timeout, finished.changed()).await;
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

    /// The task, once: a fetch at once, then whenever it is time or asked for, until [`Self::end`].
    pub(super) fn task(self: &Arc<Self>) -> Option<impl Future<Output = ()> + Send + 'static> {
        let mut ends = lock(&self.task_ends).take()?;
        let watched = Arc::clone(self);
        Some(async move {
            tokio::select! {
                () = watched.gone.notified() => {}
                () = watched.keep_fresh(&mut ends) => {}
            }
        })
    }

    /// Ends the task, now or as soon as it begins.
    pub(super) fn end(&self) {
        self.gone.notify_one();
    }

    async fn keep_fresh(self: &Arc<Self>, ends: &mut TaskEnds) {
        // A file was read when this was made.
        if !lock(&self.source).is_file() {
            let patience = if lock(&self.progress).kept.is_some() { PATIENCE } else { self.fetch_timeout };
            self.fetch(ends, patience.min(self.fetch_timeout)).await;
        }
        loop {
            // The other end of the demand is in `self`: it does not close while this runs.
            tokio::select! {
                () = sleep(self.pause()) => {}
                _ = ends.demand.changed() => {}
            }
            self.fetch(ends, self.fetch_timeout).await;
        }
    }

    fn pause(&self) -> Duration {
        let pause = match lock(&self.progress).failures {
            0 => self.refresh,
            failures => retry_pause(failures, self.cooldown.min(self.refresh)),
        };
        let mut random = [0];
        // Without random numbers all is well but for the crowd.
        let _ = getrandom::fill(&mut random);
        earlier(pause, random[0])
    }

    async fn fetch(self: &Arc<Self>, ends: &mut TaskEnds, patience: Duration) {
        {
            let mut progress = lock(&self.progress);
            progress.fetching = true;
            // Whoever asked until now gets this fetch.
            ends.demand.mark_unchanged();
        }
        let source = Arc::clone(&lock(&self.source));
        let text = timeout(patience, source.fetch()).await.unwrap_or(Err(FetchError::TooLate(patience)));
        let judged = match text {
            // A set that is made to takes long to read: other issuers and the admin listener are not held up by it.
            Ok(text) => spawn_blocking(|| judge(text)).await.unwrap_or(Err(FetchError::Interrupted)),
            Err(error) => Err(error),
        };
        let good = self.settle(judged);
        {
            let mut progress = lock(&self.progress);
            progress.fetching = false;
            ends.finished.send_replace(());
        }
        if let Some(document) = good {
            self.save(document);
        }
    }

    /// Puts good keys in place, and writes down how it went. Returns the document if it was good.
    fn settle(&self, judged: Result<Judged, FetchError>) -> Option<Vec<u8>> {
        match judged {
            Ok(Judged { set, left_out, document }) => {
                (self.on_fetch)(&self.name, self.put_in_place(set, &left_out));
                Some(document)
            }
            Err(error) => {
                self.note_failure(printable(&error));
                None
            }
        }
    }

    fn put_in_place(&self, set: KeySet, left_out: &AllLeftOut) -> FetchResult {
        let count = set.len();
        let changed = self.keys.replace(set);
        {
            let mut progress = lock(&self.progress);
            progress.failures = 0;
            progress.last_error = None;
            progress.last_success_unix_s = Some((self.clock)().unix_s());
            progress.restored = false;
            progress.kept = None;
            progress.saving.version += u64::from(changed);
        }
        if !changed {
            return FetchResult::Unchanged;
        }
        log::info!(target: "keys", "issuer {}: {count} keys in place", self.name);
        for LeftOut { kid, reason } in &left_out.named {
            log::warn!(target: "keys", "issuer {}: key \"{kid}\" is left out: {reason}", self.name);
        }
        if left_out.more > 0 {
            log::warn!(target: "keys", "issuer {}: {} more keys are left out", self.name, left_out.more);
        }
        FetchResult::Updated
    }

    fn note_failure(&self, error: String) {
        log::warn!(target: "keys", "issuer {}: keys could not be fetched: {error}", self.name);
        let kept = {
            let mut progress = lock(&self.progress);
            progress.failures = progress.failures.saturating_add(1);
            progress.last_error = Some(error);
            progress.kept.take()
        };
        (self.on_fetch)(&self.name, FetchResult::Failed);
        if let Some(kept) = kept {
            self.restore(kept);
        }
    }

    fn restore(&self, kept: KeptKeys) {
        let (count, fetched_unix_s) = (kept.set.len(), kept.fetched_unix_s);
        self.keys.replace(kept.set);
        {
            let mut progress = lock(&self.progress);
            progress.restored = true;
            progress.last_success_unix_s = Some(fetched_unix_s);
        }
        let age_s = (self.clock)().unix_s().saturating_sub(fetched_unix_s);
        log::warn!(
            target: "keys",
            "issuer {}: {count} keys of jwks_cache_file in place, fetched {age_s} s ago", self.name
        );
        (self.on_fetch)(&self.name, FetchResult::Restored);
    }

    /// Brings the cache file up to date, on a thread that nobody waits for, not even the end of the process.
    fn save(self: &Arc<Self>, document: Vec<u8>) {
        if self.cache.is_none() {
            return;
        }
        let at = (self.clock)();
        let fetched = {
            let saving = &mut lock(&self.progress).saving;
            let fetched = Fetched { document, version: saving.version, at };
            if let Some(under_way) = saving.under_way {
                if under_way < fetched.version {
                    saving.next = Some(fetched);
                }
                return;
            }
            saving.under_way = Some(fetched.version);
            fetched
        };
        let watched = Arc::clone(self);
        let write = move || {
            let mut next = Some(fetched);
            while let Some(fetched) = next {
                next = watched.note_saved(watched.write(&fetched));
            }
        };
        if let Err(error) = thread::Builder::new().name("key-cache".to_owned()).spawn(write) {
            self.note_saved(Err(error));
        }
    }

    /// Writes the cache file, unless it is as this process left it, with this set, and not long ago.
    fn write(&self, fetched: &Fetched) -> io::Result<Option<Left>> {
        let Some(cache) = &self.cache else { return Ok(None) };
        // Copied: nobody waits for the disk.
        let left = lock(&self.progress).saving.left;
        let left = left.filter(|left| {
            let age = Duration::from_nanos(fetched.at.monotonic_ns.saturating_sub(left.monotonic_ns));
            left.version == fetched.version && age < KEPT_FOR && cache.is_still(&left.identity)
        });
        if left.is_some() {
            return Ok(left);
        }
        let identity = cache.write(&fetched.document, fetched.at.unix_s())?;
        Ok(Some(Left { version: fetched.version, monotonic_ns: fetched.at.monotonic_ns, identity }))
    }

    /// What failed is tried again with the next good fetch. Gives what is to be written next.
    fn note_saved(&self, written: io::Result<Option<Left>>) -> Option<Fetched> {
        let (written, next) = {
            let saving = &mut lock(&self.progress).saving;
            let next = saving.next.take();
            saving.under_way = next.as_ref().map(|next| next.version);
            (written.map(|left| saving.left = left), next)
        };
        if let Err(error) = written {
            log::warn!(target: "keys", "issuer {}: jwks_cache_file could not be written: {error}", self.name);
            (self.on_fetch)(&self.name, FetchResult::Unsaved);
        }
        next
    }

    /// Whether the cache file was brought up to date, and nothing is at work there.
    #[cfg(test)]
    pub(super) fn is_saved(&self) -> bool {
        let saving = &lock(&self.progress).saving;
        saving.under_way.is_none() && saving.left.is_some_and(|left| left.version == saving.version)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section is a few assignments; none leaves the value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
