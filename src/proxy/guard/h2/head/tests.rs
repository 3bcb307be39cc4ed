//! Heads that HTTP/2 itself lets pass.

use super::{AUTHORITY, CODING, FIELD, HOST, HeadBounds, LENGTH, SCHEME, TARGET, judge, marked};
use crate::request::HeadFault;
use http::{HeaderValue, Method, Request, Uri, request::Parts, uri};

const BOUNDS: HeadBounds = HeadBounds { target: 100, fields: 200, count: 10 };

/// A head of the usual shape, with these fields.
fn head(method: &str, uri: &str, fields: &[(&'static str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("http takes it").into_parts().0
}

#[track_caller]
fn check(head: Parts, expected: Option<HeadFault>) {
    let (judged, fault) = judge(head, BOUNDS);
    assert_eq!((fault, marked(&judged)), (expected, expected));
}

fn check_get(uri: &str, fields: &[(&'static str, &str)], expected: Option<HeadFault>) {
    check(head("GET", uri, fields), expected);
}

#[test]
fn foreign_schemes_are_refused() {
    check_get("ftp://api.test/a", &[], Some(SCHEME));
    check_get("ws://api.test/a", &[], Some(SCHEME));
    check_get("HTTP2://api.test/a", &[], Some(SCHEME));
}

#[test]
fn an_authority_that_is_no_host_is_refused() {
    check_get("http://user@api.test/", &[], Some(HOST));
    check_get("http://api.test:99999/", &[], Some(HOST));
    check_get("http://a!b/", &[], Some(HOST));
    check_get("/", &[("host", "a b")], Some(HOST));
    check_get("/", &[("host", "")], Some(HOST));
}

#[test]
fn a_host_is_told_once() {
    check_get("/", &[], Some(HOST));
    check_get("/", &[("host", "a.test"), ("host", "b.test")], Some(HOST));
    check_get("/", &[("host", "a.test"), ("host", "a.test")], Some(HOST));
    check_get("http://a.test/", &[("host", "a.test"), ("host", "a.test")], Some(HOST));
    check_get("http://a.test/", &[("host", "b.test")], Some(AUTHORITY));
    check_get("http://a.test/", &[("host", "a.test:80")], Some(AUTHORITY));
    check_get("http://a.test/", &[("host", "")], Some(AUTHORITY));
}

/// As HTTP/2 puts a target together, which need not be an URI.
fn with_path(method: Method, path: &'static str) -> Parts {
    let mut head = head("GET", "/", &[]);
    let mut parts = uri::Parts::default();
    parts.authority = Some("api.test".parse().expect("an authority"));
    parts.scheme = Some("http".parse().expect("a scheme"));
    parts.path_and_query = Some(path.parse().expect("http takes it"));
    head.uri = Uri::from_parts(parts).expect("http takes it");
    head.method = method;
    head
}

#[test]
fn a_path_is_one_of_visible_characters() {
    for path in ["/a\u{e9}", "/a\"b\"", "/{a}\"", "*", "/a?b\u{e9}"] {
        check(with_path(Method::GET, path), Some(TARGET));
    }
    check(with_path(Method::OPTIONS, "*"), None);
    check(with_path(Method::GET, "/a?b={c}|%00"), None);
}

#[test]
fn the_length_is_told_once_in_digits() {
    for length in ["", "+2", "-2", "2, 2", "2 2", "0x2", "02", "9999999999999999999"] {
        check_get("http://a.test/", &[("content-length", length)], Some(LENGTH));
    }
    check_get("http://a.test/", &[("content-length", "2"), ("content-length", "2")], Some(LENGTH));
    check_get("http://a.test/", &[("content_length", "2")], Some(LENGTH));
    check_get("http://a.test/", &[("transfer_encoding", "chunked")], Some(CODING));
}

#[test]
fn values_have_no_space_around_them() {
    for value in [" a", "a ", "\ta", "a\t", " "] {
        check_get("http://a.test/", &[("x-a", value)], Some(FIELD));
    }
}

#[test]
fn what_is_over_a_bound_is_refused() {
    let (long, longer) = ("x".repeat(200), format!("http://a.test/{}", "x".repeat(100)));
    check_get("http://a.test/", &[("x-a", &long)], Some(HeadFault::FieldsTooLarge));
    check_get(&longer, &[("x-a", &long)], Some(HeadFault::TargetTooLong(100)));
    check_get("http://a.test/", &[("a", "1"); 11], Some(HeadFault::FieldsTooLarge));
    check_get("http://a.test/", &[("a", "1"); 10], None);
}

#[test]
fn connect_has_no_meaning_here() {
    check(head("CONNECT", "api.test:443", &[]), Some(HeadFault::Connect));
}

#[test]
fn others_pass() {
    check_get("http://api.test/a", &[], None);
    check_get("https://api.test:8443/a?b", &[("host", "api.test:8443")], None);
    check_get("http://[::1]:80/", &[], None);
    check_get("/a", &[("host", "api.test")], None);
    check_get("http://a.test/", &[("content-length", "0"), ("x-a", "a b"), ("x-b", "")], None);
    check(head("OPTIONS", "*", &[("host", "api.test")]), None);
}

/// The head that stands for this one.
fn stand_in(refused: Parts) -> (String, String, Vec<String>) {
    let (head, fault) = judge(refused, BOUNDS);
    assert!(fault.is_some());
    let field = |(name, value): (&http::HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("a text"));
    (head.method.to_string(), head.uri.to_string(), head.headers.iter().map(field).collect())
}

#[test]
fn a_stand_in_keeps_what_its_answer_depends_on() {
    let fields = [("origin", "https://a.test"), ("x-request-id", "one"), ("cookie", "secret"), ("authorization", "Bearer x")];
    let refused = head("POST", "ftp://api.test/a?b", &[&fields[..], &[("content-length", "7")]].concat());
    let kept = ["host: api.test", "origin: https://a.test", "x-request-id: one"].map(str::to_owned).to_vec();
    assert_eq!(stand_in(refused), ("POST".to_owned(), "/a?b".to_owned(), kept));
}

#[test]
fn a_stand_in_keeps_nothing_that_is_malformed() {
    let refused = head("CONNECT", "api.test:443", &[]);
    assert_eq!(stand_in(refused), ("GET".to_owned(), "/".to_owned(), vec!["host: api.test:443".to_owned()]));
    let refused = head("x-y", "http://user@api.test/", &[("user-agent", " a\u{e9}")]);
    assert_eq!(stand_in(refused), ("GET".to_owned(), "/".to_owned(), vec![]));
    let refused = head("GET", "/", &[("host", "a.test"), ("host", "b.test"), ("accept", &"x".repeat(2_000))]);
    assert_eq!(stand_in(refused), ("GET".to_owned(), "/".to_owned(), vec!["host: a.test".to_owned()]));
}

#[test]
fn a_good_head_is_handed_on_as_it_came() {
    let good = head("GET", "http://api.test/a", &[("cookie", "a=b")]);
    let (judged, fault) = judge(good, BOUNDS);
    assert_eq!((fault, judged.uri.to_string()), (None, "http://api.test/a".to_owned()));
    assert_eq!(judged.headers.get("cookie"), Some(&HeaderValue::from_static("a=b")));
}
