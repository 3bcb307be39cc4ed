//! Single keys: each one left out was usable before the change.
use super::*;
use crate::auth::test_keys::{ED25519, P256, P384, RSA, base64url, with};
use serde_json::{Value, json};

fn read_key(jwk: &Value) -> Result<Key, &'static str> {
    super::read_key(&serde_json::from_str(&jwk.to_string()).expect("JSON"))
}

fn left_out(jwk: Value, members: &[(&str, Value)], expected: &str) {
    assert!(read_key(&jwk).is_ok(), "{jwk}");
    let changed = with(jwk, members);
    assert_eq!(read_key(&changed).err(), Some(expected), "{changed}");
}

#[test]
fn keys_for_other_purposes_are_left_out() {
    for jwk in [RSA.jwk(), P256.jwk(), ED25519.jwk()] {
        for purpose in [json!("enc"), json!("SIG"), json!(""), json!(["sig"]), json!(1)] {
            left_out(jwk.clone(), &[("use", purpose)], "use is not sig");
        }
        for operations in [json!(["sign"]), json!([]), json!("verify"), json!(["encrypt", "wrapKey"]), json!({"verify": true})] {
            left_out(jwk.clone(), &[("key_ops", operations)], "key_ops has no verify");
        }
        left_out(jwk, &[("use", json!("enc")), ("key_ops", json!(["verify"]))], "use is not sig");
    }
}

#[test]
fn other_kinds_are_left_out() {
    left_out(RSA.jwk(), &[("kty", json!("oct"))], "a symmetric key, which whoever reads the set could sign with");
    left_out(RSA.jwk(), &[("kty", json!("rsa"))], "kty is not RSA, EC or OKP");
    left_out(RSA.jwk(), &[("kty", json!("AKP"))], "kty is not RSA, EC or OKP");
    left_out(RSA.jwk(), &[("kty", json!(1))], "no kty");
    left_out(RSA.jwk(), &[("kty", json!("EC"))], "crv is not P-256 or P-384");
    left_out(P256.jwk(), &[("kty", json!("RSA"))], "a part of the key is missing");
    left_out(P256.jwk(), &[("crv", json!("P-521"))], "crv is not P-256 or P-384");
    left_out(P256.jwk(), &[("crv", json!("secp256k1"))], "crv is not P-256 or P-384");
    left_out(P256.jwk(), &[("crv", json!("P-384"))], "a coordinate has the wrong length");
    left_out(ED25519.jwk(), &[("crv", json!("Ed448"))], "crv is not Ed25519");
    left_out(ED25519.jwk(), &[("crv", json!("X25519"))], "crv is not Ed25519");
}

#[test]
fn weak_rsa_keys_are_left_out() {
    let odd = |length: usize| json!(base64url([&[0xc1][..], &vec![0xa5; length - 1]].concat()));
    for length in [1, 64, 128, 255] {
        left_out(RSA.jwk(), &[("n", odd(length))], "RSA below 2048 bits");
    }
    left_out(RSA.jwk(), &[("n", json!(base64url([&[0x7f][..], &[0xa5; 255]].concat())))], "RSA below 2048 bits");
    left_out(RSA.jwk(), &[("n", json!(base64url([&[0][..], &[0xa5; 255]].concat())))], "RSA below 2048 bits");
    left_out(RSA.jwk(), &[("n", odd(1025))], "RSA above 8192 bits, or with an exponent above 32 bits");
    left_out(RSA.jwk(), &[("e", json!(base64url([1, 0, 0, 0, 1])))], "RSA above 8192 bits, or with an exponent above 32 bits");
    let weak = "RSA with an even modulus or an exponent that is even or 1";
    for exponent in [&[1][..], &[2], &[1, 0, 0], &[0, 1], &[]] {
        left_out(RSA.jwk(), &[("e", json!(base64url(exponent)))], weak);
    }
    left_out(RSA.jwk(), &[("n", json!(base64url([&[0xc1][..], &[0xa4; 255]].concat())))], weak);
}

#[test]
fn points_for_which_anybody_can_sign_are_left_out() {
    let small = "a point of small order, for which anybody can sign";
    let sides = |first: u8, middle: u8, last: u8| [&[first][..], &[middle; 30], &[last]].concat();
    let hex = |text: &str| -> Vec<u8> { (0..32).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect() };
    // Order 4, 1, 2; then spellings of 0, 1 and further that are not reduced; then order 8.
    let points = [
        sides(0, 0, 0),
        sides(1, 0, 0),
        sides(0xec, 0xff, 0x7f),
        sides(0xed, 0xff, 0x7f),
        sides(0xee, 0xff, 0x7f),
        sides(0xff, 0xff, 0x7f),
        hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ];
    for mut point in points {
        left_out(ED25519.jwk(), &[("x", json!(base64url(&point)))], small);
        point[31] |= 0x80;
        left_out(ED25519.jwk(), &[("x", json!(base64url(&point)))], small);
    }
}

