//! That each table is had by one, that none is lost, and that there is an end of them.

use super::*;
use crate::limit::table::tests::Pair;

#[test]
fn there_are_so_many_and_no_more() {
    let tables = Tables::<u64>::new(0);
    assert_eq!((0..1_000).map_while(|_| tables.take()).count(), SPARE);
    assert_eq!((tables.take(), tables.numbers().last), (None, 64));
}

#[test]
fn places_for_a_few_and_the_spare_ones_are_rounded_up() {
    assert_eq!([0, 1, 32, 33].map(|places| Tables::<u64>::new(places).made.len()), [2, 3, 3, 4]);
}

#[test]
fn each_has_its_own_words() {
    let tables = Tables::<u64>::new(100);
    let taken: Vec<Number> = (0..100).map_while(|_| tables.take()).collect();
    for number in &taken {
        let table = tables.table(*number).expect("BUG: it was taken");
        assert_eq!((table.len(), table.find(7)), (0, Err(0)));
        table.insert(0, 7, u64::from(number.code()));
    }
    let found: Vec<u64> = taken.iter().filter_map(|number| Some(tables.table(*number)?.value(0))).collect();
    assert_eq!(found, (1..=100).collect::<Vec<u64>>());
}

#[test]
fn what_was_not_taken_is_no_table() {
    let tables = Tables::<u64>::new(100);
    let is_there = |code| Number::of(code).and_then(|number| tables.table(number)).is_some();
    assert!(!is_there(1) && tables.take().is_some() && is_there(1));
    assert!(!is_there(0) && !is_there(33) && !is_there(u32::MAX));
}

#[test]
fn one_given_back_is_the_next_that_is_taken() {
    let tables = Tables::<u64>::new(100);
    let codes = [(); 3].map(|()| tables.take().expect("BUG: there are many"));
    tables.give_back(codes[1]);
    assert_eq!([(); 2].map(|()| tables.take().map(Number::code)), [Some(2), Some(4)]);
}

/// Bytes asked for by so many takers.
fn asked<V: Value>(takers: usize) -> [u64; 2] {
    let tables = Tables::<V>::new(100);
    let counted = allocation_counter::measure(|| assert!((0..takers).all(|_| tables.take().is_some())));
    [counted.count_total, counted.bytes_total]
}

#[test]
fn memory_is_asked_for_32_tables_at_once() {
    assert_eq!([asked::<u64>(1), asked::<u64>(32), asked::<u64>(33)], [[1, 34_816], [1, 34_816], [2, 69_632]]);
    assert_eq!(asked::<Pair>(1), [1, 51_200]);
}
