//! What readers see beside changes, that they write nothing and come to an end; how full tables are split.

use super::*;
use crate::limit::table::MOST;
use crate::limit::table::tests::Pair;
use std::{
    collections::BTreeSet,
    sync::{Barrier, atomic::AtomicBool},
    thread,
};

/// A shard, and tables for it alone.
struct Alone<V> {
    shard: Shard,
    tables: Tables<V>,
}

impl<V: Value> Alone<V> {
    fn new() -> Self {
        Self { shard: Shard::new(), tables: Tables::new(LEAVES) }
    }

    /// Whether there was room.
    fn store(&self, key: u64, value: V) -> bool {
        let (_locked, table) = self.shard.lock_with_room(&self.tables, key);
        let Some(table) = table else { return false };
        match table.find(key) {
            Ok(slot) => self.shard.change(|| table.replace(slot, value)),
            Err(_) if table.is_full() => return false,
            Err(slot) => self.shard.change(|| table.insert(slot, key, value)),
        }
        true
    }

    fn peek(&self, key: u64) -> Option<V> {
        self.shard.peek(&self.tables, key)
    }

    fn read(&self, key: u64) -> Result<Option<V>, BeingChanged> {
        self.shard.read(&self.tables, key)
    }

    /// Entries of each table, by the first of its leaves.
    fn tables(&self) -> Vec<(usize, usize)> {
        let (mut seen, mut next) = (Vec::new(), 0);
        while next < LEAVES {
            let leaf = next;
            next = self.shard.look(&self.tables, leaf, |table| seen.push((leaf, table.len())));
        }
        seen
    }

    fn sweep(&self, keep: impl Fn(V) -> Option<V>) -> [usize; 2] {
        let (mut sum, mut next) = ([0; 2], 0);
        while next < LEAVES {
            next = self.shard.look(&self.tables, next, |table| {
                let swept = self.shard.sweep(table, &keep);
                sum = [sum[0] + swept.gone, sum[1] + swept.left];
            });
        }
        sum
    }

    fn version(&self) -> u64 {
        self.shard.version.load(Relaxed)
    }
}

/// Keys that spread over leaves and tables as keyed hashes do.
fn key(index: u64) -> u64 {
    index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}

/// A key of this leaf.
fn key_in(leaf: u64, index: u64) -> u64 {
    (index << 40) | (leaf << LEAF_BIT) | (index.wrapping_mul(0x9e37_79b9) & 0xffff_ffff)
}

#[test]
fn a_reader_takes_nothing_for_whole_while_it_is_being_changed() {
    let alone = Alone::new();
    alone.store(1, 10_u64);
    alone.shard.change(|| assert_eq!(alone.read(1), Err(BeingChanged)));
    assert_eq!((alone.read(1), alone.read(2)), (Ok(Some(10)), Ok(None)));
}

#[test]
fn every_change_has_another_version_and_making_a_table_too() {
    let (alone, mut seen) = (Alone::new(), Vec::new());
    for value in [10_u64, 11] {
        seen.push(alone.version());
        alone.store(1, value);
    }
    seen.push(alone.version());
    alone.sweep(|_| None);
    seen.push(alone.version());
    assert_eq!(seen, [0, 4, 6, 8]);
}

#[test]
fn after_a_change_that_a_panic_cut_off_the_next_one_sets_the_version_right() {
    let alone = Alone::new();
    alone.store(1, 10_u64);
    let cut_off = thread::scope(|scope| {
        let change = || {
            let _locked = alone.shard.lock();
            alone.shard.change(|| panic!("a table's bug"));
        };
        scope.spawn(change).join()
    });
    assert!(cut_off.is_err());
    assert_eq!((alone.read(1), alone.peek(1)), (Err(BeingChanged), Some(10)));
    alone.shard.change(|| assert_eq!(alone.read(1), Err(BeingChanged)));
    assert_eq!(alone.read(1), Ok(Some(10)));
}

#[test]
fn who_only_reads_writes_nothing_and_needs_no_lock() {
    let alone = Alone::new();
    assert!((0..300).all(|index| alone.store(key(index), index)));
    let (locked, version) = (alone.shard.lock(), alone.version());
    assert!((0..300).all(|index| alone.peek(key(index)) == Some(index)));
    assert_eq!((alone.peek(7), alone.version()), (None, version));
    assert_eq!(allocation_counter::measure(|| assert_eq!(alone.peek(key(3)), Some(3))).count_total, 0);
    drop(locked);
}

/// What a change in the middle of a read would leave behind; here it never ends.
#[test]
fn a_reader_that_never_finds_it_whole_takes_the_lock() {
    let alone = Alone::new();
    alone.store(1, 10_u64);
    alone.shard.version.fetch_add(1, Relaxed);
    assert_eq!((alone.read(1), alone.peek(1), alone.peek(2)), (Err(BeingChanged), Some(10), None));
}

