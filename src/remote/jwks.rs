//! Keeps the issuers' keys fresh, for as long as the process lives: which issuers there are, over any number of configurations.
//!
//! Invariants
//! - An issuer is who has its key ring. One whose ring stays over a reload keeps its task with all that the task knows (cooldown,
//!   failures, status), so that a reload neither makes requests wait nor fetches more; one with a new ring begins anew.
//! - Each issuer has a task of its own, so that one that is dead holds up no other.
//! - A request waits for an issuer of the configuration it began under, or not at all.
//!
//! Not here: when one issuer is asked, and what becomes of its answer (`watched`).
use super::{
    key_status::{Clock, KeyStatus, OnFetch},
    watched::Watched,
};
use crate::auth::{Authenticator, Issuer};
use arc_swap::ArcSwap;
use std::{fmt, sync::Arc};
use tokio::{sync::watch, task::JoinSet};

/// The keys of all issuers.
pub struct KeyFetcher {
    clock: Clock,
    on_fetch: OnFetch,
    /// Those of the configuration in force, in its order.
    watched: ArcSwap<Vec<Arc<Watched>>>,
    /// Tells [`Self::run`] of new ones.
    adopted: watch::Sender<()>,
}

impl fmt::Debug for KeyFetcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyFetcher").field("issuers", &self.watched.load().len()).finish_non_exhaustive()
    }
}

impl KeyFetcher {
    /// Reads key files at once, so that their issuers are ready from the start; everything else waits for [`Self::run`].
    #[must_use]
    pub fn new(authenticator: &Authenticator, clock: &Clock, on_fetch: &OnFetch) -> Self {
        let fetcher = Self {
            clock: Arc::clone(clock),
            on_fetch: Arc::clone(on_fetch),
            watched: ArcSwap::default(),
            adopted: watch::Sender::new(()),
        };
        fetcher.adopt(authenticator);
        fetcher
    }

    /// Goes over to the issuers of another configuration, before the first request is judged by it. Issuers whose ring is the
    /// same go on as they were; their files (`ca_file`, `jwks_file`) are read again. New ones begin, gone ones end, and with
    /// them every wait for them.
    ///
    /// Reads files, so it blocks. One at a time: of two at once, one would be forgotten.
    pub fn adopt(&self, authenticator: &Authenticator) {
        let old = self.watched.load_full();
        let take_up = |issuer: &Issuer| match find(&old, issuer) {
            Some(same) => {
                same.read_files_again(&issuer.settings);
                same
            }
            None => Watched::start(issuer, Arc::clone(&self.clock), Arc::clone(&self.on_fetch)),
        };
        let new: Vec<Arc<Watched>> = authenticator.issuers().iter().map(take_up).collect();
        for gone in old.iter().filter(|issuer| !new.iter().any(|other| Arc::ptr_eq(issuer, other))) {
            gone.end();
        }
        self.watched.store(Arc::new(new));
        self.adopted.send_replace(());
    }

    /// Fetches for as long as it is polled, and never returns; dropping it ends all fetching.
    pub async fn run(&self) {
        // Before the first look, so that no adoption is missed.
        let mut adopted = self.adopted.subscribe();
        let mut tasks = JoinSet::new();
        loop {
            for issuer in self.watched.load().iter() {
                if let Some(task) = issuer.task() {
                    tasks.spawn(task);
                }
            }
            tokio::select! {
                // The other end is in `self`: it does not close.
                _ = adopted.changed() => {}
                Some(ended) = tasks.join_next() => {
                    // Those of gone issuers end. One that failed leaves its keys as they are, and requests that do not wait.
                    if let Err(error) = ended {
                        log::error!(target: "keys", "the fetching of keys failed: {error}");
                    }
                }
            }
        }
    }

    /// Called for a request whose key is unknown: waits for the fetch under way, or for one that it starts, at most
    /// `fetch_timeout`. Returns at once when none is under way and the last one asked for is less than `refresh_cooldown` ago,
    /// when too many wait already, and for an issuer that is not of the configuration in force. May be dropped at any point.
    pub async fn await_keys(&self, issuer: &Issuer) {
        let watched = find(&self.watched.load(), issuer);
        if let Some(watched) = watched {
            watched.await_fetch().await;
        }
    }

    /// How the issuer's keys are.
    #[must_use]
    pub fn status(&self, issuer: &Issuer) -> KeyStatus {
        match find(&self.watched.load(), issuer) {
            Some(watched) => watched.status(),
            None => KeyStatus { keys: issuer.keys.len(), ..KeyStatus::default() },
        }
    }
}

fn find(watched: &[Arc<Watched>], issuer: &Issuer) -> Option<Arc<Watched>> {
    watched.iter().find(|watched| watched.is_of(&issuer.keys)).cloned()
}

#[cfg(test)]
mod tests;
