//! Times and numbers at their edges; whole tokens are judged in the authenticator's tests.
use super::*;
use crate::auth::test_keys::members;
use serde_json::{Value, json};

const S: u64 = 1_000_000_000;

fn check_date(value: &Value, expected: Result<Option<u64>, InvalidReason>) {
    assert_eq!(date(&members(&json!({ "exp": value })), "exp"), expected, "{value}");
}

#[test]
fn what_is_not_a_number_is_no_date() {
    for value in [json!("1"), json!(""), json!(true), json!(false), json!(null), json!([1]), json!({"a": 1})] {
        check_date(&value, Err(InvalidReason::Claims));
    }
}

#[test]
fn what_no_clock_shows_is_no_date() {
    let beyond = [
        json!(u64::MAX),
        json!(1u64 << 63),
        json!(9_223_372_036_854_775_808.0),
        json!(1.844_674_407_370_955_2e19),
        json!(f64::MAX),
    ];
    for value in beyond.into_iter().chain([json!(-1), json!(-0.5), json!(i64::MIN), json!(f64::MIN)]) {
        check_date(&value, Err(InvalidReason::Claims));
    }
    for value in [json!(9.2e18), json!((1u64 << 63) - 1), json!(u64::MAX / S + 1)] {
        check_date(&value, Ok(Some(u64::MAX)));
    }
    check_date(&json!(-0.0), Ok(Some(0)));
}

#[test]
fn seconds_and_fractions_are_read() {
    check_date(&json!(0), Ok(Some(0)));
    check_date(&json!(1_800_000_000), Ok(Some(1_800_000_000 * S)));
    check_date(&json!(1.5), Ok(Some(1_500_000_000)));
    check_date(&json!(1e3), Ok(Some(1000 * S)));
    assert_eq!(date(&members(&json!({})), "exp"), Ok(None));
}

fn check_times(claims: &Value, now_s: u64, expected: Result<(u64, u64), InvalidReason>) {
    let found = Times::judge(&members(claims), Duration::from_secs(60), now_s * S);
    let found = found.map(|times| (times.begin_ns, times.end_ns));
    assert_eq!(found, expected.map(|(begin_s, end_s)| (begin_s * S, end_s * S)));
}

#[test]
fn one_leeway_holds_for_all_times() {
    check_times(&json!({"exp": 100, "nbf": 1061}), 1000, Err(InvalidReason::NotYetValid));
    check_times(&json!({"exp": 100, "iat": 1061}), 1000, Err(InvalidReason::IssuedAhead));
    check_times(&json!({"nbf": 1}), 1000, Err(InvalidReason::Claims));
    check_times(&json!({"exp": 100, "nbf": 1060, "iat": 1059}), 1000, Ok((1000, 160)));
    check_times(&json!({"exp": 100, "iat": 1060}), 1000, Ok((1000, 160)));
    check_times(&json!({"exp": 100}), 1000, Ok((0, 160)));
}

#[test]
fn times_hold_from_begin_to_before_end() {
    let times = Times { begin_ns: 5, end_ns: 7, issued_ns: None };
    let held: Vec<u64> = (0..10).filter(|&now_ns| times.hold(now_ns)).collect();
    assert_eq!(held, [5, 6]);
}

#[test]
fn an_empty_client_list_restricts_only_cognito() {
    let none = Allowed::Listed(Vec::new());
    assert_eq!(client(Some("a"), &none, Profile::Cognito), Err(InvalidReason::ClientId));
    assert_eq!(client(Some("a"), &none, Profile::Rfc9068), Ok(()));
    assert_eq!(client(None, &none, Profile::Generic), Ok(()));
}

#[test]
fn scopes_are_words_or_a_list() {
    let check = |scope: Value, expected: Result<&[&str], InvalidReason>| {
        let found = words(&members(&json!({ "scope": scope })), "scope");
        assert_eq!(found, expected.map(|words| words.iter().map(|&word| word.to_owned()).collect()));
    };
    check(json!(1), Err(InvalidReason::Claims));
    check(json!(null), Err(InvalidReason::Claims));
    check(json!([1]), Err(InvalidReason::Claims));
    check(json!(""), Ok(&[]));
    check(json!("  a  b\tc "), Ok(&["a", "b\tc"]));
    check(json!(["a", "b c"]), Err(InvalidReason::Claims));
    check(json!(["a b"]), Err(InvalidReason::Claims));
    check(json!(["a "]), Err(InvalidReason::Claims));
    check(json!(["a", ""]), Err(InvalidReason::Claims));
    check(json!(["a", " "]), Err(InvalidReason::Claims));
    check(json!([]), Ok(&[]));
    check(json!(["a", "b"]), Ok(&["a", "b"]));
}
