//! Keys that an issuer publishes and that must verify nothing. Each is a twin of one whose tokens are taken, under a name of its
//! own in the same set: the token for the twin's name is signed by the same private key.
use crate::{
    pairs::{AllKinds, Pair, openssl},
    support::{Segments, base64url},
};
use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

/// The name of the twin, how it differs, the reason of the refusal.
pub type Case = (&'static str, fn(&mut Value), &'static str);

fn remove(jwk: &mut Value, member: &str) {
    jwk.as_object_mut().expect("an object").remove(member);
}

const RSA: &[Case] = &[
    ("for encryption", |jwk| jwk["use"] = json!("enc"), "unknown_key"),
    ("for something in upper case", |jwk| jwk["use"] = json!("SIG"), "unknown_key"),
    ("for null", |jwk| jwk["use"] = Value::Null, "unknown_key"),
    ("for signing only", |jwk| jwk["key_ops"] = json!(["sign"]), "unknown_key"),
    ("for wrapping only", |jwk| jwk["key_ops"] = json!(["wrapKey", "unwrapKey"]), "unknown_key"),
    ("for no operation", |jwk| jwk["key_ops"] = json!([]), "unknown_key"),
    ("for operations in a text", |jwk| jwk["key_ops"] = json!("verify"), "unknown_key"),
    ("for another hash", |jwk| jwk["alg"] = json!("RS512"), "algorithm"),
    ("for another padding", |jwk| jwk["alg"] = json!("PS256"), "algorithm"),
    ("for key transport", |jwk| jwk["alg"] = json!("RSA-OAEP"), "unknown_key"),
    ("for HMAC", |jwk| jwk["alg"] = json!("HS256"), "unknown_key"),
    ("for nothing", |jwk| jwk["alg"] = json!("none"), "unknown_key"),
    ("for a curve", |jwk| jwk["alg"] = json!("ES256"), "unknown_key"),
    ("for a number", |jwk| jwk["alg"] = json!(256), "unknown_key"),
    ("a kind in lower case", |jwk| jwk["kty"] = json!("rsa"), "unknown_key"),
    ("a kind of another key", |jwk| jwk["kty"] = json!("EC"), "unknown_key"),
    ("no kind", |jwk| remove(jwk, "kty"), "unknown_key"),
    ("a symmetric key", |jwk| *jwk = json!({"kty": "oct", "k": "c2VjcmV0", "kid": jwk["kid"]}), "unknown_key"),
    ("no modulus", |jwk| remove(jwk, "n"), "unknown_key"),
    ("a modulus with padding", |jwk| jwk["n"] = json!(format!("{}==", jwk["n"].as_str().expect("text"))), "unknown_key"),
    ("a modulus that is a number", |jwk| jwk["n"] = json!(65537), "unknown_key"),
    ("a modulus cut to 2040 bits", |jwk| jwk["n"] = json!(jwk["n"].as_str().expect("text")[..340]), "unknown_key"),
    ("no exponent", |jwk| remove(jwk, "e"), "unknown_key"),
    ("the exponent 1", |jwk| jwk["e"] = json!("AQ"), "unknown_key"),
    ("an even exponent", |jwk| jwk["e"] = json!("AQAC"), "unknown_key"),
    ("an exponent of 40 bits", |jwk| jwk["e"] = json!("AQAAAAE"), "unknown_key"),
    ("a certificate alone", |jwk| *jwk = json!({"kty": "RSA", "x5c": ["MIIB"], "kid": jwk["kid"]}), "unknown_key"),
    ("a name that is no text", |jwk| jwk["kid"] = json!([jwk["kid"]]), "unknown_key"),
];

