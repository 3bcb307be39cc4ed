//! `[limits]`, compiled; who asks, and for what.

use super::{
    gcra::Quota,
    plans::{Plans, Terms},
    policy::{Policy, Refused},
};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// `[limits]`, compiled.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All requests that go to an upstream.
    pub global: Quota,
    /// Each (`iss`, `sub`) that no plan is for.
    pub per_user: Quota,
    /// What does not end authenticated, per IPv4 address or IPv6 /64.
    pub per_address: Quota,
    /// Wrong secrets of one client from one address at the token endpoint.
    pub failures: Quota,
    /// Requests of one user at a time on exempt routes; 0: no cap.
    pub bulk_in_flight: u32,
    /// Most live user buckets; as many of addresses, of failures and of quotas, and as many users in flight on exempt routes.
    pub max_users: usize,
    /// Other numbers for some callers.
    pub plans: Plans,
    /// Of all routes that have one.
    pub routes: Vec<RouteQuota>,
    /// Refusals are counted and shown, and the request goes on.
    pub dry_run: bool,
}

/// The limit of one route: one bucket for all its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteQuota {
    pub(super) key: u64,
    /// Its numbers.
    pub quota: Quota,
}

/// Which policies a request is charged beside the global one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// The user's.
    User,
    /// The user's and the route's.
    Route(RouteQuota),
    /// A place in flight only.
    Exempt,
}

/// A user, and what holds for that user.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// The plan's, or those of all.
    pub terms: Terms,
}

impl Limits {
    /// The numbers for a token of this client, whose user is in these groups.
    #[must_use]
    pub fn terms(&self, client_id: Option<&str>, groups: &[String]) -> Terms {
        self.plans.find(client_id, groups).unwrap_or(Terms { per_user: self.per_user, quota: None })
    }

    /// The quota whose bucket takes the longest to fill, of all that a user may be under.
    pub(super) fn largest_user(&self) -> Quota {
        let plans = self.plans.terms().iter().map(|terms| terms.per_user);
        plans.chain([self.per_user]).max_by_key(|quota| quota.capacity_ns()).unwrap_or(self.per_user)
    }
}

impl RouteQuota {
    /// For the route with this pattern. The bucket is found by the pattern, so that it stays when the configuration changes around
    /// it.
    #[must_use]
    pub fn new(pattern: &str, quota: Quota) -> Self {
        // Operators write patterns, and strangers none: the hash needs no secret.
        let mut hasher = SipHasher13::new();
        hasher.write(pattern.as_bytes());
        Self { key: hasher.finish(), quota }
    }

    /// Its bucket's TAT with one token taken.
    pub(super) fn judge(self, tat: Option<u64>, now: u64) -> Result<u64, Refused> {
        self.quota.charge(tat.unwrap_or(0), now).map_err(Refused::by_bucket(Policy::Route, self.quota))
    }
}

impl Charge {
    /// The limit of the route alone.
    #[must_use]
    pub fn route(self) -> Option<RouteQuota> {
        match self {
            Self::Route(route) => Some(route),
            Self::User | Self::Exempt => None,
        }
    }
}
