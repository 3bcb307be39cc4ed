//! Wrong secrets: how often one client may be tried from one address.
//!
//! The bucket belongs to the pair of client and address (IPv6: its /64), so that a stranger who guesses cannot lock an account
//! out that is used from elsewhere. An empty bucket refuses before the secret is looked at, and refuses the right secret too:
//! otherwise a guess would be tried all the same, and its answer would tell. Only a wrong secret takes a token.
//!
//! Whether the client exists is not asked: names that nobody has are counted like those of accounts, or the limit would tell
//! which exist. Who invents names gets a bucket for each; every attempt has cost the address a token before (unless limits are only
//! tried), so an address keeps no more of them than it has tokens while one refills. At the bound a pair without a bucket is judged by its address
//! alone: sharing one bucket would lock accounts out instead.
//!
//! The bucket's shard stays locked while the secret is compared (a hash of at most a form's 16 KiB, some 10 µs), which makes
//! judging and charging one step: threads that race cannot try more than the bucket holds.

use super::{
    buckets::Buckets,
    decision::LimitState,
    gcra::{Empty, Quota, Standing},
    limits::Limits,
};
use crate::time::Now;
use std::net::IpAddr;

/// The buckets of all pairs: TATs.
#[derive(Debug)]
pub(super) struct Failures {
    buckets: Buckets<u64>,
}

/// The limit as it stands for who asks now.
#[derive(Clone, Copy, Debug)]
pub struct Attempts<'a> {
    /// The buckets.
    pub state: &'a LimitState,
    /// Their quota and bound.
    pub limits: &'a Limits,
    /// Who asks.
    pub address: IpAddr,
    /// When.
    pub now: Now,
}

/// No more attempts for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailuresRefusal {
    /// The quota of failures.
    pub quota: Quota,
    /// The bucket; `remaining` is 0.
    pub standing: Standing,
    /// Whole seconds, at least 1, rounded up.
    pub retry_after_s: u64,
}

impl Attempts<'_> {
    /// What `prove` finds, unless the client's bucket at this address is empty; `None` charges it.
    ///
    /// # Errors
    /// It is empty: `prove` is not called, nothing is charged.
    pub fn of<T>(&self, client_id: &str, prove: impl FnOnce() -> Option<T>) -> Result<Option<T>, FailuresRefusal> {
        let (quota, most, now) = (self.limits.failures, self.limits.max_users, self.now.monotonic_ns);
        let key = self.state.keys.client_at(client_id, self.address);
        let judged = self.state.failures.attempt(quota, key, most, now, prove);
        judged.map_err(|empty| FailuresRefusal { quota, standing: empty.standing, retry_after_s: empty.retry_after_s() })
    }
}

impl FailuresRefusal {
    /// The sentence in the body.
    #[must_use]
    pub fn detail(&self) -> String {
        let rate = self.quota.rate();
        let plural = if rate == 1 { "" } else { "s" };
        format!("limit of {rate} failed authentication{plural} per second for this client from this address exceeded")
    }
}

impl Failures {
    pub(super) fn new(expected: usize) -> Self {
        Self { buckets: Buckets::new(expected) }
    }

    fn attempt<T>(
        &self,
        quota: Quota,
        key: u64,
        most: usize,
        now: u64,
        prove: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, Empty> {
        // A flood is refused reading; who may try is judged again under the lock.
        quota.charge(self.buckets.peek(key).unwrap_or(0), self.buckets.not_before_forgotten(now))?;
        self.buckets.with(key, |bucket| {
            let charged = quota.charge(bucket.value().unwrap_or(0), bucket.not_before_forgotten(now))?;
            let proven = prove();
            if proven.is_none() {
                // Without room the address' own bucket is the limit.
                let _ = bucket.store(charged, most);
            }
            Ok(proven)
        })
    }

    /// Forgets full buckets; returns how many.
    pub(super) fn sweep(&self, quota: Quota, now: u64) -> usize {
        self.buckets.sweep(now, |tat| quota.swept(tat, now))
    }
}

#[cfg(test)]
mod tests;
