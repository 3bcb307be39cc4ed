//! Which queries fit a route's rules.

use super::{ParameterRule, QueryRules};
use proptest::prelude::*;

const LIMIT: &str = "limit must be an integer from 1 to 200";
const LIMIT_REPEATED: &str = "limit must not be repeated";
const CURSOR: &str = "cursor must be at most 8 bytes long";
const CURSOR_ESCAPE: &str = "cursor must be percent-encoded correctly";

/// The rules of a list, with a short cursor.
fn rules() -> QueryRules {
    QueryRules::new(vec![
        ("limit".to_owned(), ParameterRule::Integer { min: 1, max: 200 }),
        ("cursor".to_owned(), ParameterRule::Text { max_length: 8 }),
    ])
}

fn detail(rules: &QueryRules, query: &str) -> Result<(), String> {
    rules.check(Some(query)).map_err(|error| error.detail)
}

#[track_caller]
fn refuse(expected: &str, queries: &[&str]) {
    for query in queries {
        assert_eq!(detail(&rules(), query), Err(expected.to_owned()), "{query:?}");
    }
}

#[track_caller]
fn accept(queries: &[&str]) {
    for query in queries {
        assert_eq!(detail(&rules(), query), Ok(()), "{query:?}");
    }
}

#[test]
fn what_is_no_integer_is_refused() {
    refuse(
        LIMIT,
        &["limit", "limit=", "limit=a", "limit=1a", "limit=a1", "limit=-", "limit=--1", "limit=1-", "limit=1.0", "limit=1e2"],
    );
    refuse(
        LIMIT,
        &["limit=+1", "limit=1+", "limit=%201", "limit=1%20", "limit=%2B1", "limit=0x10", "limit=1_0", "limit=1,2", "limit=1;2"],
    );
    refuse(
        LIMIT,
        &[
            "limit=1%00",
            "limit=%00",
            "limit=%0a1",
            "limit=\u{661}",
            "limit=%D9%A1",
            "limit=\u{ff11}",
            "limit==1",
            "limit=1=",
            "limit='1'",
        ],
    );
}

#[test]
fn bad_escapes_are_no_digits() {
    refuse(LIMIT, &["limit=%", "limit=1%", "limit=1%3", "limit=%zz", "limit=1%u0030", "limit=%31%"]);
}

#[test]
fn integers_are_written_one_way() {
    refuse(LIMIT, &["limit=01", "limit=007", "limit=0200", "limit=00", "limit=-0", "limit=-01", "limit=%30%31"]);
}

#[test]
fn integers_outside_of_the_range_are_refused() {
    refuse(LIMIT, &["limit=0", "limit=201", "limit=-1", "limit=1000", "limit=%32%30%31"]);
    refuse(
        LIMIT,
        &["limit=9223372036854775807", "limit=9223372036854775808", "limit=-9223372036854775808", "limit=-9223372036854775809"],
    );
    refuse(LIMIT, &["limit=18446744073709551617", "limit=99999999999999999999999999999999", "limit=4294967297"]);
}

#[test]
fn a_repeated_parameter_is_refused() {
    refuse(LIMIT_REPEATED, &["limit=1&limit=1", "limit=1&limit=2", "limit=1&limit", "limit=1&a=b&limit=", "limit=1&&limit=1000"]);
    refuse(LIMIT_REPEATED, &["limit=1&%6cimit=1000", "lim%69t=1&limit=1000", "limit=1&%6C%69%6D%69%74=1000"]);
    refuse("cursor must not be repeated", &["cursor=a&cursor=a", "cursor&cursor", "cursor=&c%75rsor="]);
}

#[test]
fn a_name_spelled_with_escapes_is_that_parameter() {
    refuse(LIMIT, &["%6cimit=1000", "l%69mit=1000", "limi%74=1000", "%6C%69%6D%69%74=1000", "a=b&lim%69t=1000&c"]);
}

#[test]
fn texts_that_are_too_long_are_refused() {
    refuse(
        CURSOR,
        &["cursor=123456789", "cursor=%31%32%33%34%35%36%37%38%39", "cursor=++++++++%20", "cursor=\u{20ac}\u{20ac}\u{20ac}"],
    );
    refuse(CURSOR, &["cursor=a=b=c=d=e", "c%75rsor=123456789"]);
}

#[test]
fn texts_with_bad_escapes_are_refused() {
    refuse(CURSOR_ESCAPE, &["cursor=%", "cursor=a%", "cursor=%4", "cursor=%4g", "cursor=%%41", "cursor=%u0041"]);
}

#[test]
fn the_first_broken_rule_is_reported_with_its_parameter() {
    let rules = rules();
    let error = rules.check(Some("cursor=123456789&limit=0")).expect_err("two broken rules");
    assert_eq!((error.parameter, error.detail.as_str()), ("limit", LIMIT));
    let error = rules.check(Some("cursor=123456789&limit=1")).expect_err("one broken rule");
    assert_eq!((error.parameter, error.detail.as_str()), ("cursor", CURSOR));
}

