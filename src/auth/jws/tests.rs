//! The form of a token and its header.
use super::*;
use crate::auth::test_keys::{base64url, members};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const HEADER: &str = r#"{"alg":"RS256"}"#;
const CLAIMS: &str = r#"{"iss":"a"}"#;

fn good() -> String {
    format!("{}.{}.{}", base64url(HEADER), base64url(CLAIMS), base64url([1, 2, 3, 4]))
}

/// Form, header and payload, as they are looked at one after the other.
fn parse(token: &str) -> Option<(Segments<'_>, Members<'static>, Members<'static>)> {
    let segments = Segments::split(token)?;
    let object = |bytes: &[u8]| json::object(bytes.to_vec().leak());
    let (header, claims) = (object(&segments.bytes[..segments.header_end])?, object(segments.payload())?);
    Some((segments, header, claims))
}

/// The change is made to a token whose form was right a moment before.
fn malformed(change: impl Fn(&str) -> String) {
    let token = good();
    assert!(parse(&token).is_some());
    let changed = change(&token);
    assert_ne!(changed, token);
    assert!(parse(&changed).is_none(), "{changed}");
}

fn with_segment(index: usize, segment: &str) -> String {
    let token = good();
    let mut segments: Vec<&str> = token.split('.').collect();
    segments[index] = segment;
    segments.join(".")
}

#[test]
fn other_than_three_segments_are_refused() {
    malformed(|_| String::new());
    malformed(|_| ".".to_owned());
    malformed(|_| "..".to_owned());
    malformed(|_| "...".to_owned());
    malformed(|token| token.replace('.', ""));
    malformed(|token| token.rsplit_once('.').expect("a dot").0.to_owned());
    malformed(|token| format!("{token}."));
    malformed(|token| format!(".{token}"));
    malformed(|token| format!("{token}.AAAA.AAAA"));
    malformed(|token| format!("{token}.{token}"));
    malformed(|token| token.replace('.', ".."));
    malformed(|_| format!("{}.", base64url(HEADER)));
}

#[test]
fn the_json_serializations_are_refused() {
    let general = json!({"payload": base64url(CLAIMS), "signatures": [{"protected": base64url(HEADER), "signature": "AQIDBA"}]});
    let flattened = json!({"payload": base64url(CLAIMS), "protected": base64url(HEADER), "signature": "AQIDBA"});
    malformed(|_| general.to_string());
    malformed(|_| flattened.to_string());
}

#[test]
fn a_detached_or_missing_part_is_refused() {
    malformed(|_| with_segment(0, ""));
    malformed(|_| with_segment(1, ""));
}

#[test]
fn loose_base64url_is_refused_in_every_segment() {
    for index in 0..3 {
        let original = good().split('.').nth(index).expect("a segment").to_owned();
        malformed(|_| with_segment(index, &format!("{original}=")));
        malformed(|_| with_segment(index, &format!("{original}==")));
        malformed(|_| with_segment(index, &format!("{original} ")));
        malformed(|_| with_segment(index, &format!(" {original}")));
        malformed(|_| with_segment(index, &format!("{original}\n")));
        malformed(|_| with_segment(index, &format!("{}\r\n{}", &original[..4], &original[4..])));
        malformed(|_| with_segment(index, &format!("{original}\0")));
        malformed(|_| with_segment(index, &format!("+{}", &original[1..])));
        malformed(|_| with_segment(index, &format!("/{}", &original[1..])));
        malformed(|_| with_segment(index, &format!("%{}", &original[1..])));
        malformed(|_| with_segment(index, &format!("é{}", &original[1..])));
        malformed(|_| with_segment(index, "A"));
        malformed(|_| with_segment(index, "AAAAA"));
    }
}

#[test]
fn unused_bits_must_be_zero() {
    assert!(parse(&with_segment(2, "AQ")).is_some());
    for tail in ["AR", "AS", "AT", "Af", "AAB", "AAC", "AAD"] {
        malformed(|_| with_segment(2, tail));
    }
}

#[test]
fn header_and_payload_must_be_strict_objects() {
    for text in ["", "null", "[]", "\"a\"", "1", "{} ", "{}{}", "{\"a\":1,\"a\":2}", "\u{feff}{}", "{\"a\":NaN}", "{'a':1}"] {
        let judged = text != "{} ";
        for index in 0..2 {
            let token = with_segment(index, &base64url(text));
            assert_eq!(parse(&token).is_none(), judged, "{text}");
        }
    }
    malformed(|_| with_segment(0, &base64url(b"{\"alg\":\"RS256\xff\"}")));
    malformed(|_| with_segment(1, &base64url(good())));
}

