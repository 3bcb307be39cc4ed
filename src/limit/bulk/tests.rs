//! Places: never more than the cap, always given back.

use super::*;
use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

const USER: Standing = Standing { limit: 100, remaining: 37, full_in_ns: 63 };

fn take(in_flight: &InFlight, key: u64, cap: u32) -> Result<Place, Empty> {
    in_flight.take(key, cap, USER, 100, |judged| judged)
}

fn taken(in_flight: &InFlight, key: u64, cap: u32) -> BulkSlot {
    match take(in_flight, key, cap) {
        Ok(Place::Taken(slot)) => slot,
        other => panic!("no place: {other:?}"),
    }
}

#[test]
fn the_request_past_the_cap_is_refused_for_a_second() {
    let in_flight = InFlight::new(0);
    let _held = [taken(&in_flight, 1, 2), taken(&in_flight, 1, 2)];
    let empty = take(&in_flight, 1, 2).expect_err("BUG: both places are taken");
    assert_eq!((empty.retry_after_s(), empty.standing), (1, Standing { remaining: 0, ..USER }));
}

#[test]
fn what_others_refuse_takes_no_place() {
    let in_flight = InFlight::new(0);
    assert_eq!(in_flight.take(1, 1, USER, 100, |_| Err("global")).err(), Some("global"));
    assert_eq!(in_flight.len(), 0);
    drop(taken(&in_flight, 1, 1));
}

#[test]
fn a_dropped_place_is_free_again() {
    let in_flight = InFlight::new(0);
    drop(taken(&in_flight, 1, 1));
    drop(taken(&in_flight, 1, 1));
}

#[test]
fn each_user_has_places_of_their_own() {
    let in_flight = InFlight::new(0);
    let _held = [taken(&in_flight, 1, 1), taken(&in_flight, 2, 1)];
    assert!(take(&in_flight, 1, 1).is_err());
}

#[test]
fn without_a_cap_all_are_admitted_and_counted() {
    let in_flight = InFlight::new(0);
    let _held: Vec<_> = (0..50).map(|_| taken(&in_flight, 1, 0)).collect();
    assert!(take(&in_flight, 1, 4).is_err(), "a cap that a reload brings holds at once");
}

#[test]
fn only_users_with_a_request_in_flight_have_an_entry() {
    let in_flight = InFlight::new(0);
    let (first, second) = (taken(&in_flight, 1, 4), taken(&in_flight, 1, 4));
    assert_eq!(in_flight.len(), 1);
    drop(first);
    assert_eq!(in_flight.len(), 1);
    drop(second);
    assert_eq!(in_flight.len(), 0);
}

#[test]
fn at_the_bound_a_new_user_is_admitted_uncounted() {
    let in_flight = InFlight::new(0);
    let _held = taken(&in_flight, 1, 1);
    let place = in_flight.take(2, 1, USER, 1, |judged| judged);
    assert!(matches!(place, Ok(Place::Uncounted)), "{place:?}");
    assert_eq!(in_flight.len(), 1);
}

#[test]
fn threads_never_hold_more_than_the_cap() {
    let (in_flight, held, refused) = (InFlight::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let Ok(place) = take(&in_flight, 1, 2) else {
                        refused.fetch_add(1, SeqCst);
                        continue;
                    };
                    assert!(held.fetch_add(1, SeqCst) < 2);
                    thread::yield_now();
                    held.fetch_sub(1, SeqCst);
                    drop(place);
                }
            });
        }
    });
    assert_eq!(in_flight.len(), 0);
    assert!(refused.into_inner() < 20_000);
}
