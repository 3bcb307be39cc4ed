//! Which keys are published at which moment.

use super::*;
use crate::{
    auth::test_keys::at,
    token::{SigningAlgorithm, SigningKey},
};
use serde_json::Value;
use std::{sync::LazyLock, time::Duration};

const LOADED_S: u64 = 1_800_000_000;
const LATE_S: u64 = 10 * LOADED_S;
const END_S: u64 = LOADED_S + 2 * 10 + 1;

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let key = |algorithm| SigningKey::generate(algorithm).expect("a key").0.public().clone();
    vec![key(SigningAlgorithm::Es256), key(SigningAlgorithm::Rs256), key(SigningAlgorithm::Es256)]
});

/// The keys that are published then, by their place in `KEYS`.
fn published(own: &OwnKeys, unix_s: u64) -> Vec<usize> {
    let document: Value = serde_json::from_slice(own.jwks(at(unix_s))).expect("JSON");
    let kids: Vec<&str> = document["keys"].as_array().expect("keys").iter().filter_map(|key| key["kid"].as_str()).collect();
    assert_eq!(own.keys(at(unix_s)).len(), kids.len(), "what is published is what is accepted");
    kids.iter().filter_map(|kid| KEYS.iter().position(|key| key.kid() == *kid)).collect()
}

/// Key 0 retired and dated, key 1 retired `later` seconds after that.
fn retired(later: u64) -> RetiredKeys {
    let lifetime = Duration::from_secs(10);
    let mut retired = RetiredKeys::default();
    retired.retire(&KEYS[0], lifetime, at(0));
    retired.date(&KEYS[1], lifetime, Duration::ZERO, at(LOADED_S));
    retired.retire(&KEYS[1], lifetime, at(LOADED_S));
    retired.date(&KEYS[2], lifetime, Duration::ZERO, at(LOADED_S + later));
    retired
}

#[test]
fn each_key_ends_at_its_own_second() {
    let own = OwnKeys::new(&KEYS[2], &retired(5));
    assert_eq!(published(&own, 0), [2, 0, 1]);
    assert_eq!(published(&own, END_S - 1), [2, 0, 1]);
    assert_eq!(published(&own, END_S), [2, 1]);
    assert_eq!(published(&own, END_S + 4), [2, 1]);
    assert_eq!(published(&own, END_S + 5), [2]);
    assert_eq!(published(&own, LATE_S), [2]);
    assert_eq!((own.first().len(), own.shrinks()), (3, true));
}

#[test]
fn keys_may_end_together() {
    let own = OwnKeys::new(&KEYS[2], &retired(0));
    assert_eq!(published(&own, END_S - 1), [2, 0, 1]);
    assert_eq!(published(&own, END_S), [2]);
}

#[test]
fn a_key_whose_end_is_not_known_stays() {
    let mut retired = RetiredKeys::default();
    retired.retire(&KEYS[0], Duration::from_secs(10), at(0));
    let own = OwnKeys::new(&KEYS[2], &retired);
    assert_eq!((published(&own, LATE_S), own.shrinks()), (vec![2, 0], false));
}

#[test]
fn the_key_that_signs_is_published_once_and_always() {
    let own = OwnKeys::new(&KEYS[0], &retired(5));
    assert_eq!((published(&own, END_S), published(&own, LATE_S)), (vec![0, 1], vec![0]));
    let own = OwnKeys::new(&KEYS[2], &RetiredKeys::default());
    assert_eq!((published(&own, 0), own.shrinks()), (vec![2], false));
}
