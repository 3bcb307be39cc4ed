//! Which server takes the next request.

use super::{Tried, Upstreams};
use crate::upstream::{ServerAddress, UpstreamSettings};
use std::{net::SocketAddr, time::Duration};

fn upstreams(hosts: &[&str]) -> Upstreams {
    let server = |host: &&str| ServerAddress { tls: false, host: (*host).to_owned(), port: 80 };
    Upstreams::new(vec![UpstreamSettings {
        name: "api".to_owned(),
        servers: hosts.iter().map(server).collect(),
        preserve_host: true,
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_secs(29),
        retries: 1,
    }])
}

fn take(upstreams: &Upstreams, turns: usize) -> Vec<String> {
    let next = |_| upstreams.0[0].next(Tried::default()).map_or("none".to_owned(), |(_, address)| address.ip().to_string());
    (0..turns).map(next).collect()
}

fn addresses(ips: &[&str]) -> Vec<SocketAddr> {
    ips.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 80)).collect()
}

#[test]
fn a_name_that_is_not_resolved_has_no_address() {
    assert_eq!(take(&upstreams(&["api.internal"]), 2), ["none", "none"]);
}

#[test]
fn an_empty_answer_of_the_resolver_keeps_the_old_addresses() {
    let upstreams = upstreams(&["api.internal"]);
    upstreams.0[0].servers[0].resolve_to(addresses(&["192.0.2.1"]));
    upstreams.0[0].servers[0].resolve_to(Vec::new());
    assert_eq!(take(&upstreams, 1), ["192.0.2.1"]);
}

#[test]
fn a_moved_name_is_followed() {
    let upstreams = upstreams(&["api.internal"]);
    upstreams.0[0].servers[0].resolve_to(addresses(&["192.0.2.1"]));
    upstreams.0[0].servers[0].resolve_to(addresses(&["192.0.2.9"]));
    assert_eq!(take(&upstreams, 2), ["192.0.2.9", "192.0.2.9"]);
}

#[test]
fn servers_take_turns() {
    assert_eq!(take(&upstreams(&["192.0.2.1", "192.0.2.2"]), 4), ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]);
}

#[test]
fn the_addresses_of_a_name_take_turns() {
    let upstreams = upstreams(&["api.internal"]);
    upstreams.0[0].servers[0].resolve_to(addresses(&["192.0.2.2", "192.0.2.1", "192.0.2.1"]));
    assert_eq!(take(&upstreams, 4), ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]);
}

#[test]
fn a_server_without_an_address_is_passed_over() {
    assert_eq!(take(&upstreams(&["api.internal", "192.0.2.2"]), 3), ["192.0.2.2", "192.0.2.2", "192.0.2.2"]);
}

#[test]
fn an_ipv6_literal_needs_no_resolver() {
    assert_eq!(take(&upstreams(&["2001:db8::1"]), 1), ["2001:db8::1"]);
}

#[test]
fn a_server_that_was_tried_is_not_tried_again_while_there_is_another() {
    let upstreams = upstreams(&["192.0.2.1", "192.0.2.2"]);
    for place in [0, 1] {
        let mut tried = Tried::default();
        tried.insert(place);
        let next: Vec<_> = (0..4).map(|_| upstreams.0[0].next(tried).map(|(place, _)| place)).collect();
        assert_eq!(next, [Some(1 - place); 4]);
    }
}

#[test]
fn when_all_were_tried_they_take_turns_again() {
    let upstreams = upstreams(&["192.0.2.1", "192.0.2.2"]);
    let mut tried = Tried::default();
    tried.insert(0);
    tried.insert(1);
    tried.insert(64);
    let next: Vec<_> = (0..2).map(|_| upstreams.0[0].next(tried).map(|(place, _)| place)).collect();
    assert_eq!(next, [Some(0), Some(1)]);
}

/// A configuration after another: where its servers lead once it has taken over what is known.
fn inherited(old: &Upstreams, hosts: &[&str]) -> Upstreams {
    let mut next = upstreams(hosts);
    next.inherit(old);
    next
}

#[test]
fn a_server_that_stays_is_known_in_the_next_configuration_and_another_is_not() {
    let old = upstreams(&["one.internal", "two.internal"]);
    old.0[0].servers[0].resolve_to(addresses(&["192.0.2.1"]));
    old.0[0].servers[1].resolve_to(addresses(&["192.0.2.2"]));
    let next = inherited(&old, &["three.internal", "two.internal"]);
    assert_eq!(take(&next, 3), ["192.0.2.2"; 3]);
    assert!(next.0[0].servers[0].addresses().is_empty());
}

#[test]
fn what_is_found_later_is_known_to_requests_of_both_configurations() {
    let old = upstreams(&["one.internal"]);
    let next = inherited(&old, &["one.internal"]);
    next.0[0].servers[0].resolve_to(addresses(&["192.0.2.7"]));
    assert_eq!((take(&old, 1), take(&next, 1)), (vec!["192.0.2.7".to_owned()], vec!["192.0.2.7".to_owned()]));
}

#[test]
fn turns_go_on() {
    let old = upstreams(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(take(&old, 1), ["192.0.2.1"]);
    assert_eq!(take(&inherited(&old, &["192.0.2.1", "192.0.2.2", "192.0.2.3"]), 2), ["192.0.2.2", "192.0.2.3"]);
}
