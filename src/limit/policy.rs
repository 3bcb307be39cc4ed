//! The named limits, and what is said of one that refuses.

use super::{
    gcra::{Empty, Quota},
    period::Span,
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
    /// The policy (of several, the one with the longest wait) and how it stands, as header fields show it: nothing remains.
    pub numbers: Numbers,
    /// Whole seconds, at least 1, rounded up.
    pub retry_after_s: u64,
}

/// One policy's refusal, not yet weighed against the others'.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) numbers: Numbers,
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
    /// A token bucket that is empty; for `map_err`, as the others.
    pub(super) fn by_bucket(policy: Policy, quota: Quota) -> impl FnOnce(Empty) -> Self {
        move |empty| Self { numbers: Numbers::of_bucket(policy, quota, empty.standing), empty }
    }

    /// A quota that is used up.
    pub(super) fn by_span(span: Span) -> impl FnOnce(Empty) -> Self {
        move |empty| Self { numbers: Numbers::of_span(span, empty.standing), empty }
    }

    /// Places that are all taken.
    pub(super) fn by_places(places: u32) -> impl FnOnce(Empty) -> Self {
        move |empty| Self { numbers: Numbers::of_places(places, empty.standing), empty }
    }
}

impl From<Refused> for Refusal {
    fn from(Refused { numbers, empty }: Refused) -> Self {
        Self { numbers, retry_after_s: empty.retry_after_s() }
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
    /// The sentence in the body: which limit, and how large it is.
    #[must_use]
    pub fn detail(&self) -> String {
        let which = match self.numbers.policy {
            Policy::User | Policy::Bulk => "per-user limit of ",
            Policy::Global => "global limit of ",
            Policy::Route => "route limit of ",
            Policy::Address => "per-address limit of ",
            Policy::Quota => "per-user quota of ",
        };
        let noun = if self.numbers.policy == Policy::Address { "unauthenticated request" } else { "request" };
        let (number, noun, end) = match self.numbers.pace {
            Pace::Bucket(quota) => (quota.rate(), noun, "per second exceeded"),
            Pace::Span(span) => (self.numbers.capacity(), noun, span.exceeded()),
            Pace::Places(places) => (u64::from(places), "bulk request", "in flight exceeded"),
        };
        // Joined, not formatted: a refusal must cost less than what it refuses.
        let plural = if number == 1 { " " } else { "s " };
        [which, itoa::Buffer::new().format(number), " ", noun, plural, end].concat()
    }
}
