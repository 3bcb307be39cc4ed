//! Values by key, sharded and bounded: users' buckets, addresses' buckets, requests in flight.
//!
//! Who only reads takes no lock and writes nothing: a flood that is refused keeps nobody from anything (`shard` says how).
//!
//! To decide, a key's shard is locked for the few dozen nanoseconds of one decision. That makes a decision over several buckets one step:
//! a charge here that depends on another policy is written after that policy agreed, or not at all, so nothing ever has to be
//! given back. (Charging with atomics and refunding on a lost race was tried on paper: a refund is exact only if nobody found
//! the bucket idle meanwhile, which no clock reading proves.) The lock does not leave [`Buckets::with`]: it cannot be held
//! across an await.
//!
//! Not an LRU: dropping a live bucket would hand its owner a full one. A full map refuses new keys instead.
//!
//! What one step costs is bounded, whatever strangers do: a lock is held for the entries of one table at most, [`MOST`], to look at, to
//! move or to forget, and a decision asks the allocator for 51 KB at most (`shard`, `tables`). Where a table cannot be split again, a
//! new key finds no room, as if the map were full. Keys are keyed hashes, so nobody can aim at a table, and that is far above what chance
//! brings together.
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
    shard::{LEAVES, Shard, Swept},
    sync::{AtomicU64, Ordering::Relaxed},
    table::{MOST, Table, Value},
    tables::Tables,
};
use std::thread;

/// Entries of a shard at the bound: 16 of each leaf.
const ENTRIES_PER_SHARD: usize = 1024;
/// A shard without entries takes 370 bytes with its part of the list of tables: 24 MB in all for 64 million users or more.
const MOST_SHARDS: usize = 65_536;
/// Enough for a million entries, so that threads rarely meet, and a reload may raise the bound; 0.4 MB.
#[cfg(not(loom))]
const FEWEST_SHARDS: usize = 1024;
/// Loom keeps an account of each.
#[cfg(loom)]
const FEWEST_SHARDS: usize = 2;
/// After so many entries, some 200 µs, a sweep gives the processor up.
const BREATH: usize = 8192;
/// Lowest bit of a key that chooses the shard; the shard takes the leaf from bits below.
const SHARD_BIT: u32 = 40;

/// A bounded map that many threads change.
#[derive(Debug)]
pub(super) struct Buckets<V> {
    /// A power of two.
    shards: Box<[Shard]>,
    tables: Tables<V>,
    /// What was full then may be forgotten. `Relaxed` suffices: it is raised before a shard's lock is taken for forgetting, and read
    /// under the same lock; who reads without it is judged again under it, or refused as of a time that no sweep has gone past.
    forgotten_until_ns: AtomicU64,
    live: Live,
}

/// Entries that a sweep has passed since it gave the processor up.
#[derive(Default)]
struct Breath {
    passed: usize,
}

/// One key's place in the map, locked until it is written or dropped.
pub(super) struct Bucket<'a, V> {
    key: u64,
    table: Option<Table<'a, V>>,
    shard: &'a Shard,
    map: &'a Buckets<V>,
}

impl<V: Value> Buckets<V> {
    /// Empty, with shards for about `expected` entries. The bound itself comes with each new entry: it may be reloaded.
    pub(super) fn new(expected: usize) -> Self {
        let shards: Box<[Shard]> = (0..shards(expected)).map(|_| Shard::new()).collect();
        let tables = Tables::new(shards.len() * LEAVES);
        Self { shards, tables, forgotten_until_ns: AtomicU64::new(0), live: Live::default() }
    }

    /// Does `step` with the key's place, which nobody else changes meanwhile. `step` must not come back to this map.
    /// Who may not write after all should [`peek`](Self::peek) first: an absent key's place may cost the map memory.
    pub(super) fn with<R>(&self, key: u64, step: impl FnOnce(Bucket<'_, V>) -> R) -> R {
        let shard = self.shard(key);
        let (_locked, table) = shard.lock_with_room(&self.tables, key);
        step(Bucket { key, table, shard, map: self })
    }

    /// The key's value as it is. Writes nothing.
    pub(super) fn peek(&self, key: u64) -> Option<V> {
        self.shard(key).peek(&self.tables, key)
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

    /// Calls `look` with every entry. Locks for one table after the other, and not while `look` works.
    pub(super) fn each(&self, mut look: impl FnMut(u64, V)) {
        let mut entries = Vec::with_capacity(MOST);
        for shard in &self.shards {
            let mut next = 0;
            while next < LEAVES {
                next = shard.look(&self.tables, next, |table| entries.extend(table.entries()));
                entries.drain(..).for_each(|(key, value)| look(key, value));
            }
        }
    }

    /// Replaces each value by what `keep` makes of it; returns how many it made nothing of. `keep` may forget what was full
    /// [`SWEEP_SLACK_NS`] before `now`.
    ///
    /// Locks for one table after the other, and gives the processor up now and then in between: who must wait for it takes it
    /// then, instead of when its time is over, while a shard is locked.
    pub(super) fn sweep(&self, now: u64, keep: impl Fn(V) -> Option<V>) -> usize {
        self.forgotten_until_ns.fetch_max(now.saturating_sub(SWEEP_SLACK_NS), Relaxed);
        let (mut forgotten, mut breath) = (0, Breath::default());
        for shard in &self.shards {
            let mut next = 0;
            while next < LEAVES {
                let mut swept = Swept::default();
                next = shard.look(&self.tables, next, |table| swept = shard.sweep(table, &keep));
                // At once, or the map would seem full of what is gone.
                self.live.leave(swept.gone);
                forgotten += swept.gone;
                if breath.is_due(&swept) {
                    thread::yield_now();
                }
            }
        }
        forgotten
    }

    fn shard(&self, key: u64) -> &Shard {
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

impl<V: Value> Bucket<'_, V> {
    /// What stands there.
    pub(super) fn value(&self) -> Option<V> {
        let (table, slot) = self.entry()?;
        Some(table.value(slot))
    }

    /// The moment as of which a request of this moment is to be judged: never before what a sweep has forgotten.
    pub(super) fn not_before_forgotten(&self, now: u64) -> u64 {
        self.map.not_before_forgotten(now)
    }

    /// Replaces the value, or makes an entry if there are fewer than `most`. `false`: there was no room.
    #[must_use]
    pub(super) fn store(self, value: V, most: usize) -> bool {
        let Some(table) = self.table else { return false };
        match table.find(self.key) {
            Ok(slot) => self.shard.change(|| table.replace(slot, value)),
            Err(slot) if !table.is_full() && self.map.live.enter(most) => {
                self.shard.change(|| table.insert(slot, self.key, value));
            }
            Err(_) => return false,
        }
        true
    }

    /// Changes the value of an entry, if there is one; `None` removes it.
    pub(super) fn update(self, change: impl FnOnce(V) -> Option<V>) {
        let Some((table, slot)) = self.entry() else { return };
        if let Some(value) = change(table.value(slot)) {
            self.shard.change(|| table.replace(slot, value));
        } else {
            self.shard.change(|| table.remove(slot));
            self.map.live.leave(1);
        }
    }

    fn entry(&self) -> Option<(Table<'_, V>, usize)> {
        let table = self.table?;
        table.find(self.key).ok().map(|slot| (table, slot))
    }
}

#[cfg(test)]
mod tests;
