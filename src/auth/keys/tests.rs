//! A key set as read, and the ring that holds it.
use super::*;
use crate::auth::test_keys::{ALL_KEYS, P256, RSA, jwks, key_set, with};
use serde_json::json;

fn refused(text: impl AsRef<[u8]>) {
    let found = KeySet::parse(text.as_ref());
    assert!(matches!(found, Err(KeySetError::Malformed(_))), "{found:?}");
}

#[test]
fn what_is_no_key_set_is_refused() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "\"keys\"",
        "<html>",
        "{\"keys\":null}",
        "{\"keys\":{}}",
        "{\"keys\":\"\"}",
        "{\"keys\":[]",
        "{\"Keys\":[]}",
        "{\"keys\":[],\"keys\":[]}",
    ] {
        refused(text);
    }
    refused(format!("{}x", jwks(&[("a", &RSA)])));
    refused(b"\xff\xfe{}");
    refused(RSA.jwk().to_string());
}

#[test]
fn a_set_without_a_usable_key_is_refused() {
    for keys in [json!([]), json!([1, null, "a", {}]), json!([{"kty": "oct", "k": "AAAA"}])] {
        assert_eq!(KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).err(), Some(KeySetError::NoUsableKey));
    }
}

#[test]
fn unusable_keys_are_left_out_and_the_rest_stays() {
    let keys = json!([
        {"kty": "oct", "kid": "secret\u{7}", "k": "AAAA"},
        with(RSA.jwk(), &[("kid", json!("enc")), ("use", json!("enc"))]),
        with(RSA.jwk(), &[("kid", json!("good")), ("x5c", json!(["a"])), ("future", json!({}))]),
        {"kty": "future"},
    ]);
    let (set, left_out) = KeySet::parse(json!({"keys": keys, "other": 1}).to_string().as_bytes()).expect("a set");
    assert_eq!(set.len(), 1);
    let kids: Vec<&str> = left_out.iter().map(|key| key.kid.as_str()).collect();
    assert_eq!(kids, ["secret\\u{7}", "enc", ""]);
    assert_eq!(left_out[1].reason, "use is not sig");
}

#[test]
fn the_order_of_the_document_and_repeated_keys_do_not_matter() {
    let (one, other) = (key_set(&[("a", &RSA), ("b", &P256)]), key_set(&[("b", &P256), ("a", &RSA), ("b", &P256)]));
    assert_eq!(one, other);
    assert_ne!(one, key_set(&[("a", &RSA)]));
    assert_ne!(one, key_set(&[("b", &RSA), ("a", &P256)]));
}

#[test]
fn a_ring_begins_empty_and_keeps_its_set_while_the_content_is_the_same() {
    let ring = KeyRing::empty();
    assert!(ring.is_empty());
    assert!(ring.replace(ALL_KEYS.clone()));
    let before = Arc::downgrade(&ring.current());
    assert!(!ring.replace(ALL_KEYS.clone()));
    assert!(ring.holds(&before) && ring.len() == 5);
    assert!(ring.replace(key_set(&[("a", &RSA)])));
    assert!(!ring.holds(&before) && ring.len() == 1);
}

#[test]
fn rings_never_share_a_set() {
    let (one, other) = (KeyRing::empty(), KeyRing::empty());
    one.replace(ALL_KEYS.clone());
    other.replace(ALL_KEYS.clone());
    assert!(!other.holds(&Arc::downgrade(&one.current())));
}

#[test]
fn algorithms_are_found_by_their_exact_names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::named(algorithm.name()), Some(*algorithm));
        assert_eq!(Algorithm::named(&algorithm.name().to_lowercase()), None);
    }
    for name in ["none", "HS256", "ES512", "ES256K", ""] {
        assert_eq!(Algorithm::named(name), None);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        let _ = KeySet::parse(&bytes);
    }
}
