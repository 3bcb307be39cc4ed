//! A key set as read, and the ring that holds it.
use super::*;
use crate::auth::test_keys::{ALL_KEYS, ED25519, P256, P384, RSA, TestKey, jwks, key_set, with};
use serde_json::{Value, json};

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
    refused(b"{\"keys\":[],\"note\":\"\xe9\"}");
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
    let kids: Vec<&str> = left_out.named.iter().map(|key| key.kid.as_str()).collect();
    assert_eq!(kids, ["secret\\u{7}", "enc", ""]);
    assert_eq!(left_out.named[1].reason, "use is not sig");
}

#[test]
fn of_a_set_full_of_rubbish_eight_keys_are_named_and_the_rest_counted() {
    let rubbish = "{},".repeat(100_000);
    let text = format!(r#"{{"keys": [{rubbish}{}]}}"#, RSA.jwk());
    let (set, left_out) = KeySet::parse(text.as_bytes()).expect("a set");
    assert_eq!((set.len(), left_out.named.len(), left_out.more), (1, 8, 99_992));
}

#[test]
fn of_a_set_with_more_than_256_usable_keys_the_first_are_taken_and_the_rest_counted() {
    let jwk = |number: usize| with(P256.jwk(), &[("kid", json!(format!("key-{number:03}")))]);
    let document = |count: usize| json!({"keys": (0..count).map(jwk).collect::<Vec<_>>()}).to_string();
    let (all, left_out) = KeySet::parse(document(256).as_bytes()).expect("a set");
    assert_eq!((all.len(), left_out), (256, AllLeftOut::default()));
    let (set, left_out) = KeySet::parse(document(300).as_bytes()).expect("a set");
    assert_eq!((set, left_out.named.len() + left_out.more), (all, 44));
    let first = LeftOut { kid: "key-256".to_owned(), reason: "the set has as many usable keys as are taken before it" };
    assert_eq!(left_out.named.first(), Some(&first));
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

#[test]
fn signatures_have_the_length_of_their_algorithm() {
    let keys: [&'static TestKey; 4] = [&RSA, &P256, &P384, &ED25519];
    for key in keys {
        let length = key.sign(key.algorithm, b"a").len();
        let algorithm = Algorithm::named(key.algorithm).expect("an algorithm");
        assert!(algorithm.signature_lengths().contains(&length), "{algorithm:?}");
        assert!(!algorithm.signature_lengths().contains(&(length - 1)) && !algorithm.signature_lengths().contains(&0));
    }
    assert_eq!(Algorithm::Ps512.signature_lengths(), 2048 / 8..=8192 / 8);
}

#[test]
fn a_remembered_set_keeps_its_address_and_not_its_keys() {
    let ring = KeyRing::empty();
    ring.replace(ALL_KEYS.clone());
    let old = Arc::downgrade(&ring.current());
    ring.replace(key_set(&[("a", &RSA)]));
    assert!(old.upgrade().is_none(), "whoever remembers a token keeps no old key set in memory");
    for _ in 0..1000 {
        ring.replace(ALL_KEYS.clone());
        assert!(!ring.holds(&old), "no later set has the address");
        ring.replace(key_set(&[("a", &RSA)]));
    }
}

proptest::proptest! {
    #[test]
    fn the_order_of_keys_and_what_is_not_read_change_nothing(
        mut keys in proptest::collection::vec(0_usize..6, 1..8),
        extra in "[a-z]{3,8}",
        turn in 0_usize..8,
    ) {
        let all: [(&str, &TestKey); 6] =
            [("a", &RSA), ("b", &P256), ("a", &P256), ("c", &P384), ("d", &ED25519), ("b", &RSA)];
        let set = |keys: &[usize]| key_set(&keys.iter().map(|&key| all[key]).collect::<Vec<_>>());
        let before = set(&keys);
        let document = jwks(&keys.iter().map(|&key| all[key]).collect::<Vec<_>>());
        let mut written: Value = serde_json::from_str(&document).expect("JSON");
        for key in written["keys"].as_array_mut().expect("keys") {
            *key = with(key.clone(), &[(&format!("x-{extra}"), json!(extra))]);
        }
        proptest::prop_assert_eq!(&KeySet::parse(format!("{written:#}").as_bytes()).expect("a set").0, &before);
        let middle = turn % keys.len();
        keys.rotate_left(middle);
        proptest::prop_assert_eq!(set(&keys), before);
    }

    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        let _ = KeySet::parse(&bytes);
    }
}
