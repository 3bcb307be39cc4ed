//! What is fuzzed, and what must hold whatever the input: nothing panics, a verdict is the same however often and by whichever way
//! it is asked for, and what is accepted has only one spelling.
//!
//! One set of functions for two drivers: `fuzz_targets/` hands them to libFuzzer, as long as one likes; `tests/fuzzing.rs` tries in
//! every test run what is kept in `seeds/`. `targets.txt` says what libFuzzer must reach.
#[path = "targets/chunks.rs"]
mod chunks;
#[path = "targets/config.rs"]
mod config;
#[path = "targets/head.rs"]
mod head;
#[path = "targets/path.rs"]
mod path;
#[path = "targets/records.rs"]
mod records;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use chunks::chunks;
pub use config::config;
pub use head::head;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm as LibraryAlgorithm, DecodingKey, Validation};
pub use path::path;
pub use records::records;
use serde_json::{Value, json};
use stackflow_gateway::{
    auth::{
        Algorithm, Allowed, AuthError, Authenticator, Credentials, IssuerSettings, KeySet, KeySource, Profile, Revocations,
        TokenCache, UnverifiedToken, credentials,
    },
    time::Now,
};
use std::{path::PathBuf, sync::LazyLock, time::Duration};

/// Whatever the input, it returns; what does not hold panics.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its seeds.
pub const TARGETS: [(&str, Target); 8] = [
    ("token", token),
    ("claims", claims),
    ("key_set", key_set),
    ("path", path),
    ("records", records),
    ("head", head),
    ("chunks", chunks),
    ("config", config),
];

const ISSUER: &str = "https://issuer.example";
const NOW: Now = Now { monotonic_ns: 0, unix_ns: 1_800_000_000_000_000_000 };

/// The issuer's key; always the same, so that the seeds hold good tokens.
static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed"));

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let settings = IssuerSettings {
        issuer: ISSUER.to_owned(),
        profile: Profile::Generic,
        keys: KeySource::File(PathBuf::from("jwks.json")),
        jwks_cache_file: None,
        ca_file: None,
        client_ids: Allowed::Listed(vec!["client".to_owned()]),
        audiences: Allowed::Listed(vec!["api".to_owned()]),
        token_use: Vec::new(),
        algorithms: Algorithm::ALL.to_vec(),
        refresh: Duration::from_secs(600),
        refresh_cooldown: Duration::from_secs(30),
        fetch_timeout: Duration::from_secs(5),
        jwks_size: 1 << 20,
        leeway: Duration::from_secs(60),
    };
    let authenticator = Authenticator::new(vec![settings], 8192, Revocations::none());
    let jwk = json!({"kid": "ed", "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(KEY.public_key())});
    let set = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("one usable key").0;
    authenticator.issuers()[0].keys.replace(set);
    authenticator
});

/// The value of an `Authorization` header. Returns whether it was accepted.
pub fn is_accepted(authorization: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(authorization) else { return false };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let Credentials::Bearer(token) = credentials(&headers) else { return false };
    let accepted = same_however_asked(token).is_ok();
    if accepted {
        let text = authorization.rsplit(|byte| *byte == b' ').next().expect("split gives at least one part");
        assert_one_spelling(std::str::from_utf8(text).expect("a token is text"));
    }
    accepted
}

/// `Authorization: …` as it comes.
pub fn token(input: &[u8]) {
    let _ = is_accepted(input);
}

/// A header and a payload, parted by a NUL, under a good signature: what is behind the signature check for everybody else.
pub fn claims(input: &[u8]) {
    let split = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (header, payload) = (&input[..split], input.get(split + 1..).unwrap_or_default());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(KEY.sign(signed.as_bytes())));
    if is_accepted(format!("Bearer {token}").as_bytes()) {
        assert_meant_as_read(&token, header, payload);
    }
}

