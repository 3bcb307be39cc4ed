//! Addresses.

use super::{is_public, listener, network, overlap, server};

fn check_overlap(a: &str, b: &str, expected: bool) {
    let read = |text: &str| listener(text).unwrap_or_else(|fault| panic!("{text}: {}", fault.what));
    assert_eq!(overlap(&read(a), &read(b)), expected, "{a} {b}");
    assert_eq!(overlap(&read(b), &read(a)), expected, "{b} {a}");
}

#[test]
fn what_cannot_be_bound_is_refused() {
    for text in [
        "",
        "8080",
        ":8080",
        "*:8080",
        "localhost:8080",
        "127.0.0.1",
        "::1:8080",
        "127.0.0.1:70000",
        "unix:",
        "unix:a",
        "unix:/run/",
        "tcp:1.2.3.4:1",
    ] {
        assert!(listener(text).is_err(), "{text}");
    }
}

#[test]
fn a_socket_path_fits_the_kernel() {
    let path = |length: usize| format!("unix:/{}", "a".repeat(length - 1));
    assert!(listener(&path(107)).is_ok() && listener(&path(108)).is_err());
}

#[test]
fn one_port_is_bound_once() {
    check_overlap("127.0.0.1:80", "127.0.0.1:80", true);
    check_overlap("0.0.0.0:80", "127.0.0.1:80", true);
    check_overlap("[::]:80", "[::1]:80", true);
    check_overlap("unix:/a", "unix:/a", true);
    check_overlap("127.0.0.1:80", "127.0.0.2:80", false);
    check_overlap("0.0.0.0:80", "0.0.0.0:81", false);
    check_overlap("127.0.0.1:0", "127.0.0.1:0", false);
    check_overlap("unix:/a", "unix:/b", false);
    check_overlap("unix:/a", "127.0.0.1:80", false);
}

#[test]
fn all_addresses_of_ipv6_are_those_of_ipv4_too() {
    check_overlap("0.0.0.0:80", "[::]:80", true);
    check_overlap("127.0.0.1:80", "[::]:80", true);
    check_overlap("0.0.0.0:80", "[::1]:80", false);
}

#[test]
fn strangers_reach_public_addresses_and_all_addresses() {
    let public = |text: &str| listener(text).is_ok_and(|address| is_public(&address));
    for text in [
        "0.0.0.0:1",
        "[::]:1",
        "8.8.8.8:1",
        "172.32.0.1:1",
        "100.128.0.1:1",
        "[2001:db8::1]:1",
        "[::ffff:8.8.8.8]:1",
        "[ff02::1]:1",
        "255.255.255.255:1",
    ] {
        assert!(public(text), "{text}");
    }
    for text in ["127.0.0.1:1", "[::ffff:127.0.0.1]:1", "169.254.0.1:1", "100.64.0.1:1", "unix:/run/a"] {
        assert!(!public(text), "{text}");
    }
}

#[test]
fn a_range_is_written_by_its_first_address() {
    assert!(["", "10.0.0.1/8", "10.0.0.0/33", "example.com", "10.0.0.0-10.0.0.9"].iter().all(|text| network(text).is_err()));
    assert!(["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "192.0.2.7", "2001:db8::1"].iter().all(|text| network(text).is_ok()));
}

#[test]
fn a_server_is_a_scheme_and_a_host() {
    for text in [
        "",
        "a:80",
        "ftp://a",
        "http://",
        "http://a/",
        "http://a?x",
        "http://a b",
        "http://u@a",
        "http://a:0",
        "http://a:",
        "HTTP://a",
    ] {
        assert!(server(text).is_err(), "{text}");
    }
    assert!(["http://a", "https://a.example:8443", "http://[::1]", "http://api_1:80"].iter().all(|text| server(text).is_ok()));
}
