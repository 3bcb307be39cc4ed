//! Which paths have one reading, and in which form they go on.

use super::{PathError, judge};
use proptest::prelude::*;
use std::borrow::Cow;

#[track_caller]
fn check(raw: &str, expected: Result<&str, PathError>) {
    assert_eq!(judge(raw), expected.map(Cow::Borrowed), "{raw:?}");
}

#[track_caller]
fn refuse(error: PathError, paths: &[&str]) {
    for raw in paths {
        check(raw, Err(error));
    }
}

#[test]
fn a_path_that_does_not_begin_with_a_slash_is_refused() {
    refuse(PathError::NotAbsolute, &["", "a", "*", "a/b", ".", "..", "%2e", "http:%20", "http:", ";x", "@example", ":80"]);
}

#[test]
fn an_escaped_slash_in_front_is_not_a_slash() {
    refuse(PathError::NotAbsolute, &["%2f", "%2Fa", "%252fa"]);
}

#[test]
fn dot_segments_are_refused_plain_and_in_any_place() {
    refuse(PathError::DotSegment, &["/.", "/..", "/./", "/../", "/a/.", "/a/..", "/./a", "/../a", "/a/./b", "/a/../b"]);
    refuse(PathError::DotSegment, &["/incidents/x/../bulk", "/incidents/./bulk", "/a/b/../../incidents/bulk"]);
}

#[test]
fn dot_segments_are_refused_escaped_once() {
    refuse(PathError::DotSegment, &["/%2e", "/%2E", "/%2e%2e", "/%2E%2E", "/%2e%2E/", "/.%2e", "/%2e.", "/a/%2e/b"]);
    refuse(PathError::DotSegment, &["/a/%2e%2e/b", "/a/.%2E/b", "/incidents/x/%2e%2e/bulk"]);
}

#[test]
fn dot_segments_are_refused_escaped_twice_and_more() {
    refuse(PathError::DotSegment, &["/%252e", "/%252e%252e", "/%252E%252E/a", "/.%252e", "/%2e%252e", "/a/%252e./b"]);
    refuse(PathError::DotSegment, &["/%25252e%25252e/a", "/%2525252e", "/a/%25252e/b"]);
}

#[test]
fn dot_segments_are_refused_whose_escapes_are_escaped_by_halves() {
    refuse(PathError::DotSegment, &["/%25%32%65", "/%25%32%65%25%32%65/a", "/%252%65", "/%25%32e", "/%2525%32%65"]);
}

#[test]
fn dot_segments_are_refused_before_parameters() {
    refuse(PathError::DotSegment, &["/..;x", "/..;", "/.;x=1", "/a/..;/b", "/a/..;x/b", "/a/.;x/b", "/..;x/..;y/b"]);
    refuse(PathError::DotSegment, &["/%2e%2e;x", "/%252e%252e;x/a", "/..%3bx", "/..%3Bx/a", "/..%253bx/a", "/.%2e%3b"]);
}

#[test]
fn dot_segments_are_refused_before_an_escaped_query_or_fragment() {
    refuse(PathError::DotSegment, &["/..%3f", "/..%3Fx", "/..%23", "/a/..%23b", "/..%253f", "/.%2523/a"]);
}

#[test]
fn escaped_slashes_are_refused_at_any_depth() {
    refuse(PathError::EncodedSlash, &["/a%2fb", "/a%2Fb", "/%2f", "/a%2f", "/a/%2f/b", "/%2fexample.com", "/incidents%2fbulk"]);
    refuse(
        PathError::EncodedSlash,
        &["/a%252fb", "/a%252Fb", "/a%25252fb", "/a%25%32%66b", "/a%252%66b", "/..%2fa", "/..%252fa"],
    );
}

#[test]
fn backslashes_are_refused_raw_and_escaped() {
    refuse(PathError::Backslash, &["/\\", "/a\\b", "/..\\a", "/a/..\\..\\b", "\\", "/\\example.com"]);
    refuse(PathError::Backslash, &["/a%5cb", "/a%5Cb", "/%5c", "/..%5ca", "/a%255cb", "/a%255Cb", "/a%25255cb", "/a%25%35%63b"]);
}

#[test]
fn control_bytes_are_refused_raw_and_escaped() {
    refuse(PathError::ControlByte, &["/\0", "/a\0b", "/\u{1}", "/a\r", "/a\nb", "/\u{1b}", "/\u{1f}", "/\u{7f}"]);
    refuse(PathError::ControlByte, &["/%00", "/a%00", "/a%00b", "/%01", "/%09", "/a%0d%0ab", "/%1F", "/%1f", "/%7f", "/%7F"]);
    refuse(PathError::ControlByte, &["/%2500", "/a%250ab", "/a%250d%250ab", "/%252500", "/..%00", "/bulk%00.json", "/%25%30%30"]);
}

