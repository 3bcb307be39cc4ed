//! All policies of one request, judged together and charged together.
//!
//! The user's bucket stays locked while the global one is charged, and is written only after that: either both are charged or
//! neither, with nothing to give back. The user comes first because the other order would let one abuser drain the global
//! bucket with requests that are refused anyway. Refusals write nothing. Quotas come with each call, so that a reload takes
//! effect at once; buckets hold debt in time, which means the same under every quota.
//!
//! It does not know which routes are exempt, nor which requests end authenticated: callers say so.

use super::{
    address::{AddressCharge, Addresses},
    buckets::Buckets,
    bulk::{BulkSlot, InFlight, Place},
    failures::Failures,
    gcra::{Empty, Quota, Standing},
    global::GlobalBucket,
    key::KeyHasher,
};
use crate::time::Now;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The buckets; survives a reload.
#[derive(Debug)]
pub struct LimitState {
    pub(super) keys: KeyHasher,
    global: GlobalBucket,
    /// TAT of each user.
    users: Buckets<u64>,
    addresses: Arc<Addresses>,
    bulk: InFlight,
    pub(super) failures: Failures,
    evictions: AtomicU64,
    overflow: AtomicU64,
}

/// `[limits]`, compiled.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All requests that go to an upstream.
    pub global: Quota,
    /// Each (`iss`, `sub`).
    pub per_user: Quota,
    /// What does not end authenticated, per IPv4 address or IPv6 /64.
    pub per_address: Quota,
    /// Wrong secrets of one client from one address at the token endpoint.
    pub failures: Quota,
    /// Requests of one user at a time on exempt routes; 0: no cap.
    pub bulk_in_flight: u32,
    /// Most live user buckets; as many of addresses and of failures, and as many users in flight on exempt routes.
    pub max_users: usize,
}

/// A named limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Each user's rate.
    User,
    /// The rate of all requests together.
    Global,
    /// Each address' rate of what does not end authenticated.
    Address,
    /// Each user's requests in flight on exempt routes.
    Bulk,
}

/// An admitted request.
#[derive(Debug)]
pub struct Admission {
    /// The user's bucket after the charge (as it is, on exempt routes).
    pub user: Standing,
    /// Held while the request is in flight on an exempt route.
    pub bulk: Option<BulkSlot>,
}

/// The answer of a policy that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of several, the one with the longest wait.
    pub policy: Policy,
    /// Its quota; the user's when [`Policy::Bulk`] refuses.
    pub quota: Quota,
    /// Its bucket, the user's when [`Policy::Bulk`] refuses; `remaining` is 0.
    pub standing: Standing,
    /// Whole seconds, at least 1, rounded up.
    pub retry_after_s: u64,
    /// What [`Policy::Bulk`] allows at a time.
    pub bulk_in_flight: u32,
}

/// One policy's refusal, not yet weighed against the others'.
#[derive(Clone, Copy, Debug)]
struct Refused {
    policy: Policy,
    empty: Empty,
}

impl LimitState {
    /// Empty maps with a fresh random hash key, with shards for `max_users`. The bound itself is [`Limits::max_users`].
    #[must_use]
    pub fn new(max_users: usize) -> Arc<Self> {
        Arc::new(Self {
            keys: KeyHasher::random(),
            global: GlobalBucket::default(),
            users: Buckets::new(max_users),
            addresses: Arc::new(Addresses::new(max_users)),
            bulk: InFlight::new(max_users),
            failures: Failures::new(max_users),
            evictions: AtomicU64::new(0),
            overflow: AtomicU64::new(0),
        })
    }

    /// Judges user and global together and charges both or none; on an `exempt` route global and `bulk_in_flight` only.
    ///
    /// # Errors
    /// The policy that refuses; nothing is charged.
    pub fn admit(&self, limits: &Limits, issuer: &str, subject: &str, exempt: bool, now: Now) -> Result<Admission, Refusal> {
        let key = self.keys.user(issuer, subject);
        let judged = if exempt {
            self.admit_in_flight(limits, key, now.monotonic_ns)
        } else {
            self.admit_charged(limits, key, now.monotonic_ns)
        };
        judged.map_err(|refused| refused.under(limits))
    }

