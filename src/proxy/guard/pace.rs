//! How fast a body comes. Time counts only while somebody waits for more of it: a client is not slow because its server is.
//!
//! Pure: the clock is handed in, and not read where nothing was waited for.

use std::time::Duration;

/// Bytes a second that a body must come with on average, once it was waited for longer than the time-out.
pub const LEAST_RATE: u64 = 240;

/// Whether so many bytes are enough for what was waited.
#[must_use]
pub fn has_least_rate(bytes: u64, waited_ns: u64) -> bool {
    u128::from(bytes) >= u128::from(waited_ns) * u128::from(LEAST_RATE) / 1_000_000_000
}

/// The pace of one body after another.
#[derive(Debug)]
pub struct Pace {
    timeout_ns: u64,
    /// Since when the wait under way lasts.
    since_ns: Option<u64>,
    waited_ns: u64,
    bytes: u64,
}

impl Pace {
    /// `timeout` is how long any body may take, however slow it is.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self { timeout_ns, since_ns: None, waited_ns: 0, bytes: 0 }
    }

    /// Another body begins.
    pub fn begin(&mut self) {
        (self.since_ns, self.waited_ns, self.bytes) = (None, 0, 0);
    }

    /// Takes note of how a read went: nothing has come yet, or so many bytes. Whether the body is still fast enough.
    #[must_use]
    pub fn note(&mut self, waits: bool, bytes: usize, now_ns: impl FnOnce() -> u64) -> bool {
        if waits {
            self.since_ns.get_or_insert_with(now_ns);
            return true;
        }
        self.bytes += bytes as u64;
        let Some(since_ns) = self.since_ns.take() else { return true };
        self.waited_ns += now_ns().saturating_sub(since_ns);
        self.waited_ns <= self.timeout_ns || has_least_rate(self.bytes, self.waited_ns)
    }
}

#[cfg(test)]
mod tests;
