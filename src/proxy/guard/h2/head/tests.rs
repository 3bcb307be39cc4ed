//! Heads that the framework has let pass.

use super::{fault, judge, marked};
use crate::request::HeadFault;
use http::{Method, Request};
use pingora_http::RequestHeader;

fn check(method: &str, uri: &str, host: Option<&str>, expected: Option<HeadFault>) {
    let request = Request::builder().method(method).uri(uri);
    let request = if let Some(host) = host { request.header("host", host) } else { request };
    let head = request.body(()).expect("http takes it").into_parts().0;
    assert_eq!(fault(&head), expected, "{method} {uri} {host:?}");
}

const SCHEME: Option<HeadFault> = Some(HeadFault::Invalid("the scheme is neither http nor https"));
const HOST: Option<HeadFault> = Some(HeadFault::Invalid("the authority is no host"));

#[test]
fn foreign_schemes_are_refused() {
    check("GET", "ftp://api.test/a", None, SCHEME);
    check("GET", "ws://api.test/a", None, SCHEME);
    check("GET", "HTTP2://api.test/a", None, SCHEME);
}

#[test]
fn an_authority_that_is_no_host_is_refused() {
    check("GET", "http://user@api.test/", None, HOST);
    check("GET", "http://api.test:99999/", None, HOST);
    check("GET", "http://a!b/", None, HOST);
    check("GET", "/", Some("a b"), HOST);
    check("GET", "/", Some(""), HOST);
}

#[test]
fn connect_has_no_meaning_here() {
    check("CONNECT", "api.test:443", None, Some(HeadFault::Connect));
}

#[test]
fn others_pass() {
    check("GET", "http://api.test/a", None, None);
    check("GET", "https://api.test:8443/a?b", Some("api.test:8443"), None);
    check("GET", "http://[::1]:80/", None, None);
    check("GET", "/a", Some("api.test"), None);
    check("OPTIONS", "*", Some("api.test"), None);
}

#[test]
fn a_mark_stays_with_its_head_and_connect_is_stood_for() {
    let mut head = RequestHeader::build(Method::CONNECT, b"api.test:443", None).expect("a head");
    judge(&mut head);
    assert_eq!(marked(&head), Some(HeadFault::Connect));
    assert_eq!((&head.method, head.uri.path()), (&Method::GET, "/"));
    let mut good = RequestHeader::build(Method::GET, b"/a", None).expect("a head");
    judge(&mut good);
    assert_eq!(marked(&good), None);
}
