//! The plainest limiter that can be written: every charge in a list, nothing ever forgotten, whole numbers wide enough for all.
//!
//! A bucket is what the contract says about windows: of every run of charges that ends now, whichever charge it begins with, the
//! tokens are at most the burst and what came back since that first one. Nothing of it is carried from one decision to the next.

use super::{quota_oracle::QuotaOracle, *};

const SECOND_NS: i128 = 1_000_000_000;
/// How much older than a sweep a request's time may be.
const SLACK: i128 = SECOND_NS;

/// Charges in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket(Vec<Cost>);

#[derive(Clone, Copy, Debug)]
struct Cost {
    time: i128,
    ns: i128,
    /// Of a charge for one request; a sweep's is for none.
    quota: Option<Quota>,
}

/// With reservations that have not ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Address {
    bucket: Bucket,
    held: i128,
}

/// What a policy says: how long it would have to be waited for (0 or less: it agrees), and how it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    pub(super) policy: Policy,
    pub(super) wait: i128,
    pub(super) full_in: i128,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Admitted { remaining: i128, full_in: i128 },
    Refused { policy: &'static str, wait_s: i128, full_in: i128 },
}

#[derive(Default)]
pub(super) struct Oracle {
    global: Bucket,
    users: BTreeMap<u64, Bucket>,
    routes: BTreeMap<u64, Bucket>,
    addresses: BTreeMap<u64, Address>,
    shared: Address,
    in_flight: BTreeMap<u64, u32>,
    failures: BTreeMap<u64, Bucket>,
    pub(super) quotas: QuotaOracle,
    /// No decision about what can be forgotten is made as of before it.
    horizon: i128,
    pub(super) overflow: u64,
    pub(super) evictions: u64,
}

pub(super) fn interval(quota: Quota) -> i128 {
    let rate = i128::from(quota.rate());
    (SECOND_NS + rate - 1) / rate
}

fn capacity(quota: Quota) -> i128 {
    interval(quota) * i128::from(quota.burst())
}

/// Whole tokens beside this debt.
fn tokens(quota: Quota, debt: i128) -> i128 {
    (capacity(quota) - debt).max(0) / interval(quota)
}

impl Bucket {
    /// When no run of charges says anything any more.
    fn full_at(&self) -> i128 {
        let mut cost = 0;
        let ends = self.0.iter().rev().map(|charge| {
            cost += charge.ns;
            charge.time + cost
        });
        ends.max().unwrap_or(i128::MIN / 2)
    }

    fn debt(&self, now: i128) -> i128 {
        (self.full_at() - now).max(0)
    }

    fn judge(&self, policy: Policy, quota: Quota, now: i128) -> Judgement {
        let debt = self.debt(now);
        Judgement { policy, wait: debt + interval(quota) - capacity(quota), full_in: debt }
    }

    fn charge(&mut self, quota: Quota, now: i128) {
        self.0.push(Cost { time: now, ns: interval(quota), quota: Some(quota) });
        self.assert_windows(quota);
    }

    /// `burst + rate × T` as it is written, with the rate that was written: over it by nothing at all.
    fn assert_windows(&self, quota: Quota) {
        let (rate, burst) = (i128::from(quota.rate()), i128::from(quota.burst()));
        let (mut count, mut first, mut last) = (0, i128::MAX, i128::MIN);
        for charge in self.0.iter().rev().take_while(|charge| charge.quota == Some(quota)) {
            (count, first, last) = (count + 1, first.min(charge.time), last.max(charge.time));
            assert!((count - burst) * SECOND_NS <= rate * (last - first), "{count} in {} ns under {quota:?}", last - first);
        }
    }

    /// Whether it stays. What a larger quota left beyond the present capacity is let go of.
    fn sweep(&mut self, quota: Quota, now: i128) -> bool {
        if self.full_at() + SLACK <= now {
            return false;
        }
        if self.full_at() > now + capacity(quota) + SLACK {
            self.0 = vec![Cost { time: now, ns: capacity(quota), quota: None }];
        }
        true
    }
}

impl Address {
    fn debt(&self, quota: Quota, now: i128) -> i128 {
        self.bucket.debt(now) + self.held * interval(quota)
    }

    fn reserve(&mut self, quota: Quota, now: i128) -> Outcome {
        let debt = self.debt(quota, now);
        let judged = Judgement { policy: Policy::Address, wait: debt + interval(quota) - capacity(quota), full_in: debt };
        if judged.wait > 0 {
            return refused(judged);
        }
        self.held += 1;
        admitted(quota, debt + interval(quota))
    }

