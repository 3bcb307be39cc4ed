//! The list of retired keys: what is refused, when a key ends, how it is written.

use super::*;
use crate::{
    auth::test_keys::at,
    token::{SigningKey, own_keys::OwnKeys},
};
use std::sync::LazyLock;

const LIFETIME: Duration = Duration::from_secs(900);
const LEEWAY: Duration = Duration::from_secs(60);
/// Two lifetimes, the leeway, and the second that was begun.
const AFTER_S: u64 = 2 * 900 + 60 + 1;
const LOADED_S: u64 = 1_800_000_000;

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let key = || SigningKey::generate(SigningAlgorithm::Es256).expect("a key").0.public().clone();
    (0..16).map(|_| key()).collect()
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

/// Two gateways that share the files, and what each has loaded of them.
struct Model {
    now: u64,
    signing: usize,
    retired: RetiredKeys,
    loaded: [(usize, RetiredKeys); 2],
    /// Since when each signs with a key whose successor the other has loaded.
    behind_since: [Option<u64>; 2],
    /// Of each token its key and its last second.
    tokens: Vec<(usize, u64)>,
}

const SHORT_S: u64 = 10;
const SHORT: Duration = Duration::from_secs(SHORT_S);

impl Model {
    fn new() -> Self {
        let (retired, loaded) = (RetiredKeys::default(), [(0, RetiredKeys::default()), (0, RetiredKeys::default())]);
        Self { now: LOADED_S, signing: 0, retired, loaded, behind_since: [None; 2], tokens: Vec::new() }
    }

    /// The first write of a rotation; without the second one the process that makes it has crashed.
    fn retire(&mut self) {
        self.retired.retire(&KEYS[self.signing], SHORT, at(self.now));
    }

    fn rotate(&mut self) {
        if self.signing + 1 < KEYS.len() {
            self.retire();
            self.signing += 1;
        }
    }

    /// A reload, or a start after an end.
    fn load(&mut self, gateway: usize) {
        if self.retired.needs_dates(&KEYS[self.signing]) {
            self.retired.date(&KEYS[self.signing], SHORT, Duration::ZERO, at(self.now));
        }
        self.loaded[gateway] = (self.signing, self.retired.clone());
        self.behind_since[gateway] = None;
        let other = 1 - gateway;
        if self.loaded[other].0 < self.signing {
            self.behind_since[other].get_or_insert(self.now);
        }
    }

    /// As it is documented: who is behind is reloaded within a token's lifetime.
    fn pass_a_second(&mut self) {
        self.sign_and_verify();
        self.now += 1;
        for gateway in 0..2 {
            if self.behind_since[gateway].is_some_and(|since| self.now >= since + SHORT_S) {
                self.load(gateway);
            }
        }
    }

    fn sign_and_verify(&mut self) {
        let now = self.now;
        self.tokens.retain(|(_, end)| *end >= now);
        self.tokens.extend(self.loaded.iter().map(|(key, _)| (*key, now + SHORT_S)));
        for (loaded, retired) in &self.loaded {
            let published = String::from_utf8_lossy(OwnKeys::new(&KEYS[*loaded], retired).jwks(at(now))).into_owned();
            // Newer keys are not known before a reload.
            for (key, end) in self.tokens.iter().filter(|(key, _)| key <= loaded) {
                assert!(published.contains(KEYS[*key].kid()), "key {key} until {end}, at {now} with key {loaded}");
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..proptest::test_runner::Config::default() })]

    #[test]
    fn no_token_is_lost_and_no_key_stays_whoever_loads_when(steps in proptest::collection::vec(0..7_u8, 0..60)) {
        let mut model = Model::new();
        for step in steps {
            match step {
                0 => model.rotate(),
                1 => model.retire(),
                2 | 3 => model.load(usize::from(step) - 2),
                seconds => (0..seconds).for_each(|_| model.pass_a_second()),
            }
            model.sign_and_verify();
        }
        for _ in 0..=3 * SHORT_S {
            (0..2).for_each(|gateway| model.load(gateway));
            model.pass_a_second();
        }
        for (loaded, retired) in &model.loaded {
            proptest::prop_assert_eq!(retired.beside(&KEYS[*loaded]).filter(|key| !key.is_over(at(model.now))).count(), 0);
        }
    }
}
