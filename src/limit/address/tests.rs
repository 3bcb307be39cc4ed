//! Reservations: given back exactly, charged when not, never more than the quota.

use super::{
    super::gcra::tests::{holds_the_bound, quota},
    *,
};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const KEY: u64 = 0x1234_5678_9abc_def0;

fn addresses() -> Arc<Addresses> {
    Arc::new(Addresses::new(0))
}

fn reserved(addresses: &Arc<Addresses>, quota: Quota, now: u64) -> AddressCharge {
    addresses.reserve(quota, KEY, 100, now).expect("BUG: the test expects a token")
}

fn remaining(addresses: &Addresses, quota: Quota, now: u64) -> u64 {
    addresses.standing(quota, KEY, 100, now).remaining
}

#[test]
fn past_the_burst_it_refuses_and_makes_no_change() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    drop((reserved(&addresses, quota, 0), reserved(&addresses, quota, 0)));
    let before = addresses.own.peek(KEY);
    let empty = addresses.reserve(quota, KEY, 100, 0).expect_err("BUG: empty");
    assert_eq!((empty.retry_after_s(), empty.standing.remaining), (1, 0));
    assert_eq!(addresses.own.peek(KEY), before);
}

#[test]
fn outstanding_reservations_count_against_the_burst() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    let _held = [reserved(&addresses, quota, 0), reserved(&addresses, quota, 0)];
    assert!(addresses.reserve(quota, KEY, 100, 0).is_err());
}

#[test]
fn a_dropped_reservation_is_charged() {
    let (addresses, quota) = (addresses(), quota(1, 10));
    drop(reserved(&addresses, quota, 0));
    assert_eq!(remaining(&addresses, quota, 0), 9);
}

#[test]
fn a_charge_shows_the_bucket_after_it() {
    let (addresses, quota) = (addresses(), quota(1, 10));
    let standing = reserved(&addresses, quota, 0).standing;
    assert_eq!(standing, Standing { limit: 10, remaining: 9, full_in_ns: SECOND });
    assert_eq!(addresses.standing(quota, KEY, 100, 0), standing);
}

#[test]
fn a_charge_is_made_at_the_time_of_its_reservation() {
    let (addresses, quota) = (addresses(), quota(1, 10));
    let charge = reserved(&addresses, quota, 0);
    assert_eq!(remaining(&addresses, quota, 30 * SECOND), 9, "an outstanding reservation is not refilled");
    drop(charge);
    assert_eq!(remaining(&addresses, quota, 30 * SECOND), 10);
}

#[test]
fn a_refund_leaves_the_bucket_as_if_nothing_had_been_reserved() {
    let (addresses, quota) = (addresses(), quota(1, 10));
    drop(reserved(&addresses, quota, 0));
    let before = addresses.own.peek(KEY);
    reserved(&addresses, quota, 100).refund();
    assert_eq!(addresses.own.peek(KEY), before);
}

/// Subtracting the charge from the TAT instead would give 2 tokens here.
#[test]
fn a_refund_after_the_bucket_was_idle_gives_nothing_twice() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    let charge = reserved(&addresses, quota, 0);
    drop(reserved(&addresses, quota, SECOND / 2));
    charge.refund();
    assert_eq!(remaining(&addresses, quota, SECOND / 2), 1);
}

#[test]
fn a_herd_of_good_tokens_behind_one_address_costs_it_nothing() {
    let (addresses, quota) = (addresses(), quota(1, 8));
    for _ in 0..1_000 {
        let herd: Vec<_> = (0..8).map(|_| reserved(&addresses, quota, 0)).collect();
        herd.into_iter().for_each(AddressCharge::refund);
    }
    assert_eq!(remaining(&addresses, quota, 0), 8);
}

#[test]
fn at_the_bound_newcomers_share_one_bucket() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    let reserve = |key| addresses.reserve(quota, key, 1, 0);
    assert!(reserve(1).is_ok());
    assert!(reserve(2).is_ok() && reserve(3).is_ok());
    assert!(reserve(4).is_err());
    assert_eq!((addresses.len(), addresses.standing(quota, 5, 1, 0).remaining), (1, 0));
    assert!(reserve(1).is_ok(), "who has a bucket is not disturbed");
}

