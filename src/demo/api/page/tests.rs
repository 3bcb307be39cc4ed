//! Limits and cursors of the sample API's lists.

use super::*;

fn parsed(query: &str) -> Option<(usize, usize)> {
    PageRequest::parse("/incidents", Some(query)).ok().map(|request| (request.limit, request.place))
}

#[test]
fn a_limit_outside_1_to_200_is_refused() {
    for query in ["limit=0", "limit=201", "limit=-1", "limit=+5", "limit=", "limit", "limit=2.0", "limit=99999999999999999999"] {
        assert_eq!(parsed(query), None, "{query}");
    }
}

#[test]
fn a_parameter_twice_is_refused() {
    assert_eq!(parsed("limit=2&limit=2"), None);
    let cursor = cursor("/incidents", 1);
    assert_eq!(parsed(&format!("cursor={cursor}&cursor={cursor}")), None);
}

#[test]
fn a_cursor_that_this_list_did_not_give_is_refused() {
    let foreign = [cursor("/changes", 25), URL_SAFE_NO_PAD.encode("25"), URL_SAFE_NO_PAD.encode("/incidents:+5")];
    for value in foreign.iter().map(String::as_str).chain(["", "25", "%%%", "!", &"A".repeat(5000)]) {
        assert_eq!(parsed(&format!("cursor={value}")), None, "{value}");
    }
}

#[test]
fn a_query_without_them_has_the_defaults() {
    assert_eq!(parsed(""), Some((25, 0)));
    assert_eq!(parsed("n=7&&limits=0"), Some((25, 0)));
}

#[test]
fn limit_and_cursor_are_taken_in_any_order() {
    let cursor = cursor("/incidents", 1225);
    assert_eq!(parsed(&format!("limit=200&cursor={cursor}")), Some((200, 1225)));
    assert_eq!(parsed(&format!("cursor={cursor}&n=3&limit=1")), Some((1, 1225)));
}
