//! A list of records that keeps its seeds for ever and of what was added the newest.
//!
//! A record's place (seeds first, then in order of creation) never changes and is never given to another, so that a cursor
//! stays true while others add and while old records are forgotten.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

/// Seeds and additions.
pub(super) struct Collection<T> {
    seeds: Vec<T>,
    added: VecDeque<T>,
    /// How many additions are gone.
    forgotten: usize,
    /// Most additions kept, at least one.
    capacity: usize,
}

/// Consecutive records, and the place to go on from when there are more.
pub(super) struct Page<'a, T> {
    pub records: Vec<&'a T>,
    pub next: Option<usize>,
}

impl<T> Collection<T> {
    /// `capacity`: most additions kept; at least one is.
    pub(super) fn new(seeds: Vec<T>, capacity: usize) -> Self {
        Self { seeds, added: VecDeque::new(), forgotten: 0, capacity: capacity.max(1) }
    }

    /// Records kept now.
    pub(super) fn len(&self) -> usize {
        self.seeds.len() + self.added.len()
    }

    /// Adds the record that `make` builds for its place; the oldest addition gives way when the collection is full.
    pub(super) fn add(&mut self, make: impl FnOnce(usize) -> T) -> &T {
        if self.added.len() == self.capacity {
            self.added.pop_front();
            self.forgotten += 1;
        }
        let record = make(self.end());
        self.added.push_back(record);
        self.added.back().expect("BUG: pushed on the line above")
    }

    pub(super) fn find(&self, place: usize) -> Option<&T> {
        match place.checked_sub(self.seeds.len()) {
            None => self.seeds.get(place),
            Some(addition) => self.added.get(addition.checked_sub(self.forgotten)?),
        }
    }

    pub(super) fn find_mut(&mut self, place: usize) -> Option<&mut T> {
        match place.checked_sub(self.seeds.len()) {
            None => self.seeds.get_mut(place),
            Some(addition) => self.added.get_mut(addition.checked_sub(self.forgotten)?),
        }
    }

    /// Up to `limit` records from `place` on; places forgotten meanwhile are skipped. `None`: no record ever had that place.
    pub(super) fn page(&self, place: usize, limit: usize) -> Option<Page<'_, T>> {
        if place > self.end() {
            return None;
        }
        let first_addition = self.seeds.len() + self.forgotten;
        let index = if place < self.seeds.len() { place } else { place.max(first_addition) - self.forgotten };
        let records = self.seeds.iter().chain(&self.added).skip(index).take(limit).collect();
        let after = index.saturating_add(limit);
        let next = (after < self.len()).then(|| if after < self.seeds.len() { after } else { after + self.forgotten });
        Some(Page { records, next })
    }

    /// The place that the next addition gets.
    fn end(&self) -> usize {
        self.len() + self.forgotten
    }
}
