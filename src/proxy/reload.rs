//! Reload: read, compile, compare, swap once.
//!
//! Invariants
//! - All that can fail happens before the swap, and away from the workers; nothing that was taken up is undone. Until the swap
//!   the running configuration is untouched, but that keys of issuers that go are fetched no more.
//! - What follows the swap waits for nothing: a reload that is given up (the process is told to stop) happened or did not.
//! - One reload at a time. Whoever asks during one gets another after it, together with all others who asked meanwhile.
//!
//! What a file may change is `config`'s to say; this says how each part follows.

use super::{
    entrance::PreparedTls,
    logger,
    server::Running,
    shared::{InForce, Shared},
};
use crate::{
    config::{Gateway, Problem, Problems, Unloadable, load_next},
    remote::{look_up_unknown, settle_signing_keys},
    upstream::Upstream,
};
use std::{path::Path, sync::Arc};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

/// Who may wait for a reload at the same time; more are told to come again.
const MOST_WAITING: usize = 16;

/// The generation that is in force now, or why the one before stays. All who asked for the same reload share it.
pub type Reloaded = Arc<Result<u64, ReloadError>>;

/// How a reload ended, and when.
#[derive(Debug)]
pub struct LastReload {
    /// Seconds since 1970.
    pub unix_s: u64,
    /// What whoever asked for it was told.
    pub result: Reloaded,
}

/// Why the running configuration stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadError {
    /// The file, or one that it names, is wrong.
    Wrong(Problems),
    /// The file is good, but a running gateway cannot take it up.
    NeedsRestart(Problems),
    /// The process is about to stop.
    Draining,
    /// The gateway was started without a file.
    NoFile,
}

impl From<Unloadable> for ReloadError {
    fn from(unloadable: Unloadable) -> Self {
        match unloadable {
            Unloadable::Wrong(problems) => Self::Wrong(problems),
            Unloadable::NeedsRestart(problems) => Self::NeedsRestart(problems),
        }
    }
}

/// Where a reload is asked for from outside the loop that does it.
#[derive(Debug)]
pub struct ReloadDesk(mpsc::Sender<oneshot::Sender<Reloaded>>);

/// Why nobody will do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Too many wait already.
    Busy,
    /// The process is about to stop, or has nothing to load.
    Closed,
}

/// Those who asked at the desk, for the loop that reloads.
#[derive(Debug)]
pub(super) struct ReloadQueue(mpsc::Receiver<oneshot::Sender<Reloaded>>);

/// Those who wait for one reload.
#[derive(Debug, Default)]
pub struct Waiting(Vec<oneshot::Sender<Reloaded>>);

impl ReloadDesk {
    pub(super) fn new() -> (Self, ReloadQueue) {
        let (ask, asked) = mpsc::channel(MOST_WAITING);
        (Self(ask), ReloadQueue(asked))
    }

    /// Asks for a reload that begins after this call, and waits for its result.
    ///
    /// # Errors
    /// There will be none.
    pub async fn reload(&self) -> Result<Reloaded, Unavailable> {
        let (answer, reloaded) = oneshot::channel();
        self.0.try_send(answer).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Closed,
        })?;
        reloaded.await.map_err(|_| Unavailable::Closed)
    }
}

impl ReloadQueue {
    /// All who ask, once somebody does; never returns when nobody can any more. May be dropped at any point.
    pub(super) async fn next(&mut self) -> Waiting {
        let Some(first) = self.0.recv().await else { return std::future::pending().await };
        let mut waiting = vec![first];
        waiting.extend(std::iter::from_fn(|| self.0.try_recv().ok()));
        Waiting(waiting)
    }

    /// Nobody is answered from now on.
    pub(super) fn close(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}

impl Waiting {
    /// Tells them all.
    pub fn answer(self, reloaded: &Reloaded) {
        for waiting in self.0 {
            // Who asked may be gone.
            let _ = waiting.send(Arc::clone(reloaded));
        }
    }
}

/// A configuration of which everything that can fail is done.
struct Prepared {
    gateway: Gateway,
    tls: PreparedTls,
}

impl Running {
    /// Reads the file again and takes it up, or says why not. Dropping this before its end leaves the running configuration as
    /// it was; files that a new key needs may have been written. Not to be called again before it has ended.
    pub async fn reload(&self) -> Reloaded {
        let before = self.shared().gateway.load_full();
        let result = match self.prepare(&before).await {
            Ok(prepared) => Ok(self.take_up(prepared, &before)),
            Err(error) => {
                self.shared().metrics.reload_failed();
                Err(error)
            }
        };
        tell(&result, before.generation);
        let result = Arc::new(result);
        let last = LastReload { unix_s: self.shared().clock.now().unix_s(), result: Arc::clone(&result) };
        self.shared().last_reload.store(Some(Arc::new(last)));
        result
    }

