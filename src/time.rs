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

/// Year, month and day of a day since 1970-01-01, for years to 9999 (H. Hinnant, chrono-compatible low-level date algorithms).
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that a leap day is the last of its year; an era has 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
