//! The list of retired keys: what is refused, when a key ends, how it is written.

use super::*;
use crate::{auth::test_keys::at, token::SigningKey};
use std::sync::LazyLock;

const LIFETIME: Duration = Duration::from_secs(900);
const LEEWAY: Duration = Duration::from_secs(60);
/// Two lifetimes, the leeway, and the second that was begun.
const AFTER_S: u64 = 2 * 900 + 60 + 1;
const LOADED_S: u64 = 1_800_000_000;

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let key = || SigningKey::generate(SigningAlgorithm::Es256).expect("a key").0.public().clone();
    (0..4).map(|_| key()).collect()
});

/// These keys, retired in this order and not dated.
fn retired(keys: &[usize]) -> RetiredKeys {
    let mut retired = RetiredKeys::default();
    for key in keys {
        retired.retire(&KEYS[*key], LIFETIME, at(0));
    }
    retired
}

fn ends(retired: &RetiredKeys) -> Vec<Option<u64>> {
    retired.0.iter().map(|key| key.ends_unix_s).collect()
}

fn date(retired: &mut RetiredKeys, loaded: usize, unix_s: u64) {
    retired.date(&KEYS[loaded], LIFETIME, LEEWAY, at(unix_s));
}

#[test]
fn other_texts_are_refused() {
    for text in ["", "[]", "{}", "{\"keys\": 1}", "{\"keys\": [1]}", "{\"keys\": [{}]}"] {
        assert!(matches!(RetiredKeys::parse(text), Err(RetiredKeysError::Malformed(_))), "{text}");
    }
    let good = retired(&[0, 1]).render();
    assert_eq!(RetiredKeys::parse(&good), Ok(retired(&[0, 1])));
    let (first, second) = (KEYS[0].kid(), KEYS[1].kid());
    for (from, to) in [(second, first), ("ES256", "PS256"), ("P-256", "P-384"), ("EC", "RSA")] {
        let at = good.rfind(from).expect("it is there");
        let text = format!("{}{to}{}", &good[..at], &good[at + from.len()..]);
        let error = RetiredKeys::parse(&text).expect_err(to);
        assert_eq!(error, RetiredKeysError::Unusable(1), "{to}");
        assert_eq!(error.to_string(), "has a key (number 2) that cannot be used");
    }
}

#[test]
fn a_key_has_no_end_before_its_successor_is_loaded() {
    let mut keys = retired(&[0]);
    assert!(!keys.needs_dates(&KEYS[0]), "a rotation that broke off: the key signs on");
    date(&mut keys, 0, LOADED_S);
    assert_eq!(ends(&keys), [None]);
    assert!(keys.needs_dates(&KEYS[1]));
    date(&mut keys, 1, LOADED_S);
    assert_eq!((ends(&keys), keys.needs_dates(&KEYS[1])), (vec![Some(LOADED_S + AFTER_S)], false));
}

#[test]
fn nothing_moves_an_end() {
    let mut keys = retired(&[0]);
    for passed in [0, 5, AFTER_S - 1] {
        date(&mut keys, 1, LOADED_S + passed);
        assert_eq!(ends(&keys), [Some(LOADED_S + AFTER_S)], "{passed} s later");
    }
    date(&mut keys, 1, LOADED_S + AFTER_S);
    assert!(keys.is_empty());
}

#[test]
fn several_rotations_before_a_reload_lose_no_key() {
    let mut keys = retired(&[0, 1, 2]);
    date(&mut keys, 3, LOADED_S);
    assert_eq!(ends(&keys), [Some(LOADED_S + AFTER_S); 3]);
}

#[test]
fn keys_retired_after_the_loaded_one_are_left_alone() {
    let mut keys = retired(&[0, 1, 2]);
    date(&mut keys, 1, LOADED_S);
    assert_eq!(ends(&keys), [Some(LOADED_S + AFTER_S), None, None]);
}

#[test]
fn a_key_that_comes_back_and_goes_again_is_retired_anew() {
    let mut keys = retired(&[0, 1]);
    date(&mut keys, 2, LOADED_S);
    keys.retire(&KEYS[0], LIFETIME, at(LOADED_S));
    assert_eq!(ends(&keys), [Some(LOADED_S + AFTER_S), None]);
    assert_eq!(keys.0[1].public, KEYS[0]);
    keys.retire(&KEYS[2], LIFETIME, at(LOADED_S + AFTER_S));
    assert_eq!(ends(&keys), [None, None], "what is over is forgotten");
}

#[test]
fn the_longest_lifetime_of_its_tokens_counts() {
    let mut keys = RetiredKeys::default();
    keys.retire(&KEYS[0], Duration::from_secs(3600), at(0));
    date(&mut keys, 1, LOADED_S);
    assert_eq!(ends(&keys), [Some(LOADED_S + 2 * 3600 + 61)]);
}

#[test]
fn what_is_written_can_be_read_again() {
    let mut keys = retired(&[0]);
    assert!(!keys.render().contains("\"exp\""));
    date(&mut keys, 1, LOADED_S);
    keys.retire(&KEYS[1], LIFETIME, at(LOADED_S));
    let text = keys.render();
    assert!(text.ends_with("}\n") && text.contains("\"token_lifetime\": 900") && !text.contains("\"d\""), "{text}");
    assert_eq!(RetiredKeys::parse(&text), Ok(keys));
}

#[test]
fn huge_numbers_do_not_overflow() {
    let mut keys = RetiredKeys::default();
    keys.retire(&KEYS[0], Duration::from_secs(u64::MAX), at(0));
    date(&mut keys, 1, LOADED_S);
    assert_eq!(ends(&keys), [Some(u64::MAX)]);
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged(text: String) {
        let _ = RetiredKeys::parse(&text);
    }
}
