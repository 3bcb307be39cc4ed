//! One shard of a map: a lock for who changes it, a version for who only reads, and which of the map's tables has which keys.
//!
//! A key has one of [`LEAVES`] places in its shard, its leaf; a table has the keys of one leaf, or of two, four, … beside each other. A
//! full table gives the upper half of its leaves to a new one. That is all that growth is, so a step is bounded by the size of
//! a table: [`MOST`](super::table::MOST) entries are looked at, and half of them moved. With one leaf left it takes no new key.
//!
//! Readers write nothing. The version is odd while something is being changed, and another one after each change. Why what was read
//! between two readings of the same even version was whole (H.-J. Boehm, "Can seqlocks get along with programming language memory
//! models?", with acquiring loads in place of a fence):
//! - Every word of leaves and tables is stored with `Release` after the odd version was, and loaded with `Acquire`: who reads a word of
//!   a change synchronizes with it, so the odd version, or a later one, happens before the second reading of the version, which then
//!   differs from the first. Loads that acquire are not moved behind it.
//! - The even version is stored with `Release` after all words, and loaded with `Acquire` first: no word older than that change is read.
//! - Changes are in one order, by the lock. A version comes once in 2⁶³ changes, centuries: a key that goes and comes again between two
//!   words of a reader has changed it.
//!
//! A reader that meets changes a few times in a row takes the lock, so that it comes to an end. Were there ever a panic amid a change,
//! the version would stay odd, readers would lock, and the next change would set it right.
//!
//! Memory is asked for before the lock is taken.

use super::{
    sync::{
        AtomicU32, AtomicU64, Mutex, MutexGuard,
        Ordering::{Acquire, Relaxed, Release},
    },
    table::{Table, Value},
    tables::{Number, Tables},
};
use std::{array, ops::Range, sync::PoisonError};

/// Leaves of a shard; a power of two. With 16 entries expected of each, the bound may become twice what was expected before one in
/// 100,000 keys meets a leaf that is full.
#[cfg(not(loom))]
pub(super) const LEAVES: usize = 64;
/// Loom keeps an account of each.
#[cfg(loom)]
pub(super) const LEAVES: usize = 2;
/// Lowest bit of a key that chooses the leaf. Tables take the 32 bits below, the map those above.
const LEAF_BIT: u32 = 32;
/// How often a reader tries that meets changes.
#[cfg(not(loom))]
const TRIES: usize = 8;
/// Loom plays each of them beside everything else.
#[cfg(loom)]
const TRIES: usize = 1;

/// On lines of its own.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Shard {
    changing: Mutex<()>,
    /// Odd while something is being changed. Written under the lock.
    version: AtomicU64,
    /// The number of each leaf's table; 0 before the first entry. Written under the lock.
    leaves: [AtomicU32; LEAVES],
}

/// What was read may never have been so.
#[derive(Debug, PartialEq)]
struct BeingChanged;

/// What a sweep did to a table.
#[derive(Clone, Copy, Default)]
pub(super) struct Swept {
    pub(super) gone: usize,
    pub(super) left: usize,
}

impl Shard {
    /// Without tables.
    pub(super) fn new() -> Self {
        Self { changing: Mutex::new(()), version: AtomicU64::new(0), leaves: array::from_fn(|_| AtomicU32::new(0)) }
    }

    /// The key's value as it is. Writes nothing.
    pub(super) fn peek<V: Value>(&self, tables: &Tables<V>, key: u64) -> Option<V> {
        for _ in 0..TRIES {
            if let Ok(value) = self.read(tables, key) {
                return value;
            }
        }
        let _locked = self.lock();
        self.value(tables, key)
    }

    fn read<V: Value>(&self, tables: &Tables<V>, key: u64) -> Result<Option<V>, BeingChanged> {
        let version = self.version.load(Acquire);
        let value = self.value(tables, key);
        let is_whole = version.is_multiple_of(2) && self.version.load(Relaxed) == version;
        if is_whole { Ok(value) } else { Err(BeingChanged) }
    }

    fn value<V: Value>(&self, tables: &Tables<V>, key: u64) -> Option<V> {
        let table = self.table(tables, leaf(key))?;
        table.find(key).ok().map(|slot| table.value(slot))
    }

