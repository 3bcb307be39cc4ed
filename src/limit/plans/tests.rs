//! Which plan is whose.

use super::*;

/// A plan that is known by its rate.
fn plan(rate: u64, client_ids: &[&str], groups: &[&str]) -> Plan {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let per_user = Quota::new(rate, 1).expect("a quota");
    Plan { client_ids: names(client_ids), groups: names(groups), terms: Terms { per_user, quota: None } }
}

/// The rate of the plan for a token of this client with these groups; 0 without a plan.
fn check(plans: Vec<Plan>, client_id: Option<&str>, groups: &[&str], expected: u64) {
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    let found = Plans::new(plans).find(client_id, &groups);
    assert_eq!(found.map_or(0, |terms| terms.per_user.rate()), expected, "{client_id:?} {groups:?}");
}

fn three() -> Vec<Plan> {
    vec![plan(1, &["a"], &[]), plan(2, &["b"], &["x", "y"]), plan(3, &[], &["z", "b"])]
}

#[test]
fn who_is_in_no_plan_has_none() {
    check(vec![], Some("a"), &["x"], 0);
    check(three(), None, &[], 0);
    check(three(), Some("x"), &["a"], 0);
    check(three(), Some("A"), &["X", ""], 0);
}

#[test]
fn a_client_or_any_group_is_enough() {
    check(three(), Some("a"), &[], 1);
    check(three(), Some("b"), &["q"], 2);
    check(three(), None, &["q", "y"], 2);
    check(three(), Some("q"), &["z"], 3);
}

#[test]
fn the_first_plan_wins_in_whatever_order_a_token_names_its_groups() {
    check(three(), Some("a"), &["z", "x"], 1);
    check(three(), None, &["z", "x"], 2);
    check(three(), None, &["x", "z"], 2);
    check(three(), Some("b"), &["z"], 2);
}

#[test]
fn a_client_is_no_group_and_a_group_no_client() {
    check(three(), None, &["b"], 3);
    check(three(), Some("y"), &[], 0);
}

#[test]
fn looking_a_plan_up_allocates_nothing() {
    let plans = Plans::new(three());
    let groups = vec!["q".to_owned(), "z".to_owned()];
    let counted = allocation_counter::measure(|| assert!(plans.find(Some("q"), &groups).is_some()));
    assert_eq!(counted.count_total, 0);
}
