//! What readers see beside changes, that they write nothing and come to an end; how tables grow and shrink.

use super::*;
use std::{ops::Range, sync::atomic::AtomicBool as Flag, thread};

fn shard() -> Shard<u64> {
    Shard::new(Arc::new(Table::for_entries(0)))
}

/// Keys that spread over a table as keyed hashes do.
fn key(index: u64) -> u64 {
    1 + (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20)
}

fn store<V: Value>(shard: &Shard<V>, key: u64, value: V) -> bool {
    let mut entries = shard.lock_with_room(key);
    match entries.table.find(key) {
        Ok(slot) => {
            shard.write(&entries, slot, value);
            false
        }
        Err(slot) => shard.insert(&mut entries, slot, key, value),
    }
}

/// Entries whose values are their numbers.
fn fill(shard: &Shard<u64>, indices: Range<u64>) {
    for index in indices {
        store(shard, key(index), index);
    }
}

fn remove<V: Value>(shard: &Shard<V>, key: u64) {
    let mut entries = shard.lock();
    let slot = entries.table.find(key).expect("BUG: it is there");
    shard.remove(&mut entries, slot);
}

#[test]
fn a_reader_takes_nothing_for_whole_while_it_is_being_changed() {
    let shard = shard();
    store(&shard, 1, 10);
    shard.change(|| assert_eq!(shard.read(1), Err(BeingChanged)));
    assert_eq!((shard.read(1), shard.read(2)), (Ok(Some(10)), Ok(None)));
}

#[test]
fn every_change_has_another_version() {
    let shard = shard();
    let version = || shard.version.load(Relaxed);
    let mut seen = vec![version()];
    store(&shard, 1, 10);
    seen.push(version());
    store(&shard, 1, 11);
    seen.push(version());
    remove(&shard, 1);
    seen.push(version());
    assert_eq!(seen, [0, 2, 4, 6]);
}

#[test]
fn who_only_reads_writes_nothing_and_needs_no_lock() {
    let shard = shard();
    fill(&shard, 0..100);
    let (locked, version) = (shard.lock(), shard.version.load(Relaxed));
    assert!((0..100).all(|index| shard.peek(key(index)) == Some(index)));
    assert_eq!((shard.peek(7), shard.version.load(Relaxed)), (None, version));
    assert_eq!(allocation_counter::measure(|| assert_eq!(shard.peek(key(3)), Some(3))).count_total, 0);
    drop(locked);
}

/// What a change in the middle of a read would leave behind; here it never ends.
#[test]
fn a_reader_that_never_finds_it_whole_takes_the_lock() {
    let shard = shard();
    store(&shard, 1, 10);
    shard.version.fetch_add(1, Relaxed);
    assert_eq!((shard.read(1), shard.peek(1), shard.peek(2)), (Err(BeingChanged), Some(10), None));
}

/// Both words of a value; a key is there or has never been.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Twice(u64, u64);

impl Value for Twice {
    const WORDS: usize = 2;

    fn words(self) -> [u64; 2] {
        [self.0, self.1]
    }

    fn of_words([first, second]: [u64; 2]) -> Self {
        Self(first, second)
    }
}

/// One thread writes, makes, forgets and moves entries; three read those that always stay.
#[test]
fn readers_always_see_whole_values_of_their_own_key() {
    let (shard, done) = (&Shard::new(Arc::new(Table::<Twice>::for_entries(0))), &Flag::new(false));
    let store_all = |indices: Range<u64>, more: u64| {
        for index in indices {
            store(shard, key(index), Twice(more + index, more + index));
        }
    };
    store_all(0..20, 0);
    thread::scope(|scope| {
        let read = move || {
            let mut reads = 0_u64;
            while !done.load(Relaxed) || reads == 0 {
                for index in 0..20 {
                    let found = shard.peek(key(index)).expect("it stays");
                    assert!(found.0 == found.1 && found.0 % 1_000 == index, "{found:?} of {index}");
                    reads += 1;
                }
                assert_eq!(shard.peek(key(5_000)), None);
            }
        };
        let readers = [(); 3].map(|()| scope.spawn(read));
        for round in 1..400_u64 {
            store_all(20..120, 0);
            store_all(0..20, 1_000 * round);
            shard.sweep(|value| (value.0 % 1_000 < 20).then_some(value));
        }
        done.store(true, Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().is_ok()), "a reader saw what never was");
    });
}

