//! Signatures and keys: known answers from the RFCs, and numbers that a lax library takes.
use super::*;
use crate::auth::keys::KeyVerdict;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

fn set(keys: &[serde_json::Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a set").0
}

/// A token of an RFC under the key of that RFC: it holds, and no longer with one character changed.
fn known_answer(jwk: &serde_json::Value, token: &str) {
    let keys = set(std::slice::from_ref(jwk));
    let verdict = |token: &str| {
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let header = URL_SAFE_NO_PAD.decode(signed.split('.').next().expect("a header")).expect("base64url");
        let header = Header::read(&crate::auth::json::object(&header).expect("an object")).expect("a header");
        keys.verify(&header, signed, &URL_SAFE_NO_PAD.decode(signature).expect("base64url"))
    };
    let (signed, _) = token.rsplit_once('.').expect("a signature");
    assert_eq!(verdict(&flip(token, signed.len() - 3)), KeyVerdict::Broken);
    assert_eq!(verdict(&flip(token, signed.len() + 20)), KeyVerdict::Broken);
    assert_eq!(verdict(token), KeyVerdict::Holds);
}

const CLAIMS_OF_RFC_7515: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn rs256_of_rfc_7515_appendix_a_2() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    known_answer(&json!({"kty": "RSA", "n": n, "e": "AQAB"}), &format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS_OF_RFC_7515}.{signature}"));
}

#[test]
fn es256_of_rfc_7515_appendix_a_3() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    known_answer(&jwk, &format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS_OF_RFC_7515}.{signature}"));
}

#[test]
fn eddsa_of_rfc_8037_appendix_a_4() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    known_answer(&jwk, &format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{signature}"));
}

/// A good token of that algorithm, and the same with its signature changed.
fn refused_signature(alg: &str, kid: &str, key: &'static TestKey, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let draft = Draft::good(Profile::Generic).header("alg", json!(alg)).header("kid", json!(kid)).signed_by(key);
    let authenticator = authenticator(settings(Profile::Generic));
    let token = draft.token();
    assert_eq!(reason(&authenticator, &token), None);
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let changed = change(URL_SAFE_NO_PAD.decode(signature).expect("base64url"));
    let changed = format!("{signed}.{}", base64url(&changed));
    assert_eq!(reason(&authenticator, &changed), Some(InvalidReason::Signature), "{changed}");
}