#[test]
fn empty_segments_are_refused() {
    refuse(PathError::EmptySegment, &["//", "///", "//a", "/a//", "/a//b", "/a///b", "//example.com/a", "/a%20b//c", "/%41//"]);
    refuse(PathError::EmptySegment, &["/incidents//bulk", "//incidents/bulk", "/incidents/bulk//"]);
}

#[test]
fn bad_escapes_are_refused() {
    refuse(
        PathError::BadEscape,
        &["/%", "/a%", "/%2", "/%e", "/a%2/b", "/%zz", "/%2z", "/%z2", "/%%", "/%%41", "/%2%66", "/%%32e"],
    );
    refuse(
        PathError::BadEscape,
        &["/%u002f", "/%u002e%u002e", "/%U002F", "/%uff0e", "/%-1", "/%+1", "/% 1", "/%0x2f", "/%\u{e9}"],
    );
}

/// Found by fuzzing: `%` out of one escape and a digit out of another make a third.
#[test]
fn escapes_whose_digits_are_escaped_are_refused() {
    refuse(
        PathError::SplitEscape,
        &["/%25%2532e", "/%25%2531d", "/a/%252%2565/b", "/%25%25325%2565", "/%2525%252532e", "/%25%252532f", "/x%25%2541%2542"],
    );
    for text in ["/50%25", "/50%25%20off", "/%25%25", "/100%25%2520", "/%25a%2567"] {
        check(text, Ok(text));
    }
}

#[test]
fn escapes_that_are_not_utf8_are_refused() {
    refuse(
        PathError::NotUtf8,
        &["/%80", "/%bf", "/%ff", "/%fe", "/%e9", "/caf%e9", "/%c3", "/%c3/a", "/%c3a", "/%c3%41", "/%c3%c3"],
    );
    refuse(
        PathError::NotUtf8,
        &["/%e2%82", "/%e2%82/", "/%e2%82a", "/%f0%9f%98", "/%ed%a0%80", "/%f4%90%80%80", "/%f5%80%80%80"],
    );
}

#[test]
fn overlong_forms_are_refused() {
    refuse(
        PathError::NotUtf8,
        &["/%c0%ae", "/%c0%ae%c0%ae/a", "/%C0%AE", "/a%c0%afb", "/a%c1%9cb", "/%c0%80", "/%c0%2e", "/%c0%2f"],
    );
    refuse(
        PathError::NotUtf8,
        &["/%e0%80%ae", "/%e0%80%af", "/%f0%80%80%ae", "/%f0%80%80%af", "/%f8%80%80%80%ae", "/%fc%80%80%80%80%af"],
    );
}

#[test]
fn raw_characters_that_a_path_does_not_have_are_refused() {
    refuse(PathError::Forbidden, &["/ ", "/a b", "/a\tb", "/\"", "/<", "/>", "/^", "/`", "/{", "/}", "/{id}", "/|", "/[", "/]"]);
    refuse(
        PathError::Forbidden,
        &["/#", "/a#b", "/?", "/a?b", "/\u{e9}", "/caf\u{e9}", "/\u{ff0e}\u{ff0e}/a", "/\u{2215}", "/\u{1F600}"],
    );
}

#[test]
fn plain_paths_are_borrowed() {
    for raw in
        ["/", "/a", "/a/", "/A", "/incidents/INC0001", "/a/b/c/", "/a.b", "/a..", "/a..b", "/a.b.c/d.e", "/-_~", "/0123456789"]
    {
        assert!(matches!(judge(raw), Ok(Cow::Borrowed(path)) if path == raw), "{raw}");
    }
}

#[test]
fn names_that_only_look_like_dot_segments_are_names() {
    for raw in
        ["/...", "/....", "/.a", "/..a", "/a/.well-known/x", "/.-", "/.a;x", "/..a;x", "/...;x", "/.%20", "/..%21", "/a%252e"]
    {
        assert!(matches!(judge(raw), Ok(Cow::Borrowed(path)) if path == raw), "{raw}");
    }
}

#[test]
fn everything_that_a_segment_may_contain_raw_is_kept() {
    let raw = "/!$&'()*+,;=:@/a;b=c/;x/a,b/a=b/user@example:80";
    assert!(matches!(judge(raw), Ok(Cow::Borrowed(path)) if path == raw));
}

#[test]
fn canonical_escapes_are_borrowed() {
    for raw in [
        "/a%20b",
        "/%C3%A9",
        "/100%25",
        "/%25",
        "/%252",
        "/%25zz",
        "/%25%25",
        "/%E2%82%AC/%F0%9F%98%80",
        "/%3B",
        "/%3F%23",
        "/%2541",
    ] {
        assert!(matches!(judge(raw), Ok(Cow::Borrowed(path)) if path == raw), "{raw}");
    }
}