#[test]
fn integers_in_the_range_are_accepted() {
    accept(&["limit=1", "limit=200", "limit=25", "limit=%31", "limit=1%30", "lim%69t=25", "a=b&limit=10&c=d", "&limit=9&"]);
}

#[test]
fn texts_that_fit_are_accepted() {
    accept(&[
        "cursor",
        "cursor=",
        "cursor=12345678",
        "cursor=%31%32%33%34%35%36%37%38",
        "cursor=a+b",
        "cursor=a=b",
        "cursor=%FF%00",
        "cursor=?/;",
    ]);
}

#[test]
fn parameters_without_a_rule_are_not_looked_at() {
    accept(&[
        "", "&", "&&", "=", "=limit", "a", "a=%zz", "a=1&a=2", "Limit=0", "LIMIT=x", "limit%=0", "limi%7=0", "limit+=0",
        "limits=0", "imit=0",
    ]);
    accept(&["limi", "q=limit=0", "q=;limit=0", "%25limit=0", "limit%00=0", "lim%2569t=0"]);
}

#[test]
fn no_query_and_no_rules_accept() {
    assert!(rules().check(None).is_ok());
    let none = QueryRules::default();
    assert!(none.is_empty() && none.check(Some("limit=0&limit")).is_ok());
    assert!(!rules().is_empty());
}

#[test]
fn a_plus_sign_in_a_name_is_a_space() {
    let rules = QueryRules::new(vec![("a b".to_owned(), ParameterRule::Integer { min: 0, max: 1 })]);
    for query in ["a+b=2", "a%20b=2", "a b=2"] {
        assert_eq!(detail(&rules, query), Err("a b must be an integer from 0 to 1".to_owned()), "{query}");
    }
    assert_eq!(detail(&rules, "a%2Bb=2"), Ok(()));
}

#[test]
fn a_parameter_may_have_an_empty_name() {
    let rules = QueryRules::new(vec![(String::new(), ParameterRule::Integer { min: 0, max: 1 })]);
    assert_eq!(detail(&rules, "&&a=b&"), Ok(()));
    assert_eq!(detail(&rules, "=2"), Err(" must be an integer from 0 to 1".to_owned()));
}

#[test]
fn open_ranges_are_told_as_such() {
    let told = |min, max| {
        let rules = QueryRules::new(vec![("n".to_owned(), ParameterRule::Integer { min, max })]);
        detail(&rules, "n=x").expect_err("not an integer")
    };
    assert_eq!(told(i64::MIN, i64::MAX), "n must be an integer");
    assert_eq!(told(0, i64::MAX), "n must be an integer of at least 0");
    assert_eq!(told(i64::MIN, -1), "n must be an integer of at most -1");
}

fn any_integer_is_admitted(text: &str) -> bool {
    let rules = QueryRules::new(vec![("n".to_owned(), ParameterRule::Integer { min: i64::MIN, max: i64::MAX })]);
    rules.check(Some(&format!("n={text}"))).is_ok()
}

#[test]
fn the_ends_of_the_range_of_numbers_are_numbers() {
    for text in ["9223372036854775807", "-9223372036854775808", "0", "-1"] {
        assert!(any_integer_is_admitted(text), "{text}");
    }
    for text in ["9223372036854775808", "-9223372036854775809", "-0", "--1", ""] {
        assert!(!any_integer_is_admitted(text), "{text}");
    }
}

proptest! {
    #[test]
    fn integers_are_those_that_are_written_as_numbers_are_printed(text in "-?[0-9]{0,21}", number in any::<i64>()) {
        let is_canonical = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
        prop_assert_eq!(any_integer_is_admitted(&text), is_canonical);
        prop_assert!(any_integer_is_admitted(&number.to_string()));
    }

    #[test]
    fn no_spelling_of_the_name_escapes_its_rule(escaped in prop::collection::vec(any::<(bool, bool)>(), 5)) {
        let spell = |(byte, (is_escaped, is_upper)): (u8, (bool, bool))| match (is_escaped, is_upper) {
            (false, _) => char::from(byte).to_string(),
            (true, false) => format!("%{byte:02x}"),
            (true, true) => format!("%{byte:02X}"),
        };
        let name: String = "limit".bytes().zip(escaped).map(spell).collect();
        prop_assert_eq!(detail(&rules(), &format!("{name}=0")), Err(LIMIT.to_owned()));
    }

    #[test]
    fn any_query_is_checked_without_a_panic(query in any::<String>(), tail in "[limt=&%+0-9-]{0,12}") {
        let _ = rules().check(Some(&query));
        let _ = rules().check(Some(&tail));
    }
}
