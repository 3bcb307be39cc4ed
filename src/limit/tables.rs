//! The tables of one map: made when they are first wanted, a few at a time, and kept until the map goes.
//!
//! None goes back before. Memory that a flood had taken is what the next one takes; given back to the allocator it would be that which
//! the allocator gives back to the system some time later, in the middle of whatever a thread then asks it for: 10 ms were measured
//! where 30 MB went back. So a map holds what it needed at its fullest, which its bound on entries bounds.
//!
//! What is asked of the allocator at once is [`AT_ONCE`] tables, 35 KB or 51, by who holds no lock.

use super::{
    sync::{Mutex, MutexGuard},
    table::{Line, Table, Value},
};
use std::{
    marker::PhantomData,
    num::NonZeroU32,
    sync::{OnceLock, PoisonError},
};

/// Tables that are made together.
#[cfg(not(loom))]
const AT_ONCE: usize = 32;
/// Loom keeps an account of each word.
#[cfg(loom)]
const AT_ONCE: usize = 1;
/// More tables than ever have a place: some may be in the hands of threads that will give them back.
const SPARE: usize = 64;

/// All tables of a map.
#[derive(Debug)]
pub(super) struct Tables<V> {
    made: Box<[OnceLock<Box<[Line]>>]>,
    numbers: Mutex<Numbers>,
    value: PhantomData<V>,
}

/// The number of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(NonZeroU32);

#[derive(Debug, Default)]
struct Numbers {
    last: u32,
    /// Given back unused.
    back: Vec<Number>,
}

impl<V: Value> Tables<V> {
    /// None yet; for so many places at most.
    pub(super) fn new(places: usize) -> Self {
        let made = (0..(places + SPARE).div_ceil(AT_ONCE)).map(|_| OnceLock::new()).collect();
        Self { made, numbers: Mutex::default(), value: PhantomData }
    }

    /// A table without an entry, which nobody else has. `None`: there are as many as can ever have a place.
    pub(super) fn take(&self) -> Option<Number> {
        let number = self.numbers().take(self.made.len() * AT_ONCE)?;
        self.made[number.index() / AT_ONCE].get_or_init(|| (0..AT_ONCE * Table::<V>::LINES).map(|_| Line::default()).collect());
        Some(number)
    }

    /// One that was taken, and not used.
    pub(super) fn give_back(&self, unused: Number) {
        self.numbers().back.push(unused);
    }

    /// The table of this number, which was taken.
    pub(super) fn table(&self, number: Number) -> Option<Table<'_, V>> {
        let (made, begins) = (self.made.get(number.index() / AT_ONCE)?.get()?, number.index() % AT_ONCE * Table::<V>::LINES);
        made.get(begins..begins + Table::<V>::LINES).map(Table::on)
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    fn take(&mut self, most: usize) -> Option<Number> {
        if let Some(unused) = self.back.pop() {
            return Some(unused);
        }
        let next = Number::of(self.last + 1).filter(|next| next.index() < most)?;
        self.last += 1;
        Some(next)
    }
}

impl Number {
    /// As [`code`](Self::code) wrote it; 0 is none.
    pub(super) fn of(code: u32) -> Option<Self> {
        NonZeroU32::new(code).map(Self)
    }

    /// Not 0.
    pub(super) fn code(self) -> u32 {
        self.0.get()
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

#[cfg(test)]
mod tests;
