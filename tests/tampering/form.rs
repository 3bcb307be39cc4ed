//! The form: the compact serialization of RFC 7515, section 7.1, in one spelling, with one JSON object in each of its two halves.
use crate::{
    good::{Case, Good, Kind, Taken, check, check_taken, with},
    support::{Segments, base64url},
};
use serde_json::json;

/// The unused bits of the last character set (RFC 4648, section 3.5): another spelling of the same bytes.
fn loosened(segment: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert!(segment.len() % 4 > 1, "a last character with unused bits: {segment}");
    let last = ALPHABET.iter().position(|known| segment.ends_with(char::from(*known))).expect("base64url");
    format!("{}{}", &segment[..segment.len() - 1], char::from(ALPHABET[last | 1]))
}

/// JSON text, with spaces after it until its base64url leaves bits unused.
fn uneven(text: &str) -> String {
    let mut text = text.to_owned();
    while text.len().is_multiple_of(3) {
        text.push(' ');
    }
    base64url(text)
}

/// As in MIME: another alphabet.
fn standard(segment: &str) -> String {
    let other = segment.replace('-', "+").replace('_', "/");
    assert_ne!(other, segment, "it holds a character that differs");
    other
}

/// The token with its signature as the other alphabet writes it: of many tokens the first whose signature shows it.
fn standard_signature(good: &Good<'_>) -> String {
    let tokens = (0..64).map(|turn| Segments::of(&good.claim("turn", turn)));
    let shows = |token: &Segments| token.signature.contains(['-', '_']);
    let token = tokens.into_iter().find(shows).expect("one of 64");
    Segments { signature: standard(&token.signature), ..token }.token()
}

pub const SEGMENTS: &[Case] = &[
    ("one segment", |good| good.parts.claims.clone(), "malformed"),
    ("two segments", |good| good.signed(), "malformed"),
    ("four segments", |good| format!("{}.{}", good.token(), good.parts.signature), "malformed"),
    ("five segments, as in a JWE", |good| format!("{}.AAAA.AAAA", good.token()), "malformed"),
    ("an empty fourth segment", |good| format!("{}.", good.token()), "malformed"),
    ("an empty segment before", |good| format!(".{}", good.token()), "malformed"),
    ("an empty segment inside", |good| good.token().replacen('.', "..", 1), "malformed"),
    ("dots alone", |_| "..".to_owned(), "malformed"),
    ("four dots", |_| "....".to_owned(), "malformed"),
    ("an empty header", |good| Good::sign("", &good.parts.claims), "malformed"),
    ("a detached payload", |good| Good::sign(&good.parts.header, ""), "malformed"),
    ("an empty signature", |good| format!("{}.", good.signed()), "signature"),
    ("a dot percent-encoded", |good| good.token().replacen('.', "%2e", 1), "malformed"),
    ("the flattened serialization", |good| flattened(good), "malformed"),
    ("the flattened serialization in base64url", |good| base64url(flattened(good)), "malformed"),
    ("the general serialization", |good| general(good), "malformed"),
    ("in quotes", |good| format!("\"{}\"", good.token()), "malformed"),
    ("in angle brackets", |good| format!("<{}>", good.token()), "malformed"),
    ("twice", |good| format!("{0} {0}", good.token()), "malformed"),
    ("with a comma", |good| format!("{},", good.token()), "malformed"),
    ("with a parameter", |good| format!("{};a=b", good.token()), "malformed"),
    ("as a parameter", |good| format!("token={}", good.token()), "malformed"),
    ("the scheme twice", |good| format!("Bearer {}", good.token()), "malformed"),
    ("longer than a token may be", |good| good.claim("filling", "x".repeat(8192)), "too_large"),
    ("one byte longer than a token may be", |good| of_length(good, 8193), "too_large"),
];

fn flattened(good: &Good<'_>) -> String {
    let Segments { header, claims, signature } = &good.parts;
    json!({"protected": header, "payload": claims, "signature": signature}).to_string()
}

