//! That a table finds what was put into it and nothing else, whatever is removed; where searches begin; that none is endless.

use super::*;
use crate::limit::random::Random;
use std::collections::BTreeMap;

const TOP: u64 = 0xffff_ffff;

/// Puts an entry where the table says.
fn put(table: &Table<u64>, key: u64, value: u64) -> usize {
    let slot = table.find(key).expect_err("BUG: a new key");
    table.put(slot, key, value);
    slot
}

fn value(table: &Table<u64>, key: u64) -> Option<u64> {
    table.find(key).ok().map(|slot| table.value(slot))
}

#[test]
fn an_empty_table_finds_nothing_and_has_nothing() {
    let table = Table::<u64>::for_entries(0);
    assert_eq!((table.slots(), table.find(7), table.entries().count(), table.backwards().count()), (0, Err(0), 0, 0));
}

#[test]
fn a_search_in_a_full_table_ends() {
    let table = Table::<u64>::for_entries(1);
    assert!((1..=4).all(|key| put(&table, key, key) == usize::try_from(key).expect("BUG: few") - 1));
    assert!(table.find(5).is_err());
    assert_eq!(table.find(4), Ok(3));
}

/// So many slots for so many entries, and as many in the next larger table.
fn sizes(entries: usize, slots: usize, larger: usize) {
    let table = Table::<u64>::for_entries(entries);
    assert_eq!((table.slots(), table.larger().slots()), (slots, larger));
}

#[test]
fn three_of_four_slots_are_for_entries_and_a_larger_table_has_a_quarter_more() {
    sizes(0, 0, 4);
    sizes(1, 4, 8);
    sizes(3, 4, 8);
    sizes(4, 8, 12);
    sizes(48, 64, 84);
    sizes(300, 400, 504);
}

#[test]
fn a_table_takes_a_line_for_four_entries_of_one_word_and_a_half_more_for_those_of_two() {
    assert_eq!((Table::<u64>::of_groups(5).lines.len(), Table::<Pair>::of_groups(5).lines.len()), (5, 8));
}

/// The group where the search begins, of eight.
fn begins(key: u64, group: usize) {
    assert_eq!(Table::<u64>::of_groups(8).find(key), Err(group * GROUP));
}

#[test]
fn a_search_begins_at_the_lowest_32_bits_scaled() {
    begins(0, 0);
    begins(TOP / 8, 0);
    begins(TOP / 8 + 1, 1);
    begins(TOP, 7);
    begins(TOP + 1, 0);
    begins(u64::MAX, 7);
}

#[test]
fn a_search_goes_on_behind_its_group_and_from_the_end_to_the_beginning() {
    let table = Table::of_groups(2);
    let slots = [TOP, TOP - 1, TOP - 2, TOP - 3, TOP - 4, 1].map(|key| put(&table, key, key));
    assert_eq!(slots, [4, 5, 6, 7, 0, 1]);
    assert_eq!(value(&table, TOP - 4), Some(TOP - 4));
}

#[test]
fn the_key_that_means_free_is_kept_as_another() {
    let table = Table::of_groups(1);
    assert_eq!((table.find(0), put(&table, 0, 9), value(&table, 0), value(&table, 1)), (Err(0), 0, Some(9), Some(9)));
}

#[test]
fn what_comes_behind_a_removed_entry_is_still_found() {
    let table = Table::of_groups(2);
    let keys = [TOP, TOP - 1, TOP - 2, TOP - 3, TOP - 4, 1, 2];
    assert_eq!(keys.map(|key| put(&table, key, key)), [4, 5, 6, 7, 0, 1, 2]);
    table.remove(5);
    assert_eq!(keys.map(|key| table.find(key).ok()), [Some(4), None, Some(5), Some(6), Some(7), Some(0), Some(1)]);
    // What begins in the first group must not move before it.
    table.remove(7);
    assert_eq!(keys.map(|key| table.find(key).ok()), [Some(4), None, Some(5), Some(6), None, Some(0), Some(1)]);
}

/// Every entry, in both orders.
fn all(table: &Table<u64>) -> [Vec<(u64, u64)>; 2] {
    let mut forwards: Vec<_> = table.entries().collect();
    let mut backwards: Vec<_> = table.backwards().map(|slot| (table.key(slot), table.value(slot))).collect();
    forwards.sort_unstable();
    backwards.sort_unstable();
    [forwards, backwards]
}

/// A thousand histories of keys that crowd a few places, against an ordered map; a sweep in each.
#[test]
fn it_keeps_what_an_ordered_map_keeps() {
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let (table, mut map) = (Table::<u64>::of_groups(1 + usize::try_from(seed % 5).expect("BUG: few")), BTreeMap::new());
        for _ in 0..100 {
            let key = 1 + random.below(3) * (TOP / 3) + random.below(8);
            match table.find(key) {
                Ok(slot) if random.one_in(2) => {
                    table.remove(slot);
                    map.remove(&key);
                }
                Ok(slot) => {
                    table.replace(slot, random.0);
                    map.insert(key, random.0);
                }
                Err(slot) if map.len() + 1 < table.slots() => {
                    table.put(slot, key, random.0);
                    map.insert(key, random.0);
                }
                Err(_) => {}
            }
            let kept: Vec<_> = map.iter().map(|(key, value)| (*key, *value)).collect();
            assert_eq!(all(&table), [kept.clone(), kept], "seed {seed}");
            assert!(map.iter().all(|(key, kept)| value(&table, *key) == Some(*kept)), "seed {seed}");
        }
        let (larger, goes) = (table.larger(), |value: u64| value.is_multiple_of(3));
        table.copy_to(&larger);
        assert_eq!(all(&larger), all(&table), "seed {seed}");
        let mut passed = Vec::new();
        for slot in table.backwards() {
            passed.push(table.key(slot));
            if goes(table.value(slot)) {
                table.remove(slot);
            }
        }
        passed.sort_unstable();
        assert_eq!(passed, map.keys().copied().collect::<Vec<_>>(), "seed {seed}: each once");
        map.retain(|_, value| !goes(*value));
        assert_eq!(all(&table)[0], map.into_iter().collect::<Vec<_>>(), "seed {seed}");
    }
}

/// A value of two words.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair(u64, u64);

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
    let table = Table::of_groups(3);
    for key in 1..=11 {
        table.put(table.find(key).expect_err("BUG: a new key"), key, Pair(key, 100 + key));
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
