//! Which bodies are JSON.

use super::{is_foreign_charset, is_json};
use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;

#[track_caller]
fn check(values: &[&[u8]], expected: bool) {
    let value = |bytes: &&[u8]| (header::CONTENT_TYPE, HeaderValue::from_bytes(bytes).expect("a header value"));
    let headers: HeaderMap = values.iter().map(value).collect();
    let shown: Vec<_> = values.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert_eq!(is_json(&headers), expected, "{shown:?}");
}

#[track_caller]
fn check_each(values: &[&str], expected: bool) {
    for value in values {
        check(&[value.as_bytes()], expected);
    }
}

#[test]
fn no_content_type_and_several_are_not_json() {
    check(&[], false);
    check(&[b"application/json", b"application/json"], false);
    check(&[b"application/json", b"text/plain"], false);
}

#[test]
fn lists_are_not_json() {
    check_each(&["application/json, application/json", "application/json,text/plain", "text/plain, application/json"], false);
    check_each(
        &["application/json;a=b, text/plain", "application/json;a=b,c", "application/json;,text/plain", ",application/json"],
        false,
    );
}

#[test]
fn other_media_types_are_not_json() {
    check_each(&["", "application", "json", "/", "/json", "application/", "text/plain", "text/json", "image/a+json"], false);
    check_each(&["application/x-www-form-urlencoded", "multipart/form-data", "application/xml", "application/jsonp"], false);
    check_each(
        &["application/json-seq", "application/x-ndjson", "application/xjson", "application/ldjson", "application/json+xml"],
        false,
    );
    check_each(
        &["application/+json", "text/plain; application/json", "text/plain;a=application/json", "*/*", "application/*"],
        false,
    );
}

#[test]
fn what_is_no_media_type_is_not_json() {
    check_each(
        &["application /json", "application/ json", "application/js on", "application//json", "application/a/json"],
        false,
    );
    check_each(
        &["application/a b+json", "application/a\"+json", "application/json application/json", "\"application/json\""],
        false,
    );
    check(&[b"application/\xe9+json"], false);
    check(&[b"application/json\xe9"], false);
}

#[test]
fn malformed_parameters_are_not_json() {
    check_each(
        &["application/json;a", "application/json;=b", "application/json;a=", "application/json; a =b", "application/json;a= b"],
        false,
    );
    check_each(
        &["application/json;a=b c", "application/json;a=\"b", "application/json;a=\"b\\\"", "application/json;a=\"b\"c"],
        false,
    );
    check_each(
        &["application/json;a=b/c", "application/json;a=b=c", "application/json;charset", "application/json;\"a\"=b"],
        false,
    );
}

#[test]
fn json_media_types_are_json() {
    check_each(
        &["application/json", "Application/JSON", " application/json ", "application/problem+json", "application/vnd.api+JSON"],
        true,
    );
    check_each(
        &["application/merge-patch+json", "application/json-patch+json", "application/a+b+json", "application/json+json"],
        true,
    );
}

#[test]
fn parameters_are_allowed() {
    check_each(
        &[
            "application/json;charset=utf-8",
            "application/json; charset=UTF-8",
            "application/json ; charset=utf-8",
            "application/json;",
        ],
        true,
    );
    check_each(
        &[
            "application/json;a=b;c=d",
            "application/json;;a=b; ;",
            "application/json;a=b ;c=\"d, e;\\\" f\" ; g=h",
            "application/json;a=\"\"",
        ],
        true,
    );
    check(&[b"application/json;a=\"\xe9\""], true);
}

#[track_caller]
fn check_charset(values: &[&str], is_foreign: bool) {
    let value = |text: &&str| (header::CONTENT_TYPE, HeaderValue::from_str(text).expect("a header value"));
    assert_eq!(is_foreign_charset(&values.iter().map(value).collect()), is_foreign, "{values:?}");
}

#[test]
fn other_charsets_than_utf_8_are_foreign() {
    for charset in [
        "utf-16",
        "UTF-16LE",
        "utf-7",
        "shift_jis",
        "gbk",
        "iso-8859-1",
        "\"utf-16\"",
        "\"\"",
        "utf-8x",
        "\"utf-8 \"",
        "\"ut\\f-8\"",
    ] {
        check_charset(&[&format!("application/json; charset={charset}")], true);
        check_charset(&[&format!("application/json;a=b ; CharSet={charset};c=d")], true);
    }
    for parameter in ["charset*0=utf-7", "charset*=us-ascii''utf-7", "CHARSET*0*=us-ascii''utf-7", "charset*=utf-8''utf-8"] {
        check_charset(&[&format!("application/json; {parameter}")], true);
    }
    check_charset(&["application/json; charsets=x; char*set=y"], false);
    check_charset(&["application/json;charset=utf-8;charset=gbk"], true);
    check_charset(&["application/json;charset=utf-8", "application/json;charset=gbk"], true);
}

#[test]
fn what_is_not_to_be_understood_is_foreign() {
    for parameters in
        ["charset", "charset=", "charset =utf-8", "charset= utf-8", "=utf-8", "a=\"", "a=b c=d", "charset=utf-8,gbk", "'"]
    {
        check_charset(&[&format!("application/json;{parameters}")], true);
    }
}

#[test]
fn utf_8_and_no_charset_are_not_foreign() {
    check_charset(&[], false);
    for value in
        ["", "application/json", "application/json;", "application/json ; ; a=\"b;charset=gbk\"", "text/plain;charset=UTF8"]
    {
        check_charset(&[value], false);
    }
    for charset in ["utf-8", "UTF-8", "\"utf-8\"", "Utf8", "us-ascii"] {
        check_charset(&[&format!("application/json;charset={charset};a=b")], false);
    }
}

proptest! {
    #[test]
    fn any_value_is_read_without_a_panic(tail in "[;=,\"\\\\ a-c/+]{0,12}") {
        check_total(&tail);
        check_total(&format!("application/json{tail}"));
    }
}

fn check_total(value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
        let _ = (is_json(&headers), is_foreign_charset(&headers));
    }
}
