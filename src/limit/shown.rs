//! What header fields show of the limits: one policy in the three `X-RateLimit-*`, all that judged the request in the fields of
//! draft-ietf-httpapi-ratelimit-headers.

use super::{
    gcra::{Quota, SECOND_NS, Standing},
    period::Span,
    policy::Policy,
};

/// The policies that a response shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The user's, or the one that refuses, or the address' where nobody is authenticated.
    pub main: Numbers,
    /// Others that hold for the request.
    pub also: [Option<Numbers>; 3],
}

/// One policy's numbers after the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Which.
    pub policy: Policy,
    /// Its capacity and what is left.
    pub standing: Standing,
    pub(super) pace: Pace,
}

/// How what was used comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// One request after the other, at this rate.
    Bucket(Quota),
    /// All of it when this day or month ends.
    Span(Span),
    /// So many places, as requests end.
    Places(u32),
}

impl From<Numbers> for Shown {
    fn from(main: Numbers) -> Self {
        Self { main, also: [None; 3] }
    }
}

impl Numbers {
    /// Of a token bucket.
    #[must_use]
    pub fn of_bucket(policy: Policy, quota: Quota, standing: Standing) -> Self {
        Self { policy, standing, pace: Pace::Bucket(quota) }
    }

    pub(super) fn of_span(span: Span, standing: Standing) -> Self {
        Self { policy: Policy::Quota, standing, pace: Pace::Span(span) }
    }

    /// Of the places in flight; they come with the user's bucket.
    pub(super) fn of_places(places: u32, user: Standing) -> Self {
        Self { policy: Policy::Bulk, standing: user, pace: Pace::Places(places) }
    }

    /// Seconds in which the whole quota is given out, rounded up; none where that is not a matter of time.
    #[must_use]
    pub fn window_s(&self) -> Option<u64> {
        match self.pace {
            Pace::Bucket(quota) => Some(quota.capacity_ns().div_ceil(SECOND_NS)),
            Pace::Span(span) => Some(span.length_s()),
            Pace::Places(_) => None,
        }
    }

    /// All that the policy gives: requests, or places of requests in flight.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        match self.pace {
            Pace::Bucket(_) | Pace::Span(_) => self.standing.limit,
            Pace::Places(places) => u64::from(places),
        }
    }

    /// Nanoseconds from the decision until there is more than is left now; none where nothing is missing, or nobody knows.
    #[must_use]
    pub fn more_in_ns(&self) -> Option<u64> {
        let Standing { limit, remaining, full_in_ns } = self.standing;
        match self.pace {
            _ if remaining >= limit => None,
            // The bucket is full when all that is missing beyond the next one has come, too.
            Pace::Bucket(quota) => Some(full_in_ns.saturating_sub(quota.interval_ns().saturating_mul(limit - remaining - 1))),
            Pace::Span(_) => Some(full_in_ns),
            Pace::Places(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