fn general(good: &Good<'_>) -> String {
    let Segments { header, claims, signature } = &good.parts;
    json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]}).to_string()
}

/// A token of that many bytes, signed.
fn of_length(good: &Good<'_>, length: usize) -> String {
    // Bytes of base64url come in steps; an unread member of the header fills what the claims leave.
    let tokens = (0..8).flat_map(|header| {
        let headed = Segments::of(&good.header("filling", "x".repeat(header)));
        let left = length.saturating_sub(headed.token().len()) * 3 / 4;
        (left.saturating_sub(40)..left).map(move |filling| {
            let parts = headed.with_claims(|claims| claims["filling"] = "x".repeat(filling).into());
            (parts.token().len(), parts)
        })
    });
    let (_, parts) = tokens.into_iter().find(|(size, _)| *size == length).expect("one of them has the length");
    Good::sign(&parts.header, &parts.claims)
}

pub const BASE64URL: &[Case] = &[
    ("the header padded", |good| Good::sign(&format!("{}=", good.parts.header), &good.parts.claims), "malformed"),
    ("the claims padded", |good| Good::sign(&good.parts.header, &format!("{}==", good.parts.claims)), "malformed"),
    ("the signature padded", |good| format!("{}=", good.token()), "malformed"),
    ("the signature padded as MIME does", |good| format!("{}==", good.token()), "malformed"),
    ("the header with bits that no byte needs", |good| loose_header(good), "malformed"),
    ("the claims with bits that no byte needs", |good| loose_claims(good), "malformed"),
    ("the signature with bits that no byte needs", |good| loose_signature(good), "malformed"),
    ("the header in the other alphabet", |good| other_alphabet(good, true), "malformed"),
    ("the claims in the other alphabet", |good| other_alphabet(good, false), "malformed"),
    ("the signature in the other alphabet", standard_signature, "malformed"),
    ("a lone character after the header", |good| lengthened(&good.parts.header, &good.parts.claims, true), "malformed"),
    ("a lone character after the claims", |good| lengthened(&good.parts.header, &good.parts.claims, false), "malformed"),
    ("a lone character after the signature", |good| format!("{}AAA", good.token()), "malformed"),
    ("a space in the claims", |good| Good::sign(&good.parts.header, &format!("{} ", good.parts.claims)), "malformed"),
    ("a space in the header", |good| good.token().replacen("ey", "e y", 1), "malformed"),
    ("a tab in the signature", |good| format!("{}\tA", good.token()), "malformed"),
    ("a letter that is no ASCII", |good| format!("{}é", good.token()), "malformed"),
    ("a tilde, which other bearer tokens may hold", |good| good.token().replacen('.', ".~", 1), "malformed"),
    ("the header without base64url", |good| Good::sign(&good.parts.header().to_string(), &good.parts.claims), "malformed"),
    ("the claims encoded twice", |good| Good::sign(&good.parts.header, &base64url(&good.parts.claims)), "malformed"),
];

fn loose_header(good: &Good<'_>) -> String {
    Good::sign(&loosened(&uneven(&good.parts.header().to_string())), &good.parts.claims)
}

fn loose_claims(good: &Good<'_>) -> String {
    Good::sign(&good.parts.header, &loosened(&uneven(&good.parts.claims().to_string())))
}

fn loose_signature(good: &Good<'_>) -> String {
    Segments { signature: loosened(&good.parts.signature), ..good.parts.clone() }.token()
}

/// Three question marks in a row are an underscore somewhere, whatever stands before them.
fn other_alphabet(good: &Good<'_>, header: bool) -> String {
    let parts = good.parts.with_header(|header| header["q"] = "????????".into());
    let parts = parts.with_claims(|claims| claims["q"] = "????????".into());
    if header { Good::sign(&standard(&parts.header), &parts.claims) } else { Good::sign(&parts.header, &standard(&parts.claims)) }
}