/// One thread writes, makes, forgets and moves entries, and splits tables; three read those that always stay, and one that goes and
/// comes again.
#[test]
fn readers_always_see_whole_values_of_their_own_key() {
    for round in 0..20_u64 {
        let (alone, done, start) = (&Alone::<Pair>::new(), &AtomicBool::new(false), &Barrier::new(4));
        let store_all = |from: u64, to: u64, more: u64| {
            (from..to).for_each(|index| assert!(alone.store(key(index), Pair(more + index, more + index))));
        };
        store_all(0, 20, 0);
        thread::scope(|scope| {
            let read = move || {
                start.wait();
                while !done.load(Relaxed) {
                    for index in 0..20 {
                        let found = alone.peek(key(index)).expect("it stays");
                        assert!(found.0 == found.1 && found.0 % 1_000 == index, "{found:?} of {index}");
                    }
                    assert!(alone.peek(key(21)).is_none_or(|found| found.0 == found.1 && found.0 % 1_000 == 21));
                    assert_eq!(alone.peek(key(5_000)), None);
                }
            };
            let readers = [(); 3].map(|()| scope.spawn(read));
            start.wait();
            for step in 1..20_u64 {
                // More each time: tables are split.
                store_all(20, 20 + 40 * step, 0);
                store_all(0, 20, 1_000 * (step + round));
                alone.sweep(|value| (value.0 % 1_000 < 20).then_some(value));
            }
            done.store(true, Relaxed);
            assert!(readers.into_iter().all(|reader| reader.join().is_ok()), "a reader saw what never was");
        });
    }
}

#[test]
fn a_full_table_gives_the_upper_half_of_its_leaves_to_another() {
    let alone = Alone::new();
    for index in 0..56 {
        assert!(alone.store(key_in(index % LEAVES as u64, index), index));
    }
    assert_eq!(alone.tables(), [(0, 56)]);
    assert!(alone.store(key_in(0, 3), 3) && alone.store(key_in(63, 100), 100));
    assert_eq!(alone.tables(), [(0, 33), (32, 25)]);
    assert!((0..56).all(|index| alone.peek(key_in(index % LEAVES as u64, index)) == Some(index)));
}

#[test]
fn a_known_key_of_a_full_table_splits_nothing() {
    let alone = Alone::new();
    assert!((0..56).all(|index| alone.store(key(index), index)) && alone.store(key(7), 700));
    assert_eq!((alone.tables(), alone.peek(key(7))), (vec![(0, 56)], Some(700)));
}

#[test]
fn where_all_are_of_one_leaf_it_is_split_to_the_end_and_then_takes_no_new_key() {
    let alone = Alone::new();
    assert!((0..56).all(|index| alone.store(key_in(5, index), index)));
    assert!(!alone.store(key_in(5, 56), 56) && !alone.store(key_in(5, 57), 57));
    assert_eq!(alone.tables(), [(0, 0), (4, 0), (5, 56), (6, 0), (8, 0), (16, 0), (32, 0)]);
    assert!(alone.store(key_in(5, 3), 333) && alone.store(key_in(4, 3), 1), "known keys are written on, neighbours have room");
    alone.sweep(|value| (value != 333).then_some(value));
    assert!(alone.store(key_in(5, 56), 56), "who goes makes room for one");
}

#[test]
fn where_no_table_is_left_nobody_new_comes() {
    let alone = Alone::new();
    while alone.tables.take().is_some() {}
    assert!(!alone.store(1, 10_u64));
    assert_eq!(alone.peek(1), None);
}

/// So many entries are looked at under one lock, and half as many moved in the mean.
#[test]
fn no_table_has_more_than_56_entries_whatever_comes_and_goes() {
    let alone = Alone::new();
    for index in 0..20_000 {
        let _full = alone.store(key(index), index);
        if index % 3 == 0 {
            alone.sweep(|value| (value + 1_500 > index).then_some(value));
        }
    }
    assert_eq!(MOST, 56);
    let tables = alone.tables();
    assert!(tables.iter().all(|(_, entries)| *entries <= MOST) && tables.len() > 30, "{tables:?}");
}

#[test]
fn leaves_of_a_table_lie_beside_each_other_and_none_is_in_two() {
    let alone = Alone::new();
    (0..2_000).for_each(|index| _ = alone.store(key(index), index));
    for leaf in 0..LEAVES {
        let run = alone.shard.run(leaf);
        assert!(run.contains(&leaf) && run.len().is_power_of_two() && run.start.is_multiple_of(run.len()), "{run:?}");
        let numbers =
            |leaves: Range<usize>| -> BTreeSet<u32> { leaves.map(|leaf| alone.shard.leaves[leaf].load(Relaxed)).collect() };
        assert_eq!(numbers(run.clone()).len(), 1);
        assert!(numbers(0..run.start).union(&numbers(run.end..LEAVES)).all(|other| !numbers(run.clone()).contains(other)));
    }
}

/// Four threads find the same table full: what they took for it and did not need is not lost.
#[test]
fn tables_that_threads_took_in_vain_are_given_back() {
    for round in 0..200 {
        let (alone, start) = (&Alone::new(), &Barrier::new(4));
        assert!((0..56).all(|index| alone.store(key(index), index)));
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    start.wait();
                    assert!(alone.store(key(100 + thread), thread));
                });
            }
        });
        let used = alone.tables().len();
        let left = std::iter::from_fn(|| alone.tables.take()).count();
        assert_eq!(used + left, 2 * LEAVES, "round {round}");
    }
}

#[test]
fn a_sweep_writes_only_what_changes() {
    let alone = Alone::new();
    assert!((0..10).all(|index| alone.store(key(index), index)));
    let before = alone.version();
    let swept = alone.sweep(|value| (value != 3).then_some(if value == 5 { 6 } else { value }));
    assert_eq!((swept, alone.version() - before), ([1, 9], 4));
}