#[test]
fn the_parts_are_told_apart() {
    let token = good();
    let (segments, header, claims) = parse(&token).expect("a token");
    assert_eq!(segments.signed, token.rsplit_once('.').expect("a dot").0);
    assert_eq!(segments.signature(), [1, 2, 3, 4]);
    let text = |members: &Members<'_>, name| members.get(name).and_then(Json::as_str).map(str::to_owned);
    assert_eq!((text(&header, "alg").as_deref(), text(&claims, "iss").as_deref()), (Some("RS256"), Some("a")));
}

fn check(header: &Value, expected: Result<(Algorithm, MediaType, Option<&str>), InvalidReason>) {
    let found = Header::read(&members(header));
    let found = found.map(|header| (header.algorithm, header.media_type, header.kid));
    assert_eq!(found, expected.map(|(algorithm, typ, kid)| (algorithm, typ, kid.map(str::to_owned))), "{header}");
}

#[test]
fn any_crit_is_refused_whatever_is_in_it() {
    for crit in [json!([]), json!(["exp"]), json!(["b64"]), json!(null), json!("b64"), json!({}), json!(["alg"]), json!(false)] {
        check(&json!({"alg": "RS256", "crit": crit}), Err(InvalidReason::Critical));
    }
    check(&json!({"alg": "RS256", "crit": ["b64"], "b64": false}), Err(InvalidReason::Critical));
}

#[test]
fn extensions_that_change_how_a_token_is_read_are_refused() {
    for name in ["b64", "zip", "enc"] {
        for value in [json!(true), json!(false), json!("DEF"), json!(null)] {
            check(&json!({"alg": "RS256", name: value}), Err(InvalidReason::Critical));
        }
    }
}

#[test]
fn a_payload_that_is_said_to_be_a_token_is_refused() {
    for cty in
        [json!("JWT"), json!("jwt"), json!("application/jwt"), json!("APPLICATION/JWT"), json!(null), json!(1), json!(["a"])]
    {
        check(&json!({"alg": "RS256", "cty": cty}), Err(InvalidReason::Type));
    }
    for cty in ["json", "application/json", ""] {
        check(&json!({"alg": "RS256", "cty": cty}), Ok((Algorithm::Rs256, MediaType::Absent, None)));
    }
}

#[test]
fn algorithms_that_are_none_or_secret_or_misspelt_are_refused() {
    for alg in [
        "none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "rs256", "RS256 ", " RS256", "", "RS1", "ES256K", "ES512",
        "Ed448", "RSA-OAEP", "RS256\0", "dir",
    ] {
        check(&json!({"alg": alg}), Err(InvalidReason::Algorithm));
    }
    for alg in [json!(null), json!(1), json!(["RS256"]), json!({"alg": "RS256"}), json!(true)] {
        check(&json!({"alg": alg}), Err(InvalidReason::Algorithm));
    }
    check(&json!({}), Err(InvalidReason::Algorithm));
    check(&json!({"Alg": "RS256"}), Err(InvalidReason::Algorithm));
}

