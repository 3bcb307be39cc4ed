//! Histories of key rotations, revocations and reloads: whatever the order, the verdict through the cache is the verdict of an
//! authenticator that was made a moment ago, knows nothing, and has the keys, settings and clock of that moment.
//!
//! The history is its seed. Requests that began under the configuration before a reload go on being judged under it, beside those
//! of the new one and through the same cache.
use super::*;
use crate::auth::{Revoked, Target};
use std::path::PathBuf;

mod threads;

const SECOND: &str = "https://second.example";

/// `splitmix64`: a history is its seed, whatever happens to a crate of random numbers.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}

/// What an issuer may publish: nothing yet, one key, another key under the same name, more, fewer.
static SETS: LazyLock<Vec<KeySet>> = LazyLock::new(|| {
    vec![
        KeySet::default(),
        key_set(&[("k", &RSA)]),
        key_set(&[("k", &OTHER_RSA)]),
        key_set(&[("k", &RSA), ("l", &P256)]),
        key_set(&[("l", &P256), ("k", &OTHER_RSA)]),
        key_set(&[("l", &ED25519)]),
    ]
});

/// Tokens of both issuers: good under some set, good at some time, tampered, too long, of other audiences, clients and subjects.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let keys: [(&str, &str, &'static TestKey); 4] =
        [("k", "RS256", &RSA), ("k", "RS256", &OTHER_RSA), ("l", "ES256", &P256), ("l", "EdDSA", &ED25519)];
    let mut tokens = Vec::new();
    for issuer in [ISSUER, SECOND] {
        for (kid, alg, key) in keys {
            let good = Draft::good(Profile::Generic).header("kid", json!(kid)).header("alg", json!(alg)).signed_by(key);
            tokens.extend(variants(&good.claim("iss", json!(issuer))));
        }
    }
    tokens
});

/// One that is good under its key at most times.
fn favourite(random: &mut Random) -> usize {
    const VARIANTS: usize = 10;
    random.below(TOKENS.len() / VARIANTS) * VARIANTS + [8, 3, 4, 0, 7][random.below(5)]
}

fn variants(good: &Draft) -> Vec<String> {
    let token = good.token();
    let drafts = [
        good.clone().claim("exp", json!(NOW_S + 100)),
        good.clone().claim("nbf", json!(NOW_S + 150)),
        good.clone().claim("exp", json!(NOW_S - 100)),
        good.clone().claim("iat", json!(null)).claim("jti", json!("token-1")),
        good.clone().claim("iat", json!(NOW_S + 20)).claim("sub", json!("user-2")),
        good.clone().claim("aud", json!("other")),
        good.clone().claim("client_id", json!("client-2")),
        good.clone().claim("padding", json!("x".repeat(600))),
    ];
    let tampered = flip(&token, token.len() - 10);
    drafts.iter().map(Draft::token).chain([token, tampered]).collect()
}

/// A configuration and the moment: all that a verdict may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    settings: usize,
    revocations: usize,
    /// By issuer, into [`SETS`].
    sets: [usize; 2],
    now_s: u64,
}

const SETTINGS: usize = 9;
const REVOCATIONS: usize = 7;

/// The issuers of one configuration, and its `token_size`.
fn issuers(settings: usize) -> (Vec<IssuerSettings>, usize) {
    let first = self::settings(Profile::Generic);
    let second = IssuerSettings { issuer: SECOND.to_owned(), ..first.clone() };
    let changed = |change: fn(&mut IssuerSettings)| {
        let mut first = first.clone();
        change(&mut first);
        vec![first, second.clone()]
    };
    let issuers = match settings {
        1 => changed(|first| first.leeway = Duration::ZERO),
        2 => changed(|first| first.audiences = Allowed::Listed(vec!["other".to_owned()])),
        3 => changed(|first| first.client_ids = Allowed::Listed(vec!["client-2".to_owned()])),
        4 => changed(|first| first.algorithms = vec![Algorithm::Es256, Algorithm::EdDsa]),
        5 => changed(|first| first.keys = KeySource::File(PathBuf::from("elsewhere.json"))),
        6 => vec![second, first],
        7 => vec![second],
        _ => vec![first, second],
    };
    (issuers, if settings == 8 { 700 } else { 8192 })
}