#[test]
fn escaped_unreserved_characters_are_decoded() {
    check("/%61", Ok("/a"));
    check("/%41%5a%7a%30%39", Ok("/AZz09"));
    check("/%2d%5f%7e%2D%5F%7E", Ok("/-_~-_~"));
    check("/a%2eb", Ok("/a.b"));
    check("/%2e%2e%2e", Ok("/..."));
    check("/incidents/%62ulk", Ok("/incidents/bulk"));
    check("/%69%6e%63%69%64%65%6e%74%73/%62%75%6c%6b", Ok("/incidents/bulk"));
    check("/x%20%61%20%62/%63", Ok("/x%20a%20b/c"));
}

#[test]
fn other_escapes_are_in_upper_case() {
    check("/%c3%a9", Ok("/%C3%A9"));
    check("/%c3%A9x%3b%3B", Ok("/%C3%A9x%3B%3B"));
    check("/%3a%40%21%2c", Ok("/%3A%40%21%2C"));
    check("/%e2%82%ac%61", Ok("/%E2%82%ACa"));
}

#[test]
fn what_is_behind_an_escaped_percent_sign_is_text() {
    check("/%252a", Ok("/%252a"));
    check("/%25%32%61", Ok("/%252a"));
    check("/%25%37%41", Ok("/%257A"));
}

#[test]
fn every_refusal_has_its_sentence() {
    assert_eq!(PathError::DotSegment.to_string(), "the path must not contain dot segments");
}

/// Decoding as careless servers do it: whatever is an escape, everywhere, leaving alone what is none.
fn decode_carelessly(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let value =
            digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| u8::from_str_radix(d, 16).ok());
        match value {
            Some(value) if bytes[at] == b'%' => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn assert_one_reading(path: &str) {
    let once = decode_carelessly(path.as_bytes());
    assert!(std::str::from_utf8(&once).is_ok(), "{path}");
    for decoded in [path.as_bytes(), &once, &decode_carelessly(&once)] {
        let slashes = |bytes: &[u8]| bytes.split(|&byte| byte == b'/').count();
        assert_eq!(slashes(decoded), slashes(path.as_bytes()), "{path}");
        assert!(!decoded.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'), "{path}");
        for segment in decoded.split(|&byte| byte == b'/') {
            let name = segment.split(|&byte| byte == b';').next();
            assert!(!matches!(name, Some(b"." | b"..")), "{path}");
        }
    }
    assert!(path.starts_with('/') && !path.contains("//"), "{path}");
    assert!(path.is_ascii() && !path.contains([' ', '"', '<', '>', '^', '`', '{', '}', '|', '[', ']', '#', '?']), "{path}");
}

/// Pieces from which every trick above can come about, and more.
fn tricky_path() -> impl Strategy<Value = String> {
    let pieces = [
        "/",
        "/",
        "/",
        ".",
        "..",
        "%2e",
        "%2E",
        "%252e",
        "%25",
        "%32",
        "%65",
        "2",
        "e",
        "f",
        ";",
        "%3b",
        "%2f",
        "%252F",
        "\\",
        "%5c",
        "%00",
        "%0",
        "%7f",
        "%c3%a9",
        "%C3%A9",
        "%c0%ae",
        "%e2%82%ac",
        "%80",
        "%u002e",
        "%",
        "a",
        "Z",
        "bulk",
        "%41",
        "~",
        "%7e",
        " ",
        "%20",
        "#",
        "?",
        "%3f",
        "\u{e9}",
        "\0",
        "+",
        "=",
        "@",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn judged_paths_have_one_reading(raw in tricky_path()) {
        if let Ok(path) = judge(&raw) {
            assert_one_reading(&path);
        }
    }

    #[test]
    fn judging_again_changes_nothing(raw in tricky_path()) {
        if let Ok(path) = judge(&raw) {
            prop_assert!(matches!(judge(&path), Ok(Cow::Borrowed(again)) if again == path));
        }
    }

    #[test]
    fn any_text_is_judged_without_a_panic(raw in "\\PC*", more in any::<String>()) {
        let _ = judge(&raw);
        if let Ok(path) = judge(&format!("/{more}")) {
            assert_one_reading(&path);
        }
    }

    #[test]
    fn fully_escaped_names_are_read_as_they_are(name in "[a-zA-Z0-9_~-]{1,20}") {
        let escaped: String = name.bytes().flat_map(|byte| format!("%{byte:02x}").into_bytes()).map(char::from).collect();
        let path = judge(&format!("/{escaped}")).map(Cow::into_owned);
        prop_assert_eq!(path, Ok(format!("/{name}")));
    }
}
