//! Buckets of addresses: what does not end authenticated costs its address a token.
//!
//! Whether a request ends authenticated is known only after work that a flood must not get for nothing, so the token is
//! reserved first. A reservation counts against the capacity but not against time: giving it back subtracts it, exactly as
//! if it had never been, whatever the bucket did meanwhile. (Giving back time is not exact: the bucket may have been idle in
//! between, and the time would be given twice.) One that is not given back becomes a charge at the time of its reservation.
//!
//! At the bound, addresses without an entry share one bucket. Admitting them freely would make a flood from many addresses
//! unlimited, refusing them would lock everyone out; verified tokens in the cache do not come this way.

use super::{
    buckets::Buckets,
    gcra::{Empty, Quota, Standing},
    sync::{Mutex, MutexGuard},
    table::Value,
};
use std::sync::{Arc, PoisonError};

/// The buckets of all addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    own: Buckets<AddressBucket>,
    /// Of those that found no room.
    shared: Mutex<AddressBucket>,
}

/// One token taken from an address' bucket that can be given back. Dropping it lets the charge stand.
#[derive(Debug)]
#[must_use = "dropping it charges the address"]
pub struct AddressCharge {
    /// The bucket after the charge.
    pub standing: Standing,
    addresses: Arc<Addresses>,
    place: Place,
    quota: Quota,
    reserved_at: u64,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Own(u64),
    Shared,
    /// Nothing was taken.
    Nowhere,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Charged,
    Refunded,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct AddressBucket {
    tat: u64,
    reserved: u32,
}

impl Addresses {
    pub(super) fn new(expected: usize) -> Self {
        Self { own: Buckets::new(expected), shared: Mutex::default() }
    }

    /// Reserves one token of the address with this key.
    pub(super) fn reserve(self: &Arc<Self>, quota: Quota, key: u64, most: usize, now: u64) -> Result<AddressCharge, Empty> {
        // A flood is refused reading; who would be admitted is judged again under the lock.
        self.own.peek(key).unwrap_or_default().reserve(quota, self.own.not_before_forgotten(now))?;
        let own = self.own.with(key, |bucket| {
            let now = bucket.not_before_forgotten(now);
            let mut reserved = bucket.value().unwrap_or_default();
            let standing = reserved.reserve(quota, now)?;
            Ok(bucket.store(reserved, most).then_some((standing, now)))
        })?;
        let (place, standing, reserved_at) = if let Some((standing, now)) = own {
            (Place::Own(key), standing, now)
        } else {
            let mut shared = self.shared();
            let now = self.own.not_before_forgotten(now);
            (Place::Shared, shared.reserve(quota, now)?, now)
        };
        Ok(AddressCharge { standing, addresses: Arc::clone(self), place, quota, reserved_at, outcome: Outcome::Charged })
    }

    /// The charge of a request that goes on though the bucket is empty: nothing.
    pub(super) fn no_charge(self: &Arc<Self>, quota: Quota, standing: Standing) -> AddressCharge {
        let addresses = Arc::clone(self);
        AddressCharge { standing, addresses, place: Place::Nowhere, quota, reserved_at: 0, outcome: Outcome::Refunded }
    }

    /// The address' bucket as it is: at the bound the shared one, for who has none.
    pub(super) fn standing(&self, quota: Quota, key: u64, most: usize, now: u64) -> Standing {
        let bucket = match self.own.peek(key) {
            Some(bucket) => bucket,
            None if self.own.len() >= most => *self.shared(),
            None => AddressBucket::default(),
        };
        let now = self.own.not_before_forgotten(now);
        quota.standing(quota.drained(bucket.tat, now, bucket.reserved), now)
    }

    /// Forgets full buckets; returns how many. The shared one stays, but lets go of what a larger quota left, as the others do.
    pub(super) fn sweep(&self, quota: Quota, now: u64) -> usize {
        let forgotten = self.own.sweep(now, |bucket| bucket.swept(quota, now));
        let mut shared = self.shared();
        *shared = shared.swept(quota, now).unwrap_or_default();
        forgotten
    }

    /// Entries now.
    pub(super) fn len(&self) -> usize {
        self.own.len()
    }

    fn shared(&self) -> MutexGuard<'_, AddressBucket> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Value for AddressBucket {
    const WORDS: usize = 2;

    fn words(self) -> [u64; 2] {
        [self.tat, u64::from(self.reserved)]
    }

    fn of_words([tat, reserved]: [u64; 2]) -> Self {
        Self { tat, reserved: u32::of_words([reserved, 0]) }
    }
}

impl AddressBucket {
    /// Reservations are at most a burst, 10⁸: the count cannot overflow.
    fn reserve(&mut self, quota: Quota, now: u64) -> Result<Standing, Empty> {
        let after = quota.charge(quota.drained(self.tat, now, self.reserved), now)?;
        self.reserved += 1;
        Ok(quota.standing(after, now))
    }

    fn end_reservation(&mut self, outcome: Outcome, quota: Quota, reserved_at: u64) {
        self.reserved = self.reserved.saturating_sub(1);
        match outcome {
            Outcome::Charged => self.tat = quota.drained(self.tat, reserved_at, 1),
            Outcome::Refunded => {}
        }
    }

    /// An entry that somebody holds a reservation of stays.
    fn swept(self, quota: Quota, now: u64) -> Option<Self> {
        match quota.swept(self.tat, now) {
            Some(tat) => Some(Self { tat, ..self }),
            None => (self.reserved > 0).then_some(self),
        }
    }
}

impl AddressCharge {
    /// Whether there is a token that it holds: not where limits are only tried and the bucket was empty.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        !matches!(self.place, Place::Nowhere)
    }

    /// Gives the token back.
    pub(super) fn refund(mut self) {
        self.outcome = Outcome::Refunded;
    }
}

impl Drop for AddressCharge {
    fn drop(&mut self) {
        let end = |bucket: &mut AddressBucket| bucket.end_reservation(self.outcome, self.quota, self.reserved_at);
        match self.place {
            Place::Nowhere => {}
            Place::Shared => end(&mut self.addresses.shared()),
            Place::Own(key) => self.addresses.own.with(key, |entry| {
                entry.update(|mut bucket| {
                    end(&mut bucket);
                    Some(bucket)
                });
            }),
        }
    }
}

#[cfg(test)]
mod tests;
