//! The gateway's own key set at each moment: the key that signs, and each retired key until its end.
//!
//! All sets that will be are made beforehand, so that a retired key ends by time alone, without a reload.

use super::{PublicKey, public::key_set, retired::RetiredKeys};
use crate::{auth::KeySet, time::Now};
use bytes::Bytes;
use std::sync::Arc;

/// The sets in the order of their ends; the last one has none.
#[derive(Debug)]
pub(super) struct OwnKeys(Vec<Stage>);

/// A set and the second at which the next one takes its place.
#[derive(Debug)]
struct Stage {
    until_unix_s: u64,
    jwks: Bytes,
    keys: Arc<KeySet>,
}

impl OwnKeys {
    pub(super) fn new(signing: &PublicKey, retired: &RetiredKeys) -> Self {
        let end = |end: Option<u64>| end.unwrap_or(u64::MAX);
        let others = retired.beside(signing);
        let mut ends: Vec<u64> = others.clone().map(|key| end(key.ends_unix_s)).chain([u64::MAX]).collect();
        ends.sort_unstable();
        ends.dedup();
        let stage = |until_unix_s| {
            let lives = others.clone().filter(|key| end(key.ends_unix_s) >= until_unix_s).map(|key| &key.public);
            let jwks = key_set(&[signing].into_iter().chain(lives).collect::<Vec<_>>());
            let (keys, _) = KeySet::parse(jwks.as_bytes()).expect("BUG: each of its keys was parsed alone");
            Stage { until_unix_s, jwks: jwks.into(), keys: Arc::new(keys) }
        };
        Self(ends.into_iter().map(stage).collect())
    }

    /// The set as it is published, JSON.
    pub(super) fn jwks(&self, now: Now) -> &Bytes {
        &self.at(now.unix_s()).jwks
    }

    /// The same set, ready to verify with.
    pub(super) fn keys(&self, now: Now) -> &Arc<KeySet> {
        &self.at(now.unix_s()).keys
    }

    /// The largest.
    pub(super) fn first(&self) -> &Arc<KeySet> {
        &self.at(0).keys
    }

    /// Whether time changes it.
    pub(super) fn shrinks(&self) -> bool {
        self.0.len() > 1
    }

    fn at(&self, unix_s: u64) -> &Stage {
        let place = self.0.partition_point(|stage| stage.until_unix_s <= unix_s);
        // The last one's end is the end of time.
        &self.0[place.min(self.0.len() - 1)]
    }
}

#[cfg(test)]
mod tests;
