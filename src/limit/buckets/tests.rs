//! The bound, the sweep, and that no entry is lost between them.

use super::*;
use std::thread;

/// Keys that spread over shards as keyed hashes do.
fn key(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}

fn slots(buckets: &Buckets<u64>) -> usize {
    buckets.shards.iter().map(|shard| shard.lock().table.slots()).sum()
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

/// A key of the first shard.
fn neighbour(index: u64) -> u64 {
    key(index) & !(0xffff << SHARD_BIT)
}

#[test]
fn a_crowded_shard_takes_no_new_key_and_keeps_who_is_there() {
    let buckets = Buckets::new(0);
    let store = |index| buckets.with(neighbour(index), |bucket| bucket.store(index, usize::MAX));
    assert_eq!((0..3_000).filter(|index| store(*index)).count(), MOST_PER_SHARD);
    assert_eq!(buckets.len(), MOST_PER_SHARD);
    assert!(store(0) && !store(9_999), "known keys are written on");
    assert!(buckets.with(key(9_999) | 1 << SHARD_BIT, |bucket| bucket.store(1, usize::MAX)), "other shards have room");
    buckets.with(neighbour(0), |bucket| bucket.update(|_| None));
    assert!(store(9_999) && !store(0), "who goes makes room for one");
}

/// Allocations of a decision that makes an entry.
fn memory_asked(buckets: &Buckets<u64>, index: u64) -> u64 {
    allocation_counter::measure(|| buckets.with(neighbour(index), |bucket| assert!(bucket.store(1, usize::MAX)))).count_total
}

/// A table and the count of its readers.
#[test]
fn a_known_key_never_costs_memory_and_a_new_one_does_where_its_shard_is_full() {
    let buckets = Buckets::new(0);
    let (mut known, mut grown) = (0, 0);
    for index in 0..450 {
        let asked = memory_asked(&buckets, index);
        assert!(asked == 0 || asked == 2, "{asked}");
        grown += asked / 2;
        known += memory_asked(&buckets, index);
    }
    assert_eq!((known, grown), (0, 18));
    assert!((0..450).all(|index| buckets.peek(neighbour(index)) == Some(1)));
}

/// Small tables are soon made: the first that is left to who tends the map is the one after 72 slots.
#[test]
fn no_request_makes_a_large_table_where_somebody_tends_the_map() {
    let buckets = Buckets::new(0);
    let asked: Vec<u64> = (0..1_700)
        .filter(|index| {
            buckets.tend();
            memory_asked(&buckets, *index) > 0
        })
        .collect();
    assert_eq!(asked, [0, 3, 7, 10, 14, 21, 28, 38, 49]);
    assert!((0..1_700).all(|index| buckets.peek(neighbour(index)) == Some(1)));
}

#[test]
fn who_tends_the_map_is_woken_when_there_is_something_to_do_and_not_before() {
    let buckets = Arc::new(Buckets::new(0));
    let (begun, wait) = std::sync::mpsc::channel();
    let tending = {
        let buckets = Arc::clone(&buckets);
        thread::spawn(move || {
            buckets.tend();
            begun.send(()).expect("BUG: the test waits");
            // Spurious wake-ups are allowed.
            while slots_of_first(&buckets) <= 72 {
                thread::park();
                buckets.tend();
            }
        })
    };
    wait.recv().expect("BUG: it sends");
    assert!((0..50).map(|index| memory_asked(&buckets, index)).sum::<u64>() > 0);
    tending.join().expect("BUG: it panicked");
    assert_eq!(slots_of_first(&buckets), 92);
}

fn slots_of_first(buckets: &Buckets<u64>) -> usize {
    buckets.shards[0].lock().table.slots()
}

#[test]
fn a_hundred_million_random_keys_do_not_crowd_a_shard() {
    let mean = 100_000_000.0 / f64::from(u32::try_from(shards(100_000_000)).expect("BUG: few"));
    // Six standard deviations: one shard of a billion.
    assert!(mean + 6.0 * f64::sqrt(mean) < f64::from(u32::try_from(MOST_PER_SHARD).expect("BUG: few")), "{mean}");
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
fn after_a_flood_a_sweep_gives_the_memory_back() {
    let buckets = Buckets::new(0);
    assert!((0..200_000).all(|index| store(&buckets, index, index, 200_000)));
    assert!(slots(&buckets) >= 200_000);
    buckets.sweep(0, |value| (value < 10).then_some(value));
    assert!(slots(&buckets) < 200, "{}", slots(&buckets));
    assert!((0..10).all(|index| buckets.peek(key(index)) == Some(index)));
}

/// The least table of a shard with an entry has four slots; without sharding a hundred entries have 116.
#[test]
fn random_keys_spread_over_the_shards() {
    let buckets = Buckets::new(1_000_000);
    assert!((0..100).all(|index| store(&buckets, index, index, 100)));
    assert!(slots(&buckets) > 250, "{}", slots(&buckets));
}

fn shards_for(expected: usize, number: usize) {
    assert_eq!(shards(expected), number);
}

#[test]
fn shards_follow_the_expected_entries_within_bounds() {
    shards_for(0, 2_048);
    shards_for(1_000_000, 2_048);
    shards_for(1_049_088, 4_096);
    shards_for(30_000_000, 65_536);
    shards_for(usize::MAX, 65_536);
}

#[test]
fn an_empty_map_for_a_million_users_is_small() {
    let counted = allocation_counter::measure(|| drop(Buckets::<u64>::new(1_000_000)));
    assert!(counted.bytes_max <= 128 * 1024 + 64, "{} bytes", counted.bytes_max);
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

/// Worst just after shards have grown, which random keys make them do nearly at the same time. Fewer users than these share what the
/// shards take.
fn live_user_takes_at_most_40_bytes(tended: bool) {
    let buckets = Buckets::new(1_000_000);
    let mut held = allocation_counter::measure(|| drop(Buckets::<u64>::new(1_000_000))).bytes_max.cast_signed();
    let mut users = 0;
    for size in (50_000..=1_000_000).step_by(10_000) {
        let grown = allocation_counter::measure(|| {
            (users..size).for_each(|index| assert!(store(&buckets, index, index, 1_000_000)));
            if tended {
                buckets.tend();
            }
        });
        users = size;
        held += grown.bytes_current;
        assert!(held <= 40 * size.cast_signed(), "{held} bytes for {size} users");
    }
}

#[test]
fn a_live_user_takes_at_most_40_bytes_at_every_size() {
    live_user_takes_at_most_40_bytes(false);
}

#[test]
fn a_live_user_takes_at_most_40_bytes_where_room_is_made_ahead() {
    live_user_takes_at_most_40_bytes(true);
}
