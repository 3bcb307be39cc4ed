//! How many are let in, and who they are counted for.

use super::*;
use crate::pipeline::test_gateway;

const BOUNDS: ConnectionBounds = ConnectionBounds { all: 4, address: 2 };

fn connections() -> Arc<Connections> {
    let gauge = IntGauge::new("open", "Not registered.").expect("a name");
    Connections::new(BOUNDS, gauge, IntCounter::new("refused", "Not registered.").expect("a name"))
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// Asks for one more, which stays.
fn admit(connections: &Arc<Connections>, from: Option<IpAddr>, held: &mut Vec<Open>) -> &'static str {
    match connections.admit(from) {
        Admission::Admitted(open) => {
            held.push(open);
            "admitted"
        }
        Admission::Told(open) => {
            held.push(open);
            "told"
        }
        Admission::Refused => "refused",
    }
}

#[test]
fn above_the_bound_some_are_told_and_the_rest_refused() {
    let (connections, mut held) = (connections(), Vec::new());
    for number in 0..TOLD + 10 {
        let expected = match number {
            0..4 => "admitted",
            _ if number < 4 + TOLD => "told",
            _ => "refused",
        };
        assert_eq!(admit(&connections, None, &mut held), expected, "{number}");
    }
    assert_eq!(connections.refused.get(), TOLD as u64 + 6);
    assert_eq!(connections.gauge.get(), i64::try_from(4 + TOLD).expect("few"));
    held.truncate(3);
    assert_eq!(admit(&connections, None, &mut held), "admitted");
}

#[test]
fn one_address_does_not_get_them_all() {
    let (connections, mut held) = (connections(), Vec::new());
    for (from, expected) in
        [("192.0.2.1", "admitted"), ("::ffff:192.0.2.1", "admitted"), ("192.0.2.1", "told"), ("192.0.2.2", "admitted")]
    {
        assert_eq!(admit(&connections, address(from), &mut held), expected, "{from}");
    }
    drop(held);
    assert!(connections.by_address.is_empty(), "nothing is kept of who has left");
}

#[test]
fn who_is_only_told_takes_nobodys_place() {
    let (connections, mut held) = (connections(), Vec::new());
    for number in 0..200 {
        let expected = match number {
            0..2 => "admitted",
            _ if number < 2 + TOLD => "told",
            _ => "refused",
        };
        assert_eq!(admit(&connections, address("192.0.2.1"), &mut held), expected, "{number}");
    }
    assert_eq!(admit(&connections, address("192.0.2.2"), &mut held), "admitted");
    assert_eq!(admit(&connections, address("192.0.2.3"), &mut held), "admitted");
    // As soon as one of the served leaves there is a place again, however many are still told.
    drop(held.remove(0));
    assert_eq!(admit(&connections, address("192.0.2.1"), &mut held), "admitted");
}

#[test]
fn a_host_owns_all_of_its_network() {
    let (connections, mut held) = (connections(), Vec::new());
    for (from, expected) in [
        ("2001:db8::1", "admitted"),
        ("2001:db8::ffff:0:0:1", "admitted"),
        ("2001:db8::2", "told"),
        ("2001:db8:0:1::1", "admitted"),
    ] {
        assert_eq!(admit(&connections, address(from), &mut held), expected, "{from}");
    }
}

#[test]
fn a_connection_of_a_proxy_counts_for_whom_it_comes() {
    let (connections, mut held) = (connections(), Vec::new());
    for _ in 0..3 {
        admit(&connections, None, &mut held);
    }
    let source = |text| address(text).expect("an address");
    let places: Vec<_> = held.iter_mut().map(|open| open.belongs_to(source("192.0.2.1"))).collect();
    assert_eq!((places, connections.refused.get()), (vec![true, true, false], 1));
    assert_eq!(admit(&connections, address("192.0.2.1"), &mut held), "told", "by whichever way it comes");
    assert!(held[0].belongs_to(source("2001:db8::1")), "it counts for one address at a time");
    drop(held);
    assert!(connections.by_address.is_empty(), "nothing is kept of who has left");
    assert_eq!(connections.gauge.get(), 0);
}

#[test]
fn other_bounds_are_for_those_to_come() {
    let (connections, mut held) = (connections(), Vec::new());
    for _ in 0..4 {
        admit(&connections, None, &mut held);
    }
    connections.follow(ConnectionBounds { all: 5, address: 1 });
    assert_eq!(admit(&connections, address("192.0.2.1"), &mut held), "admitted");
    connections.follow(ConnectionBounds { all: 1, address: 1 });
    assert_eq!((admit(&connections, None, &mut held), held.len()), ("told", 6));
}

#[test]
fn what_is_not_configured_follows_from_the_files_that_may_be_open() {
    let with = |bounds: &str| test_gateway::gateway(&format!("[bounds]\n{bounds}"));
    let of = |gateway: &Gateway, files| {
        let bounds = ConnectionBounds::new(gateway, files);
        (bounds.all, bounds.address)
    };
    assert_eq!(of(&with(""), 1024), (416, 208));
    assert_eq!(of(&with(""), 10), (1, 1));
    assert_eq!(of(&with("connections = 7"), 1024), (7, 4));
    assert_eq!(of(&with("connections_per_address = 9"), 1024), (416, 9));
    assert!(of(&with(""), u64::MAX).0 > 1_000_000);
}
