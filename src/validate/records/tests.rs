//! What bulk bodies are refused, and that it does not matter how they are cut.

mod model;

use super::{DEPTH, RecordCounter, RecordRules, RecordsError};
use RecordsError::{
    ControlCharacter, Empty, Escape, Incomplete, NotUtf8, Number, Repeated, Surrogate, Syntax, TooDeep, TooMany, Trailing,
};
use std::sync::Arc;

/// At most two records, which may be called `cis`.
fn counter() -> RecordCounter {
    RecordCounter::new(Arc::new(RecordRules::new(2, Some("cis"))))
}

/// The verdict on the whole, on each of its bytes by itself, and on both parts wherever it is cut in two.
#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: Result<(), RecordsError>) {
    let body = body.as_ref();
    let shown = body.escape_ascii();
    assert_eq!(counter().judge(body), expected, "{shown}");
    assert_eq!(in_pieces(body.chunks(1)), expected, "{shown}, byte by byte");
    for at in 0..=body.len() {
        assert_eq!(in_pieces([&body[..at], &body[at..]].into_iter()), expected, "{shown}, cut at {at}");
    }
}

fn in_pieces<'b>(mut pieces: impl Iterator<Item = &'b [u8]>) -> Result<(), RecordsError> {
    let mut counter = counter();
    pieces.try_for_each(|piece| counter.read(piece))?;
    counter.finish()
}

#[track_caller]
fn check_each(bodies: &[&str], expected: Result<(), RecordsError>) {
    for body in bodies {
        check(body, expected);
    }
}

#[test]
fn more_records_than_the_bound_are_too_many() {
    check_each(&["[1,2,3]", " [ {} , [] , \"\" ] ", "[[],[],[]]", "[null,true,false]", "[0,-1,2.5e3]"], Err(TooMany(2)));
    check_each(&["{\"records\":[1,2,3]}", "{\"items\":[1,2,3]}", "{\"data\":[1,2,3]}", "{\"cis\":[1,2,3]}"], Err(TooMany(2)));
    check("{\"note\":[1,2,3,4],\"more\":{\"records\":[]},\"data\":[{},{},{}]}", Err(TooMany(2)));
}

#[test]
fn the_record_too_many_is_refused_at_its_first_byte() {
    let mut counter = counter();
    assert_eq!(counter.read(b"[1,{\"a\":[1,2,3]},"), Ok(()));
    assert_eq!(counter.read(b"\""), Err(TooMany(2)));
}

#[test]
fn of_several_arrays_each_is_held_to_the_bound() {
    check("{\"records\":[1],\"items\":[1,2,3]}", Err(TooMany(2)));
    check("{\"items\":[1,2,3],\"records\":[1]}", Err(TooMany(2)));
    check("{\"cis\":null,\"data\":[1,2,3]}", Err(TooMany(2)));
    check("{\"records\":[1,2],\"items\":[1,2],\"data\":[1,2],\"cis\":[1,2]}", Ok(()));
}

#[test]
fn a_member_that_holds_records_stands_once() {
    check("{\"records\":[1],\"records\":[1,2,3]}", Err(Repeated));
    check("{\"records\":1,\"records\":[1]}", Err(Repeated));
    check("{\"data\":[],\"x\":1,\"data\":null}", Err(Repeated));
    check("{\"cis\":[],\"CIS\":[]}", Err(Repeated));
    // Of others a reader may take whichever it likes.
    check("{\"x\":1,\"x\":[1,2,3]}", Ok(()));
    check("{\"records\":[{\"records\":1,\"records\":2}]}", Ok(()));
}