/// One character more than whole bytes make.
fn lengthened(header: &str, claims: &str, first: bool) -> String {
    let lone = |segment: &str| format!("{segment}{}", "A".repeat((5 - segment.len() % 4) % 4));
    if first { Good::sign(&lone(header), claims) } else { Good::sign(header, &lone(claims)) }
}

pub const JSON: &[Case] = &[
    ("the header a list", |good| good.header_text(|text| format!("[{text}]")), "malformed"),
    ("the header a text", |good| good.header_text(|_| "\"RS256\""), "malformed"),
    ("the header null", |good| good.header_text(|_| "null"), "malformed"),
    ("the header nothing but space", |good| good.header_text(|_| "  "), "malformed"),
    ("the claims a list", |good| good.claims_text(|text| format!("[{text}]")), "malformed"),
    ("the claims a number", |good| good.claims_text(|_| "1"), "malformed"),
    ("the claims true", |good| good.claims_text(|_| "true"), "malformed"),
    ("the claims no JSON", |good| good.claims_text(|_| "hello"), "malformed"),
    ("the claims cut off", |good| good.claims_text(|text| text[..text.len() - 1].to_owned()), "malformed"),
    ("a byte order mark before the header", |good| good.header_text(|text| format!("\u{feff}{text}")), "malformed"),
    ("a byte order mark before the claims", |good| good.claims_text(|text| format!("\u{feff}{text}")), "malformed"),
    ("a second object after the header", |good| good.header_text(|text| format!("{text}{{}}")), "malformed"),
    ("a second object after the claims", |good| good.claims_text(|text| format!("{text}{text}")), "malformed"),
    ("a NUL after the claims", |good| good.claims_text(|text| format!("{text}\0")), "malformed"),
    ("a vertical tab before the claims", |good| good.claims_text(|text| format!("\u{b}{text}")), "malformed"),
    ("a comment in the claims", |good| good.claims_text(|text| format!("/**/{text}")), "malformed"),
    ("a comma at the claims' end", |good| good.claims_text(|text| text.replace('}', ",}")), "malformed"),
    ("single quotes", |good| good.claims_text(|text| text.replace('"', "'")), "malformed"),
    ("a name without quotes", |good| good.claims_text(|text| text.replace("\"sub\"", "sub")), "malformed"),
    ("NaN", |good| good.claim_text("exp", "NaN"), "malformed"),
    ("Infinity", |good| good.claim_text("exp", "Infinity"), "malformed"),
    ("a number beyond every other", |good| good.claim_text("exp", "1e999"), "malformed"),
    ("a number with a zero before it", |good| good.claim_text("exp", "09999999999"), "malformed"),
    ("a number with a plus", |good| good.claim_text("exp", "+9999999999"), "malformed"),
    ("a number in hexadecimal", |good| good.claim_text("exp", "0xffffffff"), "malformed"),
    ("a number that ends in a point", |good| good.claim_text("exp", "9999999999."), "malformed"),
    ("an unknown escape", |good| good.claim_text("a", r#""\x41""#), "malformed"),
    ("half a surrogate pair", |good| good.claim_text("a", r#""\ud800""#), "malformed"),
    ("a control character in a text", |good| good.claim_text("a", "\"\u{1}\""), "malformed"),
    ("a line feed in a text", |good| good.claim_text("a", "\"\n\""), "malformed"),
    ("a byte that is not UTF-8", |good| good.claims_text(|text| raw(&text, b"\xff")), "malformed"),
    ("an overlong NUL", |good| good.claims_text(|text| raw(&text, b"\xc0\x80")), "malformed"),
    ("a surrogate in UTF-8", |good| good.claims_text(|text| raw(&text, b"\xed\xa0\x80")), "malformed"),
    ("a byte that is not UTF-8 in the header", |good| good.header_text(|text| raw(&text, b"\xff")), "malformed"),
    ("UTF-16", |good| good.claims_text(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()), "malformed"),
    ("seventeen lists in each other", |good| good.claim_text("a", &nested(17)), "malformed"),
    ("a thousand lists in each other", |good| good.claim_text("a", &nested(1000)), "malformed"),
    (
        "lists in each other in the header",
        |good| good.header_text(|text| with(&text, &format!("\"a\":{}", nested(17)))),
        "malformed",
    ),
    ("a token as the claims", |good| good.claims_text(|_| good.token()), "malformed"),
    ("compressed claims", |good| good.claims_text(|text| deflated(&text)), "malformed"),
];

/// The object with a member whose text holds these bytes.
fn raw(object: &str, bytes: &[u8]) -> Vec<u8> {
    let (before, after) = (object.strip_suffix('}').expect("an object"), b"\"}");
    [before.as_bytes(), b",\"raw\":\"", bytes, after].concat()
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// RFC 1951, section 3.2.4: one block, stored.
fn deflated(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), text.as_bytes()].concat()
}

pub const TWICE: &[Case] = &[
    ("alg twice", |good| good.header_text(|text| with(&text, r#""alg":"RS256""#)), "malformed"),
    ("alg twice, none at last", |good| good.header_text(|text| with(&text, r#""alg":"none""#)), "malformed"),
    ("alg twice, none at first", |good| good.header_text(|text| text.replacen('{', r#"{"alg":"none","#, 1)), "malformed"),
    ("kid twice", |good| good.header_text(|text| with(&text, r#""kid":"other""#)), "malformed"),
    ("typ twice", |good| good.header_text(|text| with(&text, r#""typ":"JWT""#)), "malformed"),
    ("a member that nobody reads twice", |good| good.header_text(|text| with(&text, r#""a":1,"a":1"#)), "malformed"),
    ("exp twice", |good| good.claims_text(|text| with(&text, r#""exp":9999999999"#)), "malformed"),
    ("iss twice", |good| good.claims_text(|text| with(&text, r#""iss":"https://pool.test/two""#)), "malformed"),
    ("sub twice", |good| good.claims_text(|text| text.replacen('{', r#"{"sub":"eve","#, 1)), "malformed"),
    ("sub twice, once with an escape", |good| good.claims_text(|text| with(&text, r#""su\u0062":"eve""#)), "malformed"),
    ("client_id twice", |good| good.claims_text(|text| with(&text, r#""client_id":"second-client""#)), "malformed"),
    ("a claim twice inside another", |good| good.claims_text(|text| with(&text, r#""a":{"b":1,"b":2}"#)), "malformed"),
    (
        "a claim twice deep inside another",
        |good| good.claims_text(|text| with(&text, r#""a":[{"b":{"c":1,"c":1}}]"#)),
        "malformed",
    ),
];

#[test]
fn three_segments_and_nothing_else_are_a_token() {
    check(Kind::Access, SEGMENTS);
}

#[test]
fn base64url_has_one_spelling() {
    check(Kind::Access, BASE64URL);
}

#[test]
fn header_and_claims_are_one_json_object_each() {
    check(Kind::Access, JSON);
}

#[test]
fn no_member_comes_twice() {
    check(Kind::Access, TWICE);
    check(Kind::Id, &[("aud twice", |good| good.claims_text(|text| with(&text, r#""aud":"second-client""#)), "malformed")]);
}

pub const TAKEN: &[Taken] = &[
    ("white space", |good| good.claims_text(|text| format!(" \t\r\n{text}\n"))),
    ("white space in the header", |good| good.header_text(|text| text.replace(':', " : "))),
    ("names in escapes", |good| good.claims_text(|text| text.replace("\"iss\"", r#""\u0069ss""#))),
    ("a surrogate pair", |good| good.claim_text("a", r#""\ud83d\ude00""#)),
    ("fifteen lists in each other", |good| good.claim_text("a", &nested(15))),
    ("letters of every script", |good| good.claim("name", "Ωß漢😀")),
    ("as long as a token may be", |good| of_length(good, 8192)),
];

#[test]
fn what_json_allows_is_allowed() {
    check_taken(Kind::Access, TAKEN);
}
