//! How many entries a map has, never more than its bound: the bound is judged and the entry counted in one step.
//!
//! Counted here because counting in the map would lock each of its shards.

use super::sync::{AtomicUsize, Ordering::Relaxed};

/// Entries of one map. `Relaxed` suffices: the number guards nothing else. On a line of its own: what lies beside it, each request
/// reads.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Live(AtomicUsize);

impl Live {
    /// Counts one more if there are fewer than `most`. `false`: there was no room.
    #[must_use]
    pub(super) fn enter(&self, most: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |live| (live < most).then_some(live + 1)).is_ok()
    }

    /// Counts so many fewer; each has entered before.
    pub(super) fn leave(&self, entries: usize) {
        self.0.fetch_sub(entries, Relaxed);
    }

    /// Now.
    pub(super) fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