#[test]
fn other_types_are_refused() {
    for typ in [
        json!("JWS"),
        json!("JOSE"),
        json!("JOSE+JSON"),
        json!(""),
        json!("secevent+jwt"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("application/jwt"),
        json!("id_token"),
        json!("JWT "),
        json!(null),
        json!(1),
        json!(["JWT"]),
    ] {
        check(&json!({"alg": "RS256", "typ": typ}), Err(InvalidReason::Type));
    }
}

#[test]
fn a_kid_that_is_no_short_text_is_refused() {
    for kid in [json!(1), json!(null), json!(["a"]), json!({}), json!(""), json!("k".repeat(257))] {
        check(&json!({"alg": "RS256", "kid": kid}), Err(InvalidReason::Malformed));
    }
    let longest = "k".repeat(256);
    check(&json!({"alg": "RS256", "kid": longest}), Ok((Algorithm::Rs256, MediaType::Absent, Some(&longest))));
}

#[test]
fn a_header_is_read() {
    check(&json!({"alg": "RS256"}), Ok((Algorithm::Rs256, MediaType::Absent, None)));
    check(&json!({"alg": "EdDSA", "typ": "jwt"}), Ok((Algorithm::EdDsa, MediaType::Jwt, None)));
    check(&json!({"alg": "PS512", "typ": "AT+JWT", "kid": "../a"}), Ok((Algorithm::Ps512, MediaType::AtJwt, Some("../a"))));
    check(&json!({"alg": "ES384", "typ": "Application/At+Jwt"}), Ok((Algorithm::Es384, MediaType::ApplicationAtJwt, None)));
    for algorithm in Algorithm::ALL {
        check(&json!({"alg": algorithm.name()}), Ok((*algorithm, MediaType::Absent, None)));
    }
}

#[test]
fn every_character_has_one_place() {
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    for byte in 0..=u8::MAX {
        assert_eq!(BASE64URL.decode([b'A', b'A', b'A', byte]).is_ok(), in_alphabet(&byte), "{byte}");
    }
}

#[test]
fn a_flaw_is_found_wherever_it_is_however_many_characters_are_decoded_at_a_time() {
    for length in [64, 96, 99, 100, 128, 1000] {
        let good = "Az09-_bY".repeat(length / 8 + 1);
        let good = format!("{}A", &good[..length - 1]);
        assert_eq!(BASE64URL.decode(&good), URL_SAFE_NO_PAD.decode(&good));
        assert!(BASE64URL.decode(&good).is_ok());
        for place in 0..length {
            for flaw in ["=", "+", "/", "~", " ", "\n", "\0"] {
                let mut text = good.clone();
                text.replace_range(place..=place, flaw);
                assert!(BASE64URL.decode(&text).is_err(), "{flaw:?} at {place} of {length}");
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn what_is_decoded_fast_is_what_is_decoded_slowly(
        text in "[A-Za-z0-9_=+/. -]{0,40}|[A-Za-z0-9_-]{0,12}|[A-Za-z0-9_-]{60,300}[A-Za-z0-9_=+/-]{0,2}",
    ) {
        let decoded = BASE64URL.decode(&text).ok();
        proptest::prop_assert_eq!(URL_SAFE_NO_PAD.decode(&text).ok(), decoded.clone());
        proptest::prop_assert!(decoded.is_none_or(|bytes| base64url(bytes) == text));
    }

    #[test]
    fn bytes_have_one_spelling(bytes: Vec<u8>, last in "[A-Za-z0-9_-]") {
        let spelt = base64url(&bytes);
        proptest::prop_assert_eq!(BASE64URL.decode(&spelt), Ok(bytes.clone()));
        let other = format!("{}{last}", &spelt[..spelt.len().saturating_sub(1)]);
        if other != spelt {
            proptest::prop_assert_ne!(BASE64URL.decode(&other), Ok(bytes));
        }
    }

    #[test]
    fn a_token_that_is_taken_apart_can_be_put_together(text in "[A-Za-z0-9_-]{0,9}([.][A-Za-z0-9_-]{0,9}){0,4}") {
        if let Some(segments) = Segments::split(&text) {
            let [header, payload] = [&segments.bytes[..segments.header_end], segments.payload()].map(base64url);
            proptest::prop_assert_eq!(format!("{header}.{payload}.{}", base64url(segments.signature())), text.as_str());
            proptest::prop_assert_eq!(format!("{header}.{payload}"), segments.signed);
        }
    }

    #[test]
    fn any_text_is_judged(text: String) {
        let _ = parse(&text);
    }

    #[test]
    fn any_three_segments_are_judged(header: Vec<u8>, payload: Vec<u8>, signature: Vec<u8>) {
        let token = format!("{}.{}.{}", base64url(header), base64url(payload), base64url(signature));
        if let Some((segments, ..)) = parse(&token) {
            let _ = segments.header();
        }
    }
}

#[test]
fn a_foreign_character_is_found_in_much_too() {
    let header = good().split('.').next().map(str::to_owned).expect("a header");
    for length in [1000, 1024, 1028, 8000] {
        let payload = "A".repeat(length);
        assert!(Segments::split(&format!("{header}.{payload}.AAAA")).is_some(), "{length}");
        for place in [0, length / 2, length - 1] {
            for foreign in ["+", "/", "=", " ", "\u{e9}", "."] {
                let mut payload = payload.clone();
                payload.replace_range(place..=place, foreign);
                assert!(Segments::split(&format!("{header}.{payload}.AAAA")).is_none(), "{foreign:?} at {place} of {length}");
            }
        }
    }
}
