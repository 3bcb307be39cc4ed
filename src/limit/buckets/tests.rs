//! The bound, the sweep, and that no entry is lost between them.

use super::*;
use crate::limit::random::Random;
use std::thread;

/// Keys that spread over shards as keyed hashes do.
fn key(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}

/// Tables in use.
fn tables(buckets: &Buckets<u64>) -> usize {
    let (mut tables, mut next) = (0, 0);
    for shard in &buckets.shards {
        while next < LEAVES {
            next = shard.look(&buckets.tables, next, |_| tables += 1);
        }
        next = 0;
    }
    tables
}

fn store(buckets: &Buckets<u64>, index: u64, value: u64, most: usize) -> bool {
    buckets.with(key(index), |bucket| bucket.store(value, most))
}

#[test]
fn a_new_key_at_the_bound_finds_no_room() {
    let buckets = Buckets::new(2);
    assert!(store(&buckets, 1, 10, 2) && store(&buckets, 2, 20, 2));
    assert!(!store(&buckets, 3, 30, 2));
    assert_eq!((buckets.len(), buckets.peek(key(3))), (2, None));
}

#[test]
fn a_bound_of_nothing_keeps_nothing() {
    let buckets = Buckets::new(0);
    assert!(!store(&buckets, 1, 10, 0));
    assert_eq!(buckets.len(), 0);
}

#[test]
fn a_known_key_at_the_bound_is_replaced() {
    let buckets = Buckets::new(1);
    assert!(store(&buckets, 1, 10, 1) && store(&buckets, 1, 11, 1));
    assert_eq!((buckets.len(), buckets.peek(key(1))), (1, Some(11)));
}

#[test]
fn a_bound_lowered_below_what_is_there_keeps_it_and_takes_nothing_new() {
    let buckets = Buckets::new(3);
    assert!((0..3).all(|index| store(&buckets, index, index, 3)));
    assert!(store(&buckets, 0, 7, 1) && !store(&buckets, 3, 3, 1));
    assert_eq!(buckets.len(), 3);
}

/// A key of the first leaf of the first shard.
fn neighbour(index: u64) -> u64 {
    key(index) & 0xff00_0000_ffff_ffff
}

#[test]
fn a_crowded_leaf_takes_no_new_key_and_keeps_who_is_there() {
    let buckets = Buckets::new(0);
    let store = |index| buckets.with(neighbour(index), |bucket| bucket.store(index, usize::MAX));
    assert_eq!((0..300).filter(|index| store(*index)).count(), MOST);
    assert_eq!(buckets.len(), MOST);
    assert!(store(0) && !store(9_999), "known keys are written on");
    assert!(buckets.with(neighbour(9_999) | 1 << SHARD_BIT, |bucket| bucket.store(1, usize::MAX)), "other shards have room");
    assert!(buckets.with(neighbour(9_999) | 1 << 32, |bucket| bucket.store(1, usize::MAX)), "other leaves have room");
    buckets.with(neighbour(0), |bucket| bucket.update(|_| None));
    assert!(store(9_999) && !store(0), "who goes makes room for one");
}

/// What any decision asks the allocator for at most: 32 tables.
#[test]
fn a_known_key_never_costs_memory_and_a_new_one_seldom_and_no_more_than_35_kb() {
    let buckets = Buckets::new(0);
    let (mut known, mut largest, mut bytes) = (0, 0, 0);
    for index in 0..60_000 {
        let store = || allocation_counter::measure(|| assert!(store(&buckets, index, 1, usize::MAX)));
        let new = store();
        (largest, bytes) = (largest.max(new.bytes_total), bytes + new.bytes_total);
        known += store().count_total;
    }
    assert_eq!((known, largest), (0, 34_816));
    assert!(bytes <= (tables(&buckets) as u64 + 32) * 1_088, "{bytes} bytes");
}

/// As many as a reload may raise the bound to: at twice what was expected a leaf has 31 in the mean. Poisson's tail beyond 56.
#[test]
fn with_twice_the_expected_entries_one_key_in_a_hundred_thousand_meets_a_crowded_leaf() {
    let buckets = Buckets::<u64>::new(0);
    let mut random = Random(7);
    let mut store = || buckets.with(random.below(u64::MAX), |bucket| bucket.store(1, usize::MAX));
    let refused = (0..2_000_000).filter(|_| !store()).count();
    assert!(refused <= 20, "{refused}");
}

#[test]
fn many_threads_fill_it_to_the_bound_exactly() {
    let buckets = Buckets::new(1_000);
    let stored: usize = thread::scope(|scope| {
        let fill = |thread: u64| (0..500).filter(|index| store(&buckets, thread * 500 + index, 1, 1_000)).count();
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || fill(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("BUG: a filling thread panicked")).sum()
    });
    assert_eq!((stored, buckets.len()), (1_000, 1_000));
}

#[test]
fn a_sweep_looks_at_every_shard() {
    let buckets = Buckets::new(0);
    assert!((0..1_000).all(|index| store(&buckets, index, index, 1_000)));
    assert_eq!((buckets.sweep(0, |_| None), buckets.len()), (1_000, 0));
}

#[test]
fn a_sweep_locks_one_shard_at_a_time() {
    let buckets = Buckets::new(0);
    assert!((0..200).all(|index| store(&buckets, index, index, 200)));
    buckets.sweep(0, |value| {
        let locked = buckets.shards.iter().filter(|shard| shard.is_locked()).count();
        assert_eq!(locked, 1);
        Some(value)
    });
}

