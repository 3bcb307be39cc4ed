//! What CORS adds to an answer, by origin.

use super::{CorsPolicy, CorsSettings, OriginPattern, RequestOrigin};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::time::Duration;

const APP: &str = "https://app.stackflow-tech.com";

fn settings() -> CorsSettings {
    CorsSettings {
        allowed_origins: ["https://*.stackflow-tech.com", "http://localhost:3000"]
            .map(|text| OriginPattern::parse(text).expect(text))
            .to_vec(),
        allowed_headers: vec![header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("x-request-id")],
        allow_credentials: false,
        max_age: Duration::from_secs(7200),
        expose_ietf_limits: false,
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn allowed() -> RequestOrigin {
    RequestOrigin::Allowed(HeaderValue::from_static(APP))
}

#[track_caller]
fn check(lines: &[(&'static str, &'static str)], expected: &RequestOrigin) {
    assert_eq!(CorsPolicy::new(settings()).origin(&headers(lines)), *expected, "{lines:?}");
}

#[track_caller]
fn check_written(settings: CorsSettings, origin: &RequestOrigin, expected: &[(&str, &str)]) {
    let mut written = Vec::new();
    CorsPolicy::new(settings).write(origin, |name, value| written.push((name, value)));
    assert_lines(&written, expected);
}

#[track_caller]
fn assert_lines(written: &[(HeaderName, HeaderValue)], expected: &[(&str, &str)]) {
    let written: Vec<_> = written.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
    assert_eq!(written, expected);
}

#[test]
fn several_origins_are_foreign_even_if_each_is_allowed() {
    check(&[("origin", APP), ("origin", APP)], &RequestOrigin::Foreign);
    check(&[("origin", APP), ("origin", "http://localhost:3000")], &RequestOrigin::Foreign);
    check(&[("origin", APP), ("origin", "null")], &RequestOrigin::Foreign);
    check(&[("origin", "https://app.stackflow-tech.com, http://localhost:3000")], &RequestOrigin::Foreign);
    check(&[("origin", "https://app.stackflow-tech.com http://localhost:3000")], &RequestOrigin::Foreign);
}

#[test]
fn null_and_empty_and_other_origins_are_foreign() {
    for origin in
        ["null", "", "*", "https://evil.example", "http://localhost", "https://localhost:3000", "https://APP.stackflow-tech.com"]
    {
        check(&[("origin", origin)], &RequestOrigin::Foreign);
    }
}

#[test]
fn an_allowed_origin_is_echoed() {
    check(&[("origin", APP)], &allowed());
    check(&[("origin", "http://localhost:3000")], &RequestOrigin::Allowed(HeaderValue::from_static("http://localhost:3000")));
}

#[test]
fn a_request_without_origin_is_not_cross_origin() {
    check(&[], &RequestOrigin::Absent);
    check(&[("referer", APP), ("access-control-request-method", "GET")], &RequestOrigin::Absent);
}

#[test]
fn nothing_is_allowed_when_no_origin_is_configured() {
    let policy = CorsPolicy::new(CorsSettings { allowed_origins: Vec::new(), ..settings() });
    assert_eq!(policy.origin(&headers(&[("origin", APP)])), RequestOrigin::Foreign);
}

#[test]
fn foreign_and_absent_origins_get_vary_alone() {
    let settings = CorsSettings { allow_credentials: true, ..settings() };
    check_written(settings.clone(), &RequestOrigin::Foreign, &[("vary", "Origin")]);
    check_written(settings, &RequestOrigin::Absent, &[("vary", "Origin")]);
}

const EXPOSED: (&str, &str) = (
    "access-control-expose-headers",
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, X-Request-Id, ETag, Location, Link, \
     WWW-Authenticate",
);

#[test]
fn an_allowed_origin_gets_its_headers() {
    check_written(settings(), &allowed(), &[("vary", "Origin"), ("access-control-allow-origin", APP), EXPOSED]);
}

#[test]
fn credentials_are_allowed_where_configured() {
    let settings = CorsSettings { allow_credentials: true, ..settings() };
    let credentials = ("access-control-allow-credentials", "true");
    check_written(settings, &allowed(), &[("vary", "Origin"), ("access-control-allow-origin", APP), credentials, EXPOSED]);
}

#[track_caller]
fn check_preflight_written(settings: CorsSettings, expected: &[(&str, &str)]) {
    let mut written = Vec::new();
    let methods = HeaderValue::from_static("GET, HEAD, POST");
    CorsPolicy::new(settings).write_preflight(&methods, |name, value| written.push((name, value)));
    assert_lines(&written, expected);
}

#[test]
fn a_preflight_gets_methods_headers_and_age() {
    let methods = ("access-control-allow-methods", "GET, HEAD, POST");
    let names = ("access-control-allow-headers", "authorization, content-type, x-request-id");
    check_preflight_written(settings(), &[methods, names, ("access-control-max-age", "7200")]);
    let settings = CorsSettings { allowed_headers: Vec::new(), max_age: Duration::from_millis(1999), ..settings() };
    check_preflight_written(settings, &[methods, ("access-control-max-age", "1")]);
}

#[test]
fn a_preflight_is_options_with_both_headers() {
    let asked = ("access-control-request-method", "POST");
    let origin = ("origin", APP);
    let is_preflight = |method, lines: &[_]| CorsPolicy::is_preflight(&method, &headers(lines));
    assert!(!is_preflight(Method::OPTIONS, &[]));
    assert!(!is_preflight(Method::OPTIONS, &[origin]));
    assert!(!is_preflight(Method::OPTIONS, &[asked]));
    assert!(!is_preflight(Method::GET, &[origin, asked]));
    assert!(!is_preflight(Method::POST, &[origin, asked]));
    assert!(is_preflight(Method::OPTIONS, &[origin, asked]));
    assert!(is_preflight(Method::OPTIONS, &[("origin", "null"), asked]));
}

#[test]
fn every_cors_header_of_an_upstream_is_ours() {
    for name in [
        "allow-origin",
        "allow-credentials",
        "expose-headers",
        "max-age",
        "allow-methods",
        "allow-headers",
        "allow-private-network",
    ] {
        assert!(CorsPolicy::owns(&HeaderName::try_from(format!("Access-Control-{name}")).expect(name)), "{name}");
    }
    for name in ["vary", "origin", "access-control", "cross-origin-resource-policy", "timing-allow-origin"] {
        assert!(!CorsPolicy::owns(&HeaderName::from_static(name)), "{name}");
    }
}
