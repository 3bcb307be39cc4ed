//! JSON strings: what is escaped, and that any text is read back.

use super::*;
use proptest::prelude::*;

fn check(text: &str, expected: &str) {
    let mut out = Vec::new();
    write_string(text, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn plain_text_stands_as_it_is() {
    check("", "\"\"");
    check("per-user limit", "\"per-user limit\"");
    check("Zürich ☃", "\"Zürich ☃\"");
}

#[test]
fn what_would_end_the_string_or_the_line_is_escaped() {
    check("a\"b", r#""a\"b""#);
    check("a\\b", r#""a\\b""#);
    check("a\nb\0\u{7f}", r#""a\u000ab\u0000\u007f""#);
}

proptest! {
    #[test]
    fn any_text_is_read_back_as_it_was(text in ".*") {
        let mut out = Vec::new();
        write_string(&text, &mut out);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        prop_assert!(out.iter().all(|byte| *byte >= 0x20));
    }
}