const ELLIPTIC: &[Case] = &[
    ("another curve of the same width", |jwk| jwk["crv"] = json!("secp256k1"), "unknown_key"),
    ("another curve", |jwk| jwk["crv"] = json!("P-384"), "unknown_key"),
    ("a curve that nobody needs", |jwk| jwk["crv"] = json!("P-521"), "unknown_key"),
    ("no curve", |jwk| remove(jwk, "crv"), "unknown_key"),
    ("a point beside the curve", |jwk| jwk["y"] = jwk["x"].clone(), "unknown_key"),
    ("no point", |jwk| remove(jwk, "y"), "unknown_key"),
    ("the point at zero", |jwk| (jwk["x"], jwk["y"]) = (json!("A".repeat(43)), json!("A".repeat(43))), "unknown_key"),
    (
        "a coordinate with a zero before it",
        |jwk| jwk["x"] = json!(format!("AAAA{}", jwk["x"].as_str().expect("text"))),
        "unknown_key",
    ),
    ("for ES384", |jwk| jwk["alg"] = json!("ES384"), "unknown_key"),
    ("for encryption", |jwk| jwk["use"] = json!("enc"), "unknown_key"),
    ("for agreement", |jwk| jwk["key_ops"] = json!(["deriveKey"]), "unknown_key"),
];

const EDWARDS: &[Case] = &[
    ("a curve of agreement", |jwk| jwk["crv"] = json!("X25519"), "unknown_key"),
    ("a longer curve", |jwk| jwk["crv"] = json!("Ed448"), "unknown_key"),
    ("a shorter point", |jwk| jwk["x"] = json!("A".repeat(42)), "unknown_key"),
    ("no point", |jwk| remove(jwk, "x"), "unknown_key"),
    ("for encryption", |jwk| jwk["use"] = json!("enc"), "unknown_key"),
    ("for ES256", |jwk| jwk["alg"] = json!("ES256"), "unknown_key"),
];

/// For keys of these algorithms.
pub const TABLES: &[(Algorithm, &[Case])] = &[(Algorithm::RS256, RSA), (Algorithm::ES256, ELLIPTIC), (Algorithm::EdDSA, EDWARDS)];

/// The key under its own name, and its twins: one set.
fn check(algorithm: Algorithm, cases: &[Case]) {
    let pair = Pair::new(algorithm);
    let twins = cases.iter().map(|(name, change, _)| pair.twin(name, change));
    let plain = [pair.jwk.clone(), pair.twin("an untouched twin", |_| ())];
    let court = AllKinds::start(&plain.into_iter().chain(twins).collect::<Vec<_>>());
    for (name, _, reason) in cases {
        court.trial.accept(name, &pair.token(&format!("{algorithm:?}")).token());
        court.trial.accept(name, &pair.token("an untouched twin").token());
        court.trial.refuse(&format!("{algorithm:?}: {name}"), &pair.token(name).token(), reason);
    }
}

#[test]
fn rsa_keys_that_are_not_for_this_verify_nothing() {
    check(Algorithm::RS256, RSA);
}

#[test]
fn elliptic_keys_that_are_not_for_this_verify_nothing() {
    check(Algorithm::ES256, ELLIPTIC);
}

#[test]
fn edwards_keys_that_are_not_for_this_verify_nothing() {
    check(Algorithm::EdDSA, EDWARDS);
}

/// With the exponent 1 a signature is the padded hash itself, so that anybody can write it.
#[test]
fn a_signature_that_anybody_can_write_is_none() {
    const SHA256_INFO: &[u8] = &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    let pair = Pair::new(Algorithm::RS256);
    let court = AllKinds::start(&[pair.jwk.clone(), pair.twin("one", |jwk| jwk["e"] = json!("AQ"))]);
    court.trial.accept("before", &pair.token("RS256").token());
    for kid in ["one", "RS256"] {
        let draft = pair.draft(kid);
        let hash = digest(&SHA256, format!("{}.{}", draft.header, draft.claims).as_bytes());
        let block = [&[0, 1][..], &[0xff; 202], &[0], SHA256_INFO, hash.as_ref()].concat();
        let forged = Segments { signature: base64url(block), ..draft }.token();
        court.trial.refuse(kid, &forged, if kid == "one" { "unknown_key" } else { "signature" });
    }
}

