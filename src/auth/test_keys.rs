//! Keys and tokens for tests: real keys, made once per test binary, and tokens written member by member.
use super::{
    Algorithm, Allowed, Authenticator, IssuerSettings, KeySet, KeySource, Profile, Revocations, TokenUse, json::Members,
};
use crate::time::Now;
use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::LazyLock, time::Duration};

/// The moment of most tests, in seconds since 1970.
pub(crate) const NOW_S: u64 = 1_800_000_000;
/// The issuer of most tests.
pub(crate) const ISSUER: &str = "https://issuer.example";

pub(crate) fn at(unix_s: u64) -> Now {
    Now { monotonic_ns: 0, unix_ns: unix_s * 1_000_000_000 }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A private key and the `alg` it signs with unless told otherwise.
pub(crate) struct TestKey {
    pub(crate) algorithm: &'static str,
    pair: Pair,
}

pub(crate) static RSA: LazyLock<TestKey> = LazyLock::new(new_rsa);
pub(crate) static OTHER_RSA: LazyLock<TestKey> = LazyLock::new(new_rsa);
pub(crate) static P256: LazyLock<TestKey> = LazyLock::new(|| TestKey {
    algorithm: "ES256",
    pair: Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a fresh key")),
});
pub(crate) static P384: LazyLock<TestKey> = LazyLock::new(|| TestKey {
    algorithm: "ES384",
    pair: Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a fresh key")),
});
pub(crate) static ED25519: LazyLock<TestKey> =
    LazyLock::new(|| TestKey { algorithm: "EdDSA", pair: Pair::Ed(Ed25519KeyPair::generate().expect("a fresh key")) });

fn new_rsa() -> TestKey {
    TestKey { algorithm: "RS256", pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a fresh key")) }
}

impl TestKey {
    /// The public key as an entry of a set, without `kid`, `use` and `alg`.
    pub(crate) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                json!({"kty": "RSA", "n": base64url(n.big_endian_without_leading_zero()), "e": base64url(e.big_endian_without_leading_zero())})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "crv": if x.len() == 32 { "P-256" } else { "P-384" }, "x": base64url(x), "y": base64url(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref())}),
        }
    }

    /// The public key in PKCS #1 or SPKI form, the text that HMAC confusion signs with.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().expect("DER").as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).expect("a signature");
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Header and payload as written, signed.
    pub(crate) fn token_of(&self, algorithm: &str, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(payload));
        let signature = base64url(self.sign(algorithm, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// A set of these keys under these ids, as an issuer would publish it.
pub(crate) fn jwks(keys: &[(&str, &TestKey)]) -> String {
    let keys: Vec<Value> = keys.iter().map(|(kid, key)| with(key.jwk(), &[("kid", json!(kid)), ("use", json!("sig"))])).collect();
    json!({ "keys": keys }).to_string()
}

pub(crate) fn key_set(keys: &[(&str, &TestKey)]) -> KeySet {
    KeySet::parse(jwks(keys).as_bytes()).expect("usable keys").0
}

/// An object as a token's reader has it. What it borrows from is leaked, as tests may.
pub(super) fn members(object: &Value) -> Members<'static> {
    super::json::object(object.to_string().leak().as_bytes()).expect("an object")
}

/// Members set, or removed where the value is null.
pub(crate) fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    let members = object.as_object_mut().expect("an object");
    for (name, value) in changes {
        if value.is_null() {
            members.remove(*name);
        } else {
            members.insert((*name).to_owned(), value.clone());
        }
    }
    object
}

/// Settings that accept the tokens of [`Draft::good`].
pub(crate) fn settings(profile: Profile) -> IssuerSettings {
    IssuerSettings {
        issuer: ISSUER.to_owned(),
        profile,
        keys: KeySource::File(PathBuf::from("keys.json")),
        jwks_cache_file: None,
        ca_file: None,
        client_ids: Allowed::Listed(vec!["client-1".to_owned(), "client-2".to_owned()]),
        audiences: Allowed::Listed(vec!["api".to_owned()]),
        token_use: vec![TokenUse::Access, TokenUse::Id],
        algorithms: Algorithm::ALL.to_vec(),
        refresh: Duration::from_secs(600),
        refresh_cooldown: Duration::from_secs(30),
        fetch_timeout: Duration::from_secs(5),
        jwks_size: 1 << 20,
        leeway: Duration::from_secs(60),
    }
}

/// One issuer that holds all test keys, each under its name.
pub(crate) fn authenticator(settings: IssuerSettings) -> Authenticator {
    let authenticator = Authenticator::new(vec![settings], 8192, Revocations::none());
    authenticator.issuers()[0].keys.replace(ALL_KEYS.clone());
    authenticator
}

pub(crate) static ALL_KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    key_set(&[("rsa", &RSA), ("other-rsa", &OTHER_RSA), ("p256", &P256), ("p384", &P384), ("ed25519", &ED25519)])
});

/// A token about to be signed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) key: &'static TestKey,
}

impl Draft {
    /// A token that an issuer of this profile accepts at [`NOW_S`].
    pub(crate) fn good(profile: Profile) -> Self {
        let claims = json!({"iss": ISSUER, "sub": "user-1", "iat": NOW_S - 10, "exp": NOW_S + 3600, "client_id": "client-1"});
        let (typ, more) = match profile {
            Profile::Cognito => (
                json!(null),
                json!({"token_use": "access", "scope": "read write", "username": "ann", "cognito:groups": ["ops", "dev"]}),
            ),
            Profile::Rfc9068 => (json!("at+jwt"), json!({"aud": "api", "jti": "1", "scope": "read write"})),
            Profile::Generic => (json!("JWT"), json!({"aud": ["other", "api"], "scope": "read write", "groups": ["ops"]})),
        };
        let more: Vec<(&str, Value)> =
            more.as_object().expect("an object").iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        Self { header: with(json!({"alg": "RS256", "kid": "rsa"}), &[("typ", typ)]), claims: with(claims, &more), key: &RSA }
    }

    /// The claim set, or removed where the value is null.
    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims = with(self.claims, &[(name, value)]);
        self
    }

    /// The header member set, or removed where the value is null.
    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        self.header = with(self.header, &[(name, value)]);
        self
    }

    /// Signed by another key, under its own algorithm; the `kid` stays.
    pub(crate) fn signed_by(mut self, key: &'static TestKey) -> Self {
        self.key = key;
        self
    }

    pub(crate) fn token(&self) -> String {
        let algorithm = self.header.get("alg").and_then(Value::as_str).unwrap_or(self.key.algorithm).to_owned();
        self.key.token_of(&algorithm, self.header.to_string(), self.claims.to_string())
    }
}
