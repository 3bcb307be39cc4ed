//! What `[limits]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};

#[test]
fn a_limit_has_a_rate_and_a_burst() {
    check(
        r"[limits]
per_user = { rate = 5 }",
        "2:12: limits.per_user.burst: is missing; write { rate = …, burst = … }: requests per second, and capacity in requests",
    );
}

#[test]
fn a_limit_is_a_table() {
    check(
        r"[limits]
global = 5000",
        "2:10: limits.global: is a whole number; write a table, as in { … }",
    );
}

#[test]
fn a_rate_is_a_whole_number() {
    check(
        r#"[limits]
global = { rate = "fast", burst = 1.5 }"#,
        r"2:19: limits.global.rate: is a text; write { rate = …, burst = … }: requests per second, and capacity in requests
2:35: limits.global.burst: is a number with a point; write { rate = …, burst = … }: requests per second, and capacity in requests",
    );
}

#[test]
fn a_limit_has_no_other_keys() {
    check(
        r"[limits]
global = { rate = 1, bursts = 1 }",
        r"2:10: limits.global.burst: is missing; write { rate = …, burst = … }: requests per second, and capacity in requests
2:22: limits.global.bursts: unknown key; did you mean `burst`?",
    );
}

#[test]
fn a_reset_is_of_two_forms() {
    check(
        r#"[limits]
reset = "relative""#,
        r#"2:9: limits.reset: `relative` is not known; write one of "epoch", "delta""#,
    );
}

#[test]
fn some_users_are_remembered() {
    check(
        r"[limits]
max_users = 0",
        "2:13: limits.max_users: 0 is out of range; write a whole number from 1 to 100000000",
    );
}

#[test]
fn what_counts_elsewhere_is_not_in_this_version() {
    check(
        r#"[limits]
ietf_headers = true
dry_run = true
state_file = "s"
[limits.cluster]
redis = "redis://:hunter2@r"
[[limits.plans]]
name = "gold""#,
        r"2:1: limits.ietf_headers: not in this version; remove it; the `X-RateLimit-*` headers are sent
3:1: limits.dry_run: not in this version; remove it; to refuse nothing, write high limits
4:1: limits.state_file: not in this version; remove it; buckets are full after a restart
5:9: limits.cluster: not in this version; remove it; each gateway keeps its own budget
7:10: limits.plans: not in this version; remove it; `limits.per_user` holds for all users",
    );
}

#[test]
fn limits_have_the_documented_defaults() {
    let limits = accepted("").limits;
    let pairs = [limits.global, limits.per_user, limits.per_address].map(|quota| (quota.rate(), quota.burst()));
    assert_eq!(pairs, [(5000, 10_000), (100, 100), (1000, 2000)]);
    assert_eq!((limits.bulk_in_flight, limits.max_users), (4, 1_000_000));
}

#[test]
fn a_limit_can_be_a_table_with_a_header() {
    assert_eq!(accepted("[limits.per_user]\nrate = 7\nburst = 9").limits.per_user.burst(), 9);
}