#[test]
fn a_sweep_forgets_what_it_is_told_to_and_rewrites_the_rest() {
    let buckets = Buckets::new(0);
    assert!((0..100).all(|index| store(&buckets, index, index, 100)));
    assert_eq!(buckets.sweep(0, |value| (value % 2 == 0).then_some(value + 1_000)), 50);
    assert_eq!((buckets.len(), buckets.peek(key(4)), buckets.peek(key(5))), (50, Some(1_004), None));
}

#[test]
fn what_a_sweep_forgot_makes_room() {
    let buckets = Buckets::new(1);
    assert!(store(&buckets, 1, 10, 1));
    assert_eq!(buckets.sweep(0, |_| None), 1);
    assert!(store(&buckets, 2, 20, 1));
}

#[test]
fn a_time_before_what_was_forgotten_becomes_that_and_never_an_earlier_one() {
    let buckets = Buckets::<u64>::new(0);
    let judged_as_of = |now| (buckets.not_before_forgotten(now), buckets.with(1, |bucket| bucket.not_before_forgotten(now)));
    assert_eq!(judged_as_of(0), (0, 0));
    buckets.sweep(SWEEP_SLACK_NS + 7, Some);
    assert_eq!([0, 7, 8].map(judged_as_of), [(7, 7), (7, 7), (8, 8)]);
    buckets.sweep(SWEEP_SLACK_NS + 3, Some);
    assert_eq!(judged_as_of(0), (7, 7));
}

#[test]
fn an_update_can_remove_and_then_makes_room() {
    let buckets = Buckets::new(1);
    assert!(store(&buckets, 1, 10, 1));
    buckets.with(key(1), |bucket| bucket.update(|_| None));
    assert_eq!((buckets.len(), buckets.peek(key(1))), (0, None));
    assert!(store(&buckets, 2, 20, 1));
}

#[test]
fn an_update_makes_no_entry() {
    let buckets = Buckets::<u64>::new(1);
    buckets.with(key(1), |bucket| bucket.update(Some));
    assert_eq!(buckets.len(), 0);
}

#[test]
fn what_a_flood_took_of_memory_is_what_the_next_one_takes() {
    let buckets = Buckets::new(0);
    let flood = |from: u64| {
        let taken =
            allocation_counter::measure(|| assert!((from..from + 200_000).all(|index| store(&buckets, index, index, 200_000))));
        assert_eq!(buckets.sweep(0, |_| None), 200_000);
        taken.bytes_total
    };
    let (first, next) = (flood(0), flood(1_000_000));
    assert!(first > 3_200_000 && next < first / 10, "{first}, then {next}");
}

#[test]
fn random_keys_spread_over_the_shards() {
    let buckets = Buckets::new(1_000_000);
    assert!((0..100).all(|index| store(&buckets, index, index, 100)));
    assert!(tables(&buckets) > 90, "{}", tables(&buckets));
}

fn shards_for(expected: usize, number: usize) {
    assert_eq!(shards(expected), number);
}

#[test]
fn shards_follow_the_expected_entries_within_bounds() {
    shards_for(0, 1_024);
    shards_for(1_000_000, 1_024);
    shards_for(1_049_600, 2_048);
    shards_for(60_000_000, 65_536);
    shards_for(usize::MAX, 65_536);
}

#[test]
fn an_empty_map_for_a_million_users_is_small() {
    let counted = allocation_counter::measure(|| drop(Buckets::<u64>::new(1_000_000)));
    assert!(counted.bytes_max <= 380_000, "{} bytes", counted.bytes_max);
}

#[test]
fn who_looks_at_all_entries_holds_no_lock_meanwhile() {
    let buckets = Buckets::new(0);
    assert!((0..200).all(|index| store(&buckets, index, index, 200)));
    buckets.each(|key, value| buckets.with(key, |bucket| assert!(bucket.store(value, 200))));
}

#[test]
fn each_entry_is_looked_at_once() {
    let (buckets, mut seen) = (Buckets::new(0), Vec::new());
    assert!((1..=500).all(|index| store(&buckets, index, index, 500)));
    buckets.each(|key_of, value| seen.push((key_of, value)));
    seen.sort_by_key(|(_, value)| *value);
    assert_eq!(seen, (1..=500).map(|index| (key(index), index)).collect::<Vec<_>>());
}

#[test]
fn a_sweep_takes_a_breath_after_so_many_entries() {
    let mut breath = Breath::default();
    let swept = [(BREATH - 3, 2), (0, 0), (0, 1), (1, 0), (0, BREATH - 2), (1, 0), (BREATH, 4 * BREATH)];
    let due = swept.map(|(gone, left)| breath.is_due(&Swept { gone, left }));
    assert_eq!(due, [false, false, true, false, false, true, true]);
}

/// Worst just after tables were split, which random keys make them be nearly at the same time. Fewer users than these share what the
/// shards take.
#[test]
fn a_live_user_takes_at_most_40_bytes_at_every_size() {
    let buckets = Buckets::<u64>::new(1_000_000);
    let mut held = allocation_counter::measure(|| drop(Buckets::<u64>::new(1_000_000))).bytes_max.cast_signed();
    let (mut users, mut random) = (0_u64, Random(11));
    let mut come = || assert!(buckets.with(random.below(u64::MAX), |bucket| bucket.store(1, 1_000_000)));
    for size in (50_000..=1_000_000).step_by(10_000) {
        held += allocation_counter::measure(|| (users..size).for_each(|_| come())).bytes_current;
        users = size;
        assert!(held <= 40 * size.cast_signed(), "{held} bytes for {size} users");
    }
}
