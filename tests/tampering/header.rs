//! The header: algorithms by a list, keys by their name in the issuer's own set, nothing critical, no key brought along.
use crate::{
    good::{Case, Good, Kind, Taken, check, check_taken},
    support::{Segments, base64url},
};
use aws_lc_rs::hmac;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

/// Signed with HMAC, with a secret that everybody knows.
fn hmac_with(good: &Good<'_>, alg: &str, algorithm: hmac::Algorithm, secret: &[u8]) -> String {
    let parts = good.parts.with_header(|header| header["alg"] = json!(alg));
    let signed = format!("{}.{}", parts.header, parts.claims);
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", base64url(tag))
}

/// No signature at all.
fn unsigned(good: &Good<'_>, alg: &str) -> String {
    let parts = good.parts.with_header(|header| header["alg"] = json!(alg));
    Segments { signature: String::new(), ..parts }.token()
}

/// With a signature as long as this algorithm's are, so that its length is not what is wrong.
fn short(good: &Good<'_>, alg: &str) -> String {
    let parts = good.parts.with_header(|header| header["alg"] = json!(alg));
    parts.with_signature(|signature| signature.truncate(64)).token()
}

pub const ALGORITHM: &[Case] = &[
    ("none", |good| unsigned(good, "none"), "algorithm"),
    ("None", |good| unsigned(good, "None"), "algorithm"),
    ("NONE", |good| unsigned(good, "NONE"), "algorithm"),
    ("nOnE", |good| unsigned(good, "nOnE"), "algorithm"),
    ("none with a signature", |good| good.header("alg", "none"), "algorithm"),
    ("an empty name", |good| unsigned(good, ""), "algorithm"),
    ("HS256 with no secret", |good| hmac_with(good, "HS256", hmac::HMAC_SHA256, b""), "algorithm"),
    ("HS256 with the key's name", |good| hmac_with(good, "HS256", hmac::HMAC_SHA256, b"test-key"), "algorithm"),
    ("HS384", |good| hmac_with(good, "HS384", hmac::HMAC_SHA384, b"test-key"), "algorithm"),
    ("HS512", |good| hmac_with(good, "HS512", hmac::HMAC_SHA512, b"test-key"), "algorithm"),
    ("RS256 in the name, HMAC in truth", |good| hmac_with(good, "RS256", hmac::HMAC_SHA256, b"test-key"), "signature"),
    ("RS384, signed so", |good| good.signed_as("RS384", Algorithm::RS384), "algorithm"),
    ("RS512, signed so", |good| good.signed_as("RS512", Algorithm::RS512), "algorithm"),
    ("PS256, signed so", |good| good.signed_as("PS256", Algorithm::PS256), "algorithm"),
    ("RS256 in the name, RS512 in truth", |good| good.signed_as("RS256", Algorithm::RS512), "signature"),
    ("RS256 in the name, PS256 in truth", |good| good.signed_as("RS256", Algorithm::PS256), "signature"),
    ("ES256", |good| short(good, "ES256"), "algorithm"),
    ("EdDSA", |good| short(good, "EdDSA"), "algorithm"),
    ("RS1", |good| good.header("alg", "RS1"), "algorithm"),
    ("ES256K", |good| good.header("alg", "ES256K"), "algorithm"),
    ("an algorithm of encryption", |good| good.header("alg", "RSA-OAEP"), "algorithm"),
    ("dir", |good| good.header("alg", "dir"), "algorithm"),
    ("lower case", |good| good.header("alg", "rs256"), "algorithm"),
    ("a space after it", |good| good.header("alg", "RS256 "), "algorithm"),
    ("a NUL after it", |good| good.header("alg", "RS256\0"), "algorithm"),
    ("a letter of another script", |good| good.header("alg", "RЅ256"), "algorithm"),
    ("the name by its address", |good| good.header("alg", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"), "algorithm"),
    ("a list", |good| good.header("alg", json!(["RS256"])), "algorithm"),
    ("a number", |good| good.header("alg", 256), "algorithm"),
    ("true", |good| good.header("alg", true), "algorithm"),
    ("null", |good| good.header("alg", Value::Null), "algorithm"),
    ("no algorithm", |good| good.headless("alg"), "algorithm"),
    ("another letter case of the member", |good| good.header_text(|text| text.replace("alg", "ALG")), "algorithm"),
];

pub const KEY: &[Case] = &[
    ("no name", |good| good.headless("kid"), "unknown_key"),
    ("a name that nobody knows", |good| good.header("kid", "other"), "unknown_key"),
    ("upper case", |good| good.header("kid", "TEST-KEY"), "unknown_key"),
    ("a space after it", |good| good.header("kid", "test-key "), "unknown_key"),
    ("a NUL after it", |good| good.header("kid", "test-key\0"), "unknown_key"),
    ("its beginning", |good| good.header("kid", "test"), "unknown_key"),
    ("a pattern", |good| good.header("kid", "*"), "unknown_key"),
    ("a path", |good| good.header("kid", "../../../../dev/null"), "unknown_key"),
    ("a path to the key", |good| good.header("kid", "./test-key"), "unknown_key"),
    ("a URL", |good| good.header("kid", good.keys_of_stranger), "unknown_key"),
    ("a query", |good| good.header("kid", "test-key' or '1'='1"), "unknown_key"),
    ("a command", |good| good.header("kid", "test-key;id"), "unknown_key"),
    ("a line feed", |good| good.header("kid", "test-key\nX: 1"), "unknown_key"),
    ("256 letters", |good| good.header("kid", "k".repeat(256)), "unknown_key"),
    ("257 letters", |good| good.header("kid", "k".repeat(257)), "malformed"),
    ("an empty name", |good| good.header("kid", ""), "malformed"),
    ("null", |good| good.header("kid", Value::Null), "malformed"),
    ("a number", |good| good.header("kid", 0), "malformed"),
    ("a list", |good| good.header("kid", json!(["test-key"])), "malformed"),
    ("an object", |good| good.header("kid", json!({"$ne": ""})), "malformed"),
    ("another issuer's key of that name", |good| signed_by_other(good), "signature"),
    ("a stranger's key of that name", |good| signed_by_stranger(good, |_| ()), "signature"),
    ("a stranger's key, brought along", |good| signed_by_stranger(good, |header| header["jwk"] = jwk()), "signature"),
    ("a stranger's key under a new name", |good| signed_by_stranger(good, new_name), "unknown_key"),
    ("a stranger's key set", |good| by_url(good, "jku"), "signature"),
    ("a stranger's certificate", |good| by_url(good, "x5u"), "signature"),
    (
        "a stranger's certificate, brought along",
        |good| signed_by_stranger(good, |header| header["x5c"] = json!(["MIIB"])),
        "signature",
    ),
];

/// The stranger's public key, as a member of the header (CVE-2018-0114).
fn jwk() -> Value {
    let keys: Value = serde_json::from_str(&Good::stranger().jwks_json()).expect("JSON");
    keys["keys"][0].clone()
}

fn new_name(header: &mut Value) {
    header["kid"] = json!("new-key");
    header["jwk"] = jwk();
    header["jwk"]["kid"] = json!("new-key");
}

fn signed_by_other(good: &Good<'_>) -> String {
    Good::other().sign_text(&good.signed(), Algorithm::RS256)
}

fn signed_by_stranger(good: &Good<'_>, change: fn(&mut Value)) -> String {
    let parts = good.parts.with_header(change);
    Good::stranger().sign_text(&format!("{}.{}", parts.header, parts.claims), Algorithm::RS256)
}

fn by_url(good: &Good<'_>, member: &str) -> String {
    let parts = good.parts.with_header(|header| header[member] = json!(good.keys_of_stranger));
    Good::stranger().sign_text(&format!("{}.{}", parts.header, parts.claims), Algorithm::RS256)
}

pub const CRITICAL: &[Case] = &[
    ("b64", |good| good.header_text(|text| text.replacen('{', r#"{"b64":false,"crit":["b64"],"#, 1)), "critical"),
    (
        "b64, as it would be without",
        |good| good.header_text(|text| text.replacen('{', r#"{"b64":true,"crit":["b64"],"#, 1)),
        "critical",
    ),
    ("b64 without crit", |good| good.header("b64", false), "critical"),
    ("zip", |good| good.header("zip", "DEF"), "critical"),
    ("enc", |good| good.header("enc", "A128GCM"), "critical"),
    ("a token in a token", |good| good.header("cty", "JWT"), "type"),
    ("a token in a token, by its media type", |good| good.header("cty", "application/JWT"), "type"),
    ("exp", |good| good.header("crit", json!(["exp"])), "critical"),
    ("a name of nobody", |good| good.header("crit", json!(["urn:example:bound"])), "critical"),
    ("an empty list", |good| good.header("crit", json!([])), "critical"),
    ("a text", |good| good.header("crit", "exp"), "critical"),
    ("null", |good| good.header("crit", Value::Null), "critical"),
    ("an object", |good| good.header("crit", json!({})), "critical"),
    ("false", |good| good.header("crit", false), "critical"),
    ("the name in escapes", |good| good.header_text(|text| text.replacen('{', r#"{"cr\u0069t":["exp"],"#, 1)), "critical"),
];

pub const TYPE: &[Case] = &[
    ("an encrypted token", |good| good.header("typ", "JWE"), "type"),
    ("a security event", |good| good.header("typ", "secevent+jwt"), "type"),
    ("a logout token", |good| good.header("typ", "logout+jwt"), "type"),
    ("a proof of possession", |good| good.header("typ", "dpop+jwt"), "type"),
    ("a request object", |good| good.header("typ", "oauth-authz-req+jwt"), "type"),
    ("the long form of an access token", |good| good.header("typ", "application/at+jwt"), "type"),
    ("a space after it", |good| good.header("typ", "JWT "), "type"),
    ("an empty one", |good| good.header("typ", ""), "type"),
    ("null", |good| good.header("typ", Value::Null), "type"),
    ("a number", |good| good.header("typ", 1), "type"),
    ("a list", |good| good.header("typ", json!(["JWT"])), "type"),
];

#[test]
fn only_algorithms_of_the_issuers_list_count() {
    check(Kind::Access, ALGORITHM);
}

#[test]
fn a_key_is_found_by_its_exact_name_in_the_issuers_own_set() {
    check(Kind::Access, KEY);
}

#[test]
fn whatever_is_critical_is_refused() {
    check(Kind::Access, CRITICAL);
    check(Kind::Id, CRITICAL);
}

#[test]
fn other_types_of_tokens_are_refused() {
    check(Kind::Access, TYPE);
}

pub const TAKEN: &[Taken] = &[
    ("no type", |good| good.headless("typ")),
    ("the type in lower case", |good| good.header("typ", "jwt")),
    ("an access token's type", |good| good.header("typ", "at+jwt")),
    ("an unknown member", |good| good.header("urn:example", json!({"a": [1]}))),
    ("another key", |good| good.header("jwk", jwk())),
    ("another key set", |good| good.header("jku", good.keys_of_stranger)),
];

#[test]
fn what_a_header_may_hold_besides_is_not_read() {
    check_taken(Kind::Access, TAKEN);
}
