//! How many requests of a user are in flight on exempt routes: without a rate, that is what bounds them.
//!
//! Only users with a request in flight have an entry; it goes with the last one.

use super::{
    buckets::Buckets,
    gcra::{Empty, Standing},
};
use std::sync::Arc;

/// Nobody knows when a running request will end; a second is the least that `Retry-After` can say.
const WAIT_NS: u64 = 1_000_000_000;

/// The requests in flight, by user.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Buckets<u32>>);

/// One of a user's `bulk_in_flight` places; dropping it gives it back.
#[derive(Debug)]
#[must_use = "dropping it gives the place back"]
pub struct BulkSlot {
    in_flight: Arc<Buckets<u32>>,
    key: u64,
}

/// What came of asking for a place.
#[derive(Debug)]
pub(super) enum Place {
    Taken(BulkSlot),
    /// The map is at its bound: nothing is counted for this request.
    Uncounted,
}

impl InFlight {
    pub(super) fn new(expected: usize) -> Self {
        Self(Arc::new(Buckets::new(expected)))
    }

    /// Whether the user has a place left, as it is: taking it may find otherwise.
    pub(super) fn free(&self, key: u64, cap: u32, user: Standing) -> Result<(), Empty> {
        judge(self.0.peek(key).unwrap_or(0), cap, user)
    }

    /// Takes a place of the user if fewer than `cap` are taken (0: no cap) and `others` agree, as one step. `others` hears
    /// what the places say, and has the last word. Places are counted without a cap too: one that a reload brings then holds
    /// at once.
    pub(super) fn take<R>(
        &self,
        key: u64,
        cap: u32,
        user: Standing,
        most: usize,
        others: impl FnOnce(Result<(), Empty>) -> Result<(), R>,
    ) -> Result<Place, R> {
        self.0.with(key, |bucket| {
            let taken = bucket.value().unwrap_or(0);
            others(judge(taken, cap, user))?;
            if bucket.store(taken.saturating_add(1), most) {
                Ok(Place::Taken(BulkSlot { in_flight: Arc::clone(&self.0), key }))
            } else {
                Ok(Place::Uncounted)
            }
        })
    }

    /// Users with a request in flight.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn judge(taken: u32, cap: u32, user: Standing) -> Result<(), Empty> {
    let free = cap == 0 || taken < cap;
    if free { Ok(()) } else { Err(Empty { wait_ns: WAIT_NS, standing: Standing { remaining: 0, ..user } }) }
}

impl Drop for BulkSlot {
    fn drop(&mut self) {
        self.in_flight.with(self.key, |bucket| bucket.update(|taken| taken.checked_sub(1).filter(|left| *left > 0)));
    }
}

#[cfg(test)]
mod tests;
