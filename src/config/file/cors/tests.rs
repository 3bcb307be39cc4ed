//! What `[cors]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};

#[test]
fn an_allowed_header_is_a_header_name() {
    check(
        r#"[cors]
allowed_headers = ["X Y"]"#,
        "2:20: cors.allowed_headers: `X Y` is not a header name; write letters, digits and hyphens",
    );
}

#[test]
fn a_preflight_is_remembered_for_a_day_at_most() {
    check(
        r#"[cors]
max_age = "25h""#,
        r#"2:11: cors.max_age: `25h` is out of range; write "0s" to "24h""#,
    );
}

#[test]
fn origins_are_a_list() {
    check(
        r#"[cors]
allowed_origins = "*""#,
        "2:19: cors.allowed_origins: is a text; write a list, as in [ … ]",
    );
}

#[test]
fn cors_has_the_documented_defaults() {
    let cors = accepted("").cors;
    assert_eq!(cors.allowed_origins[0].value, "https://*.stackflow-tech.com");
    assert_eq!((cors.allowed_headers.len(), cors.allow_credentials, cors.max_age.as_secs()), (7, false, 7200));
}

#[test]
fn no_origin_at_all_may_be_allowed() {
    assert!(accepted("[cors]\nallowed_origins = []").cors.allowed_origins.is_empty());
}
