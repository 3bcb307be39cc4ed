//! The one bucket that all requests share: a single atomic number, charged by compare-and-swap.
//!
//! A refusal is a load. Admissions are at most `rate` a second, so the line is written that seldom even in overload, and
//! threads that only refuse do not take it from each other.

use super::{
    gcra::{Empty, Quota, Standing},
    sync::{AtomicU64, Ordering::Relaxed},
};

/// On a line of its own; 128 bytes because processors fetch lines in pairs. `Relaxed` suffices: the number guards nothing else.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct GlobalBucket {
    tat: AtomicU64,
}

impl GlobalBucket {
    /// Takes one token.
    pub(super) fn charge(&self, quota: Quota, now: u64) -> Result<(), Empty> {
        let mut tat = self.tat.load(Relaxed);
        loop {
            let charged = quota.charge(tat, now)?;
            match self.tat.compare_exchange_weak(tat, charged, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => tat = found,
            }
        }
    }

    /// Whether there is a token, taking none.
    pub(super) fn peek(&self, quota: Quota, now: u64) -> Result<(), Empty> {
        quota.charge(self.tat.load(Relaxed), now).map(drop)
    }

    /// How it stands.
    pub(super) fn standing(&self, quota: Quota, now: u64) -> Standing {
        quota.standing(self.tat.load(Relaxed), now)
    }

    /// Lets go of what a larger quota left; writes nothing else.
    pub(super) fn sweep(&self, quota: Quota, now: u64) {
        let tat = self.tat.load(Relaxed);
        if let Some(swept) = quota.swept(tat, now).filter(|swept| *swept != tat) {
            // Lost to a request's charge: the next sweep tries again.
            let _ = self.tat.compare_exchange(tat, swept, Relaxed, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