    /// The lock, with room for an entry of this key if there can be any, and the key's table.
    pub(super) fn lock_with_room<'a, V: Value>(
        &self,
        tables: &'a Tables<V>,
        key: u64,
    ) -> (MutexGuard<'_, ()>, Option<Table<'a, V>>) {
        let mut taken = None;
        loop {
            let locked = self.lock();
            let table = self.table(tables, leaf(key));
            if !self.wants_room(table, key) {
                if let Some(unused) = taken {
                    tables.give_back(unused);
                }
                return (locked, table);
            }
            if let Some(number) = taken.take() {
                self.split(tables, leaf(key), number);
                continue;
            }
            drop(locked);
            taken = tables.take();
            if taken.is_none() {
                let locked = self.lock();
                return (locked, self.table(tables, leaf(key)));
            }
        }
    }

    fn wants_room<V: Value>(&self, table: Option<Table<'_, V>>, key: u64) -> bool {
        table.is_none_or(|table| table.find(key).is_err() && table.is_full() && self.run(leaf(key)).len() > 1)
    }

    /// Gives the upper half of the leaves that share this one's table to another table, with their entries; or all, where there was
    /// no table.
    fn split<V: Value>(&self, tables: &Tables<V>, leaf_of_full: usize, other: Number) {
        let run = self.run(leaf_of_full);
        let (full, other_table) = (self.table(tables, leaf_of_full), tables.table(other));
        let begins = if full.is_some() { run.start + run.len() / 2 } else { run.start };
        self.change(|| {
            for (full, other) in full.into_iter().zip(other_table) {
                for slot in full.backwards() {
                    let key = full.key(slot);
                    if let (true, Err(free)) = (leaf(key) >= begins, other.find(key)) {
                        other.insert(free, key, full.value(slot));
                        full.remove(slot);
                    }
                }
            }
            self.leaves[begins..run.end].iter().for_each(|leaf| leaf.store(other.code(), Release));
        });
    }

    /// The leaves that share this one's table. They are as many as a power of two, and begin at a multiple of that.
    fn run(&self, leaf: usize) -> Range<usize> {
        let number = |leaf: usize| self.leaves[leaf].load(Acquire);
        let mut run = leaf..leaf + 1;
        while run.len() < LEAVES {
            let (len, start) = (2 * run.len(), leaf - leaf % (2 * run.len()));
            if number(start) != number(leaf) || number(start + len - 1) != number(leaf) {
                break;
            }
            run = start..start + len;
        }
        run
    }

    fn table<'a, V: Value>(&self, tables: &'a Tables<V>, leaf: usize) -> Option<Table<'a, V>> {
        tables.table(Number::of(self.leaves[leaf].load(Acquire))?)
    }

    /// What `change` writes, under the lock, readers take for whole only after it.
    pub(super) fn change(&self, change: impl FnOnce()) {
        let odd = self.version.load(Relaxed) | 1;
        self.version.store(odd, Relaxed);
        change();
        self.version.store(odd + 1, Release);
    }

    /// Calls `look`, under the lock, with the table of this leaf, if it has one; returns the first leaf of the next table.
    pub(super) fn look<'a, V: Value>(&self, tables: &'a Tables<V>, leaf: usize, look: impl FnOnce(Table<'a, V>)) -> usize {
        let _locked = self.lock();
        self.table(tables, leaf).map(look);
        self.run(leaf).end
    }

    /// Replaces each value of a table by what `keep` makes of it, or nothing. Under the lock.
    pub(super) fn sweep<V: Value>(&self, table: Table<'_, V>, keep: impl Fn(V) -> Option<V>) -> Swept {
        let before = table.len();
        for slot in table.backwards() {
            let value = table.value(slot);
            match keep(value) {
                Some(kept) if kept.words() == value.words() => {}
                Some(kept) => self.change(|| table.replace(slot, kept)),
                None => self.change(|| table.remove(slot)),
            }
        }
        Swept { gone: before - table.len(), left: table.len() }
    }

    #[cfg(test)]
    pub(super) fn is_locked(&self) -> bool {
        self.changing.try_lock().is_err()
    }

    /// Poisoned: a panic came between two changes, or amid one that the next sets right.
    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key's place in its shard.
fn leaf(key: u64) -> usize {
    (key >> LEAF_BIT) as usize % LEAVES
}

#[cfg(test)]
mod tests;
