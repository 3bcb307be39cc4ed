//! That a table finds what was put into it and nothing else, whatever is removed; where searches begin; that none is endless.

use super::*;
use crate::limit::random::Random;
use std::collections::BTreeMap;

const TOP: u64 = 0xffff_ffff;

/// The words of a table of its own.
fn lines<V: Value>() -> Vec<Line> {
    (0..Table::<V>::LINES).map(|_| Line::default()).collect()
}

/// Puts an entry where the table says.
fn put(table: Table<u64>, key: u64, value: u64) -> usize {
    let slot = table.find(key).expect_err("BUG: a new key");
    table.insert(slot, key, value);
    slot
}

fn value(table: Table<u64>, key: u64) -> Option<u64> {
    table.find(key).ok().map(|slot| table.value(slot))
}

#[test]
fn an_empty_table_finds_nothing_and_has_nothing() {
    let lines = lines::<u64>();
    let table = Table::<u64>::on(&lines);
    assert_eq!((table.len(), table.find(7), table.entries().count(), table.backwards().count()), (0, Err(0), 0, 0));
}

/// What a reader may see beside a change, if never for whole.
#[test]
fn a_search_where_no_slot_is_free_ends() {
    let lines = lines::<u64>();
    let table = Table::<u64>::on(&lines);
    (1..=64).for_each(|key| table.put(usize::try_from(key).expect("BUG: few") - 1, key, key));
    assert_eq!((table.find(65), table.find(64)), (Err(0), Ok(63)));
}

#[test]
fn a_table_is_full_with_56_of_64_entries_and_counts_them() {
    let lines = lines::<u64>();
    let table = Table::on(&lines);
    let full: Vec<bool> = (1..=56).map(|key| (put(table, key, key), table.is_full()).1).collect();
    assert_eq!((full.iter().position(|full| *full), table.len()), (Some(55), 56));
    table.remove(3);
    assert_eq!((table.is_full(), table.len()), (false, 55));
}

#[test]
fn a_table_takes_a_line_and_one_for_four_entries_of_one_word_and_a_half_more_for_those_of_two() {
    assert_eq!((Table::<u64>::LINES, Table::<Pair>::LINES), (17, 25));
}

/// The group where the search begins, of sixteen.
fn begins(key: u64, group: usize) {
    let lines = lines::<u64>();
    assert_eq!(Table::<u64>::on(&lines).find(key), Err(group * GROUP));
}

#[test]
fn a_search_begins_at_the_lowest_32_bits_scaled() {
    begins(0, 0);
    begins(TOP / 16, 0);
    begins(TOP / 16 + 1, 1);
    begins(TOP, 15);
    begins(TOP + 1, 0);
    begins(u64::MAX, 15);
}

#[test]
fn a_search_goes_on_behind_its_group_and_from_the_end_to_the_beginning() {
    let lines = lines::<u64>();
    let table = Table::on(&lines);
    let slots = [TOP, TOP - 1, TOP - 2, TOP - 3, TOP - 4, 1].map(|key| put(table, key, key));
    assert_eq!(slots, [60, 61, 62, 63, 0, 1]);
    assert_eq!(value(table, TOP - 4), Some(TOP - 4));
}

#[test]
fn the_key_that_means_free_is_kept_as_another() {
    let lines = lines::<u64>();
    let table = Table::on(&lines);
    assert_eq!((table.find(0), put(table, 0, 9), value(table, 0), value(table, 1)), (Err(0), 0, Some(9), Some(9)));
}

#[test]
fn what_comes_behind_a_removed_entry_is_still_found() {
    let lines = lines::<u64>();
    let table = Table::on(&lines);
    let keys = [TOP, TOP - 1, TOP - 2, TOP - 3, TOP - 4, 1, 2];
    assert_eq!(keys.map(|key| put(table, key, key)), [60, 61, 62, 63, 0, 1, 2]);
    table.remove(61);
    assert_eq!(keys.map(|key| table.find(key).ok()), [Some(60), None, Some(61), Some(62), Some(63), Some(0), Some(1)]);
    // What begins in the first group must not move before it.
    table.remove(63);
    assert_eq!(keys.map(|key| table.find(key).ok()), [Some(60), None, Some(61), Some(62), None, Some(0), Some(1)]);
}

