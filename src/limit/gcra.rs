//! The generic cell rate algorithm, arithmetic only: what a bucket's one number says at a moment, and what it becomes.
//!
//! The number is the theoretical arrival time (TAT): the nanosecond at which the bucket is full again. What it lies ahead of
//! now is the bucket's debt; a request adds one emission interval (1 s / rate) of debt and is admitted while the debt stays
//! within the capacity (burst × interval). A missing bucket is one whose TAT is 0.
//!
//! Why `burst + rate × T` holds over any window: take all n admissions with times in [a, a + T], in the order in which they
//! were charged. The first leaves TAT ≥ a + interval and each later one adds an interval, so after the last
//! TAT ≥ a + n × interval; it was admitted, so TAT ≤ a + T + burst × interval. The order of the times does not enter, so a
//! request that comes with an older time than its predecessor (threads race between reading the clock and asking) costs nothing.
//!
//! Numbers are u64 nanoseconds since the process started: no floating point, no timer that refills, no wall clock.

use std::fmt;

pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// How much older than a sweep's the time of a request under way may be. Requests carry the moment at which it was read, so a
/// sweep may be ahead of them; it must not forget, or lower, what such a request would still have to respect.
pub(super) const SWEEP_SLACK_NS: u64 = SECOND_NS;

/// A rate and a burst, as an emission interval and a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    rate: u64,
    burst: u64,
    interval_ns: u64,
    capacity_ns: u64,
}

/// Why a rate and a burst are not a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaError {
    /// A rate of 0 never refills.
    RateZero,
    /// Above [`Quota::MAX_RATE`]: whole nanoseconds would make the rate visibly lower than written.
    RateTooHigh,
    /// A burst of 0 admits nothing.
    BurstZero,
    /// Above [`Quota::MAX_BURST`].
    BurstTooHigh,
}

/// How a bucket stands after a decision; what the headers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Capacity.
    pub limit: u64,
    /// Whole tokens left.
    pub remaining: u64,
    /// Nanoseconds until it is full again.
    pub full_in_ns: u64,
}

/// The bucket holds no whole token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Empty {
    /// Nanoseconds until it holds one; at least 1.
    pub(super) wait_ns: u64,
    /// As it is; `remaining` is 0.
    pub(super) standing: Standing,
}

impl Quota {
    /// Largest rate, requests per second.
    pub const MAX_RATE: u64 = 1_000_000;
    /// Largest burst, requests.
    pub const MAX_BURST: u64 = 100_000_000;

    /// `rate` requests per second, bucket of `burst`.
    ///
    /// The interval is rounded up: a rate that does not divide 10⁹ comes out lower than written, by at most `rate` in 10⁹, and
    /// never higher. Capacity is at most 10¹⁷ ns, so the sums below stay far from overflowing.
    ///
    /// # Errors
    /// A value outside its range.
    pub fn new(rate: u64, burst: u64) -> Result<Self, QuotaError> {
        match (rate, burst) {
            (0, _) => Err(QuotaError::RateZero),
            (rate, _) if rate > Self::MAX_RATE => Err(QuotaError::RateTooHigh),
            (_, 0) => Err(QuotaError::BurstZero),
            (_, burst) if burst > Self::MAX_BURST => Err(QuotaError::BurstTooHigh),
            (rate, burst) => {
                let interval_ns = SECOND_NS.div_ceil(rate);
                Ok(Self { rate, burst, interval_ns, capacity_ns: burst * interval_ns })
            }
        }
    }

    /// Requests per second.
    #[must_use]
    pub fn rate(self) -> u64 {
        self.rate
    }

    /// Capacity of the bucket in requests.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// Nanoseconds after which one token more is there.
    pub(super) fn interval_ns(self) -> u64 {
        self.interval_ns
    }

    /// Nanoseconds in which an empty bucket becomes full.
    pub(super) fn capacity_ns(self) -> u64 {
        self.capacity_ns
    }

    /// The bucket's new TAT with one token taken.
    ///
    /// TAT never falls here, whatever the order of the times. At the end of the clock (584 years) it refuses: no TAT could
    /// record the charge.
    pub(super) fn charge(self, tat: u64, now: u64) -> Result<u64, Empty> {
        let debt_ns = tat.saturating_sub(now).saturating_add(self.interval_ns);
        let charged = now.checked_add(debt_ns).filter(|_| debt_ns <= self.capacity_ns);
        charged.ok_or_else(|| Empty {
            wait_ns: debt_ns.saturating_sub(self.capacity_ns).max(1),
            standing: Standing { remaining: 0, ..self.standing(tat, now) },
        })
    }

    /// The TAT with `tokens` more taken, whether the bucket holds them or not.
    pub(super) fn drained(self, tat: u64, now: u64, tokens: u32) -> u64 {
        tat.max(now).saturating_add(self.interval_ns.saturating_mul(u64::from(tokens)))
    }

    /// How the bucket stands.
    pub(super) fn standing(self, tat: u64, now: u64) -> Standing {
        let debt_ns = tat.saturating_sub(now);
        let remaining = self.capacity_ns.saturating_sub(debt_ns) / self.interval_ns;
        Standing { limit: self.burst, remaining, full_in_ns: debt_ns }
    }

    /// What a sweep leaves of a bucket: nothing when it is full, since a missing bucket decides the same.
    ///
    /// A debt beyond the capacity is left over from a larger quota (or from a clock that jumped). Nobody should wait it out
    /// after the quota has changed, so it becomes an empty bucket of the present quota. A decision cannot do that itself: a
    /// refusal writes nothing, and a request with an old time would take its neighbours' charges for such a leftover.
    pub(super) fn swept(self, tat: u64, now: u64) -> Option<u64> {
        let empty_at = now.saturating_add(self.capacity_ns);
        match tat {
            full if full.saturating_add(SWEEP_SLACK_NS) <= now => None,
            leftover if leftover > empty_at.saturating_add(SWEEP_SLACK_NS) => Some(empty_at),
            live => Some(live),
        }
    }
}

impl Empty {
    /// `Retry-After`: whole seconds, at least 1. Never rounded down: a client that obeys would earn another refusal.
    pub(super) fn retry_after_s(self) -> u64 {
        self.wait_ns.div_ceil(SECOND_NS).max(1)
    }
}

impl fmt::Display for QuotaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RateZero => formatter.write_str("a rate of 0 never refills"),
            Self::RateTooHigh => write!(formatter, "a rate is at most {} requests per second", Quota::MAX_RATE),
            Self::BurstZero => formatter.write_str("a burst of 0 admits nothing"),
            Self::BurstTooHigh => write!(formatter, "a burst is at most {} requests", Quota::MAX_BURST),
        }
    }
}

impl std::error::Error for QuotaError {}

#[cfg(test)]
pub(super) mod tests;