    fn sweep(&mut self, quota: Quota, now: i128) -> bool {
        self.bucket.sweep(quota, now) || self.held > 0
    }
}

fn admitted(quota: Quota, debt: i128) -> Outcome {
    Outcome::Admitted { remaining: tokens(quota, debt), full_in: debt }
}

fn refused(judged: Judgement) -> Outcome {
    let wait_s = ((judged.wait + SECOND_NS - 1) / SECOND_NS).max(1);
    Outcome::Refused { policy: judged.policy.label(), wait_s, full_in: judged.full_in }
}

/// The longest wait; of equals the one that is named first. `None`: all agree.
fn longest_wait(judged: impl IntoIterator<Item = Judgement>) -> Option<Judgement> {
    let refusing = judged.into_iter().filter(|judgement| judgement.wait > 0);
    refusing.reduce(|longest, other| if other.wait > longest.wait { other } else { longest })
}

impl Oracle {
    /// And how the route and the quota stand, if they were charged.
    pub(super) fn admit(
        &mut self,
        limits: &Limits,
        terms: Terms,
        charge: Charge,
        user: u64,
        at: Now,
    ) -> (Outcome, [Option<Outcome>; 2]) {
        let mut bucket = self.users.get(&user).cloned().unwrap_or_default();
        let (now, quota) = (self.not_before_forgotten(at.monotonic_ns.into()), terms.per_user);
        let own = bucket.judge(Policy::User, quota, now);
        let of_quota = terms.quota.map(|quota| self.quotas.judge(quota, user, at));
        let asked = [own].into_iter().chain(self.judge_all(limits, charge, of_quota, at.monotonic_ns.into()));
        if let Some(longest) = longest_wait(asked) {
            return (refused(longest), [None; 2]);
        }
        bucket.charge(quota, now);
        let of_route = self.charge_all(limits, charge, at.monotonic_ns.into());
        let of_quota = terms.quota.map(|quota| self.quotas.charge(quota, user, limits.max_users, at));
        let outcome = admitted(quota, bucket.debt(now));
        if self.users.contains_key(&user) || self.users.len() < limits.max_users {
            self.users.insert(user, bucket);
        } else {
            self.overflow += 1;
        }
        (outcome, [of_route, of_quota])
    }

    /// What is asked after the caller's own policy, in its order.
    fn judge_all(&self, limits: &Limits, charge: Charge, of_quota: Option<Judgement>, now: i128) -> Vec<Judgement> {
        let route = charge.route().map(|route| {
            let bucket = self.routes.get(&route.key).cloned().unwrap_or_default();
            bucket.judge(Policy::Route, route.quota, self.not_before_forgotten(now))
        });
        route.into_iter().chain(of_quota).chain([self.global.judge(Policy::Global, limits.global, now)]).collect()
    }

    fn charge_all(&mut self, limits: &Limits, charge: Charge, now: i128) -> Option<Outcome> {
        self.global.charge(limits.global, now);
        let (route, now) = (charge.route()?, self.not_before_forgotten(now));
        let bucket = self.routes.entry(route.key).or_default();
        bucket.charge(route.quota, now);
        Some(admitted(route.quota, bucket.debt(now)))
    }

    /// And whether a place was taken.
    pub(super) fn admit_exempt(&mut self, limits: &Limits, quota: Quota, user: u64, now: i128) -> (Outcome, bool) {
        let debt = self.users.get(&user).map_or(0, |bucket| bucket.debt(self.not_before_forgotten(now)));
        let taken = self.in_flight.get(&user).copied().unwrap_or(0);
        let free = limits.bulk_in_flight == 0 || taken < limits.bulk_in_flight;
        let own = Judgement { policy: Policy::Bulk, wait: if free { 0 } else { SECOND_NS }, full_in: debt };
        if let Some(longest) = longest_wait([own, self.global.judge(Policy::Global, limits.global, now)]) {
            return (refused(longest), false);
        }
        self.global.charge(limits.global, now);
        let counted = taken > 0 || self.in_flight.len() < limits.max_users;
        if counted {
            self.in_flight.insert(user, taken + 1);
        } else {
            self.overflow += 1;
        }
        (admitted(quota, debt), counted)
    }

    pub(super) fn leave(&mut self, user: u64) {
        let taken = self.in_flight.remove(&user).unwrap_or(0);
        if taken > 1 {
            self.in_flight.insert(user, taken - 1);
        }
    }