    fn admit_charged(&self, limits: &Limits, key: u64, now: u64) -> Result<Admission, Refused> {
        let quota = limits.per_user;
        let judge =
            |tat: Option<u64>| quota.charge(tat.unwrap_or(0), now).map_err(|empty| Refused { policy: Policy::User, empty });
        // A refusal is found reading. Only who would be admitted takes the bucket's lock, and is judged again under it.
        self.agree(limits, now, judge(self.users.peek(key)))?;
        let (charged, kept) = self.users.with(key, |bucket| {
            let charged = self.with_global(limits, now, judge(bucket.value()))?;
            Ok((charged, bucket.store(charged, limits.max_users)))
        })?;
        self.count_overflow(!kept);
        Ok(Admission { user: quota.standing(charged, now), bulk: None })
    }

    fn admit_in_flight(&self, limits: &Limits, key: u64, now: u64) -> Result<Admission, Refused> {
        let user = self.standing_of_user(limits, key, now);
        let bulk = |empty| Refused { policy: Policy::Bulk, empty };
        self.agree(limits, now, self.bulk.free(key, limits.bulk_in_flight, user).map_err(bulk))?;
        let place = self.bulk.take(key, limits.bulk_in_flight, user, limits.max_users, |judged| {
            self.with_global(limits, now, judged.map_err(bulk))
        })?;
        let bulk = match place {
            Place::Taken(slot) => Some(slot),
            Place::Uncounted => None,
        };
        self.count_overflow(bulk.is_none());
        Ok(Admission { user, bulk })
    }

    /// Charges global if it and the caller's own policy agree.
    fn with_global<T>(&self, limits: &Limits, now: u64, judged: Result<T, Refused>) -> Result<T, Refused> {
        let agreed = self.agree(limits, now, judged)?;
        self.global.charge(limits.global, now).map(|()| agreed).map_err(|empty| Refused { policy: Policy::Global, empty })
    }

    /// Whether global agrees with the caller's own policy, charging nothing; of two refusals the one with the longer wait.
    fn agree<T>(&self, limits: &Limits, now: u64, judged: Result<T, Refused>) -> Result<T, Refused> {
        let global = self.global.peek(limits.global, now).map_err(|empty| Refused { policy: Policy::Global, empty });
        match (judged, global) {
            (Err(own), Err(global)) if own.empty.wait_ns >= global.empty.wait_ns => Err(own),
            (_, Err(global)) => Err(global),
            (judged, Ok(())) => judged,
        }
    }

    /// Judges and charges the global policy alone: routes with `auth = "none"` (whose address was charged before).
    ///
    /// # Errors
    /// The refusal; nothing is charged.
    pub fn admit_anonymous(&self, limits: &Limits, now: Now) -> Result<(), Refusal> {
        self.with_global(limits, now.monotonic_ns, Ok(())).map_err(|refused| refused.under(limits))
    }

    /// Takes one token of the client's address. Keep the charge until it is known how the request ends.
    ///
    /// # Errors
    /// The bucket is empty; nothing is charged.
    pub fn charge_address(&self, limits: &Limits, address: IpAddr, now: Now) -> Result<AddressCharge, Refusal> {
        let key = self.keys.address(address);
        let reserved = self.addresses.reserve(limits.per_address, key, limits.max_users, now.monotonic_ns);
        reserved.map_err(|empty| Refused { policy: Policy::Address, empty }.under(limits))
    }

    /// Gives a reserved token back: the request proved to be authenticated. Exact at any time and under any quota.
    pub fn refund_address(&self, charge: AddressCharge) {
        charge.refund();
    }

