//! All policies of one request, judged together and charged together.
use super::Quota;
use crate::time::Now;
use std::{net::IpAddr, sync::Arc};

/// A named limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Policy { User, Global, Address, Bulk }

impl Policy {
    /// Every policy, for metrics made ahead.
    pub const ALL: &'static [Self] = &[Self::User, Self::Global, Self::Address, Self::Bulk];
    /// Name in the body, log and metrics.
    #[must_use]
    pub fn label(self) -> &'static str { todo!() }
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
    /// Requests of one user at a time on exempt routes; 0: no cap.
    pub bulk_in_flight: u32,
    /// Most live user buckets.
    pub max_users: usize,
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

/// The answer of a policy that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of several, the one with the longest wait.
    pub policy: Policy,
    /// Its quota (for the sentence in the body).
    pub quota: Quota,
    /// Its bucket; `remaining` is 0.
    pub standing: Standing,
    /// Whole seconds, at least 1, rounded up.
    pub retry_after_s: u64,
}

impl Refusal {
    /// The sentence.
    #[must_use]
    pub fn detail(&self) -> String { todo!() }
}

/// An admitted request.
#[derive(Debug)]
pub struct Admission {
    /// The user's bucket after the charge (as it is, on exempt routes).
    pub user: Standing,
    /// Held while the request is in flight on an exempt route.
    pub bulk: Option<BulkSlot>,
}

/// One of a user's `bulk_in_flight` places; dropping it gives it back.
#[derive(Debug)]
pub struct BulkSlot {}

/// One token taken from an address' bucket that can be given back.
#[derive(Debug)]
pub struct AddressCharge {
    /// The bucket after the charge.
    pub standing: Standing,
}

/// The buckets; survives a reload.
#[derive(Debug)]
pub struct LimitState {}

impl LimitState {
    /// Empty maps with a fresh random hash key. `max_users` bounds users and, separately, addresses.
    #[must_use]
    pub fn new(max_users: usize) -> Arc<Self> { let _ = max_users; todo!() }

    /// Judges user and global together and charges both or none; on an `exempt` route global and `bulk_in_flight` only.
    ///
    /// # Errors
    /// The policy that refuses; nothing is charged.
    pub fn admit(self: &Arc<Self>, limits: &Limits, issuer: &str, subject: &str, exempt: bool, now: Now) -> Result<Admission, Refusal> {
        let _ = (limits, issuer, subject, exempt, now); todo!()
    }

    /// Judges and charges the global policy alone: routes with `auth = "none"` (whose address was charged before).
    ///
    /// # Errors
    /// The refusal; nothing is charged.
    pub fn admit_anonymous(&self, limits: &Limits, now: Now) -> Result<(), Refusal> { let _ = (limits, now); todo!() }

    /// Takes one token of the client's address.
    ///
    /// # Errors
    /// The bucket is empty; nothing is charged.
    pub fn charge_address(&self, limits: &Limits, address: IpAddr, now: Now) -> Result<AddressCharge, Refusal> { let _ = (limits, address, now); todo!() }

    /// Gives a reserved token back: the request proved to be authenticated.
    pub fn refund_address(&self, limits: &Limits, charge: AddressCharge, now: Now) { let _ = (limits, charge, now); todo!() }

    /// The user's bucket as it is, charging nothing (401-free answers that are not counted: 405, 403 after authentication).
    #[must_use]
    pub fn user_standing(&self, limits: &Limits, issuer: &str, subject: &str, now: Now) -> Standing { let _ = (limits, issuer, subject, now); todo!() }

    /// The address' bucket as it is, charging nothing (the gateway's own ping).
    #[must_use]
    pub fn address_standing(&self, limits: &Limits, address: IpAddr, now: Now) -> Standing { let _ = (limits, address, now); todo!() }

    /// Forgets full buckets of one shard; called by a background task every few milliseconds, walks all shards in turn.
    pub fn sweep_step(&self, limits: &Limits, now: Now) { let _ = (limits, now); todo!() }

    /// Tracked users now.
    #[must_use]
    pub fn users(&self) -> usize { todo!() }
    /// Whole tokens in the global bucket now.
    #[must_use]
    pub fn global_tokens(&self, limits: &Limits, now: Now) -> u64 { let _ = (limits, now); todo!() }
    /// Buckets forgotten since the start.
    #[must_use]
    pub fn evictions(&self) -> u64 { todo!() }
}
