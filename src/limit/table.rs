//! A table of fixed size from keys to values, made of atomic words: who may change it must be alone, who reads need not be.
//!
//! Open addressing, each key beside its value: a look-up of one of a million users fetches one line of memory, seldom two, where a
//! table with its tags and its entries apart fetches two. Keys are keyed hashes already: their lowest 32 bits, scaled, are the place
//! where a search begins. What is removed leaves no mark, because what comes after it moves up.
//!
//! A reader beside a change may see anything that the change passes through, but always comes to an end; that what it saw was whole is
//! for the shard's version to say (`shard`). Words are written with `Release` and read with `Acquire` for that: who reads a word of a
//! change also sees that the change had begun.
//!
//! What it does not do: grow, count its entries, keep changes apart.

use super::sync::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use std::marker::PhantomData;

/// Slots from one place where searches begin to the next: with values of one word what a line of memory holds.
const GROUP: usize = 4;
const WORDS_PER_LINE: usize = 8;
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

/// The slots.
#[derive(Debug)]
pub(super) struct Table<V> {
    lines: Box<[Line]>,
    slots: usize,
    value: PhantomData<V>,
}

/// A line of memory.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; WORDS_PER_LINE]);

impl<V: Value> Table<V> {
    const WORDS: usize = 1 + V::WORDS;

    /// All free; with room for `entries`, so that a third as many again still find theirs quickly.
    pub(super) fn for_entries(entries: usize) -> Self {
        Self::of_groups(entries.div_ceil(GROUP - 1))
    }

    /// All free; for who has outgrown this one. A quarter more: what is moved about stays five times what comes, and what lies free
    /// a fifth of all.
    pub(super) fn larger(&self) -> Self {
        let groups = self.slots / GROUP;
        Self::of_groups(groups + groups / 4 + 1)
    }

    fn of_groups(groups: usize) -> Self {
        let slots = groups * GROUP;
        let lines = (0..(slots * Self::WORDS).div_ceil(WORDS_PER_LINE)).map(|_| Line::default()).collect();
        Self { lines, slots, value: PhantomData }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// The key's slot, or else the free one that it would take. (Without a free one, which who keeps it sees to, that is none.)
    pub(super) fn find(&self, key: u64) -> Result<usize, usize> {
        let mut slot = self.home(key);
        for _ in 0..self.slots {
            match self.key(slot) {
                FREE => break,
                found if found == kept_as(key) => return Ok(slot),
                _ => slot = self.after(slot),
            }
        }
        Err(slot)
    }

    /// What stands in a slot.
    pub(super) fn value(&self, slot: usize) -> V {
        let at = slot * Self::WORDS + 1;
        let second = if V::WORDS > 1 { self.word(at + 1).load(Acquire) } else { 0 };
        V::of_words([self.word(at).load(Acquire), second])
    }

    /// Puts an entry into the free slot that [`find`](Self::find) named.
    pub(super) fn put(&self, slot: usize, key: u64, value: V) {
        self.replace(slot, value);
        self.word(slot * Self::WORDS).store(kept_as(key), Release);
    }

    /// Replaces what stands in a slot.
    pub(super) fn replace(&self, slot: usize, value: V) {
        let words = value.words();
        for (index, word) in words.into_iter().enumerate().take(V::WORDS) {
            self.word(slot * Self::WORDS + 1 + index).store(word, Release);
        }
    }

    /// Frees a slot. What would not be found behind a free one moves up: entries change places between here and the next free slot.
    pub(super) fn remove(&self, slot: usize) {
        let (mut free, mut next) = (slot, self.after(slot));
        while self.key(next) != FREE {
            let key = self.key(next);
            let home = self.home(key);
            if self.steps(home, free) < self.steps(home, next) {
                self.put(free, key, self.value(next));
                free = next;
            }
            next = self.after(next);
        }
        self.word(free * Self::WORDS).store(FREE, Release);
    }

    /// The slots of all entries, from the last before a free one backwards: so what a removal moves was passed before.
    pub(super) fn backwards(&self) -> impl Iterator<Item = usize> {
        let end = (0..self.slots).find(|slot| self.key(*slot) == FREE).unwrap_or(0);
        (0..end).rev().chain((end..self.slots).rev()).filter(|slot| self.key(*slot) != FREE)
    }

    /// All entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, V)> {
        let taken = (0..self.slots).filter(|slot| self.key(*slot) != FREE);
        taken.map(|slot| (self.key(slot), self.value(slot)))
    }

    /// Puts all entries into another table, which is empty and has room for them. They come in the order of their places there.
    pub(super) fn copy_to(&self, other: &Self) {
        for (key, value) in self.entries() {
            if let Err(slot) = other.find(key) {
                other.put(slot, key, value);
            }
        }
    }

    fn key(&self, slot: usize) -> u64 {
        self.word(slot * Self::WORDS).load(Acquire)
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.lines[index / WORDS_PER_LINE].0[index % WORDS_PER_LINE]
    }

    /// Where the search for a key begins.
    fn home(&self, key: u64) -> usize {
        let groups = (self.slots / GROUP) as u64;
        (((key & 0xffff_ffff) * groups) >> 32) as usize * GROUP
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 < self.slots { slot + 1 } else { 0 }
    }

    /// Steps of a search from one slot to another.
    fn steps(&self, from: usize, to: usize) -> usize {
        if to < from { to + self.slots - from } else { to - from }
    }
}

/// The key that means a free slot is kept as its neighbour: two in 2⁶⁴ keys that are one.
fn kept_as(key: u64) -> u64 {
    key.max(FREE + 1)
}

#[cfg(test)]
mod tests;
