//! Who calls the sample API, and under which base path.

use super::*;

fn base_for(prefix: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-prefix", prefix.parse().expect("a header value"));
    Caller(&headers).public_base().to_owned()
}

#[test]
fn a_prefix_that_is_no_plain_path_is_not_believed() {
    for prefix in ["", "/", "//evil.example", "prod", "/a>; rel=x", "/a?b", "/a b", "https://evil.example/a", &"/a".repeat(200)] {
        assert_eq!(base_for(prefix), BASE_PATH, "{prefix}");
    }
}

#[test]
fn the_prefix_replaces_the_base_path() {
    assert_eq!(base_for("/prod/api/v1"), "/prod/api/v1");
    assert_eq!(base_for("/prod/api/"), "/prod/api");
}

#[test]
fn without_identity_headers_the_caller_is_anonymous() {
    assert_eq!(Caller(&HeaderMap::new()).name(), "anonymous");
}

#[test]
fn the_client_names_the_caller_only_where_there_is_no_subject() {
    let mut headers = HeaderMap::new();
    headers.insert("x-auth-client-id", "robot".parse().expect("a header value"));
    assert_eq!(Caller(&headers).name(), "robot");
    headers.insert("x-auth-subject", "ada".parse().expect("a header value"));
    assert_eq!(Caller(&headers).name(), "ada");
}

#[test]
fn a_callers_name_is_bounded() {
    let mut headers = HeaderMap::new();
    headers.insert("x-auth-subject", "a".repeat(9000).parse().expect("a header value"));
    assert_eq!(Caller(&headers).name().len(), MAX_NAME_CHARS);
}

#[test]
fn a_repeated_header_is_shown_whole() {
    let mut headers = HeaderMap::new();
    headers.append("x-auth-subject", "ada".parse().expect("a header value"));
    headers.append("x-auth-subject", "eve".parse().expect("a header value"));
    assert_eq!(Caller(&headers).whoami().subject.as_deref(), Some("ada, eve"));
}
