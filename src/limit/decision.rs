//! All policies of one request, judged together and charged together.
//!
//! Each bucket that is asked stays locked while those after it are charged, and is written only after that: either all are charged
//! or none, with nothing to give back. The order is always the same (user, route, quota, global), so nobody waits in a circle. The
//! user comes first because the other order would let one abuser drain the global bucket with requests that are refused anyway.
//! Refusals write nothing. Quotas come with each call, so that a reload takes effect at once; buckets hold debt in time, which
//! means the same under every quota: who comes under another plan keeps it.
//!
//! It does not know which routes are exempt, which plan is whose, nor which requests end authenticated: callers say so.

use super::{
    address::{AddressCharge, Addresses},
    buckets::Buckets,
    bulk::{BulkSlot, InFlight, Place},
    failures::Failures,
    gcra::{Quota, SWEEP_SLACK_NS, Standing},
    global::GlobalBucket,
    key::KeyHasher,
    limits::{Caller, Charge, Limits, RouteQuota},
    policy::{Policy, Refusal, Refused, both},
    quotas::{Quotas, Share},
    shown::Numbers,
    state_file::Kept,
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
    /// TAT of each route with a limit of its own.
    routes: Buckets<u64>,
    quotas: Quotas,
    addresses: Arc<Addresses>,
    bulk: InFlight,
    pub(super) failures: Failures,
    evictions: AtomicU64,
    overflow: AtomicU64,
    quota_overflow: AtomicU64,
    snapshots_lost: AtomicU64,
}

/// An admitted request.
#[derive(Debug)]
pub struct Admission {
    /// The user's bucket after the charge (as it is, on exempt routes).
    pub user: Standing,
    /// The route's after the charge.
    pub route: Option<Numbers>,
    /// The user's quota after the charge.
    pub quota: Option<Numbers>,
    /// Held while the request is in flight on an exempt route.
    pub bulk: Option<BulkSlot>,
}

/// What is judged together for one request, beside the caller's own bucket.
struct Asked<'a> {
    limits: &'a Limits,
    route: Option<RouteQuota>,
    share: Option<Share>,
    now: Now,
}

/// What was charged beyond the caller's own bucket and global.
#[derive(Default)]
struct Beyond {
    route: Option<Numbers>,
    quota: Option<Numbers>,
}

impl LimitState {
    /// Empty maps with a fresh random hash key, with shards for `max_users`. The bound itself is [`Limits::max_users`].
    #[must_use]
    pub fn new(max_users: usize) -> Arc<Self> {
        Self::with_quotas(max_users, Quotas::new(max_users))
    }

    /// The same with quotas as they were kept.
    #[must_use]
    pub fn restored(max_users: usize, kept: &Kept, now: Now) -> Arc<Self> {
        Self::with_quotas(max_users, Quotas::restored(kept, max_users, now))
    }

    fn with_quotas(max_users: usize, quotas: Quotas) -> Arc<Self> {
        Arc::new(Self {
            keys: KeyHasher::random(),
            global: GlobalBucket::default(),
            users: Buckets::new(max_users),
            routes: Buckets::new(0),
            quotas,
            addresses: Arc::new(Addresses::new(max_users)),
            bulk: InFlight::new(max_users),
            failures: Failures::new(max_users),
            evictions: AtomicU64::new(0),
            overflow: AtomicU64::new(0),
            quota_overflow: AtomicU64::new(0),
            snapshots_lost: AtomicU64::new(0),
        })
    }

    /// Judges all policies of an authenticated request together, and charges all or none: user, route, quota and global; on an
    /// exempt route `bulk_in_flight` and global only.
    ///
    /// # Errors
    /// The policy that refuses; nothing is charged.
    pub fn admit(&self, limits: &Limits, caller: &Caller<'_>, charge: Charge, now: Now) -> Result<Admission, Refusal> {
        let key = self.keys.user(caller.issuer, caller.subject);
        let quota = caller.terms.per_user;
        let admission = if charge == Charge::Exempt {
            self.admit_in_flight(&Asked { limits, route: None, share: None, now }, quota, key)
        } else {
            self.admit_charged(&Asked { limits, route: charge.route(), share: self.share(caller, now), now }, quota, key)
        };
        Ok(admission?)
    }

    fn share(&self, caller: &Caller<'_>, now: Now) -> Option<Share> {
        caller.terms.quota.map(|quota| self.quotas.share(quota, caller.issuer, caller.subject, now))
    }

    fn admit_charged(&self, asked: &Asked<'_>, quota: Quota, key: u64) -> Result<Admission, Refused> {
        let now = asked.now.monotonic_ns;
        let judge = |tat: Option<u64>, now| quota.charge(tat.unwrap_or(0), now).map_err(Refused::by_bucket(Policy::User, quota));
        // A refusal is found reading. Only who would be admitted takes the buckets' locks, and is judged again under them.
        self.agree(asked, judge(self.users.peek(key), self.users.not_before_forgotten(now)).map(drop))?;
        let mut beyond = Beyond::default();
        let (user, kept) = self.users.with(key, |bucket| {
            let now = bucket.not_before_forgotten(now);
            let charged = self.charge_route(asked, judge(bucket.value(), now), &mut beyond)?;
            Ok((quota.standing(charged, now), bucket.store(charged, asked.limits.max_users)))
        })?;
        self.count_overflow(!kept);
        Ok(Admission { user, route: beyond.route, quota: beyond.quota, bulk: None })
    }

