//! The named limits, and what is said of one that refuses.

use super::{
    gcra::{Empty, Quota, Standing},
    period::Period,
    shown::{Numbers, Pace},
};

/// A named limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Each user's rate: the plan's, or that of all.
    User,
    /// The rate of all requests together.
    Global,
    /// Each address' rate of what does not end authenticated.
    Address,
    /// Each user's requests in flight on exempt routes.
    Bulk,
    /// The rate of one route, of all its callers together.
    Route,
    /// Each user's requests in a day or month.
    Quota,
}

/// The answer of a policy that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of several, the one with the longest wait.
    pub policy: Policy,
    /// Its quota; the user's when [`Policy::Bulk`] or [`Policy::Quota`] refuses.
    pub quota: Quota,
    /// Its bucket, the user's when [`Policy::Bulk`] refuses; `remaining` is 0.
    pub standing: Standing,
    /// Whole seconds, at least 1, rounded up.
    pub retry_after_s: u64,
    /// What [`Policy::Bulk`] allows at a time.
    pub bulk_in_flight: u32,
    /// Where [`Policy::Quota`] refuses: of a day or a month, and how many seconds that one has.
    pub period: Option<(Period, u64)>,
}

/// One policy's refusal, not yet weighed against the others'.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) policy: Policy,
    pub(super) empty: Empty,
}

impl Policy {
    /// Every policy, for metrics made ahead.
    pub const ALL: &'static [Self] = &[Self::User, Self::Global, Self::Address, Self::Bulk, Self::Route, Self::Quota];

    /// Name in the body, log, metrics and header fields.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Global => "global",
            Self::Address => "address",
            Self::Bulk => "bulk",
            Self::Route => "route",
            Self::Quota => "quota",
        }
    }
}

impl Refused {
    /// For `map_err`.
    pub(super) fn by(policy: Policy) -> impl FnOnce(Empty) -> Self {
        move |empty| Self { policy, empty }
    }
}

/// Whether both agree; of two refusals the one with the longer wait, and of equal waits the first.
pub(super) fn both<A, B>(first: Result<A, Refused>, second: Result<B, Refused>) -> Result<(A, B), Refused> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(first), Err(second)) if first.empty.wait_ns >= second.empty.wait_ns => Err(first),
        (_, Err(refused)) | (Err(refused), _) => Err(refused),
    }
}

impl Refusal {
    /// As header fields show it.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let pace = match (self.policy, self.period) {
            (Policy::Bulk, _) => Pace::Places(u64::from(self.bulk_in_flight)),
            (_, Some((_, seconds))) => Pace::Period(seconds),
            (_, None) => Pace::Interval(self.quota.interval_ns()),
        };
        Numbers { policy: self.policy, standing: self.standing, pace }
    }

    /// The sentence in the body: which limit, and how large it is.
    #[must_use]
    pub fn detail(&self) -> String {
        let rate = self.quota.rate();
        let (which, number, noun, end) = match self.policy {
            Policy::User => ("per-user limit of ", rate, "request", "per second exceeded"),
            Policy::Global => ("global limit of ", rate, "request", "per second exceeded"),
            Policy::Route => ("route limit of ", rate, "request", "per second exceeded"),
            Policy::Address => ("per-address limit of ", rate, "unauthenticated request", "per second exceeded"),
            Policy::Bulk => ("per-user limit of ", u64::from(self.bulk_in_flight), "bulk request", "in flight exceeded"),
            Policy::Quota => ("per-user quota of ", self.standing.limit, "request", self.period_exceeded()),
        };
        // Joined, not formatted: a refusal must cost less than what it refuses.
        let plural = if number == 1 { " " } else { "s " };
        [which, itoa::Buffer::new().format(number), " ", noun, plural, end].concat()
    }

    fn period_exceeded(&self) -> &'static str {
        match self.period {
            Some((Period::Month, _)) => "per month exceeded",
            Some((Period::Day, _)) | None => "per day exceeded",
        }
    }
}