    async fn prepare(&self, before: &Arc<InForce>) -> Result<Prepared, ReloadError> {
        if self.shared().state.is_draining() {
            return Err(ReloadError::Draining);
        }
        let path = self.file().ok_or(ReloadError::NoFile)?;
        let (file, running) = (path.clone(), Arc::clone(before));
        let prepared =
            spawn_blocking(move || read(&file, &running)).await.map_err(|_| failed(path, "configuration", BROKE))??;
        look_up_unknown(&prepared.gateway.upstreams).await;
        let unknown = prepared.gateway.upstreams.0.iter().filter(|upstream| lost(upstream, before));
        let unknown: Vec<Problem> = unknown.map(|upstream| unknown_servers(path, upstream)).collect();
        if !unknown.is_empty() {
            return Err(ReloadError::Wrong(Problems(unknown)));
        }
        let (file, shared, running) = (path.clone(), Arc::clone(self.shared()), Arc::clone(before));
        let settle = move || settle(&file, prepared, &shared, &running);
        spawn_blocking(settle).await.map_err(|_| failed(path, "configuration", BROKE))?
    }

    /// The swap, and what follows it. Waits for nothing.
    fn take_up(&self, Prepared { gateway, tls }: Prepared, before: &InForce) -> u64 {
        let shared: &Shared = self.shared();
        let next = Arc::new(InForce::new(gateway, &shared.metrics, before.generation + 1));
        shared.gateway.store(Arc::clone(&next));
        self.follow(&next, &tls);
        shared.metrics.forget(before, &next);
        shared.metrics.reloaded(shared.clock.now());
        next.generation
    }
}

const BROKE: &str = "loading it broke off";

/// Reads, compiles, compares, and opens what the configuration names; takes over what stays.
fn read(path: &Path, running: &InForce) -> Result<Prepared, ReloadError> {
    let mut gateway = load_next(path, running)?;
    gateway.upstreams.inherit(&running.upstreams);
    let tls = PreparedTls::read(&gateway).map_err(|error| failed(path, "listeners.tls", &error.to_string()))?;
    if let Err((log, error)) = logger::try_output(&gateway.log.output) {
        return Err(failed(path, "log.output", &format!("cannot write to {}: {error}", log.display())));
    }
    Ok(Prepared { gateway, tls })
}

/// The last that reads and writes files: signing keys, and the keys of issuers that are new.
fn settle(path: &Path, mut prepared: Prepared, shared: &Shared, before: &InForce) -> Result<Prepared, ReloadError> {
    let (gateway, now) = (&mut prepared.gateway, shared.clock.now());
    settle_signing_keys(gateway, now).map_err(|error| failed(path, "auth.token_endpoint.signing_key", &error.to_string()))?;
    // As late as this, so that keys which came meanwhile are not lost; before the swap, so that no request finds a gap.
    gateway.auth.authenticator.inherit(&before.auth.authenticator);
    // The ring of own tokens may be the one before, which knows other ends of retired keys.
    gateway.accept_own_keys(now);
    shared.keys.adopt(&gateway.auth.authenticator);
    Ok(prepared)
}

/// Whether no server of an upstream is known, though the running configuration does not lack the same ones.
fn lost(upstream: &Upstream, before: &InForce) -> bool {
    let lacks = |running: &Upstream| running.settings.servers == upstream.settings.servers && !running.has_address();
    !upstream.has_address() && !before.upstreams.0.iter().any(lacks)
}

fn unknown_servers(path: &Path, upstream: &Upstream) -> Problem {
    let key = format!("upstreams.{}.servers", upstream.settings.name);
    Problem::of_file(
        path,
        &key,
        "none of the names could be resolved",
        "correct the names, or try again once the resolver knows them",
    )
}

fn failed(path: &Path, key: &str, what: &str) -> ReloadError {
    ReloadError::Wrong(Problems(vec![Problem::of_file(path, key, what, "try again once that is repaired")]))
}

/// The log says what came of it: every problem as `check` says it.
fn tell(result: &Result<u64, ReloadError>, before: u64) {
    match result {
        Ok(generation) => log::info!(target: "gateway", "reloaded: configuration {generation} is in force"),
        Err(ReloadError::Wrong(problems) | ReloadError::NeedsRestart(problems)) => {
            for problem in &problems.0 {
                log::error!(target: "gateway", "{problem}");
            }
            log::error!(target: "gateway", "not reloaded: configuration {before} stays in force");
        }
        Err(ReloadError::Draining) => log::warn!(target: "gateway", "not reloaded: about to stop"),
        Err(ReloadError::NoFile) => log::warn!(target: "gateway", "not reloaded: there is no configuration file"),
    }
}

#[cfg(test)]
mod tests;
