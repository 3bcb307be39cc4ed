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
//! What a lock is held for is bounded in entries, whatever strangers do: a shard that has [`MOST_PER_SHARD`] takes no new key, as if
//! the map were full. Keys are keyed hashes, so nobody can aim at a shard, and the bound is far above what chance brings together.
//!
//! Time does not run backwards past a sweep: what was full when it was forgotten must not be asked as of a moment at which it was
//! not, or a request that comes late, or a clock that steps back, would find a full bucket where an empty one was. So no decision is
//! made as of before what the last sweep forgot ([`Bucket::not_before_forgotten`]).
//!
//! Not dashmap, which passes over all shards without a pause between two locks: a thread that the system takes away for some
//! milliseconds would be holding one of them. And loom can play this. What was measured stands in the documentation of `limit`.

use super::{
    gcra::SWEEP_SLACK_NS,
    live::Live,
    sync::{AtomicU64, Ordering::Relaxed, RwLock, RwLockWriteGuard},
};
use std::{
    collections::hash_map::{Entry, HashMap},
    hash::{BuildHasherDefault, Hasher},
    mem,
    sync::PoisonError,
    thread,
};

/// Entries of a shard at the bound. What holds a shard's lock longest, moving its entries to twice the room or forgetting them
/// all, takes at most 50 ns for each: 25 µs.
const ENTRIES_PER_SHARD: usize = 512;
/// Never more, so that a lock is never held for more than 90 µs: also with many more entries than were expected (a reload may raise the
/// bound to three times what it was, 3.6 million at least; beyond that users stay untracked until a restart).
/// One fewer than half of what a table of 4096 slots holds: half empty, it makes room in place instead of growing further.
const MOST_PER_SHARD: usize = 1_791;
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
    /// What was full then may be forgotten. `Relaxed` suffices: it is raised before a shard's lock is taken for forgetting, and read
    /// under the same lock.
    forgotten_until_ns: AtomicU64,
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
    /// Its shard takes no new entry.
    crowded: bool,
    map: &'a Buckets<V>,
}

impl<V: Copy> Buckets<V> {
    /// Empty, with shards for about `expected` entries. The bound itself comes with each new entry: it may be reloaded.
    pub(super) fn new(expected: usize) -> Self {
        let shards = (0..shards(expected)).map(|_| Shard(RwLock::new(Table::default()))).collect();
        Self { shards, forgotten_until_ns: AtomicU64::new(0), live: Live::default() }
    }

    /// Does `step` with the key's place, which nobody else reads or changes meanwhile. `step` must not come back to this map.
    /// Who may not write after all should [`peek`](Self::peek) first: an absent key's place may cost the shard memory.
    pub(super) fn with<R>(&self, key: u64, step: impl FnOnce(Bucket<'_, V>) -> R) -> R {
        let shard = self.shard(key);
        // Dropped after the lock.
        let mut other = Table::default();
        let mut table = shard.lock();
        if let Some(room) = more_room(table.len(), table.capacity())
            && !table.contains_key(&key)
        {
            drop(table);
            other.reserve(room);
            table = shard.lock();
            if more_room(table.len(), table.capacity()) == Some(room) {
                change_table(&mut table, &mut other);
            }
        }
        let crowded = table.len() >= MOST_PER_SHARD;
        step(Bucket { place: table.entry(key), crowded, map: self })
    }

    /// The key's value as it is. Writes nothing but the shard's count of readers.
    pub(super) fn peek(&self, key: u64) -> Option<V> {
        self.shard(key).0.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    /// Entries now.
    pub(super) fn len(&self) -> usize {
        self.live.count()
    }

    /// The moment as of which a request of this moment is to be judged: never before what a sweep has forgotten. Without a lock a
    /// sweep may be just forgetting more: [`Bucket::not_before_forgotten`] has the last word.
    pub(super) fn not_before_forgotten(&self, now: u64) -> u64 {
        now.max(self.forgotten_until_ns.load(Relaxed))
    }

    /// Calls `look` with every entry. Locks one shard after the other, against changes only, and not while `look` works.
    pub(super) fn each(&self, mut look: impl FnMut(u64, V)) {
        let mut entries = Vec::with_capacity(MOST_PER_SHARD);
        for shard in &self.shards {
            entries.extend(shard.0.read().unwrap_or_else(PoisonError::into_inner).iter().map(|(key, value)| (*key, *value)));
            entries.drain(..).for_each(|(key, value)| look(key, value));
        }
    }

    /// Replaces each value by what `keep` makes of it; returns how many it made nothing of. `keep` may forget what was full
    /// [`SWEEP_SLACK_NS`] before `now`.
    ///
    /// Locks one shard after the other, and gives the processor up now and then in between: who must wait for it takes it
    /// then, instead of when its time is over, while a shard is locked.
    pub(super) fn sweep(&self, now: u64, keep: impl Fn(V) -> Option<V>) -> usize {
        self.forgotten_until_ns.fetch_max(now.saturating_sub(SWEEP_SLACK_NS), Relaxed);
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
        let mut table = self.lock();
        let before = table.len();
        table.retain(|_, value| keep(*value).map(|kept| *value = kept).is_some());
        let (left, sparse) = (table.len(), is_sparse(table.len(), table.capacity()));
        drop(table);
        if sparse {
            self.shrink(left);
        }
        Swept { gone: before - left, left }
    }

    fn shrink(&self, entries: usize) {
        let mut other = Table::default();
        other.reserve(entries);
        let mut table = self.lock();
        if is_sparse(table.len(), table.capacity()) {
            change_table(&mut table, &mut other);
        }
    }

    /// Poisoned: a panic came between two whole steps on the table, never within one.
    fn lock(&self) -> RwLockWriteGuard<'_, Table<V>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a table should have room for to which another entry would make the allocator come; a few entries it may make room for as it
/// is.
fn more_room(entries: usize, capacity: usize) -> Option<usize> {
    (entries > FEW && entries == capacity).then_some(entries + entries / 2)
}

/// Moves the entries to another table, which has been given its room before the lock was taken, and leaves the old one to be freed after
/// it. Under the lock, what the allocator does now and then (it gives memory back to the system) was measured to take 5 ms.
fn change_table<V>(table: &mut Table<V>, other: &mut Table<V>) {
    other.extend(table.drain());
    mem::swap(table, other);
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

    /// The moment as of which a request of this moment is to be judged: never before what a sweep has forgotten.
    pub(super) fn not_before_forgotten(&self, now: u64) -> u64 {
        self.map.not_before_forgotten(now)
    }

    /// Replaces the value, or makes an entry if there are fewer than `most`. `false`: there was no room.
    #[must_use]
    pub(super) fn store(self, value: V, most: usize) -> bool {
        match self.place {
            Entry::Occupied(mut entry) => *entry.get_mut() = value,
            Entry::Vacant(place) if !self.crowded && self.map.live.enter(most) => drop(place.insert_entry(value)),
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
            self.map.live.leave(1);
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
