//! The tokens that are measured, their issuer, and how they are judged: as a request brings them, from the `Authorization` header on.
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};
use stackflow_gateway::{
    auth::{
        Algorithm, Allowed, Authenticator, Credentials, IssuerSettings, KeySet, KeySource, Profile, Revocations, TokenCache,
        TokenUse, credentials,
    },
    time::Now,
};
use std::{path::PathBuf, time::Duration};

pub const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_WKK1AVJ2m";
pub const NOW: Now = Now { monotonic_ns: 0, unix_ns: 1_800_000_000_000_000_000 };

/// An issuer's private keys, each under its algorithm's name.
pub struct Issuer {
    pub rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    pub fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            ed: Ed25519KeyPair::generate().expect("a key"),
        }
    }

    pub fn jwks(&self) -> Value {
        let (n, e) = (self.rsa.public_key().modulus(), self.rsa.public_key().exponent());
        let (x, y) = self.ec.public_key().as_ref()[1..].split_at(32);
        json!({"keys": [
            {"kid": "RS256", "kty": "RSA", "alg": "RS256", "use": "sig",
             "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero())},
            {"kid": "ES256", "kty": "EC", "crv": "P-256", "use": "sig", "x": text(x), "y": text(y)},
            {"kid": "EdDSA", "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": text(self.ed.public_key())},
        ]})
    }

    /// Its keys are known from now on.
    pub fn publish(&self, authenticator: &Authenticator) {
        authenticator.issuers()[0].keys.replace(KeySet::parse(self.jwks().to_string().as_bytes()).expect("a set").0);
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match algorithm {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
            "ES256" => self.ec.sign(&random, message).expect("a signature").as_ref().to_vec(),
            _ => self.ed.sign(message).as_ref().to_vec(),
        }
    }

    /// A Cognito access token as a user pool writes it.
    pub fn token(&self, algorithm: &str, kid: &str) -> String {
        let header = json!({"kid": kid, "alg": algorithm});
        self.signed(algorithm, &header.to_string(), &claims().to_string())
    }

    /// One of many, each another user's, and quickly made.
    pub fn numbered(&self, number: usize) -> String {
        let mut claims = claims();
        claims["sub"] = format!("user-{number}").into();
        self.signed("EdDSA", r#"{"kid":"EdDSA","alg":"EdDSA"}"#, &claims.to_string())
    }

    /// The same with a key that nobody knows.
    pub fn unknown(&self, number: usize) -> String {
        self.token("EdDSA", &format!("unknown-{number}"))
    }

    fn signed(&self, algorithm: &str, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", text(header), text(payload));
        let signature = text(self.sign(algorithm, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn claims() -> Value {
    json!({
        "sub": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111", "cognito:groups": ["operators", "eu-west"], "iss": ISSUER, "version": 2,
        "client_id": "570cnagpgoochn29a113du6jnt", "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-example", "token_use": "access",
        "scope": "phone openid profile email", "auth_time": 1_799_999_000, "exp": 1_800_003_600, "iat": 1_800_000_000,
        "jti": "cccccccc-dddd-eeee-ffff-example", "username": "my-test-user",
    })
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Takes this issuer's tokens as the gateway takes those of a Cognito user pool.
pub fn authenticator(issuer: &Issuer, revocations: Revocations) -> Authenticator {
    let settings = IssuerSettings {
        issuer: ISSUER.to_owned(),
        profile: Profile::Cognito,
        keys: KeySource::File(PathBuf::from("jwks.json")),
        jwks_cache_file: None,
        ca_file: None,
        client_ids: Allowed::Listed(vec!["570cnagpgoochn29a113du6jnt".to_owned()]),
        audiences: Allowed::Any,
        token_use: vec![TokenUse::Access, TokenUse::Id],
        algorithms: Algorithm::ALL.to_vec(),
        refresh: Duration::from_secs(600),
        refresh_cooldown: Duration::from_secs(30),
        fetch_timeout: Duration::from_secs(5),
        jwks_size: 1 << 20,
        leeway: Duration::from_secs(60),
    };
    let authenticator = Authenticator::new(vec![settings], 8192, revocations);
    issuer.publish(&authenticator);
    authenticator
}

pub fn headers(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header value");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// As the pipeline does it. Whether the token was accepted.
pub fn judge(authenticator: &Authenticator, cache: &TokenCache, headers: &HeaderMap) -> bool {
    let Credentials::Bearer(token) = credentials(headers) else { return false };
    authenticator.recall(cache, token, NOW).is_some() || authenticator.verify(cache, token, NOW).is_ok()
}

/// What no key is needed to refuse, by what is wrong with it.
pub fn malformed(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let good = issuer.token("RS256", "RS256");
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let claims = claims().to_string();
    let twice = claims.replacen('{', r#"{"sub":"admin","#, 1);
    let last_twice = claims.replace("2}", r#"2,"version":3}"#);
    let comma_at_the_end = claims.replace("2}", "2,}");
    let header_of = |header: Value| format!("{}.{payload}.{signature}", text(header.to_string()));
    let payload_of = |claims: &str| format!("{header}.{}.{signature}", text(claims));
    vec![
        ("too_long", "a".repeat(8193)),
        ("opaque", "a".repeat(43)),
        ("four_segments", format!("{good}.{signature}")),
        ("json_serialization", json!({"payload": payload, "protected": header, "signature": signature}).to_string()),
        ("padding_at_the_end", format!("{good}=")),
        (
            "foreign_character_in_8_kib",
            format!("{header}.{}!.{signature}", "A".repeat(8191 - header.len() - signature.len() - 2)),
        ),
        ("unused_bits", format!("{header}.{payload}.{}B", &signature[..signature.len() - 1])),
        ("header_is_not_json", format!("{}.{payload}.{signature}", text("not json"))),
        ("alg_none", header_of(json!({"alg": "none", "kid": "RS256"}))),
        ("alg_hs256", header_of(json!({"alg": "HS256", "kid": "RS256"}))),
        ("crit", header_of(json!({"alg": "RS256", "kid": "RS256", "crit": ["exp"]}))),
        ("short_signature", format!("{header}.{payload}.AAAA")),
        ("payload_is_not_json", payload_of("not json")),
        ("payload_ends_too_early", format!("{header}.{}.{signature}", &payload[..payload.len() / 4 * 4 - 4])),
        ("payload_with_something_after_it", payload_of(&format!("{claims}x"))),
        ("payload_with_a_comma_at_its_end", payload_of(&comma_at_the_end)),
        ("payload_with_a_member_twice", payload_of(&twice)),
        ("payload_with_its_last_member_twice", payload_of(&last_twice)),
        ("foreign_issuer", payload_of(r#"{"iss":"https://attacker.example"}"#)),
    ]
}
