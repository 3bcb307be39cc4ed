//! What `[response_headers]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};

#[test]
fn what_the_gateway_decides_cannot_be_set() {
    check(
        r#"[response_headers]
set = { "X-RateLimit-Limit" = "1", "Vary" = "x", "Access-Control-Allow-Origin" = "*" }"#,
        r"2:31: response_headers.set.X-RateLimit-Limit: `X-RateLimit-Limit` is decided by the gateway for each response; remove it
2:45: response_headers.set.Vary: `Vary` is decided by the gateway for each response; remove it
2:82: response_headers.set.Access-Control-Allow-Origin: `Access-Control-Allow-Origin` is decided by the gateway for each response; remove it",
    );
}

#[test]
fn what_single_answers_say_cannot_be_set_on_all() {
    for name in ["Cache-Control", "Pragma", "Date", "Location", "Allow", "Retry-After", "WWW-Authenticate"] {
        let key = format!("response_headers.set.{name}");
        let column = 14 + name.len();
        check(
            &format!("[response_headers]\nset = {{ \"{name}\" = \"x\" }}"),
            &format!("2:{column}: {key}: `{name}` is decided by the gateway for each response; remove it"),
        );
    }
}

#[test]
fn what_frames_a_message_cannot_be_removed() {
    check(
        r#"[response_headers]
remove = ["Content-Length", "Transfer_Encoding", "Connection", "X-Request-Id"]"#,
        r"2:11: response_headers.remove: `Content-Length` is decided by the gateway for each response; remove it
2:29: response_headers.remove: `Transfer_Encoding` is decided by the gateway for each response; remove it
2:50: response_headers.remove: `Connection` is decided by the gateway for each response; remove it
2:64: response_headers.remove: `X-Request-Id` is decided by the gateway for each response; remove it",
    );
}

#[test]
fn a_value_that_would_split_the_head_is_refused_and_not_shown() {
    check(
        r#"[response_headers]
set = { "X-A" = "hunter2\r\nX-B: 1" }"#,
        "2:17: response_headers.set.X-A: is not a header value; write visible ASCII characters",
    );
}

#[test]
fn a_header_is_named_once() {
    check(
        r#"[response_headers]
set = { "Server" = "x", "server" = "y" }
remove = ["SERVER"]"#,
        r"2:36: response_headers.set: names `server` again; write each header once, in `set` or in `remove`
3:11: response_headers.remove: names `server` again; write each header once, in `set` or in `remove`",
    );
}

#[test]
fn headers_of_ones_own_can_be_set_and_removed() {
    let edits =
        accepted("[response_headers]\nset = { \"Strict-Transport-Security\" = \"max-age=31536000\" }\nremove = [\"Server\"]")
            .response_headers;
    assert_eq!(
        (edits.set[0].0.as_str(), edits.set[0].1.as_bytes()),
        ("strict-transport-security", b"max-age=31536000".as_slice())
    );
    assert_eq!(edits.remove[0].as_str(), "server");
}
