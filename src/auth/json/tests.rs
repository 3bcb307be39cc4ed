//! One strict JSON object, or nothing.
use super::*;
use serde_json::json;

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
fn white_space_around_the_object_is_none_of_its_members() {
    for text in ["{}", " {}", "{} ", "\t\r\n{\"a\":1}\n\t \r"] {
        assert!(object(text.as_bytes()).is_some(), "{text:?}");
    }
    // None to JSON, though some take them for it.
    for text in ["{}\u{c}", "{}\u{b}", "{}\u{a0}", "{}\u{2028}", "\u{c}{}"] {
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
        r#"{"a":1,"a"}"#,
        r#"{"a":{"b":1,"b"}}"#,
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
    refused(format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)));
}

#[test]
fn an_object_is_read_with_all_kinds_of_values() {
    let text = r#" {"a":null,"b":true,"c":[1,-1,1.5,18446744073709551615],"d":{"a":"x"},"\u0066":"\u00e9\ud83d\ude00"} "#;
    let members = object(text.as_bytes()).expect("an object");
    let numbers = [json!(1), json!(-1), json!(1.5), json!(u64::MAX)];
    let numbers = numbers.map(|number| Json::Number(number.as_number().expect("a number").clone()));
    assert_eq!(members.get("c"), Some(&Json::List(Vec::from(numbers))));
    assert_eq!(["a", "b", "d"].map(|name| members.get(name)), [const { Some(&Json::Other) }; 3]);
    assert_eq!((members.get("e"), members.has("f"), members.has("")), (None, true, false));
    assert_eq!(members.get("f").and_then(Json::as_str), Some("é😀"));
}

#[test]
fn a_member_is_found_among_many_and_one_more_is_one_too_many() {
    let many: Vec<String> = (0..500).map(|number| format!("\"n{}\":{number}", number * 7919 % 500)).collect();
    let members = format!("{{{}}}", many.join(","));
    let members = object(members.as_bytes()).expect("an object");
    assert!((0..500).all(|number| members.has(&format!("n{number}"))) && !members.has("n500") && !members.has("n"));
    for place in [0, 250, 500] {
        let mut twice = many.clone();
        twice.insert(place, "\"n77\":null".to_owned());
        refused(format!("{{{}}}", twice.join(",")));
    }
}

#[test]
fn a_repeated_member_is_found_wherever_it_stands() {
    for count in [2, FEW - 1, FEW, FEW + 1, FEW + 2, 3 * FEW] {
        // Names that look alike, and names that do not.
        for name in [|number: usize| format!("n{number:03}n"), |number| "n".repeat(number + 1)] {
            let text = |numbers: &[usize]| {
                let members: Vec<String> = numbers.iter().map(|&number| format!("\"{}\":{number}", name(number))).collect();
                format!("{{{}}}", members.join(","))
            };
            let mut numbers: Vec<usize> = (0..count).collect();
            let good = text(&numbers);
            let members = object(good.as_bytes()).expect("an object");
            assert!(numbers.iter().all(|&number| members.get(&name(number)) == Some(&Json::Number(number.into()))), "{good}");
            assert!(!members.has(&name(count)), "{good}");
            for (first, second) in [(0, 1), (0, count - 1), (count / 2 - 1, count - 1), (count - 2, count - 1)] {
                let kept = std::mem::replace(&mut numbers[second], first);
                refused(text(&numbers));
                refused(format!("{{\"a\":[{}]}}", text(&numbers)));
                numbers[second] = kept;
            }
        }
    }
}

#[test]
fn no_two_claims_of_cognito_look_alike() {
    let access =
        "sub cognito:groups iss version client_id origin_jti token_use scope auth_time exp iat jti username event_id device_key";
    let id = "sub cognito:groups email_verified iss cognito:username origin_jti aud event_id token_use auth_time exp iat jti email \
              name phone_number at_hash nonce cognito:roles cognito:preferred_role";
    for names in [access, id] {
        let looks = names.split_whitespace().map(look).fold(0, |all, look| all | look);
        assert_eq!(looks.count_ones() as usize, names.split_whitespace().count(), "{names}");
    }
}

proptest::proptest! {
    #[test]
    fn what_is_read_is_what_another_reader_reads(names in proptest::collection::vec("[a-c\"\\\\é]{0,2}", 0..6), value: i64) {
        let pairs: Vec<String> = names.iter().map(|name| format!("{}:{value}", json!(name))).collect();
        let text = format!("{{{}}}", pairs.join(","));
        let distinct: std::collections::HashSet<&String> = names.iter().collect();
        let found = object(text.as_bytes());
        proptest::prop_assert_eq!(found.is_some(), distinct.len() == names.len());
        let found = found.as_ref();
        proptest::prop_assert!(found.is_none_or(|found| names.iter().all(|name| found.get(name) == Some(&Json::Number(value.into())))));
    }

    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        let _ = object(&bytes);
    }

    #[test]
    fn any_text_of_json_signs_is_judged(text in r#"[\[\]{}:,"a0.e\\u-]{0,60}"#) {
        if object(text.as_bytes()).is_some() {
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
