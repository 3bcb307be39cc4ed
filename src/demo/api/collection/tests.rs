//! What a page of a growing collection holds, and what is forgotten.

use super::*;

/// Three seeds (0, 1, 2), room for two additions, and `additions` of them; every record is its own place.
fn collection(additions: usize) -> Collection<usize> {
    let mut collection = Collection::new(vec![0, 1, 2], 2);
    for _ in 0..additions {
        collection.add(|place| place);
    }
    collection
}

fn check(additions: usize, place: usize, limit: usize, expected: &[usize], next: Option<usize>) {
    let collection = collection(additions);
    let page = collection.page(place, limit).expect("a page");
    let records: Vec<usize> = page.records.into_iter().copied().collect();
    assert_eq!((records.as_slice(), page.next), (expected, next));
}

#[test]
fn a_place_that_no_record_had_is_no_page() {
    assert!(collection(0).page(4, 1).is_none());
    assert!(collection(0).page(usize::MAX, usize::MAX).is_none());
    assert!(collection(4).page(8, 1).is_none());
}

#[test]
fn what_is_forgotten_is_not_found_and_its_place_not_reused() {
    let mut collection = collection(4);
    assert_eq!((3..8).map(|place| collection.find(place).copied()).collect::<Vec<_>>(), [None, None, Some(5), Some(6), None]);
    assert_eq!(collection.find_mut(4), None);
    assert_eq!(*collection.add(|place| place), 7);
}

#[test]
fn seeds_are_never_forgotten() {
    let collection = collection(1000);
    assert_eq!(collection.len(), 5);
    assert_eq!((0..3).filter_map(|place| collection.find(place)).count(), 3);
}

#[test]
fn the_first_page_says_where_the_next_begins() {
    check(0, 0, 2, &[0, 1], Some(2));
}

#[test]
fn the_last_page_says_that_it_is_the_last() {
    check(0, 2, 2, &[2], None);
    check(0, 0, 3, &[0, 1, 2], None);
}

#[test]
fn the_end_is_an_empty_page() {
    check(0, 3, 2, &[], None);
    check(4, 7, 2, &[], None);
}

#[test]
fn a_page_spans_seeds_and_additions() {
    check(2, 2, 2, &[2, 3], Some(4));
}

#[test]
fn a_page_skips_what_was_forgotten() {
    check(4, 2, 2, &[2, 5], Some(6));
    check(4, 3, 1, &[5], Some(6));
    check(4, 0, 3, &[0, 1, 2], Some(5));
    check(4, 6, 9, &[6], None);
}