#[test]
fn ecdsa_numbers_outside_their_range_are_refused() {
    let keys: [(&str, &str, &'static TestKey, usize); 2] = [("ES256", "p256", &P256, 32), ("ES384", "p384", &P384, 48)];
    for ((alg, kid, key, width), order) in keys.into_iter().zip(EC_ORDERS) {
        for number in [vec![0; width], from_hex(order), vec![0xff; width]] {
            refused_signature(alg, kid, key, |signature| [&number, &signature[width..]].concat());
            refused_signature(alg, kid, key, |signature| [&signature[..width], &number].concat());
            refused_signature(alg, kid, key, |_| [&number[..], &number].concat());
        }
        refused_signature(alg, kid, key, |signature| [&signature[width..], &signature[..width]].concat());
        refused_signature(alg, kid, key, |signature| [&signature[..], &[0]].concat());
        refused_signature(alg, kid, key, |signature| [&[0][..], &signature].concat());
        refused_signature(alg, kid, key, |signature| signature[..width].to_vec());
    }
}

#[test]
fn an_ed25519_signature_has_one_spelling() {
    // RFC 8032, section 5.1.7: s + L would verify too if s were not compared with L.
    refused_signature("EdDSA", "ed25519", &ED25519, |mut signature| {
        add_little_endian(&mut signature[32..], &order_of_ed25519());
        signature
    });
}

/// The orders of P-256 and P-384, big-endian (SEC 2, sections 2.4.2 and 2.5.1).
const EC_ORDERS: [&str; 2] = [
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
];

fn from_hex(text: &str) -> Vec<u8> {
    let digits = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digits).collect()
}

fn add_little_endian(number: &mut [u8], addend: &[u8]) {
    let mut carry = 0;
    for (byte, other) in number.iter_mut().zip(addend) {
        let sum = u16::from(*byte) + u16::from(*other) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "s + L fits into 256 bits");
}

/// 2^252 + 27742317777372353535851937790883648493.
fn order_of_ed25519() -> [u8; 32] {
    let mut order = [0; 32];
    order[..16].copy_from_slice(&27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes());
    order[31] = 0x10;
    order
}

#[test]
fn rsa_signatures_of_another_length_or_padding_are_refused() {
    refused_signature("RS256", "rsa", &RSA, |signature| [&[0][..], &signature].concat());
    refused_signature("RS256", "rsa", &RSA, |signature| [&signature[..], &[0]].concat());
    refused_signature("RS256", "rsa", &RSA, |_| vec![0xff; 256]);
    refused_signature("PS256", "rsa", &RSA, |signature| signature[1..].to_vec());
    for (alg, signed_as) in [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS512"), ("RS384", "RS256"), ("PS512", "PS256")] {
        let draft = Draft::good(Profile::Generic).header("alg", json!(alg));
        let token = RSA.token_of(signed_as, draft.header.to_string(), draft.claims.to_string());
        assert_eq!(
            reason(&authenticator(settings(Profile::Generic)), &token),
            Some(InvalidReason::Signature),
            "{alg} {signed_as}"
        );
    }
}

#[test]
fn a_repeated_kid_names_all_its_keys() {
    let named = |key: &TestKey| with(key.jwk(), &[("kid", json!("rsa"))]);
    let both = Authenticator::new(vec![settings(Profile::Generic)], 8192, Revocations::none());
    both.issuers()[0].keys.replace(set(&[named(&RSA), named(&OTHER_RSA), named(&P256)]));
    let draft = Draft::good(Profile::Generic);
    assert_eq!(reason(&both, &draft.token()), None);
    assert_eq!(reason(&both, &draft.clone().signed_by(&OTHER_RSA).token()), None);
    assert_eq!(reason(&both, &draft.header("alg", json!("ES384")).signed_by(&P384).token()), Some(InvalidReason::Algorithm));
}

#[test]
fn a_key_without_kid_answers_to_no_name() {
    let nameless = Authenticator::new(vec![settings(Profile::Generic)], 8192, Revocations::none());
    nameless.issuers()[0].keys.replace(set(&[RSA.jwk()]));
    let draft = Draft::good(Profile::Generic);
    assert_eq!(verify(&nameless, &draft.token(), at(NOW_S)).err(), Some(AuthError::UnknownKey { issuer: IssuerIndex(0) }));
    assert_eq!(reason(&nameless, &draft.header("kid", json!(null)).token()), None);
}

#[test]
fn without_kid_only_a_few_keys_are_tried() {
    // Sorted by kid: the key that signed comes first in one set and sixth in the other.
    let others: Vec<serde_json::Value> =
        (0..5).map(|index| with(OTHER_RSA.jwk(), &[("kid", json!(format!("m{index}")))])).collect();
    for (kid, expected) in [("a", None), ("z", Some(InvalidReason::Signature))] {
        let many = Authenticator::new(vec![settings(Profile::Generic)], 8192, Revocations::none());
        many.issuers()[0].keys.replace(set(&[&others[..], &[with(RSA.jwk(), &[("kid", json!(kid))])]].concat()));
        assert_eq!(reason(&many, &Draft::good(Profile::Generic).header("kid", json!(null)).token()), expected);
    }
}

#[test]
fn without_kid_and_without_a_fitting_key_the_key_is_unknown() {
    let only_ec = Authenticator::new(vec![settings(Profile::Generic)], 8192, Revocations::none());
    only_ec.issuers()[0].keys.replace(key_set(&[("p256", &P256)]));
    let token = Draft::good(Profile::Generic).header("kid", json!(null)).token();
    assert_eq!(verify(&only_ec, &token, at(NOW_S)).err(), Some(AuthError::UnknownKey { issuer: IssuerIndex(0) }));
}

/// Signatures that need the private key to be made, and that no key pair of ours would make: made once, by hand, with a key of
/// exponent 3, which is allowed (RFC 7518, section 3.3, has no lower bound) and the easiest to forge for.
#[test]
fn rsa_signatures_are_compared_whole() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("rsa_vectors.json")).expect("JSON");
    let keys = set(&[json!({"kty": "RSA", "n": vectors["n"], "e": vectors["e"]})]);
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let check = |alg: &serde_json::Value, signature: &serde_json::Value, expected: KeyVerdict, name: &str| {
        let header = Header::read(&members(&json!({ "alg": alg }))).expect("a header");
        let signature = URL_SAFE_NO_PAD.decode(text(signature)).expect("base64url");
        assert_eq!(keys.verify(&header, &text(&vectors["message"]), &signature), expected, "{alg} {name}");
    };
    for vector in vectors["valid"].as_array().expect("a list") {
        check(&vector[0], &vector[1], KeyVerdict::Holds, "good");
    }
    for vector in vectors["invalid"].as_array().expect("a list") {
        check(&vector[0], &vector[2], KeyVerdict::Broken, &text(&vector[1]));
    }
}
