//! The moment of a decision, handed in and never fetched: every stage is a function of its input and of [`Now`].

/// One reading of the two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds since the process started, from the monotonic clock: limits and durations.
    pub monotonic_ns: u64,
    /// Nanoseconds since 1970-01-01T00:00:00Z: token times, `X-RateLimit-Reset`, log entries.
    pub unix_ns: u64,
}

impl Now {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub fn unix_s(self) -> u64 {
        self.unix_ns / 1_000_000_000
    }
}
