//! One strict JSON object, or nothing.
use super::*;

fn refused(text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    assert_eq!(object(text), None, "{}", String::from_utf8_lossy(text));
}

#[test]
fn what_is_not_an_object_is_refused() {
    for text in ["", " ", "null", "true", "1", "\"a\"", "[]", "[{}]", "{", "}", "{}}", "{]", "a", "{a:1}", "{'a':1}", "{\"a\"}"] {
        refused(text);
    }
}

#[test]
fn what_follows_the_object_is_refused() {
    for text in ["{} {}", "{}{}", "{}x", "{},", "{}\0", "{}null", "{}//"] {
        refused(text);
    }
}

#[test]
fn loose_json_is_refused() {
    for text in [
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":1.}"#,
        r#"{"a":NaN}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":-Infinity}"#,
        r#"{"a":0x10}"#,
        r#"{"a":1e400}"#,
        r#"{"a":1 /* b */}"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
        r#"{"a":"\x41"}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"\udc00":1}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":tru}"#,
        "\u{feff}{}",
    ] {
        refused(text);
    }
}

#[test]
fn other_encodings_than_utf8_are_refused() {
    refused(b"{\"a\":\"\xff\"}");
    refused(b"{\"\xc0\xaf\":1}");
    refused(b"{\"a\":\"\xed\xa0\x80\"}");
    refused(b"{\0\"\0a\0\"\0:\x001\0}\0");
}

#[test]
fn a_repeated_member_is_refused_at_every_depth() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":3}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":[{"b":1,"b":2}]}"#,
        r#"{"":1,"":2}"#,
    ] {
        refused(text);
    }
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(object(nested(15).as_bytes()).is_some());
    refused(nested(16));
    refused(nested(100_000));
    refused("{\"a\":".repeat(100_000));
}

#[test]
fn an_object_is_read_with_all_kinds_of_values() {
    let text = r#" {"a":null,"b":true,"c":[1,-1,1.5,18446744073709551615],"d":{"a":"\u00e9\ud83d\ude00"}} "#;
    let expected: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(object(text.as_bytes()).map(Value::Object), Some(expected));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        let _ = object(&bytes);
    }

    #[test]
    fn any_text_of_json_signs_is_judged(text in r#"[\[\]{}:,"a0.e\\u-]{0,60}"#) {
        if object(text.as_bytes()).is_some() {
            proptest::prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
