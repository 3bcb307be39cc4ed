//! What is published of a key.

use super::*;
use crate::token::SigningKey;

const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn rsa() -> Value {
    json!({"kty": "RSA", "n": N, "e": "AQAB"})
}

/// A good key with one member changed.
fn refused(member: &str, value: Value, algorithm: SigningAlgorithm) {
    assert!(PublicKey::new(rsa(), SigningAlgorithm::Rs256).is_some());
    let mut jwk = rsa();
    jwk[member] = value;
    assert_eq!(PublicKey::new(jwk.clone(), algorithm), None, "{jwk}");
}

#[test]
fn what_is_no_sound_key_of_its_algorithm_is_refused() {
    use SigningAlgorithm::{Es256, Rs256};
    refused("n", json!("AQAB"), Rs256);
    refused("n", json!(1), Rs256);
    refused("n", Value::Null, Rs256);
    refused("e", json!("AQ"), Rs256);
    refused("kty", json!("EC"), Rs256);
    refused("kty", json!("oct"), Rs256);
    refused("kty", json!("RSA"), Es256);
    for jwk in [json!([]), json!("RSA"), json!({}), json!({"kty": "RSA", "n": N})] {
        assert_eq!(PublicKey::new(jwk, Rs256), None);
    }
}

#[test]
fn only_public_members_are_published() {
    for (algorithm, expected) in
        [(SigningAlgorithm::Rs256, "alg e kid kty n use"), (SigningAlgorithm::Es256, "alg crv kid kty use x y")]
    {
        let key = SigningKey::generate(algorithm).expect("a key").0;
        let mut members: Vec<&str> = key.public().jwk().as_object().expect("a key").keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members.join(" "), expected);
    }
    let mut private = rsa();
    for member in ["d", "p", "q", "dp", "dq", "qi", "x5c"] {
        private[member] = json!(N);
    }
    assert_eq!(PublicKey::new(private, SigningAlgorithm::Rs256), PublicKey::new(rsa(), SigningAlgorithm::Rs256));
}

#[test]
fn the_kid_is_the_thumbprint_of_rfc_7638() {
    let key = PublicKey::new(rsa(), SigningAlgorithm::Rs256).expect("the RFC's key");
    assert_eq!(key.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