    pub(super) fn admit_anonymous(&mut self, limits: &Limits, charge: Charge, now: i128) -> Outcome {
        if let Some(longest) = longest_wait(self.judge_all(limits, charge, None, now)) {
            return refused(longest);
        }
        self.charge_all(limits, charge, now);
        admitted(limits.global, self.global.debt(now))
    }

    /// And whether the address has a bucket of its own.
    pub(super) fn reserve(&mut self, limits: &Limits, address: u64, now: i128) -> (Outcome, bool) {
        let now = self.not_before_forgotten(now);
        let own = self.addresses.contains_key(&address) || self.addresses.len() < limits.max_users;
        if !own {
            return (self.shared.reserve(limits.per_address, now), false);
        }
        let mut reserving = self.addresses.get(&address).cloned().unwrap_or_default();
        let outcome = reserving.reserve(limits.per_address, now);
        if matches!(outcome, Outcome::Admitted { .. }) {
            self.addresses.insert(address, reserving);
        }
        (outcome, true)
    }

    /// A reservation ends: given back as if it had never been, or charged as of when it was made.
    pub(super) fn end(&mut self, address: Option<u64>, refund: bool, quota: Quota, reserved_at: i128) {
        let ended = match address {
            Some(address) => self.addresses.get_mut(&address).expect("BUG: it stays while it is reserved from"),
            None => &mut self.shared,
        };
        ended.held -= 1;
        if !refund {
            ended.bucket.charge(quota, reserved_at);
        }
    }

    /// Whether the secret was looked at.
    pub(super) fn attempt(&mut self, limits: &Limits, client: u64, right: bool, now: i128) -> bool {
        let now = self.not_before_forgotten(now);
        let mut bucket = self.failures.get(&client).cloned().unwrap_or_default();
        if bucket.judge(Policy::Address, limits.failures, now).wait > 0 {
            return false;
        }
        if !right && (self.failures.contains_key(&client) || self.failures.len() < limits.max_users) {
            bucket.charge(limits.failures, now);
            self.failures.insert(client, bucket);
        }
        true
    }

    /// A clock that steps back past a sweep stands still until it has caught up.
    pub(super) fn not_before_forgotten(&self, now: i128) -> i128 {
        now.max(self.horizon)
    }

    pub(super) fn is_behind(&self, now: i128) -> bool {
        now < self.horizon
    }

    /// Full buckets, nobody in flight, nothing counted; of quotas what was used.
    pub(super) fn restarted(&self, at: Now) -> Self {
        Self { quotas: self.quotas.restarted(at), ..Self::default() }
    }

    pub(super) fn sweep(&mut self, limits: &Limits, at: Now) {
        self.quotas.sweep(limits.max_users, at);
        let now = self.not_before_forgotten(at.monotonic_ns.into());
        self.horizon = self.horizon.max(now - SLACK);
        let buckets = |state: &Self| (state.users.len() + state.addresses.len() + state.failures.len()) as u64;
        let before = buckets(self);
        self.global.sweep(limits.global, now);
        let users = limits.plans.terms().iter().map(|terms| terms.per_user).chain([limits.per_user]);
        let largest = users.max_by_key(|quota| capacity(*quota)).expect("BUG: one at least");
        self.users.retain(|_, bucket| bucket.sweep(largest, now));
        self.routes.retain(|key, bucket| match limits.routes.iter().find(|route| route.key == *key) {
            Some(route) => bucket.sweep(route.quota, now),
            None => bucket.full_at() + SLACK > now,
        });
        self.failures.retain(|_, bucket| bucket.sweep(limits.failures, now));
        self.addresses.retain(|_, address| address.sweep(limits.per_address, now));
        self.shared.sweep(limits.per_address, now);
        self.evictions += before - buckets(self);
    }

    /// Users, addresses, whole tokens of the global bucket.
    pub(super) fn totals(&self, limits: &Limits, now: i128) -> (usize, usize, i128) {
        (self.users.len(), self.addresses.len(), tokens(limits.global, self.global.debt(now)))
    }

    pub(super) fn user(&self, quota: Quota, user: u64, now: i128) -> Outcome {
        let now = self.not_before_forgotten(now);
        admitted(quota, self.users.get(&user).map_or(0, |bucket| bucket.debt(now)))
    }

    pub(super) fn address(&self, limits: &Limits, address: u64, now: i128) -> Outcome {
        let (full, now) = (self.addresses.len() >= limits.max_users, self.not_before_forgotten(now));
        let known = self.addresses.get(&address).or(full.then_some(&self.shared));
        admitted(limits.per_address, known.map_or(0, |known| known.debt(limits.per_address, now)))
    }
}