#[test]
fn a_refund_to_the_shared_bucket_is_exact_too() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    addresses.reserve(quota, 1, 0, 0).expect("BUG: full").refund();
    assert_eq!(addresses.standing(quota, 2, 0, 0).remaining, 2);
}

#[test]
fn a_sweep_keeps_what_somebody_holds_a_reservation_of() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    let charge = reserved(&addresses, quota, 0);
    assert_eq!((addresses.sweep(quota, 1_000 * SECOND), addresses.len()), (0, 1));
    charge.refund();
    assert_eq!((addresses.sweep(quota, 1_000 * SECOND), addresses.len()), (1, 0));
}

/// Where limits are only tried, a request goes on past an empty bucket.
#[test]
fn what_is_not_charged_takes_no_token_and_gives_none_back() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    let charge = reserved(&addresses, quota, 0);
    let nothing = addresses.no_charge(quota, charge.standing);
    assert_eq!((charge.is_taken(), nothing.is_taken()), (true, false));
    drop(nothing);
    assert_eq!(remaining(&addresses, quota, 0), 1);
    addresses.no_charge(quota, charge.standing).refund();
    assert_eq!(remaining(&addresses, quota, 0), 1);
}

#[test]
fn a_sweep_lets_go_of_what_a_larger_quota_left_in_the_shared_bucket() {
    let (addresses, large, small) = (addresses(), quota(1, 100), quota(1, 2));
    (0..100).for_each(|_| drop(addresses.reserve(large, KEY, 0, 0).expect("BUG: within the burst")));
    assert_eq!(addresses.standing(small, KEY, 0, 0).full_in_ns, 100 * SECOND);
    addresses.sweep(small, 0);
    assert_eq!(addresses.standing(small, KEY, 0, 0).full_in_ns, 2 * SECOND);
}

#[test]
fn a_sweep_keeps_live_buckets() {
    let (addresses, quota) = (addresses(), quota(1, 2));
    drop(reserved(&addresses, quota, 0));
    assert_eq!(addresses.sweep(quota, SECOND), 0);
    assert_eq!(addresses.sweep(quota, 2 * SECOND), 1);
}

/// What happens next to an address: a reservation some time later, or the end of the n-th outstanding one.
#[derive(Clone, Debug)]
enum Event {
    Reserve { gap: u64 },
    End { which: prop::sample::Index, refund: bool },
    Sweep,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => prop_oneof![Just(0), 0..SECOND / 50, 0..SECOND].prop_map(|gap| Event::Reserve { gap }),
        4 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, refund)| Event::End { which, refund }),
        1 => Just(Event::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_not_refunded_never_exceeds_the_quota_in_any_window(
        rate in 1..200_u64, burst in 1..12_u64, events in prop::collection::vec(event(), 1..120)
    ) {
        let (addresses, quota, mut now) = (addresses(), quota(rate, burst), 0);
        let (mut held, mut charged) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Reserve { gap } => {
                    now += gap;
                    held.extend(addresses.reserve(quota, KEY, 100, now).map(|charge| (charge, now)));
                }
                Event::End { which, refund } if !held.is_empty() => {
                    let (charge, reserved_at) = held.swap_remove(which.index(held.len()));
                    if refund { charge.refund() } else { charged.push(reserved_at) }
                }
                Event::End { .. } => {}
                Event::Sweep => { addresses.sweep(quota, now); }
            }
        }
        charged.extend(held.into_iter().map(|(_, reserved_at)| reserved_at));
        prop_assert!(holds_the_bound(quota, &charged));
    }

    #[test]
    fn reservations_that_are_all_refunded_leave_nothing(charges in 0..6_u64, herd in 1..5_usize, later in 0..3 * SECOND) {
        let (addresses, quota) = (addresses(), quota(2, 12));
        (0..charges).for_each(|_| drop(reserved(&addresses, quota, 0)));
        let without = addresses.standing(quota, KEY, 100, later);
        let herd: Vec<_> = (0..herd).map(|_| reserved(&addresses, quota, later / 2)).collect();
        herd.into_iter().for_each(AddressCharge::refund);
        prop_assert_eq!(addresses.standing(quota, KEY, 100, later), without);
    }
}
