//! One shard of a map: a table that one thread at a time changes, and any number read meanwhile.
//!
//! Readers write nothing. The version is odd while the table is being changed, and another one after each change: what was read
//! between two readings of the same even version was whole. A reader that meets changes a few times in a row takes the lock, so that it
//! comes to an end.
//!
//! A table that is outgrown is replaced by a larger one. The old one stays as it is until its last reader is gone, and both say the
//! same until the next change, which comes with another version. The allocator is asked before the lock is taken, and given back to
//! after it: what it does now and then (it gives memory back to the system) was measured to take 5 ms.

use super::{
    sync::{
        AtomicBool, AtomicU64, Mutex, MutexGuard,
        Ordering::{Acquire, Relaxed, Release},
        Published,
    },
    table::{Table, Value},
};
use std::sync::{Arc, PoisonError};

/// Never more entries, so that a lock is never held for more than 90 µs: also with many more entries than were expected (a reload may
/// raise the bound to three times what it was, 3.6 million at least; beyond that users stay untracked until a restart).
pub(super) const MOST_PER_SHARD: usize = 1_791;
/// Slots that are not worth giving back.
const FEW: usize = 16;
/// Slots from which on tables are made by who tends the map; smaller ones are soon made.
const TENDED: usize = 64;
/// How often a reader tries that meets changes.
#[cfg(not(loom))]
const TRIES: usize = 8;
/// Loom plays each of them beside everything else.
#[cfg(loom)]
const TRIES: usize = 1;

/// On a line of its own.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Shard<V> {
    entries: Mutex<Entries<V>>,
    /// Odd while the table is being changed. Written under the lock.
    version: AtomicU64,
    /// The table of `entries`, for readers.
    published: Published<Table<V>>,
    /// Whoever tends the map should see to it.
    wants_room: AtomicBool,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Entries<V> {
    pub(super) table: Arc<Table<V>>,
    len: usize,
}

/// What was read may never have been so.
#[derive(Debug, PartialEq)]
struct BeingChanged;

/// What a sweep did to a shard.
pub(super) struct Swept {
    pub(super) gone: usize,
    pub(super) left: usize,
}

impl<V: Value> Shard<V> {
    /// With this table, which is empty.
    pub(super) fn new(table: Arc<Table<V>>) -> Self {
        Self {
            published: Published::new(Arc::clone(&table)),
            entries: Mutex::new(Entries { table, len: 0 }),
            version: AtomicU64::new(0),
            wants_room: AtomicBool::new(false),
        }
    }

    /// The key's value as it is. Writes nothing.
    pub(super) fn peek(&self, key: u64) -> Option<V> {
        for _ in 0..TRIES {
            if let Ok(value) = self.read(key) {
                return value;
            }
        }
        let entries = self.lock();
        entries.table.find(key).ok().map(|slot| entries.table.value(slot))
    }

    fn read(&self, key: u64) -> Result<Option<V>, BeingChanged> {
        let version = self.version.load(Acquire);
        let table = self.published.load();
        let value = table.find(key).ok().map(|slot| table.value(slot));
        let is_whole = version.is_multiple_of(2) && self.version.load(Relaxed) == version;
        if is_whole { Ok(value) } else { Err(BeingChanged) }
    }

    /// The entries, and room for one of this key.
    pub(super) fn lock_with_room(&self, key: u64) -> MutexGuard<'_, Entries<V>> {
        let mut entries = self.lock();
        while entries.is_full() && entries.table.find(key).is_err() {
            let outgrown = Arc::clone(&entries.table);
            drop(entries);
            self.replace(&outgrown, outgrown.larger());
            entries = self.lock();
        }
        entries
    }

    /// Makes the key's entry in the free slot that was found for it. `true`: whoever tends the map should be told.
    pub(super) fn insert(&self, entries: &mut Entries<V>, slot: usize, key: u64, value: V) -> bool {
        self.change(|| entries.table.put(slot, key, value));
        entries.len += 1;
        let slots = entries.table.slots();
        // Told once until it is seen to. The flag is not asked of small tables.
        slots >= TENDED && entries.len >= soon_full(slots) && !self.wants_room.swap(true, Relaxed)
    }

    pub(super) fn write(&self, entries: &Entries<V>, slot: usize, value: V) {
        self.change(|| entries.table.replace(slot, value));
    }

    pub(super) fn remove(&self, entries: &mut Entries<V>, slot: usize) {
        self.change(|| entries.table.remove(slot));
        entries.len -= 1;
    }

    /// What `change` writes, readers take for whole only after it.
    fn change(&self, change: impl FnOnce()) {
        let version = self.version.load(Relaxed);
        self.version.store(version + 1, Relaxed);
        change();
        self.version.store(version + 2, Release);
    }

    /// Makes room ahead, if it is wanted.
    pub(super) fn tend(&self) {
        if !self.wants_room.load(Relaxed) {
            return;
        }
        self.wants_room.store(false, Relaxed);
        let entries = self.lock();
        let outgrown = (entries.len >= soon_full(entries.table.slots())).then(|| Arc::clone(&entries.table));
        drop(entries);
        if let Some(outgrown) = outgrown {
            self.replace(&outgrown, outgrown.larger());
        }
    }

    /// Replaces each value by what `keep` makes of it, or nothing.
    pub(super) fn sweep(&self, keep: impl Fn(V) -> Option<V>) -> Swept {
        let mut entries = self.lock();
        let (before, table) = (entries.len, Arc::clone(&entries.table));
        for slot in table.backwards() {
            let value = table.value(slot);
            match keep(value) {
                Some(kept) if kept.words() == value.words() => {}
                Some(kept) => self.write(&entries, slot, kept),
                None => self.remove(&mut entries, slot),
            }
        }
        let left = entries.len;
        drop(entries);
        if is_sparse(left, table.slots()) {
            self.replace(&table, Table::for_entries(left));
        }
        Swept { gone: before - left, left }
    }

    /// Moves the entries from a table that was seen to another one, unless somebody has done so meanwhile, or more have come than it
    /// has room for.
    fn replace(&self, seen: &Arc<Table<V>>, other: Table<V>) {
        let other = Arc::new(other);
        let mut entries = self.lock();
        if Arc::ptr_eq(&entries.table, seen) && entries.len <= full(other.slots()) {
            seen.copy_to(&other);
            self.published.store(Arc::clone(&other));
            entries.table = other;
        }
    }

    #[cfg(test)]
    pub(super) fn is_locked(&self) -> bool {
        self.entries.try_lock().is_err()
    }

    /// Poisoned: a panic came between two whole changes, never within one.
    pub(super) fn lock(&self) -> MutexGuard<'_, Entries<V>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Value> Entries<V> {
    /// Whether no new key may come.
    pub(super) fn is_crowded(&self) -> bool {
        self.len >= MOST_PER_SHARD
    }

    fn is_full(&self) -> bool {
        self.len >= full(self.table.slots())
    }
}

/// Entries at which a new key makes the table grow first. Beyond, searches become long; one slot at least stays free.
fn full(slots: usize) -> usize {
    slots * 7 / 8
}

/// Entries at which whoever tends the map makes room: a fifth of those that fill it may come until that is done.
fn soon_full(slots: usize) -> usize {
    slots * 11 / 16
}

/// The memory of a flood goes back, seldom and much at once: a steady number of entries is never moved about.
fn is_sparse(entries: usize, slots: usize) -> bool {
    slots > FEW && entries < slots / 8
}

#[cfg(test)]
mod tests;
