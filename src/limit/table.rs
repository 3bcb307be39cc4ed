//! A table of [`SLOTS`] slots from keys to values, made of atomic words: who may change it must be alone, who reads need not be.
//!
//! Open addressing, each key beside its value: a look-up of one of a million users fetches one line of the entries' memory, seldom two,
//! where a table with its tags and its entries apart fetches two. Keys are keyed hashes already: their lowest 32 bits, scaled, are the
//! place where a search begins. What is removed leaves no mark, because what comes after it moves up. At most [`MOST`] slots are taken,
//! so every search meets a free one; a reader, who may see a change half done, stops after [`SLOTS`] all the same.
//!
//! A reader beside a change may see anything that the change passes through; that what it saw was whole is for the shard's version to
//! say (`shard`). Words are written with `Release` and read with `Acquire` for that.
//!
//! What it does not do: grow, keep changes apart.

use super::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::marker::PhantomData;

/// Slots from one place where searches begin to the next: with values of one word what a line of memory holds.
const GROUP: usize = 4;
const WORDS_PER_LINE: usize = 8;
/// Of a table. Few, so that whatever is done to a whole table is soon done; many enough that they fill evenly.
#[cfg(not(loom))]
pub(super) const SLOTS: usize = 64;
/// Loom keeps an account of each word.
#[cfg(loom)]
pub(super) const SLOTS: usize = 4;
/// Entries of a table. Beyond, searches become long.
pub(super) const MOST: usize = SLOTS * 7 / 8;
/// The key of a slot without an entry.
const FREE: u64 = 0;

/// What a table keeps for a key, in one word or two.
pub(super) trait Value: Copy {
    /// One or two.
    const WORDS: usize;
    /// The second of one word is not kept.
    fn words(self) -> [u64; 2];
    /// The same back; the second of one word is 0.
    fn of_words(words: [u64; 2]) -> Self;
}

impl Value for u64 {
    const WORDS: usize = 1;

    fn words(self) -> [u64; 2] {
        [self, 0]
    }

    fn of_words([value, _]: [u64; 2]) -> Self {
        value
    }
}

impl Value for u32 {
    const WORDS: usize = 1;

    fn words(self) -> [u64; 2] {
        [u64::from(self), 0]
    }

    /// Never more than was put in.
    fn of_words([value, _]: [u64; 2]) -> Self {
        Self::try_from(value).unwrap_or(Self::MAX)
    }
}

/// A table where it lies: a line with the number of entries, and the slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a, V> {
    lines: &'a [Line],
    value: PhantomData<V>,
}

/// A line of memory.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Line([AtomicU64; WORDS_PER_LINE]);

impl<'a, V: Value> Table<'a, V> {
    const WORDS: usize = 1 + V::WORDS;
    /// Lines of one table.
    pub(super) const LINES: usize = 1 + (SLOTS * Self::WORDS).div_ceil(WORDS_PER_LINE);

    /// The table on these [`LINES`](Self::LINES): without an entry, if all their words are 0.
    pub(super) fn on(lines: &'a [Line]) -> Self {
        Self { lines, value: PhantomData }
    }

    /// Entries.
    pub(super) fn len(self) -> usize {
        usize::try_from(self.count().load(Acquire)).unwrap_or(SLOTS)
    }

    /// Whether no new key may come.
    pub(super) fn is_full(self) -> bool {
        self.len() >= MOST
    }

    /// The key's slot, or else the free one that it would take.
    pub(super) fn find(self, key: u64) -> Result<usize, usize> {
        let mut slot = home(key);
        for _ in 0..SLOTS {
            match self.key(slot) {
                FREE => break,
                found if found == kept_as(key) => return Ok(slot),
                _ => slot = after(slot),
            }
        }
        Err(slot)
    }

    /// What stands in a slot.
    pub(super) fn value(self, slot: usize) -> V {
        let at = slot * Self::WORDS + 1;
        let second = if V::WORDS > 1 { self.word(at + 1).load(Acquire) } else { 0 };
        V::of_words([self.word(at).load(Acquire), second])
    }

    /// Makes an entry in the free slot that [`find`](Self::find) named, of a table that is not full.
    pub(super) fn insert(self, slot: usize, key: u64, value: V) {
        self.put(slot, key, value);
        self.count().store(self.count().load(Relaxed) + 1, Release);
    }

    fn put(self, slot: usize, key: u64, value: V) {
        self.replace(slot, value);
        self.word(slot * Self::WORDS).store(kept_as(key), Release);
    }

    /// Replaces what stands in a slot.
    pub(super) fn replace(self, slot: usize, value: V) {
        let words = value.words();
        for (index, word) in words.into_iter().enumerate().take(V::WORDS) {
            self.word(slot * Self::WORDS + 1 + index).store(word, Release);
        }
    }

    /// Frees the slot of an entry. What would not be found behind a free one moves up: entries change places between here and the
    /// next free slot.
    pub(super) fn remove(self, slot: usize) {
        let (mut free, mut next) = (slot, after(slot));
        while self.key(next) != FREE {
            let key = self.key(next);
            let home = home(key);
            if steps(home, free) < steps(home, next) {
                self.put(free, key, self.value(next));
                free = next;
            }
            next = after(next);
        }
        self.word(free * Self::WORDS).store(FREE, Release);
        self.count().store(self.count().load(Relaxed) - 1, Release);
    }

    /// The slots of all entries, from the last before a free one backwards: so what a removal moves was passed before.
    pub(super) fn backwards(self) -> impl Iterator<Item = usize> {
        let end = (0..SLOTS).find(|slot| self.key(*slot) == FREE).unwrap_or(0);
        (0..end).rev().chain((end..SLOTS).rev()).filter(move |slot| self.key(*slot) != FREE)
    }

    /// All entries.
    pub(super) fn entries(self) -> impl Iterator<Item = (u64, V)> {
        self.backwards().map(move |slot| (self.key(slot), self.value(slot)))
    }

    /// The key in a slot, as it is kept.
    pub(super) fn key(self, slot: usize) -> u64 {
        self.word(slot * Self::WORDS).load(Acquire)
    }

    fn count(self) -> &'a AtomicU64 {
        &self.lines[0].0[0]
    }

    fn word(self, index: usize) -> &'a AtomicU64 {
        &self.lines[1 + index / WORDS_PER_LINE].0[index % WORDS_PER_LINE]
    }
}

/// Where the search for a key begins.
fn home(key: u64) -> usize {
    (((key & 0xffff_ffff) * (SLOTS / GROUP) as u64) >> 32) as usize * GROUP
}

fn after(slot: usize) -> usize {
    (slot + 1) % SLOTS
}

/// Steps of a search from one slot to another.
fn steps(from: usize, to: usize) -> usize {
    (SLOTS + to - from) % SLOTS
}

/// The key that means a free slot is kept as its neighbour: two in 2⁶⁴ keys that are one.
fn kept_as(key: u64) -> u64 {
    key.max(FREE + 1)
}

#[cfg(test)]
pub(super) mod tests;
