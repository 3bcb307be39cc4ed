//! Values by key, sharded and bounded: users' buckets, addresses' buckets, requests in flight.
//!
//! A key's shard is locked for the few dozen nanoseconds of one decision. That makes a decision over several buckets one step:
//! a charge here that depends on another policy is written after that policy agreed, or not at all, so nothing ever has to be
//! given back. (Charging with atomics and refunding on a lost race was tried on paper: a refund is exact only if nobody found
//! the bucket idle meanwhile, which no clock reading proves.) The lock does not leave [`Buckets::with`]: it cannot be held
//! across an await.
//!
//! Not an LRU: dropping a live bucket would hand its owner a full one. A full map refuses new keys instead.
//!
//! Not dashmap, which passes over all shards without a pause between two locks: a thread that the system takes away for some
//! milliseconds would be holding one of them. Loom can play this, too.

use super::{live::Live, sync::RwLock};
use std::{
    collections::hash_map::{Entry, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::PoisonError,
    thread,
};

/// Entries of a shard at the bound. What holds a shard's lock longest, moving its entries to twice the room or forgetting them
/// all, takes at most 50 ns for each: 25 µs.
const ENTRIES_PER_SHARD: usize = 512;
/// A shard without entries takes 64 bytes: 4 MiB in all for 32 million users or more.
const MOST_SHARDS: usize = 65_536;
/// Enough for a million entries, so that a bound that a reload raises does not make locks long; 128 KiB.
#[cfg(not(loom))]
const FEWEST_SHARDS: usize = 2048;
/// Loom keeps an account of each.
#[cfg(loom)]
const FEWEST_SHARDS: usize = 2;
/// Room in a shard that is not worth giving back.
const FEW: usize = 14;
/// After so many entries, some 200 µs, a sweep gives the processor up.
const BREATH: usize = 8192;
/// Lowest bit of a key that chooses the shard. A shard's table takes a slot from the lowest bits and a tag from the highest 7.
const SHARD_BIT: u32 = 40;

/// A bounded map that many threads change.
#[derive(Debug)]
pub(super) struct Buckets<V> {
    /// A power of two.
    shards: Box<[Shard<V>]>,
    live: Live,
}

/// On a line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Shard<V>(RwLock<Table<V>>);

type Table<V> = HashMap<u64, V, BuildHasherDefault<KeyIsHash>>;

/// What a sweep did to a shard.
struct Swept {
    gone: usize,
    left: usize,
}

/// Entries that a sweep has passed since it gave the processor up.
#[derive(Default)]
struct Breath {
    passed: usize,
}

/// One key's place in the map, locked until it is written or dropped.
pub(super) struct Bucket<'a, V> {
    place: Entry<'a, u64, V>,
    live: &'a Live,
}

impl<V: Copy> Buckets<V> {
    /// Empty, with shards for about `expected` entries. The bound itself comes with each new entry: it may be reloaded.
    pub(super) fn new(expected: usize) -> Self {
        let shards = (0..shards(expected)).map(|_| Shard(RwLock::new(Table::default()))).collect();
        Self { shards, live: Live::default() }
    }

    /// Does `step` with the key's place, which nobody else reads or changes meanwhile. `step` must not come back to this map.
    /// Who may not write after all should [`peek`](Self::peek) first: an absent key's place may cost the shard memory.
    pub(super) fn with<R>(&self, key: u64, step: impl FnOnce(Bucket<'_, V>) -> R) -> R {
        // Poisoned: a panic came between two whole steps on the table, never within one.
        let mut table = self.shard(key).0.write().unwrap_or_else(PoisonError::into_inner);
        step(Bucket { place: table.entry(key), live: &self.live })
    }

    /// The key's value as it is. Writes nothing but the shard's count of readers.
    pub(super) fn peek(&self, key: u64) -> Option<V> {
        self.shard(key).0.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    /// Entries now.
    pub(super) fn len(&self) -> usize {
        self.live.count()
    }

    /// Calls `look` with every entry. Locks one shard after the other, against changes only.
    pub(super) fn each(&self, mut look: impl FnMut(u64, V)) {
        for shard in &self.shards {
            let table = shard.0.read().unwrap_or_else(PoisonError::into_inner);
            table.iter().for_each(|(key, value)| look(*key, *value));
        }
    }

    /// Replaces each value by what `keep` makes of it; returns how many it made nothing of.
    ///
    /// Locks one shard after the other, and gives the processor up now and then in between: who must wait for it takes it
    /// then, instead of when its time is over, while a shard is locked.
    pub(super) fn sweep(&self, keep: impl Fn(V) -> Option<V>) -> usize {
        let (mut forgotten, mut breath) = (0, Breath::default());
        for shard in &self.shards {
            let swept = shard.sweep(&keep);
            // At once, or the map would seem full of what is gone.
            self.live.leave(swept.gone);
            forgotten += swept.gone;
            if breath.is_due(&swept) {
                thread::yield_now();
            }
        }
        forgotten
    }

    fn shard(&self, key: u64) -> &Shard<V> {
        let chosen = (key >> SHARD_BIT) as usize & (self.shards.len() - 1);
        &self.shards[chosen]
    }
}

impl Breath {
    /// Counts entries that were passed; whether it is time to give the processor up.
    fn is_due(&mut self, swept: &Swept) -> bool {
        self.passed += swept.gone + swept.left;
        let due = self.passed >= BREATH;
        if due {
            self.passed = 0;
        }
        due
    }
}

/// A power of two.
fn shards(expected: usize) -> usize {
    (expected / ENTRIES_PER_SHARD).clamp(FEWEST_SHARDS, MOST_SHARDS).next_power_of_two()
}

impl<V: Copy> Shard<V> {
    fn sweep(&self, keep: impl Fn(V) -> Option<V>) -> Swept {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = table.len();
        table.retain(|_, value| keep(*value).map(|kept| *value = kept).is_some());
        let left = table.len();
        if is_sparse(left, table.capacity()) {
            table.shrink_to_fit();
        }
        Swept { gone: before - left, left }
    }
}

/// The memory of a flood goes back, seldom and much at once: a steady number of entries is never moved about.
fn is_sparse(entries: usize, room: usize) -> bool {
    room > FEW && entries < room / 8
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
            Entry::Vacant(place) if self.live.enter(most) => drop(place.insert_entry(value)),
            Entry::Vacant(_) => return false,
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
            self.live.leave(1);
        }
    }
}

/// The keys are keyed hashes already.
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