/// A key set document.
pub fn key_set(input: &[u8]) {
    let Ok((set, left_out)) = KeySet::parse(input) else { return };
    let document: Value = match serde_json::from_slice(input) {
        Ok(document) => document,
        // In members that are passed over, what has a form but no meaning is not looked for.
        Err(error) => {
            let excuses = ["number out of range", "lone ", "unexpected end of hex escape", "recursion limit exceeded"];
            let error = error.to_string();
            return assert!(excuses.iter().any(|excuse| error.starts_with(excuse)), "a key set is JSON: {error}");
        }
    };
    let keys = document["keys"].as_array().expect("a key set has keys").len();
    let unusable = left_out.named.len() + left_out.more;
    assert!(!set.is_empty() && set.len() + unusable <= keys, "{} and {unusable} of {keys}", set.len());
    // Written anew, without what the reader does not look at, it is the same set.
    let again = KeySet::parse(document.to_string().as_bytes()).expect("the same document, written anew");
    assert_eq!((&again.0, again.1), (&set, left_out));
    let mut reversed = document;
    reversed["keys"].as_array_mut().expect("a key set has keys").reverse();
    assert_eq!(KeySet::parse(reversed.to_string().as_bytes()).expect("the same keys").0, set);
}

/// The verdict, the same without a cache, with one, and the second time.
fn same_however_asked(token: UnverifiedToken<'_>) -> Result<(), AuthError> {
    let (none, cache) = (TokenCache::new(0), TokenCache::new(1));
    let verdict = AUTHENTICATOR.verify(&none, token, NOW).map(drop);
    assert!(AUTHENTICATOR.recall(&cache, token, NOW).is_none(), "an empty cache knows no token");
    assert_eq!(AUTHENTICATOR.verify(&cache, token, NOW).map(drop), verdict);
    assert_eq!(AUTHENTICATOR.recall(&cache, token, NOW).is_some(), verdict.is_ok());
    assert_eq!(cache.len(), usize::from(verdict.is_ok()), "only good tokens are kept");
    verdict
}

fn assert_one_spelling(token: &str) {
    let segments: Vec<&str> = token.split('.').collect();
    assert_eq!(segments.len(), 3);
    for segment in segments {
        let bytes = URL_SAFE_NO_PAD.decode(segment).expect("an accepted segment is base64url");
        assert_eq!(URL_SAFE_NO_PAD.encode(bytes), segment);
    }
}

/// Another reader finds in an accepted token what we found.
fn assert_meant_as_read(token: &str, header: &[u8], payload: &[u8]) {
    let read: Value = serde_json::from_slice(payload).expect("an accepted payload is JSON");
    assert_eq!(read["iss"], ISSUER);
    assert!(read["sub"].as_str().is_some_and(|subject| !subject.is_empty()));
    assert!(read["exp"].as_f64().is_some_and(|exp| exp > 1_800_000_000.0 - 60.0), "{}", read["exp"]);
    assert!(read["nbf"].is_null() || read["nbf"].as_f64().is_some_and(|nbf| nbf <= 1_800_000_060.0), "{}", read["nbf"]);
    // The library has no word for times before 1970 or long after us, and reads members of the header that we do not.
    let header: Value = serde_json::from_slice(header).expect("an accepted header is JSON");
    let known = header.as_object().is_some_and(|members| members.keys().all(|name| ["alg", "kid", "typ"].contains(&&**name)));
    if !known || ["exp", "nbf"].iter().any(|name| read[name].as_f64().is_some_and(|time| !(0.0..1e15).contains(&time))) {
        return;
    }
    let key = DecodingKey::from_ed_der(KEY.public_key().as_ref());
    let mut validation = Validation::new(LibraryAlgorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["api"]);
    // By its own clock.
    validation.validate_exp = false;
    let theirs = jsonwebtoken::decode::<Value>(token, &key, &validation);
    assert!(theirs.is_ok_and(|theirs| theirs.claims == read), "the library refuses what was accepted");
}