#[test]
fn a_name_is_what_it_is_decoded_and_in_whatever_case() {
    for name in [
        "r\\u0065cords",
        "\\u0072\\u0065\\u0063\\u006F\\u0072\\u0064\\u0073",
        "Records",
        "RECORDS",
        "record\u{17f}",
        "record\\u017f",
        "\\u0049tems",
        "\u{131}tems",
        "\u{130}TEMS",
        "records\\u0000",
        "records\\u0000x",
        "CIs",
    ] {
        check(format!("{{\"{name}\":[1,2,3]}}"), Err(TooMany(2)));
    }
    let resource = |written: &str, body: &str| {
        let rules = Arc::new(RecordRules::new(1, Some(written)));
        RecordCounter::new(rules).judge(body.as_bytes())
    };
    assert_eq!(resource("tickets", "{\"tic\u{212a}ets\":[1,2]}"), Err(TooMany(1)));
    assert_eq!(resource("Vorfälle", "{\"VORFÄLLE\":[1,2]}"), Err(TooMany(1)));
    assert_eq!(resource("Vorfälle", "{\"vorf\\u00e4lle\":[1,2]}"), Err(TooMany(1)));
    assert_eq!(resource("records", "{\"records\":[1],\"records\":[1]}"), Err(Repeated), "the resource is called like the others");
}

#[test]
fn other_arrays_are_not_records() {
    for name in ["record", "recordss", "records ", "", "incidents", "dat", "re", "\u{1f600}records", "\\u0000records"] {
        check(format!("{{\"{name}\":[1,2,3]}}"), Ok(()));
    }
    check_each(
        &["{\"x\":{\"records\":[1,2,3]}}", "[{\"records\":[1,2,3]}]", "{\"records\":{\"items\":[1,2,3]}}", "[[1,2,3]]"],
        Ok(()),
    );
    check("{\"records\":[[1,2,3],[4,5,6]]}", Ok(()));
}

#[test]
fn as_many_records_as_the_bound_are_taken() {
    check_each(&["[]", "[1]", "[1,2]", "{\"records\":[{},{}]}", "{\"records\":[]}", "{}", "null", "0", "\"[1,2,3]\""], Ok(()));
    check(" \t\r\n[ 1 ,\n2 ]\r\n\t ", Ok(()));
}

#[test]
fn an_empty_body_is_not_json() {
    check_each(&["", " ", "\r\n\t"], Err(Empty));
}

#[test]
fn what_ends_too_early_is_not_json() {
    for whole in ["{\"a\":[1,-2.5e+7,\"\\ud83d\\ude00é\",true,false,null,{}]}", "[[]]", "\"abc\"", "true"] {
        for end in 1..whole.len() {
            assert_eq!(in_pieces([&whole.as_bytes()[..end]].into_iter()), Err(Incomplete), "{end} of {whole}");
        }
    }
    check_each(
        &["-", "1.", "1e", "1e+", "\"", "[", "{", "[1", "[1,", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "t"],
        Err(Incomplete),
    );
}

#[test]
fn one_value_is_the_whole_body() {
    check_each(&["[][]", "{} {}", "[],", "1 2", "null]", "[]}", "\"\"\"\"", "[1]\n[2]", "[1]\0"], Err(Trailing));
}

#[test]
fn what_the_grammar_does_not_have_is_not_json() {
    check_each(&["]", "}", ",", ":", "[,]", "[1,]", "[1,,2]", "[1 2]", "[1:2]", "[1}", "[[{}]}"], Err(Syntax));
    check_each(
        &["{,}", "{1:2}", "{\"a\"}", "{\"a\",1}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{\"a\"::1}", "{\"a\":1]"],
        Err(Syntax),
    );
    check_each(&["{a:1}", "{'a':1}", "['a']", "//"], Err(Syntax));
    check_each(&["NaN", "Infinity", "True", "nul ", "nULL", "truE", "trux", "undefined", "+1", ".5"], Err(Syntax));
    // White space is four characters, and a byte order mark none of them.
    check_each(&["\0", "[\u{b}1]", "[\u{c}1]", "[\u{a0}1]", "\u{feff}[]"], Err(Syntax));
    // UTF-16.
    check(b"\xff\xfe[\0]\0", Err(Syntax));
    check(b"[\0]\0", Err(Syntax));
}

