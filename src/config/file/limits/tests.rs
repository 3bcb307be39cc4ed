//! What `[limits]` may say, and what is made of it.

use crate::{
    config::file::tests::{accepted, check},
    limit::{Period, PeriodQuota},
};

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
        r"2:19: limits.global.rate: is a text; write a whole number from 1 to 1000000
2:35: limits.global.burst: is a number with a point; write a whole number from 1 to 100000000",
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
[limits.cluster]
redis = "redis://:hunter2@r""#,
        "2:9: limits.cluster: not in this version; remove it; each gateway keeps its own budget",
    );
}

#[test]
fn a_plan_has_a_name_of_its_own_is_for_somebody_and_changes_something() {
    check(
        r#"[[limits.plans]]
[[limits.plans]]
name = "a"
client_ids = []
per_user = { rate = 1, burst = 1 }
[[limits.plans]]
name = "a"
groups = ["x"]"#,
        r#"1:1: limits.plans.name: is missing; write a name, as in "gold"
1:1: limits.plans.client_ids: is for nobody; list `client_ids`, `groups` or both
1:1: limits.plans.per_user: changes nothing; write `per_user`, `quota` or both
2:1: limits.plans.client_ids: is for nobody; list `client_ids`, `groups` or both
6:1: limits.plans.per_user: changes nothing; write `per_user`, `quota` or both
7:8: limits.plans.name: `a` is the name of another plan; write another name"#,
    );
}

#[test]
fn who_is_in_a_plan_is_in_no_later_one() {
    check(
        r#"[[limits.plans]]
name = "gold"
client_ids = ["p"]
groups = ["g"]
per_user = { rate = 1, burst = 1 }
[[limits.plans]]
name = "iron"
client_ids = ["g", "p"]
groups = ["p", "g"]
per_user = { rate = 1, burst = 1 }"#,
        r"8:20: limits.plans.client_ids: `p` is in the plan `gold`, which comes first; remove one of them
9:16: limits.plans.groups: `g` is in the plan `gold`, which comes first; remove one of them",
    );
}

#[test]
fn a_quota_counts_a_day_or_a_month() {
    let remedy = r#"write { requests = …, period = "day" } or "month""#;
    let plan = "[limits]\nstate_file = \"s\"\n[[limits.plans]]\nname = \"a\"\ngroups = [\"g\"]\n";
    check(&format!("{plan}quota = {{ requests = 5 }}"), &format!("6:9: limits.plans.quota.period: is missing; {remedy}"));
    check(&format!("{plan}quota = {{ period = \"day\" }}"), &format!("6:9: limits.plans.quota.requests: is missing; {remedy}"));
    let week = "6:34: limits.plans.quota.period: `week` is not known; write one of \"day\", \"month\"";
    check(&format!("{plan}quota = {{ requests = 5, period = \"week\" }}"), week);
    let range = "6:22: limits.plans.quota.requests: 0 is out of range; write a whole number from 1 to 1000000000000";
    check(&format!("{plan}quota = {{ requests = 0, period = \"day\" }}"), range);
}

#[test]
fn a_quota_needs_the_state_file() {
    check(
        r#"[limits]
[[limits.plans]]
name = "a"
groups = ["g"]
quota = { requests = 5, period = "day" }"#,
        "1:1: limits.state_file: is missing; write the path of a file in which quotas are kept over restarts",
    );
}

#[test]
fn a_plan_grants_its_own_numbers_or_those_of_all() {
    let limits = accepted(
        r#"[limits]
per_user = { rate = 7, burst = 9 }
state_file = "s"
[[limits.plans]]
name = "gold"
client_ids = ["p"]
per_user = { rate = 500, burst = 1000 }
[[limits.plans]]
name = "metered"
groups = ["g"]
quota = { requests = 5, period = "month" }"#,
    )
    .limits;
    let terms = |client_id, groups: &[String]| {
        let terms = limits.terms(client_id, groups);
        (terms.per_user.rate(), terms.per_user.burst(), terms.quota)
    };
    assert_eq!(terms(Some("p"), &[]), (500, 1000, None));
    assert_eq!(terms(None, &["g".to_owned()]), (7, 9, Some(PeriodQuota { requests: 5, period: Period::Month })));
    assert_eq!(terms(Some("q"), &["h".to_owned()]), (7, 9, None));
}

#[test]
fn what_is_no_limit_is_off_until_it_is_written() {
    let file = accepted("");
    assert!(!file.ietf_headers && !file.limits.dry_run && file.limit_state.is_none());
    let file = accepted("[limits]\nietf_headers = true\ndry_run = true\nstate_file = \"quotas\"");
    assert!(file.ietf_headers && file.limits.dry_run);
    assert_eq!(file.limit_state, Some("/etc/gateway/quotas".into()));
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
