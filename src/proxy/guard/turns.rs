//! When strangers are looked after: turns come at a bounded rate, however many want one.
//!
//! A connection whose last request was refused waits for a turn before it is read again, and so does one whose head comes in very
//! many pieces; new connections have turns of their own. So a flood of requests that are refused, each asked as soon as the one
//! before has its answer, takes a few percent of a core and no more; without the bound it took all of it, and those who are served
//! waited three times as long. While there is less of that, nobody waits. What a connection asks first, and after a request that was
//! served, needs no turn.
//!
//! Pure: time is handed in.

use std::sync::atomic::{AtomicU64, Ordering};

/// Turns a second for each worker. A refusal takes 15 to 25 µs, a new connection 20 to 40.
const EACH_SECOND: u64 = 4000;

/// The turns of some workers together.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "units last")]
pub struct Turns {
    every_ns: u64,
    /// So long back turns that nobody took are still there.
    saved_ns: u64,
    /// When the next one is.
    next_ns: AtomicU64,
}

impl Turns {
    /// For so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let each_second = EACH_SECOND.saturating_mul(workers.max(1) as u64);
        Self { every_ns: 1_000_000_000 / each_second, saved_ns: 0, next_ns: AtomicU64::new(0) }
    }

    /// Those of one worker's new connections: after a pause a quarter of a second's at once.
    #[must_use]
    pub fn of_arrivals() -> Self {
        Self { saved_ns: 250_000_000, ..Self::new(1) }
    }

    /// Takes the next turn; in how many nanoseconds it is.
    #[must_use]
    pub fn take(&self, now_ns: u64) -> u64 {
        let earliest_ns = now_ns.saturating_sub(self.saved_ns);
        let after = |next_ns: u64| Some(next_ns.max(earliest_ns).saturating_add(self.every_ns));
        // It guards no other memory.
        let taken = self.next_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after);
        taken.unwrap_or_else(|next_ns| next_ns).saturating_sub(now_ns)
    }
}

#[cfg(test)]
mod tests;