#[test]
fn a_table_is_full_before_its_last_slot_and_soon_full_before_that() {
    let bounds = [0, 4, 8, 64, 2_268].map(|slots| (full(slots), soon_full(slots)));
    assert_eq!(bounds, [(0, 0), (3, 2), (7, 5), (56, 44), (1_984, 1_559)]);
}

#[test]
fn room_is_wanted_once_where_a_table_is_soon_full_and_large() {
    let shard = shard();
    let wanted: Vec<u64> = (0..100).filter(|index| store(&shard, key(*index), 0)).collect();
    assert_eq!(wanted, [49], "the entry that made a table of 72 slots of one of 56");
    shard.tend();
    let wanted: Vec<u64> = (100..120).filter(|index| store(&shard, key(*index), 0)).collect();
    assert_eq!(wanted, [100], "as soon as it is so again: of 148 slots 101");
}

#[test]
fn room_is_made_ahead_only_where_it_is_wanted_and_still_needed() {
    let shard = shard();
    let slots = || {
        shard.tend();
        shard.lock().table.slots()
    };
    fill(&shard, 0..49);
    assert_eq!(slots(), 56);
    store(&shard, key(49), 49);
    assert_eq!((slots(), slots()), (92, 92));
    fill(&shard, 50..63);
    remove(&shard, key(0));
    assert_eq!(slots(), 92, "who wanted it is gone");
    store(&shard, key(0), 0);
    assert_eq!(slots(), 116);
    assert!((0..63).all(|index| shard.peek(key(index)) == Some(index)));
}

#[test]
fn nobody_moves_entries_of_a_table_that_was_replaced_meanwhile_or_into_one_without_room() {
    let shard = shard();
    fill(&shard, 0..10);
    let seen = Arc::clone(&shard.lock().table);
    let slots = || shard.lock().table.slots();
    shard.replace(&seen, Table::for_entries(6));
    assert_eq!(slots(), 12, "8 slots are for 7");
    shard.replace(&seen, Table::for_entries(10));
    assert_eq!(slots(), 16);
    shard.replace(&seen, Table::for_entries(100));
    assert_eq!(slots(), 16);
    assert!((0..10).all(|index| shard.peek(key(index)) == Some(index)));
}

/// What growing, tending and a sweep touch under one lock: slots that are looked at, entries that are moved. Keys come and go.
#[test]
fn a_lock_is_held_for_so_many_entries_and_slots_at_most() {
    let (shard, mut largest, mut index) = (shard(), 0, 0_u64);
    for live in [800, 1_000, 1_700, 1_790, 1_791] {
        for _ in 0..5_000 {
            if shard.lock_with_room(key(index)).is_crowded() {
                remove(&shard, key(index - live));
            }
            store(&shard, key(index), index);
            if index >= live && shard.peek(key(index - live)).is_some() {
                remove(&shard, key(index - live));
            }
            index += 1;
            shard.tend();
            largest = largest.max(shard.lock().table.slots());
        }
    }
    assert_eq!(largest, 2_836);
    assert!((1_700..=MOST_PER_SHARD).contains(&shard.lock().len), "{}", shard.lock().len);
}

#[test]
fn memory_goes_back_when_less_than_an_eighth_of_it_is_in_use_and_it_is_worth_it() {
    let sparse = [(3, 32), (4, 32), (0, 16), (1, 20), (2, 20), (0, 20)].map(|(entries, slots)| is_sparse(entries, slots));
    assert_eq!(sparse, [true, false, false, true, false, true]);
}

#[test]
fn a_sweep_writes_only_what_changes() {
    let shard = shard();
    fill(&shard, 0..10);
    let before = shard.version.load(Relaxed);
    let swept = shard.sweep(|value| (value != 3).then_some(if value == 5 { 6 } else { value }));
    assert_eq!((swept.gone, swept.left, shard.version.load(Relaxed) - before), (1, 9, 4));
}
