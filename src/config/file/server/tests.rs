//! What `[server]` and `[bounds]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};

#[test]
fn threads_are_bounded() {
    check(
        r"[server]
threads = 9999",
        "2:11: server.threads: 9999 is out of range; write a whole number from 0 to 1024",
    );
}

#[test]
fn threads_cannot_be_negative() {
    check(
        r"[server]
threads = -1",
        "2:11: server.threads: -1 is out of range; write a whole number from 0 to 1024",
    );
}

#[test]
fn a_number_is_not_a_duration() {
    check(
        r"[server]
drain_delay = 5",
        r#"2:15: server.drain_delay: is a whole number; write a text such as "30s", in ms, s, m or h"#,
    );
}

#[test]
fn a_duration_needs_a_unit() {
    check(
        r#"[server]
drain_delay = "5""#,
        r#"2:15: server.drain_delay: `5` is not a duration; write a text such as "30s", in ms, s, m or h"#,
    );
}

#[test]
fn days_are_not_a_unit() {
    check(
        r#"[server]
drain_timeout = "1d""#,
        r#"2:17: server.drain_timeout: `1d` is not a duration; write a text such as "30s", in ms, s, m or h"#,
    );
}

#[test]
fn a_drain_is_bounded() {
    check(
        r#"[server]
drain_delay = "2h""#,
        r#"2:15: server.drain_delay: `2h` is out of range; write "0s" to "1h""#,
    );
}

#[test]
fn an_address_inside_a_range_is_ambiguous() {
    check(
        r#"[server]
trusted_proxies = ["10.0.0.1/8"]"#,
        r#"2:20: server.trusted_proxies: `10.0.0.1/8` is an address inside a range; write "10.0.0.0/8" for the whole range, or "10.0.0.1" for the one address"#,
    );
}

#[test]
fn a_name_is_not_a_range() {
    check(
        r#"[server]
trusted_proxies = ["10.0.0.0/8", "lb.internal", 7]"#,
        r#"2:34: server.trusted_proxies: `lb.internal` is not a range of addresses; write ADDRESS/BITS, as in "10.0.0.0/8"
2:49: server.trusted_proxies: is a whole number; write a text in quotes"#,
    );
}

#[test]
fn a_socket_has_a_path_that_the_kernel_takes() {
    check(
        &format!("[server]\nupgrade_socket = \"/run/{}\"", "x".repeat(103)),
        "2:18: server.upgrade_socket: is not the path of a socket; write a path of less than 108 bytes",
    );
}

#[test]
fn kilobytes_are_written_as_kib() {
    check(
        r#"[bounds]
uri = "8KB""#,
        r#"2:7: bounds.uri: `8KB` is not a size; write a text such as "10MiB", in B, KiB, MiB or GiB"#,
    );
}

#[test]
fn a_head_larger_than_can_be_read_is_refused() {
    check(
        r#"[bounds]
headers = "2MiB""#,
        r#"2:11: bounds.headers: `2MiB` is out of range; write "64B" to "512KiB""#,
    );
}

#[test]
fn more_headers_than_can_be_read_are_refused() {
    check(
        r"[bounds]
header_count = 1000",
        "2:16: bounds.header_count: 1000 is out of range; write a whole number from 1 to 256",
    );
}

#[test]
fn times_that_end_good_connections_or_none_are_refused() {
    check(
        r#"[bounds]
header_timeout = "0s"
body_timeout = "99ms"
write_timeout = "2h"
idle_timeout = 60
connections = -1"#,
        r#"2:18: bounds.header_timeout: `0s` is out of range; write "100ms" to "1h"
3:16: bounds.body_timeout: `99ms` is out of range; write "100ms" to "1h"
4:17: bounds.write_timeout: `2h` is out of range; write "100ms" to "1h"
5:16: bounds.idle_timeout: is a whole number; write a text such as "30s", in ms, s, m or h
6:15: bounds.connections: -1 is out of range; write a whole number from 0 to 10000000"#,
    );
}

#[test]
fn threads_follow_the_machine_unless_written() {
    assert!(accepted("").server.threads > 0);
    assert_eq!(accepted("[server]\nthreads = 3").server.threads, 3);
}

#[test]
fn one_address_is_a_range_too() {
    let proxies =
        accepted("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\", \"2001:db8::/32\"]").server.trusted_proxies;
    assert_eq!(proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
}

#[test]
fn bounds_have_the_documented_defaults() {
    let bounds = accepted("").bounds;
    assert_eq!((bounds.uri, bounds.headers, bounds.header_count, bounds.body), (8192, 32_768, 100, 10_485_760));
    let times = [bounds.header_timeout, bounds.body_timeout, bounds.write_timeout, bounds.idle_timeout];
    assert_eq!(times.map(|time| time.as_secs()), [10, 30, 30, 60]);
    assert_eq!(bounds.connections, 0);
    assert_eq!(bounds.h2_streams, 100);
}
