//! Which names share a bucket, and that strangers cannot tell.

use super::*;

fn users_differ(a: (&str, &str), b: (&str, &str)) {
    let keys = KeyHasher::random();
    assert_ne!(keys.user(a.0, a.1), keys.user(b.0, b.1));
}

#[test]
fn one_subject_of_two_issuers_is_two_users() {
    users_differ(("https://a", "ann"), ("https://b", "ann"));
}

#[test]
fn two_subjects_of_one_issuer_are_two_users() {
    users_differ(("https://a", "ann"), ("https://a", "bob"));
}

#[test]
fn letters_moved_from_issuer_to_subject_make_another_user() {
    users_differ(("ab", "c"), ("a", "bc"));
    users_differ(("", "abc"), ("abc", ""));
}

#[test]
fn one_user_always_has_one_key() {
    let keys = KeyHasher::random();
    assert_eq!(keys.user("https://a", "ann"), keys.user("https://a", "ann"));
}

#[test]
fn two_processes_hash_differently() {
    assert_ne!(KeyHasher::random().user("https://a", "ann"), KeyHasher::random().user("https://a", "ann"));
}

fn check(a: &str, b: &str, share: bool) {
    let keys = KeyHasher::random();
    let key = |text: &str| keys.address(text.parse().expect("BUG: a test's address"));
    assert_eq!(key(a) == key(b), share, "{a} and {b}");
}

#[test]
fn two_ipv4_addresses_do_not_share() {
    check("192.0.2.1", "192.0.2.2", false);
}

#[test]
fn an_ipv4_address_is_the_same_through_a_dual_stack_socket() {
    check("192.0.2.1", "::ffff:192.0.2.1", true);
    check("::ffff:192.0.2.1", "::ffff:192.0.2.2", false);
}

#[test]
fn the_hosts_of_an_ipv6_64_share() {
    check("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true);
}

#[test]
fn two_ipv6_64s_do_not_share() {
    check("2001:db8:0:1::1", "2001:db8:0:2::1", false);
}

#[test]
fn an_ipv4_address_and_the_ipv6_network_with_the_same_bytes_do_not_share() {
    check("0.0.0.1", "0:0:0:1::", false);
}

#[test]
fn a_user_named_like_an_address_has_another_key() {
    let keys = KeyHasher::random();
    assert_ne!(keys.user("", "\u{1}\u{2}\u{3}\u{4}"), keys.address("1.2.3.4".parse().expect("BUG: an address")));
}

#[test]
fn the_secret_is_not_printed() {
    assert_eq!(format!("{:?}", KeyHasher::random()), "[redacted]");
}
