//! Values by key, sharded and bounded: users' buckets, addresses' buckets, requests in flight.
//!
//! A key's shard is locked for the few dozen nanoseconds of one decision. That is as much as a concurrent map does inside, and
//! it makes a decision over several buckets one step: a charge here that depends on another policy is written after that
//! policy agreed, or not at all, so nothing ever has to be given back. (Charging with atomics and refunding on a lost race was
//! tried on paper: a refund is exact only if nobody found the bucket idle meanwhile, which no clock reading proves.)
//! The lock does not leave [`Buckets::with`]: it cannot be held across an await.
//!
//! Not dashmap: emptying one of its shards, which keeps a sweep's stops short, takes unsafe code.
//! Not an LRU: dropping a live bucket would hand its owner a full one. A full map refuses new keys instead.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Entries of a shard at the bound. A sweep holds a shard for about 40 ns per entry.
const ENTRIES_PER_SHARD: usize = 1024;
/// 1024 shards without entries are 64 KiB.
const MOST_SHARDS: usize = 1024;
/// So that threads seldom meet even where few users are expected.
const FEWEST_SHARDS: usize = 16;

/// A bounded map that many threads change.
#[derive(Debug)]
pub(super) struct Buckets<V> {
    /// A power of two.
    shards: Box<[Shard<V>]>,
    /// Entries in all shards.
    live: AtomicUsize,
    /// The shard to sweep next, counted on without end.
    next_sweep: AtomicUsize,
}

/// Each on its own cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Shard<V>(Mutex<Entries<V>>);

type Entries<V> = HashMap<u64, V, BuildHasherDefault<KeyIsHash>>;

/// One key's place in the map, locked.
#[derive(Debug)]
pub(super) struct Bucket<'a, V> {
    key: u64,
    entries: MutexGuard<'a, Entries<V>>,
    live: &'a AtomicUsize,
}

impl<V: Copy> Buckets<V> {
    /// Empty, with shards for about `expected` entries. The bound itself comes with each new entry: it may be reloaded.
    pub(super) fn new(expected: usize) -> Self {
        let shards = (expected / ENTRIES_PER_SHARD).clamp(FEWEST_SHARDS, MOST_SHARDS).next_power_of_two();
        let shards = (0..shards).map(|_| Shard(Mutex::default())).collect();
        Self { shards, live: AtomicUsize::new(0), next_sweep: AtomicUsize::new(0) }
    }

    /// Does `step` with the key's place, which nobody else reads or changes meanwhile. `step` must not come back to this map.
    pub(super) fn with<R>(&self, key: u64, step: impl FnOnce(&mut Bucket<'_, V>) -> R) -> R {
        step(&mut Bucket { key, entries: self.shards[self.shard_of(key)].lock(), live: &self.live })
    }

    /// The key's value as it is.
    pub(super) fn peek(&self, key: u64) -> Option<V> {
        self.with(key, |bucket| bucket.value())
    }

    /// Entries now.
    pub(super) fn len(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Replaces each value of the next shard by what `keep` makes of it; returns how many it made nothing of.
    pub(super) fn sweep_step(&self, keep: impl Fn(V) -> Option<V>) -> usize {
        let next = self.next_sweep.fetch_add(1, Relaxed) % self.shards.len();
        let mut entries = self.shards[next].lock();
        let before = entries.len();
        entries.retain(|_, value| keep(*value).map(|kept| *value = kept).is_some());
        let forgotten = before - entries.len();
        self.live.fetch_sub(forgotten, Relaxed);
        shrink(&mut entries);
        forgotten
    }

    /// Steps of a whole sweep.
    #[cfg(test)]
    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Bits 40 to 55: the map inside takes its slot from the lowest bits and its tags from the highest seven.
    fn shard_of(&self, key: u64) -> usize {
        let [_, _, _, _, _, low, high, _] = key.to_le_bytes();
        usize::from(u16::from_le_bytes([low, high])) & (self.shards.len() - 1)
    }
}

/// Gives the memory of a flood back, in big steps so that a steady number of entries is never moved about.
fn shrink<V>(entries: &mut Entries<V>) {
    if entries.capacity() > 64 && entries.len() < entries.capacity() / 8 {
        entries.shrink_to(entries.len() * 2);
    }
}

impl<V> Shard<V> {
    /// A panic under the lock would leave each entry as it was or replaced whole, so a poisoned shard is still sound.
    fn lock(&self) -> MutexGuard<'_, Entries<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Copy> Bucket<'_, V> {
    /// What stands there.
    pub(super) fn value(&self) -> Option<V> {
        self.entries.get(&self.key).copied()
    }

    /// Replaces the value, or makes an entry if there are fewer than `most`. `false`: there was no room.
    #[must_use]
    pub(super) fn store(&mut self, value: V, most: usize) -> bool {
        if let Some(stored) = self.entries.get_mut(&self.key) {
            *stored = value;
            return true;
        }
        let room = self.live.fetch_update(Relaxed, Relaxed, |live| (live < most).then_some(live + 1)).is_ok();
        if room {
            self.entries.insert(self.key, value);
        }
        room
    }

    /// Changes the value of an entry, if there is one; `None` removes it.
    pub(super) fn update(&mut self, change: impl FnOnce(V) -> Option<V>) {
        let Some(value) = self.entries.get_mut(&self.key) else { return };
        if let Some(changed) = change(*value) {
            *value = changed;
        } else {
            self.entries.remove(&self.key);
            self.live.fetch_sub(1, Relaxed);
        }
    }
}

/// The keys are keyed hashes already.
#[derive(Debug, Default)]
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
