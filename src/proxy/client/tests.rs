//! Whose word about the client is believed.

use super::{Client, client};
use http::{HeaderMap, HeaderValue};

/// Who the client is behind `peer`, when `10.0.0.0/8` and `fd00::/8` are trusted.
fn check(peer: &str, forwarded_for: &[&str], expected: &str) {
    let mut headers = HeaderMap::new();
    for value in forwarded_for {
        headers.append("x-forwarded-for", HeaderValue::from_str(value).expect("a case is a header value"));
    }
    let trusted = ["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")];
    let found = client(peer.parse().ok(), &headers, &trusted);
    assert_eq!(found.address.to_string(), expected, "{peer} {forwarded_for:?}");
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_says() {
    check("203.0.113.7", &[], "203.0.113.7");
    check("203.0.113.7", &["198.51.100.1"], "203.0.113.7");
    check("203.0.113.7", &["10.0.0.1"], "203.0.113.7");
}

#[test]
fn a_trusted_peer_is_believed_as_far_as_its_own_entry() {
    check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1");
    check("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"], "198.51.100.1");
    check("10.0.0.1", &["1.2.3.4", "198.51.100.1"], "198.51.100.1");
    check("fd00::1", &["2001:db8::9"], "2001:db8::9");
}

#[test]
fn the_forms_that_proxies_write_are_read() {
    check("10.0.0.1", &["198.51.100.1:55555"], "198.51.100.1");
    check("10.0.0.1", &["[2001:db8::9]:443"], "2001:db8::9");
    check("10.0.0.1", &["[2001:db8::9]"], "2001:db8::9");
    check("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
    check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
}

#[test]
fn what_is_no_address_ends_the_chain() {
    check("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1");
    check("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.3"], "10.0.0.3");
    check("10.0.0.1", &[""], "10.0.0.1");
    check("10.0.0.1", &[","], "10.0.0.1");
}

#[test]
fn a_chain_of_trusted_proxies_alone_ends_at_its_first() {
    check("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9");
}

#[test]
fn only_a_trusted_peer_can_say_that_the_client_came_over_tls() {
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-proto", HeaderValue::from_static("HTTPS"));
    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    let said = |peer: &str| client(peer.parse().ok(), &headers, &trusted).said_https;
    assert!(!said("203.0.113.7"));
    assert!(said("10.0.0.1"));
}

#[test]
fn a_unix_socket_counts_as_loopback() {
    let untrusted = client(None, &HeaderMap::new(), &[]);
    let expected = Client { address: "127.0.0.1".parse().expect("an address"), peer_is_trusted: false, said_https: false };
    assert_eq!(untrusted, expected);
    assert!(client(None, &HeaderMap::new(), &["127.0.0.0/8".parse().expect("a network")]).peer_is_trusted);
}