fn revocations(number: usize) -> Revocations {
    let entry = |target, issuer: Option<&str>, before_s: Option<u64>| -> Revocations {
        let issued_before_ns = before_s.map(|seconds| seconds * 1_000_000_000);
        [Revoked { target, issuer: issuer.map(str::to_owned), issued_before_ns }].into_iter().collect()
    };
    match number {
        1 => entry(Target::Subject("user-1".to_owned()), Some(SECOND), None),
        2 => entry(Target::Subject("user-2".to_owned()), None, None),
        3 => entry(Target::Jti("token-1".to_owned()), None, None),
        4 => entry(Target::ClientId("client-2".to_owned()), None, None),
        5 => entry(Target::Anyone, None, Some(NOW_S)),
        6 => entry(Target::Anyone, Some(ISSUER), Some(1)),
        _ => Revocations::none(),
    }
}

impl Moment {
    pub(super) fn first() -> Self {
        Self { settings: 0, revocations: 0, sets: [1, 1], now_s: NOW_S }
    }

    /// The configuration, without keys.
    fn configured(&self) -> Authenticator {
        let (issuers, token_size) = issuers(self.settings);
        Authenticator::new(issuers, token_size, revocations(self.revocations))
    }

    /// The configuration with this moment's keys, made for this moment alone.
    pub(super) fn fresh(&self) -> Authenticator {
        let fresh = self.configured();
        for issuer in fresh.issuers() {
            issuer.keys.replace(SETS[self.sets[place(&issuer.settings.issuer)]].clone());
        }
        fresh
    }

    /// After a reload: which keys each issuer still has.
    fn reloaded(&self, settings: usize, revocations: usize) -> Self {
        let source = |settings, name: &str| {
            let found = issuers(settings).0.into_iter().find(|issuer| issuer.issuer == name);
            found.map(|issuer| issuer.keys)
        };
        let kept = |name| {
            let (old, new) = (source(self.settings, name), source(settings, name));
            if old.is_some() && old == new { self.sets[place(name)] } else { 0 }
        };
        Self { settings, revocations, sets: [kept(ISSUER), kept(SECOND)], now_s: self.now_s }
    }
}

fn place(issuer: &str) -> usize {
    usize::from(issuer == SECOND)
}

/// Who is proven, or why nobody is.
pub(super) type Verdict = Result<(String, String, IssuerIndex), AuthError>;

pub(super) fn through(authenticator: &Authenticator, cache: &TokenCache, token: &str, now_s: u64) -> Verdict {
    let (token, now) = (UnverifiedToken(token), at(now_s));
    let found = match authenticator.recall(cache, token, now) {
        Some(verified) => Ok(verified),
        None => authenticator.verify(cache, token, now),
    };
    found.map(|verified| (verified.issuer_name().to_owned(), verified.subject().to_owned(), verified.issuer()))
}

/// What happens between two requests.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Rotate { issuer: usize, set: usize },
    Reload { settings: usize, revocations: usize },
    Clock { now_s: u64 },
}

impl Event {
    pub(super) fn any(random: &mut Random, moment: &Moment) -> Self {
        match random.below(10) {
            0..4 => Self::Rotate { issuer: random.below(2), set: [0, 1, 2, 3, 3, 3, 4, 5][random.below(8)] },
            4..6 => Self::Reload { settings: moment.settings, revocations: random.below(REVOCATIONS) },
            6 => Self::Reload { settings: moment.settings, revocations: moment.revocations },
            7..9 => Self::Reload { settings: random.below(2) * random.below(SETTINGS), revocations: random.below(REVOCATIONS) },
            _ => Self::Clock { now_s: NOW_S - 250 + random.below(500) as u64 },
        }
    }
}

