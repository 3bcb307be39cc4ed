//! The one place that reads the clocks.

use crate::time::Now;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The process' clocks; copies share their start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time is zero at the start of the process (or at this call).
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Reads both clocks (about 50 ns).
    #[must_use]
    pub fn now(self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic_ns: self.monotonic_ns(), unix_ns: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// Reads the monotonic clock (about 25 ns).
    #[must_use]
    pub fn monotonic_ns(self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Reads the wall clock alone.
    #[must_use]
    pub fn wall(self) -> SystemTime {
        SystemTime::now()
    }
}