#[test]
fn what_is_no_value_is_no_record_too_many() {
    check_each(&["[1,2,]", "[1,2,x", "[1,2,,"], Err(Syntax));
}

#[test]
fn numbers_have_one_form() {
    check_each(
        &["-a", "--1", "-.5", "-Infinity", "1.e5", "1..", "1.a", "1e.5", "1ee5", "1e+-5", "[1.]", "[-]", "[1e]"],
        Err(Number),
    );
    check_each(&["01", "-01", "00", "0x10", "1_000", "1e5.5", "1.5.2", "1a"], Err(Trailing));
    check_each(&["[01]", "[0x10]", "{\"a\":1a}"], Err(Syntax));
    check_each(&["0", "-0", "0.0", "-0.50", "10", "1e5", "1E-05", "0e0", "1.25e+400", "[9007199254740993]"], Ok(()));
}

#[test]
fn strings_hold_no_control_characters_and_known_escapes_only() {
    check_each(&["\"\0\"", "\"\n\"", "\"a\tb\"", "\"\u{1f}\"", "{\"\r\":1}"], Err(ControlCharacter));
    check_each(
        &["\"\\a\"", "\"\\'\"", "\"\\x41\"", "\"\\U0041\"", "\"\\u00g1\"", "\"\\u+123\"", "\"\\\n\"", "\"\\u12\"", "{\"\\0\":1}"],
        Err(Escape),
    );
    check(r#"["\"\\\/\b\f\n\r\t\u00e9\u0000","\u007f"]"#, Ok(()));
}

#[test]
fn half_of_a_surrogate_pair_has_no_meaning() {
    check_each(
        &[
            r#""\ud800""#,
            r#""\udfff""#,
            r#""\ud83dx""#,
            r#""\ud83d\n""#,
            r#""\ud83d\ud83d\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\ude00\ud83d""#,
            r#"{"\udc00":1}"#,
        ],
        Err(Surrogate),
    );
    check(r#""\ud83d\ude00\uD800\uDC00\uDBFF\uDFFF""#, Ok(()));
}

#[test]
fn strings_are_utf_8() {
    let sequences: [&[u8]; 22] = [
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xc3",
        b"\xc3(",
        b"\xe0\x80\x80",
        b"\xe0\x9f\xbf",
        b"\xe2\x82",
        b"\xe2\x82(",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x9f\x98",
        b"\xf0\x9f\x98(",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
        b"\xfe",
        b"\xe9",
        b"a\xcc",
    ];
    for sequence in sequences {
        check([b"\"", sequence, b"\""].concat(), Err(NotUtf8));
        check([b"{\"", sequence, b"\":1}"].concat(), Err(NotUtf8));
    }
    check("\"\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}\u{feff}\"", Ok(()));
    check("\"Störung im Außenlager, 障害, сбой 😀\"", Ok(()));
}

#[test]
fn containers_are_nested_to_a_bound() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = usize::from(DEPTH);
    assert_eq!(counter().judge(nested(deepest).as_bytes()), Ok(()));
    assert_eq!(counter().judge(nested(deepest + 1).as_bytes()), Err(TooDeep));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(counter().judge(objects(deepest).as_bytes()), Ok(()));
    assert_eq!(counter().judge(objects(deepest + 1).as_bytes()), Err(TooDeep));
    // What was left leaves nothing behind.
    check("[{\"a\":[]},{\"b\":{}}]", Ok(()));
    check("[[{}]}", Err(Syntax));
}

#[test]
fn long_strings_are_read_to_their_end() {
    for length in [31, 32, 33, 63, 64, 65, 1000] {
        let long = "x".repeat(length);
        check_each(&[&format!("[\"{long}\",\"{long}\\n\"]"), &format!("{{\"{long}\":1,\"records\":[1]}}")], Ok(()));
        check(format!("[\"{long}\n\"]"), Err(ControlCharacter));
        check([b"[\"", long.as_bytes(), b"\xff\"]"].concat(), Err(NotUtf8));
    }
}