#[test]
fn points_off_their_curve_are_left_out() {
    let off = "the point is not on the curve";
    for (jwk, width) in [(P256.jwk(), 32), (P384.jwk(), 48)] {
        left_out(jwk.clone(), &[("x", json!(base64url(vec![0; width])))], off);
        left_out(jwk.clone(), &[("x", json!(base64url(vec![0; width]))), ("y", json!(base64url(vec![0; width])))], off);
        left_out(jwk.clone(), &[("y", json!(base64url(vec![0xff; width])))], off);
        for wrong in [0, 1, width - 1, width + 1] {
            left_out(jwk.clone(), &[("x", json!(base64url(vec![1; wrong])))], "a coordinate has the wrong length");
        }
    }
    left_out(ED25519.jwk(), &[("x", json!(base64url([1; 31])))], "a coordinate has the wrong length");
}

#[test]
fn keys_with_missing_or_misspelt_parts_are_left_out() {
    for (jwk, names) in [(RSA.jwk(), &["n", "e"][..]), (P256.jwk(), &["x", "y"]), (ED25519.jwk(), &["x"])] {
        for name in names {
            left_out(jwk.clone(), &[(name, json!(null))], "a part of the key is missing");
            left_out(jwk.clone(), &[(name, json!(3))], "a part of the key is missing");
            left_out(jwk.clone(), &[(name, json!("AQ=="))], "a part of the key is not base64url");
            left_out(jwk.clone(), &[(name, json!("A+/A"))], "a part of the key is not base64url");
            left_out(jwk.clone(), &[(name, json!(" AQAB"))], "a part of the key is not base64url");
        }
    }
}

#[test]
fn an_alg_that_the_key_cannot_do_leaves_it_out() {
    for alg in ["ES256", "EdDSA"] {
        left_out(RSA.jwk(), &[("alg", json!(alg))], "alg is not of this kind of key");
    }
    for alg in ["RS256", "ES384", "EdDSA"] {
        left_out(P256.jwk(), &[("alg", json!(alg))], "alg is not of this kind of key");
    }
    for alg in [json!("RSA-OAEP"), json!("HS256"), json!("none"), json!(1), json!("rs256")] {
        left_out(RSA.jwk(), &[("alg", alg)], "alg is not a supported signature algorithm");
    }
}

#[test]
fn a_kid_that_is_no_short_text_leaves_the_key_out() {
    for kid in [json!(1), json!(""), json!(["a"]), json!("k".repeat(257))] {
        left_out(RSA.jwk(), &[("kid", kid)], "kid is not a short text");
    }
}

#[test]
fn usable_keys_are_read_whatever_else_they_carry() {
    for jwk in [RSA.jwk(), P256.jwk(), P384.jwk(), ED25519.jwk()] {
        for changes in [
            &[("use", json!("sig"))][..],
            &[("key_ops", json!(["sign", "verify"]))],
            &[("kid", json!("k".repeat(256)))],
            &[("x5c", json!(1)), ("x5t", json!(null)), ("d", json!("AQ")), ("ext", json!(true))],
        ] {
            assert!(read_key(&with(jwk.clone(), changes)).is_ok());
        }
    }
    let padded = with(RSA.jwk(), &[("e", json!(base64url([0, 1, 0, 1])))]);
    assert_eq!(read_key(&padded), read_key(&RSA.jwk()), "leading zeros do not make another key");
}

#[test]
fn a_key_fits_only_its_own_algorithms() {
    let fitting = |jwk: Value| {
        let key = read_key(&jwk).expect("a key");
        Algorithm::ALL
            .iter()
            .filter(|&&algorithm| key.prepared_for(algorithm).is_some())
            .map(|algorithm| algorithm.name())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(fitting(RSA.jwk()), "RS256 RS384 RS512 PS256 PS384 PS512");
    assert_eq!(fitting(with(RSA.jwk(), &[("alg", json!("PS384"))])), "PS384");
    assert_eq!(
        (fitting(P256.jwk()), fitting(P384.jwk()), fitting(ED25519.jwk())),
        ("ES256".into(), "ES384".into(), "EdDSA".into())
    );
}

#[test]
fn what_is_no_object_is_no_key() {
    for jwk in [json!(1), json!(-1), json!(1.5), json!(null), json!(true), json!("RSA"), json!([{"kty": "RSA"}]), json!({})] {
        assert_eq!(read_key(&jwk).err(), Some("no kty"), "{jwk}");
    }
}

#[test]
fn of_a_member_that_is_repeated_the_last_counts() {
    let twice = |first: &str, last: &str| {
        format!("{{\"use\":{first},{},\"use\":{last}}}", &P256.jwk().to_string()[1..].trim_end_matches('}'))
    };
    let read = |text: String| super::read_key(&serde_json::from_str(&text).expect("JSON")).err();
    assert_eq!(read(twice("\"sig\"", "\"enc\"")), Some("use is not sig"));
    assert_eq!(read(twice("{\"a\":[1]}", "\"sig\"")), None);
}