    fn admit_in_flight(&self, asked: &Asked<'_>, quota: Quota, key: u64) -> Result<Admission, Refused> {
        let Limits { bulk_in_flight, max_users, .. } = *asked.limits;
        let user = self.standing_of(quota, key, asked.now);
        let free = self.bulk.free(key, bulk_in_flight, user).map_err(Refused::by_places(bulk_in_flight));
        both(free, self.peek_global(asked))?;
        let place = self.bulk.take(key, bulk_in_flight, user, max_users, |judged| {
            self.charge_global(asked, judged.map_err(Refused::by_places(bulk_in_flight)))
        })?;
        let bulk = match place {
            Place::Taken(slot) => Some(slot),
            Place::Uncounted => None,
        };
        self.count_overflow(bulk.is_none());
        Ok(Admission { user, route: None, quota: None, bulk })
    }

    /// Whether route, quota and global agree with the caller's own policy, charging nothing.
    fn agree(&self, asked: &Asked<'_>, own: Result<(), Refused>) -> Result<(), Refused> {
        let now = asked.now.monotonic_ns;
        let of_route =
            |route: RouteQuota| route.judge(self.routes.peek(route.key), self.routes.not_before_forgotten(now)).map(drop);
        let route = asked.route.map_or(Ok(()), of_route);
        let of_quota = |share: Share| self.quotas.peek(share).map_err(Refused::by_span(share.span));
        let quota = asked.share.map_or(Ok(()), of_quota);
        [route, quota, self.peek_global(asked)].into_iter().fold(own, |judged, next| both(judged, next).map(drop))
    }

    /// Charges the route, and what is asked after it, if all agree with what was judged before.
    fn charge_route<T>(&self, asked: &Asked<'_>, judged: Result<T, Refused>, beyond: &mut Beyond) -> Result<T, Refused> {
        let Some(route) = asked.route else { return self.charge_quota(asked, judged, beyond) };
        self.routes.with(route.key, |bucket| {
            let now = bucket.not_before_forgotten(asked.now.monotonic_ns);
            let own = route.judge(bucket.value(), now);
            let (judged, charged) = self.charge_quota(asked, both(judged, own), beyond)?;
            // Routes are as many as were configured: there is always room.
            let _ = bucket.store(charged, usize::MAX);
            beyond.route = Some(Numbers::of_bucket(Policy::Route, route.quota, route.quota.standing(charged, now)));
            Ok(judged)
        })
    }

    /// Charges the user's quota, and global after it, if all agree with what was judged before.
    fn charge_quota<T>(&self, asked: &Asked<'_>, judged: Result<T, Refused>, beyond: &mut Beyond) -> Result<T, Refused> {
        let Some(share) = asked.share else { return self.charge_global(asked, judged) };
        let charged = self.quotas.charge(share, asked.limits.max_users, asked.now, |own| {
            self.charge_global(asked, both(judged, own.map_err(Refused::by_span(share.span))))
        });
        let ((judged, standing), counted) = charged?;
        if !counted {
            self.quota_overflow.fetch_add(1, Relaxed);
        }
        beyond.quota = Some(Numbers::of_span(share.span, standing));
        Ok(judged)
    }

    /// Charges global if it and all before it agree. Its line is touched once: each touch may have to fetch it from another core.
    fn charge_global<T>(&self, asked: &Asked<'_>, judged: Result<T, Refused>) -> Result<T, Refused> {
        let quota = asked.limits.global;
        let charged = match judged {
            Ok(_) => self.global.charge(quota, asked.now.monotonic_ns).map_err(Refused::by_bucket(Policy::Global, quota)),
            Err(_) => self.peek_global(asked),
        };
        both(judged, charged).map(|(agreed, ())| agreed)
    }

    fn peek_global(&self, asked: &Asked<'_>) -> Result<(), Refused> {
        let quota = asked.limits.global;
        self.global.peek(quota, asked.now.monotonic_ns).map_err(Refused::by_bucket(Policy::Global, quota))
    }

    /// Judges and charges route and global: routes with `auth = "none"` (whose address was charged before).
    ///
    /// # Errors
    /// The refusal; nothing is charged.
    pub fn admit_anonymous(&self, limits: &Limits, charge: Charge, now: Now) -> Result<Option<Numbers>, Refusal> {
        let asked = Asked { limits, route: charge.route(), share: None, now };
        let mut beyond = Beyond::default();
        self.agree(&asked, Ok(()))?;
        self.charge_route(&asked, Ok(()), &mut beyond)?;
        Ok(beyond.route)
    }

