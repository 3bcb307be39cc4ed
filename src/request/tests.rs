//! What stages see of requests in every form of target.

use crate::pipeline::test_gateway::Ask;

/// Path and query of a target, as they came.
fn target(sent: &str, path: &str, query: Option<&str>) {
    let ask = Ask::new(&format!("GET {sent}"));
    assert_eq!((ask.request().raw_path(), ask.request().query()), (path, query), "{sent}");
}

#[test]
fn the_origin_form_is_split_at_its_first_question_mark() {
    target("/a/b", "/a/b", None);
    target("/a?", "/a", Some(""));
    target("/a?b=c?d#e", "/a", Some("b=c?d#e"));
    target("//a?b", "//a", Some("b"));
    target("/http://a/b", "/http://a/b", None);
}

#[test]
fn the_absolute_form_is_what_follows_its_authority() {
    target("http://api.test/a?b", "/a", Some("b"));
    target("https://api.test:8443/a//b", "/a//b", None);
    target("HTTP://user@api.test/a", "/a", None);
}

#[test]
fn an_absolute_form_without_a_path_asks_for_the_root() {
    target("http://api.test", "/", None);
    target("http://api.test?b", "/", Some("b"));
}

#[test]
fn the_asterisk_form_and_what_is_no_form_stay_as_they_are() {
    target("*", "*", None);
    target("", "", None);
    target("api.test:443", "api.test:443", None);
}

fn host(ask: &Ask, expected: Option<&str>) {
    assert_eq!(ask.request().host(), expected);
}

#[test]
fn several_hosts_or_none_are_no_host() {
    host(&Ask::new("GET /").with("host", "b.test"), None);
    host(&Ask::new("GET /").without("host"), None);
}

#[test]
fn the_host_is_the_field_unless_the_target_names_one() {
    host(&Ask::new("GET /"), Some("api.example.com"));
    host(&Ask::new("GET http://target.test:81/a"), Some("target.test:81"));
    host(&Ask::new("GET http://target.test/a").without("host"), Some("target.test"));
}

#[test]
fn a_host_behind_a_password_is_none() {
    host(&Ask::new("GET http://ann:secret@target.test/a"), None);
    host(&Ask::new("GET /").without("host").with("host", "ann:secret@target.test"), None);
}

#[test]
fn a_host_beyond_ascii_is_none() {
    let mut ask = Ask::new("GET /").without("host");
    ask.parts.headers.insert("host", http::HeaderValue::from_bytes(b"a\xff").expect("a field value"));
    host(&ask, None);
}

#[test]
fn a_length_is_a_number_that_fits() {
    let length = |text: &str| Ask::new("POST /").with("content-length", text).request().content_length();
    assert_eq!(length("18446744073709551615"), Some(u64::MAX));
    assert_eq!(length("18446744073709551616"), None);
    assert_eq!(length("1, 1"), None);
    assert_eq!(length("-1"), None);
}

#[test]
fn a_connection_names_a_few_tokens_and_nothing_that_is_not_its_own() {
    let plain = |named: &str| Ask::new("GET /").with("connection", named).request().has_plain_connection();
    for refused in
        ["host", "close, HOST", "X-Forwarded-For", "x-forwarded-host,", "x-forwarded-proto", "\"host\"", "a b", ":path"]
    {
        assert!(!plain(refused), "{refused}");
    }
    assert!(!plain("a, b, c, d, e, f, g, h, i, j"));
    assert!(!Ask::new("GET /").with("connection", "close").with("connection", "host").request().has_plain_connection());
    for good in ["", "close", "keep-alive, Upgrade", ",, x-hop ,", "a, b, c, d, e, f, g, h, i"] {
        assert!(plain(good), "{good}");
    }
    assert!(Ask::new("GET /").request().has_plain_connection());
}

#[test]
fn fields_count_with_their_separators() {
    let bytes = |ask: &Ask| ask.request().header_bytes();
    let bare = Ask::new("GET /").without("host");
    assert_eq!(bytes(&bare), 0);
    assert_eq!(bytes(&bare.clone().with("a", "")), 5);
    assert_eq!(bytes(&bare.clone().with("a", "b").with("a", "bc")), 6 + 7);
}
