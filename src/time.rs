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
    /// A later moment of the same run, by its monotonic clock alone: the wall clock need not be read again.
    #[must_use]
    pub fn at(self, monotonic_ns: u64) -> Self {
        let passed_ns = monotonic_ns.saturating_sub(self.monotonic_ns);
        Self { monotonic_ns: self.monotonic_ns + passed_ns, unix_ns: self.unix_ns.saturating_add(passed_ns) }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub fn unix_s(self) -> u64 {
        self.unix_ns / 1_000_000_000
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, counted in years that begin in March so that the leap day is the last.
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}