    /// Takes one token of the client's address. Keep the charge until it is known how the request ends.
    ///
    /// # Errors
    /// The bucket is empty; nothing is charged.
    pub fn charge_address(&self, limits: &Limits, address: IpAddr, now: Now) -> Result<AddressCharge, Refusal> {
        let key = self.keys.address(address);
        let reserved = self.addresses.reserve(limits.per_address, key, limits.max_users, now.monotonic_ns);
        Ok(reserved.map_err(Refused::by_bucket(Policy::Address, limits.per_address))?)
    }

    /// What a request holds that goes on though the bucket of its address is empty: nothing, because limits are only tried.
    pub fn no_charge(&self, limits: &Limits, standing: Standing) -> AddressCharge {
        self.addresses.no_charge(limits.per_address, standing)
    }

    /// Gives a reserved token back: the request proved to be authenticated. Exact at any time and under any quota.
    pub fn refund_address(&self, charge: AddressCharge) {
        charge.refund();
    }

    /// The user's bucket as it is, charging nothing (401-free answers that are not counted: 405, 403 after authentication).
    #[must_use]
    pub fn user_standing(&self, caller: &Caller<'_>, now: Now) -> Standing {
        self.standing_of(caller.terms.per_user, self.keys.user(caller.issuer, caller.subject), now)
    }

    fn standing_of(&self, quota: Quota, key: u64, now: Now) -> Standing {
        quota.standing(self.users.peek(key).unwrap_or(0), self.users.not_before_forgotten(now.monotonic_ns))
    }

    /// The user's quota as it is, charging nothing.
    #[must_use]
    pub fn quota_numbers(&self, caller: &Caller<'_>, now: Now) -> Option<Numbers> {
        let share = self.share(caller, now)?;
        Some(Numbers::of_span(share.span, self.quotas.standing(share)))
    }

    /// The route's bucket as it is, charging nothing.
    #[must_use]
    pub fn route_numbers(&self, charge: Charge, now: Now) -> Option<Numbers> {
        let RouteQuota { key, quota } = charge.route()?;
        let now = self.routes.not_before_forgotten(now.monotonic_ns);
        let standing = quota.standing(self.routes.peek(key).unwrap_or(0), now);
        Some(Numbers::of_bucket(Policy::Route, quota, standing))
    }

    /// The address' bucket as it is, charging nothing (the gateway's own ping).
    #[must_use]
    pub fn address_standing(&self, limits: &Limits, address: IpAddr, now: Now) -> Standing {
        self.addresses.standing(limits.per_address, self.keys.address(address), limits.max_users, now.monotonic_ns)
    }

    /// Forgets full buckets; a background task calls it every second. A million buckets take it milliseconds, but it locks
    /// one shard after the other: a request waits 25 µs for it at worst, with a hundred million buckets 76.
    ///
    /// A bucket is forgotten a second after it is full (requests under way may carry older times). What a larger quota left
    /// of debt beyond the present capacity is let go of here, too; of users beyond the capacity of the largest plan, because
    /// whose bucket it is cannot be told from its key. Quotas are forgotten when their period is surely over.
    pub fn sweep(&self, limits: &Limits, now: Now) {
        self.quotas.sweep(limits.max_users, now);
        // All maps are swept as of the same moments; one behind what was forgotten before would find debts that nobody has.
        let now = self.users.not_before_forgotten(now.monotonic_ns);
        self.global.sweep(limits.global, now);
        self.sweep_routes(limits, now);
        let largest = limits.largest_user();
        let users = self.users.sweep(now, |tat| largest.swept(tat, now));
        let addresses = self.addresses.sweep(limits.per_address, now);
        let failures = self.failures.sweep(limits.failures, now);
        self.evictions.fetch_add((users + addresses + failures) as u64, Relaxed);
    }

    /// A route that is not configured any more keeps its bucket until it is full.
    fn sweep_routes(&self, limits: &Limits, now: u64) {
        self.routes.sweep(now, |tat| (tat.saturating_add(SWEEP_SLACK_NS) > now).then_some(tat));
        for route in &limits.routes {
            self.routes.with(route.key, |bucket| bucket.update(|tat| route.quota.swept(tat, now)));
        }
    }

    /// The quotas' counters as a file, if any has changed since the last time.
    #[must_use]
    pub fn quota_snapshot(&self, now: Now) -> Option<Vec<u8>> {
        self.quotas.snapshot(now)
    }

    /// The last snapshot could not be kept: the next one is taken though nothing may change meanwhile.
    pub fn quota_snapshot_lost(&self) {
        self.quotas.snapshot_lost();
        self.snapshots_lost.fetch_add(1, Relaxed);
    }

    /// Snapshots that could not be kept, since the start.
    #[must_use]
    pub fn quota_snapshots_lost(&self) -> u64 {
        self.snapshots_lost.load(Relaxed)
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

    /// The same because their user's quota found no room for a counter.
    #[must_use]
    pub fn quota_overflow(&self) -> u64 {
        self.quota_overflow.load(Relaxed)
    }

    /// Counters of quotas now.
    #[must_use]
    pub fn quota_counters(&self) -> usize {
        self.quotas.len()
    }

    fn count_overflow(&self, happened: bool) {
        if happened {
            self.overflow.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
