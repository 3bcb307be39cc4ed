//! Tokens that were verified, so that a token seen again costs a look-up (96 ns from the header on; a microsecond out of 100 000
//! that no processor cache holds) instead of a verification (18 µs for RS256, 53 µs for ES256: `benches/auth`).
//!
//! Invariants: never more than `capacity` entries. A hit is the same token byte for byte: the keyed hash, of a token's end
//! alone, only says where to look. Whether an entry still holds is asked by the caller at each hit (times, key set,
//! revocations), so nothing here must be undone when those change. Where a shard is full an expired entry gives way, else the
//! one under the hand.
//!
//! Not kept: refused tokens. Strangers make those without bound, and a refusal needs no memory.
use super::{Revocations, VerifiedToken, keys::KeySet};
use siphasher::sip::SipHasher13;
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak},
};

/// Enough that threads rarely meet; each shard's share of a small cache would be too small, so that has one.
const SHARDS: usize = 64;
const SMALL: usize = 64 * SHARDS;
/// Entries looked at for an expired one before a good one gives way: keeps the lock short.
const PROBES: usize = 8;
/// Bytes of a token's end that are hashed: base64url of the last 48 of its signature.
///
/// A third of the time of a hit with the whole token hashed, and as safe. Only verified tokens are kept, and whoever could make two of them end alike has the issuer's key. A stranger's
/// token with the end of a kept one is compared with it, found to be another, verified and refused, as it would be without the cache.
const HASHED_END: usize = 64;

/// Bounded by `token_cache`; shared by all threads.
pub struct TokenCache {
    /// Keyed at random: strangers choose tokens, and must not choose where they are kept.
    hasher: SipHasher13,
    shards: Box<[RwLock<Shard>]>,
}

/// A verification and under what it was made. The weak references keep the addresses taken, so that nothing later can have the
/// same, and let the content go: entries that nobody asks for again keep no old key set in memory.
pub(super) struct Remembered {
    pub(super) verified: Arc<VerifiedToken>,
    pub(super) keys: Weak<KeySet>,
    pub(super) revocations: Weak<Revocations>,
}

impl TokenCache {
    /// A cache of at most `capacity` verified tokens.
    ///
    /// # Panics
    /// Without random numbers from the operating system, when the process starts: TLS could not work either.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).expect("the operating system has no random numbers");
        let count = if capacity < SMALL { 1 } else { SHARDS };
        let share = |index| capacity / count + usize::from(index < capacity % count);
        Self {
            hasher: SipHasher13::new_with_key(&secret),
            shards: (0..count).map(|index| RwLock::new(Shard::new(share(index)))).collect(),
        }
    }

    /// Number of tokens kept, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).kept.len()).sum()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The earlier verification of these very bytes, if `holds` says it still counts.
    pub(super) fn find(&self, token: &str, holds: impl FnOnce(&Remembered) -> bool) -> Option<Arc<VerifiedToken>> {
        let hash = self.hash(token);
        let shard = read(self.shard(hash));
        let kept = &shard.kept[*shard.places.get(&hash)?];
        if &*kept.token != token || !holds(&kept.remembered) {
            return None;
        }
        Some(Arc::clone(&kept.remembered.verified))
    }

    /// Keeps a verification, in place of an earlier one of the same token.
    pub(super) fn remember(&self, token: &str, remembered: Remembered, now_ns: u64) {
        let hash = self.hash(token);
        let kept = Kept { hash, token: token.into(), remembered };
        // Dropped after the lock.
        let _given_way = write(self.shard(hash)).put(kept, now_ns);
    }

    /// Notes that this very verification, if it is still kept, holds under these revocations too.
    pub(super) fn note(&self, token: &str, verified: &Arc<VerifiedToken>, revocations: Weak<Revocations>) {
        let hash = self.hash(token);
        let mut shard = write(self.shard(hash));
        let Some(&place) = shard.places.get(&hash) else { return };
        let remembered = &mut shard.kept[place].remembered;
        if Arc::ptr_eq(&remembered.verified, verified) {
            remembered.revocations = revocations;
        }
    }

    /// Of the length and the end.
    fn hash(&self, token: &str) -> u64 {
        let bytes = token.as_bytes();
        let mut hasher = self.hasher;
        hasher.write_usize(bytes.len());
        hasher.write(&bytes[bytes.len().saturating_sub(HASHED_END)..]);
        hasher.finish()
    }

    /// The map inside a shard uses the hash's lowest and highest bits; these are between.
    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        let [_, _, high, low, ..] = hash.to_be_bytes();
        &self.shards[usize::from(u16::from_be_bytes([high, low])) % self.shards.len()]
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

struct Kept {
    hash: u64,
    token: Box<str>,
    remembered: Remembered,
}

struct Shard {
    capacity: usize,
    /// From a token's hash to its place in `kept`.
    places: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    kept: Vec<Kept>,
    /// Next place to give way.
    hand: usize,
}

impl Shard {
    fn new(capacity: usize) -> Self {
        Self { capacity, places: HashMap::default(), kept: Vec::new(), hand: 0 }
    }

    /// Puts an entry in and hands out the one that gave way.
    fn put(&mut self, kept: Kept, now_ns: u64) -> Option<Kept> {
        if self.capacity == 0 {
            return Some(kept);
        }
        let victim = self.victim(now_ns);
        let place = match self.places.entry(kept.hash) {
            Entry::Occupied(same) => *same.get(),
            Entry::Vacant(free) => {
                let place = if self.kept.len() < self.capacity { self.kept.len() } else { victim };
                *free.insert(place)
            }
        };
        if place == self.kept.len() {
            self.kept.push(kept);
            return None;
        }
        let hash = kept.hash;
        let old = std::mem::replace(&mut self.kept[place], kept);
        if old.hash != hash {
            self.places.remove(&old.hash);
            self.hand = (place + 1) % self.capacity;
        }
        Some(old)
    }

    /// The first expired entry from the hand on, else the one under the hand.
    fn victim(&self, now_ns: u64) -> usize {
        let places = (0..PROBES.min(self.kept.len())).map(|step| (self.hand + step) % self.kept.len());
        let expired = |&place: &usize| self.kept[place].remembered.verified.times().end_ns <= now_ns;
        places.into_iter().find(expired).unwrap_or(self.hand)
    }
}

/// The keys are hashes already. `limit` has the same: stages do not import each other.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
}

/// A thread that panicked with the lock left at worst an entry that `find` compares anyway.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