/// Every entry, in order of keys.
fn all(table: Table<u64>) -> Vec<(u64, u64)> {
    let mut all: Vec<_> = table.entries().collect();
    all.sort_unstable();
    all
}

/// A thousand histories of keys that crowd a few places, against an ordered map; a sweep in each.
#[test]
fn it_keeps_what_an_ordered_map_keeps() {
    for seed in 0..1_000 {
        let (mut random, lines, mut map) = (Random(seed), lines::<u64>(), BTreeMap::new());
        let table = Table::<u64>::on(&lines);
        for _ in 0..200 {
            let key = 1 + random.below(3) * (TOP / 3) + random.below(24);
            match table.find(key) {
                Ok(slot) if random.one_in(3) => {
                    table.remove(slot);
                    map.remove(&key);
                }
                Ok(slot) => {
                    table.replace(slot, random.0);
                    map.insert(key, random.0);
                }
                Err(slot) if !table.is_full() => {
                    table.insert(slot, key, random.0);
                    map.insert(key, random.0);
                }
                Err(_) => {}
            }
            assert_eq!(all(table), map.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>(), "seed {seed}");
            assert!(map.iter().all(|(key, kept)| value(table, *key) == Some(*kept)), "seed {seed}");
            assert_eq!(table.len(), map.len(), "seed {seed}");
        }
        let (mut passed, goes) = (Vec::new(), |value: u64| value.is_multiple_of(3));
        for slot in table.backwards() {
            passed.push(table.key(slot));
            if goes(table.value(slot)) {
                table.remove(slot);
            }
        }
        passed.sort_unstable();
        assert_eq!(passed, map.keys().copied().collect::<Vec<_>>(), "seed {seed}: each once");
        map.retain(|_, value| !goes(*value));
        assert_eq!(all(table), map.into_iter().collect::<Vec<_>>(), "seed {seed}");
    }
}

/// Longest and mean search in ten thousand full tables, for keys that are there and for keys that are not.
#[test]
fn searches_in_full_tables_are_short() {
    let (mut random, mut longest, mut slots) = (Random(1), 0, 0);
    for _ in 0..10_000 {
        let lines = lines::<u64>();
        let table = Table::<u64>::on(&lines);
        while !table.is_full() {
            let key = random.below(u64::MAX);
            table.insert(table.find(key).expect_err("BUG: a new key"), key, 0);
        }
        let key = random.below(u64::MAX);
        let searched = steps(home(key), table.find(key).expect_err("BUG: a new key")) + 1;
        (longest, slots) = (longest.max(searched), slots + searched);
    }
    assert!(longest <= 57 && slots / 10_000 <= 20, "{longest} at the longest, {} in the mean", slots / 10_000);
}

/// A value of two words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair(pub u64, pub u64);

impl Value for Pair {
    const WORDS: usize = 2;

    fn words(self) -> [u64; 2] {
        [self.0, self.1]
    }

    fn of_words([first, second]: [u64; 2]) -> Self {
        Self(first, second)
    }
}

#[test]
fn values_of_two_words_lie_beside_each_other() {
    let lines = lines::<Pair>();
    let table = Table::on(&lines);
    for key in 1..=11 {
        table.insert(table.find(key).expect_err("BUG: a new key"), key, Pair(key, 100 + key));
    }
    table.replace(table.find(5).expect("BUG: it is there"), Pair(50, 51));
    let found: Vec<_> = table.entries().filter(|(key, pair)| *pair != Pair(*key, 100 + key)).collect();
    assert_eq!((found, table.entries().count()), (vec![(5, Pair(50, 51))], 11));
}

#[test]
fn numbers_of_32_bits_come_back_as_they_were() {
    let through = |number: u32| u32::of_words(number.words());
    assert_eq!([0, 7, u32::MAX].map(through), [0, 7, u32::MAX]);
    assert_eq!((u32::of_words([1 << 32, 0]), u64::of_words(9_u64.words())), (u32::MAX, 9));
}
