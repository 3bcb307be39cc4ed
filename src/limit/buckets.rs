//! Values by key, sharded and bounded: users' buckets, addresses' buckets, requests in flight.
//!
//! A key's shard is locked for the few dozen nanoseconds of one decision. That makes a decision over several buckets one step:
//! a charge here that depends on another policy is written after that policy agreed, or not at all, so nothing ever has to be
//! given back. (Charging with atomics and refunding on a lost race was tried on paper: a refund is exact only if nobody found
//! the bucket idle meanwhile, which no clock reading proves.) The lock does not leave [`Buckets::with`]: it cannot be held
//! across an await.
//!
//! Not an LRU: dropping a live bucket would hand its owner a full one. A full map refuses new keys instead.

use dashmap::{DashMap, Entry};
use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Entries of a shard at the bound. A sweep holds a shard for 4 ns per entry that stays and 14 ns per entry that goes, so for
/// 30 µs at worst.
const ENTRIES_PER_SHARD: usize = 2048;
/// A shard without entries takes 128 bytes: 64 KiB in all for a million users, 2 MiB at most. A hundred million users make
/// each shard three times as full, which a sweep still passes in less than 100 µs.
const MOST_SHARDS: usize = 16_384;
/// So that threads seldom meet even where few users are expected.
const FEWEST_SHARDS: usize = 16;
/// Entries whose memory is not worth giving back.
const FEW: usize = 64;

/// A bounded map that many threads change.
#[derive(Debug)]
pub(super) struct Buckets<V> {
    map: DashMap<u64, V, BuildHasherDefault<KeyIsHash>>,
    /// Entries in all shards: counting them there would lock each.
    live: AtomicUsize,
}

/// One key's place in the map, locked until it is written or dropped.
pub(super) struct Bucket<'a, V> {
    place: Entry<'a, u64, V>,
    live: &'a AtomicUsize,
}

impl<V: Copy> Buckets<V> {
    /// Empty, with shards for about `expected` entries. The bound itself comes with each new entry: it may be reloaded.
    pub(super) fn new(expected: usize) -> Self {
        let map = DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), shards(expected));
        Self { map, live: AtomicUsize::new(0) }
    }

    /// Does `step` with the key's place, which nobody else reads or changes meanwhile. `step` must not come back to this map.
    /// Who may not write after all should [`peek`](Self::peek) first: an absent key's place may cost the shard memory.
    pub(super) fn with<R>(&self, key: u64, step: impl FnOnce(Bucket<'_, V>) -> R) -> R {
        step(Bucket { place: self.map.entry(key), live: &self.live })
    }

    /// The key's value as it is. Writes nothing but the shard's count of readers.
    pub(super) fn peek(&self, key: u64) -> Option<V> {
        self.map.view(&key, |_, value| *value)
    }

    /// Entries now.
    pub(super) fn len(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Calls `look` with every entry. Locks one shard after the other, against changes only.
    pub(super) fn each(&self, mut look: impl FnMut(u64, V)) {
        self.map.iter().for_each(|entry| look(*entry.key(), *entry.value()));
    }

    /// Replaces each value by what `keep` makes of it; returns how many it made nothing of. Locks one shard after the other.
    pub(super) fn sweep(&self, keep: impl Fn(V) -> Option<V>) -> usize {
        let mut forgotten = 0;
        self.map.retain(|_, value| {
            let kept = keep(*value).map(|kept| *value = kept).is_some();
            forgotten += usize::from(!kept);
            kept
        });
        self.live.fetch_sub(forgotten, Relaxed);
        self.shrink();
        forgotten
    }

    /// Gives the memory of a flood back, seldom and much at once: a steady number of entries is never moved about.
    fn shrink(&self) {
        let capacity = self.map.capacity();
        if capacity > FEW && self.len() < capacity / 8 {
            self.map.shrink_to_fit();
        }
    }
}

/// A power of two.
fn shards(expected: usize) -> usize {
    (expected / ENTRIES_PER_SHARD).clamp(FEWEST_SHARDS, MOST_SHARDS).next_power_of_two()
}

impl<V: Copy> Bucket<'_, V> {
    /// What stands there.
    pub(super) fn value(&self) -> Option<V> {
        match &self.place {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(_) => None,
        }
    }

    /// Replaces the value, or makes an entry if there are fewer than `most`. `false`: there was no room.
    #[must_use]
    pub(super) fn store(self, value: V, most: usize) -> bool {
        match self.place {
            Entry::Occupied(mut entry) => *entry.get_mut() = value,
            Entry::Vacant(place) => {
                let room = self.live.fetch_update(Relaxed, Relaxed, |live| (live < most).then_some(live + 1)).is_ok();
                if !room {
                    return false;
                }
                drop(place.insert(value));
            }
        }
        true
    }

    /// Changes the value of an entry, if there is one; `None` removes it.
    pub(super) fn update(self, change: impl FnOnce(V) -> Option<V>) {
        let Entry::Occupied(mut entry) = self.place else { return };
        if let Some(changed) = change(*entry.get()) {
            *entry.get_mut() = changed;
        } else {
            entry.remove();
            self.live.fetch_sub(1, Relaxed);
        }
    }
}

/// The keys are keyed hashes already. A shard's number, a slot in it and its tag come from different bits of them.
#[derive(Clone, Debug, Default)]
struct KeyIsHash(u64);

impl Hasher for KeyIsHash {
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    /// Never called for `u64` keys.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