/// Of the neutral point every multiple is itself, so that one signature holds for every message: R is that point, s is 0.
#[test]
fn a_point_of_small_order_signs_nothing() {
    let pair = Pair::new(Algorithm::EdDSA);
    let neutral = pair.twin("neutral", |jwk| jwk["x"] = json!(base64url([&[1][..], &[0; 31]].concat())));
    let court = AllKinds::start(&[pair.jwk.clone(), neutral]);
    court.trial.accept("before", &pair.token("EdDSA").token());
    for kid in ["neutral", "EdDSA"] {
        let draft = pair.draft(kid);
        let forged = Segments { signature: base64url([&[1][..], &[0; 63]].concat()), ..draft }.token();
        court.trial.refuse(kid, &forged, if kid == "neutral" { "unknown_key" } else { "signature" });
    }
}

/// RFC 7518, section 3.3: 2048 bits or more.
#[test]
fn a_short_rsa_key_verifies_nothing_though_its_signature_holds() {
    let good = Pair::new(Algorithm::RS256);
    // Shorter than 2041 bits it would also be its length that gives the signature away.
    for bits in SHORT {
        let (short, token) = short(&good, bits);
        let court = AllKinds::start(&[good.jwk.clone(), short]);
        court.trial.accept("before", &good.token("RS256").token());
        court.trial.refuse(bits, &token, "unknown_key");
    }
}

/// Shorter than 2041 bits it would also be its length that gives the signature away.
pub const SHORT: [&str; 2] = ["2041", "2047"];

/// A twin with a key of so many bits, named after them, and a token of that key.
pub fn short(good: &Pair, bits: &str) -> (Value, String) {
    let pem = openssl(&["genrsa", "-out", "output", bits], "", b"");
    let modulus = openssl(&["rsa", "-in", "input", "-noout", "-modulus", "-out", "output"], "", &pem);
    let digits = String::from_utf8(modulus).expect("text").trim().replace("Modulus=", "");
    let digits = if digits.len().is_multiple_of(2) { digits } else { format!("0{digits}") };
    let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal"));
    let twin = good.twin(bits, |jwk| jwk["n"] = json!(base64url(bytes.collect::<Vec<u8>>())));
    let draft = good.draft(bits);
    let signed = format!("{}.{}", draft.header, draft.claims);
    let pem = String::from_utf8(pem).expect("text");
    let signature = openssl(&["dgst", "-sha256", "-sign", "key.pem", "-out", "output", "input"], &pem, signed.as_bytes());
    (twin, Segments { signature: base64url(signature), ..draft }.token())
}

/// RFC 8725, section 3.1: an algorithm goes with keys of its own kind.
#[test]
fn a_key_of_one_kind_does_not_verify_for_another() {
    let pairs = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA].map(Pair::new);
    let court = AllKinds::start(&pairs.iter().map(|pair| pair.jwk.clone()).collect::<Vec<_>>());
    for (from, pair) in pairs.iter().enumerate() {
        let name = format!("{:?}", pair.algorithm);
        court.trial.accept(&name, &pair.token(&name).token());
        for (_, other) in pairs.iter().enumerate().filter(|(to, _)| *to != from) {
            let theirs = format!("{:?}", other.algorithm);
            court.trial.refuse(&format!("{name} in the name of {theirs}"), &pair.token(&theirs).token(), "algorithm");
            let mut renamed = pair.token(&name);
            renamed = renamed.with_header(|header| header["alg"] = json!(theirs));
            // As long as the other's are, so that its length is not what is wrong.
            renamed = renamed.with_signature(|signature| signature.resize(width(other.algorithm), 7));
            court.trial.refuse(&format!("{name} that says {theirs}"), &renamed.token(), "algorithm");
        }
    }
}

/// Bytes of a signature.
fn width(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::ES256 | Algorithm::EdDSA => 64,
        Algorithm::ES384 => 96,
        _ => 256,
    }
}