    /// The user's bucket as it is, charging nothing (401-free answers that are not counted: 405, 403 after authentication).
    #[must_use]
    pub fn user_standing(&self, limits: &Limits, issuer: &str, subject: &str, now: Now) -> Standing {
        self.standing_of_user(limits, self.keys.user(issuer, subject), now.monotonic_ns)
    }

    fn standing_of_user(&self, limits: &Limits, key: u64, now: u64) -> Standing {
        limits.per_user.standing(self.users.peek(key).unwrap_or(0), now)
    }

    /// The address' bucket as it is, charging nothing (the gateway's own ping).
    #[must_use]
    pub fn address_standing(&self, limits: &Limits, address: IpAddr, now: Now) -> Standing {
        self.addresses.standing(limits.per_address, self.keys.address(address), limits.max_users, now.monotonic_ns)
    }

    /// Forgets full buckets; a background task calls it every second. A million buckets take it milliseconds, but it locks
    /// one shard after the other: a request waits 30 µs for it at worst.
    ///
    /// A bucket is forgotten a second after it is full (requests under way may carry older times). What a larger quota left
    /// of debt beyond the present capacity is let go of here, too.
    pub fn sweep(&self, limits: &Limits, now: Now) {
        let now = now.monotonic_ns;
        self.global.sweep(limits.global, now);
        let users = self.users.sweep(|tat| limits.per_user.swept(tat, now));
        let addresses = self.addresses.sweep(limits.per_address, now);
        let failures = self.failures.sweep(limits.failures, now);
        self.evictions.fetch_add((users + addresses + failures) as u64, Relaxed);
    }

    /// Tracked users now.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Tracked addresses now.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// Whole tokens in the global bucket now.
    #[must_use]
    pub fn global_tokens(&self, limits: &Limits, now: Now) -> u64 {
        self.global.standing(limits.global, now.monotonic_ns).remaining
    }

    /// Buckets forgotten since the start, of users, addresses and failures.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Relaxed)
    }

    /// Requests since the start that were admitted by the other policies because their user found no room for a bucket.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow.load(Relaxed)
    }

    fn count_overflow(&self, happened: bool) {
        if happened {
            self.overflow.fetch_add(1, Relaxed);
        }
    }
}

impl Policy {
    /// Every policy, for metrics made ahead.
    pub const ALL: &'static [Self] = &[Self::User, Self::Global, Self::Address, Self::Bulk];

    /// Name in the body, log and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Global => "global",
            Self::Address => "address",
            Self::Bulk => "bulk",
        }
    }
}

impl Refused {
    fn under(self, limits: &Limits) -> Refusal {
        let quota = match self.policy {
            Policy::User | Policy::Bulk => limits.per_user,
            Policy::Global => limits.global,
            Policy::Address => limits.per_address,
        };
        Refusal {
            policy: self.policy,
            quota,
            standing: self.empty.standing,
            retry_after_s: self.empty.retry_after_s(),
            bulk_in_flight: limits.bulk_in_flight,
        }
    }
}

impl Refusal {
    /// The sentence in the body: which limit, and how large it is.
    #[must_use]
    pub fn detail(&self) -> String {
        let (whose, number, noun, end) = match self.policy {
            Policy::User => ("per-user", self.quota.rate(), "request", "per second exceeded"),
            Policy::Global => ("global", self.quota.rate(), "request", "per second exceeded"),
            Policy::Address => ("per-address", self.quota.rate(), "unauthenticated request", "per second exceeded"),
            Policy::Bulk => ("per-user", u64::from(self.bulk_in_flight), "bulk request", "in flight exceeded"),
        };
        // Joined, not formatted: a refusal must cost less than what it refuses.
        let plural = if number == 1 { " " } else { "s " };
        [whose, " limit of ", itoa::Buffer::new().format(number), " ", noun, plural, end].concat()
    }
}

#[cfg(test)]
mod tests;
