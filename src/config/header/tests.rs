//! Header names and values.

use super::{editable, identity, name, value};

#[test]
fn a_name_is_a_token() {
    assert!(["", "X Y", "X:Y", "ä", "X\r\nY"].iter().all(|text| name(text).is_err()));
    assert!(name("X-Auth.Subject_1").is_ok());
}

#[test]
fn identity_headers_take_no_name_with_another_meaning_in_any_spelling() {
    for text in [
        "Host",
        "HOST",
        "content_length",
        "Transfer-Encoding",
        "x_forwarded_for",
        "X-Forwarded-Prefix",
        "Cookie",
        "Via",
        "TraceParent",
        "If-Match",
        "if_none_match",
        "X-Real-IP",
        "X-HTTP-Method-Override",
        "X_Original_URL",
        "Accept-Encoding",
        "User-Agent",
    ] {
        assert!(identity(text).is_err(), "{text}");
    }
    assert!(identity("X-User").is_ok());
}

#[test]
fn what_the_gateway_decides_is_not_edited_in_any_spelling() {
    for text in [
        "vary",
        "X-RATELIMIT-Reset",
        "x_ratelimit_reset",
        "Access-Control-Max-Age",
        "Upgrade",
        "WWW-Authenticate",
        "Retry-After",
        "Content-Type",
        "Cache-Control",
        "cache_control",
        "Pragma",
        "Date",
        "Age",
        "Expires",
        "Location",
        "Allow",
        "Content-Length",
        "Connection",
    ] {
        assert!(editable(text, false).is_err(), "{text}");
    }
    assert!(
        ["Server", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options"]
            .iter()
            .all(|text| editable(text, false).is_ok())
    );
}

#[test]
fn the_fields_of_the_ietf_draft_are_the_gateways_only_where_it_sends_them() {
    for text in ["RateLimit", "RateLimit-Policy", "ratelimit_policy", "RateLimit-Reset"] {
        assert!(editable(text, true).is_err() && editable(text, false).is_ok(), "{text}");
    }
    assert!(editable("RateLimited", true).is_ok());
}

#[test]
fn a_value_is_visible_and_trimmed() {
    assert!(["a\r\nb", "a\nb", "a\0", "ä", " a", "a ", "a\tb"].iter().all(|text| value(text).is_err()));
    assert!(["", "max-age=31536000; includeSubDomains"].iter().all(|text| value(text).is_ok()));
}