/// A configuration in use, with the moment as the model has it.
pub(super) struct InUse {
    pub(super) authenticator: Authenticator,
    pub(super) moment: Moment,
}

impl InUse {
    fn ring(&self, issuer: usize) -> Option<&Arc<crate::auth::KeyRing>> {
        let name = [ISSUER, SECOND][issuer];
        self.authenticator.issuers().iter().find(|found| found.settings.issuer == name).map(|found| &found.keys)
    }

    pub(super) fn rotate(&mut self, issuer: usize, set: usize) {
        if let Some(ring) = self.ring(issuer) {
            ring.replace(SETS[set].clone());
            self.moment.sets[issuer] = set;
        }
    }

    pub(super) fn reload(&self, settings: usize, revocations: usize) -> Self {
        let moment = self.moment.reloaded(settings, revocations);
        let mut authenticator = moment.configured();
        authenticator.inherit(&self.authenticator);
        Self { authenticator, moment }
    }
}

/// The configuration in force, and the one before it, which some requests still have.
struct World {
    current: InUse,
    previous: InUse,
    cache: TokenCache,
}

impl World {
    fn new(capacity: usize) -> Self {
        let in_use = || InUse { authenticator: Moment::first().fresh(), moment: Moment::first() };
        let (current, previous) = (in_use(), in_use());
        Self { current, previous, cache: TokenCache::new(capacity) }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Rotate { issuer, set } => {
                let shared = self.current.ring(issuer).zip(self.previous.ring(issuer)).is_some_and(|(a, b)| Arc::ptr_eq(a, b));
                self.current.rotate(issuer, set);
                if shared {
                    self.previous.moment.sets[issuer] = set;
                }
            }
            Event::Reload { settings, revocations } => {
                let new = self.current.reload(settings, revocations);
                self.previous = std::mem::replace(&mut self.current, new);
            }
            Event::Clock { now_s } => {
                self.current.moment.now_s = now_s;
                self.previous.moment.now_s = now_s;
            }
        }
    }
}

/// How many requests were let in by an earlier verification.
fn check_history(seed: u64, capacity: usize) -> usize {
    let (mut random, mut world) = (Random(seed), World::new(capacity));
    let mut history = Vec::new();
    let mut recalled = 0;
    for step in 0..600 {
        if random.below(16) == 0 {
            let event = Event::any(&mut random, &world.current.moment);
            history.push(event);
            world.happen(event);
        }
        let asked = if random.below(5) == 0 { &world.previous } else { &world.current };
        // Most requests come with one of a few tokens, so that many are in the cache when something changes.
        let token = if random.below(4) == 0 { random.below(TOKENS.len()) } else { favourite(&mut random) };
        let now = at(asked.moment.now_s);
        recalled += usize::from(asked.authenticator.recall(&world.cache, UnverifiedToken(&TOKENS[token]), now).is_some());
        let found = through(&asked.authenticator, &world.cache, &TOKENS[token], asked.moment.now_s);
        let expected = through(&asked.moment.fresh(), &TokenCache::new(0), &TOKENS[token], asked.moment.now_s);
        assert_eq!(found, expected, "seed {seed}, step {step}, token {token}, {:?} after {history:?}", asked.moment);
    }
    recalled
}

#[test]
fn every_verdict_is_the_verdict_without_a_cache() {
    let recalled: usize = (0..30).map(|seed| check_history(seed, 1000)).sum();
    assert!(recalled > 30 * 40, "{recalled}: where hardly any token is seen again nothing is shown");
}

#[test]
fn every_verdict_is_the_verdict_without_a_cache_when_the_cache_is_full() {
    let recalled: usize = (100..110).map(|seed| check_history(seed, 5)).sum();
    assert!(recalled > 10 * 10, "{recalled}");
}
