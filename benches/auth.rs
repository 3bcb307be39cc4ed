//! What it costs to judge a token: seen before, never seen, and refused; beside the library that most would use instead.
//!
//! `cargo bench --bench auth`. Each token is judged as a request brings it, from the `Authorization` header on. A token that is not
//! remembered is judged with a cache of no entries, so that nothing is found and nothing kept.
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};
use stackflow_gateway::{
    auth::{
        Algorithm, Allowed, Authenticator, Credentials, IssuerSettings, KeySet, KeySource, Profile, Revocations, Revoked, Target,
        TokenCache, TokenUse, credentials,
    },
    time::Now,
};
use std::{hint::black_box, path::PathBuf, time::Duration};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_WKK1AVJ2m";
const NOW: Now = Now { monotonic_ns: 0, unix_ns: 1_800_000_000_000_000_000 };

/// An issuer's private keys, each under its algorithm's name.
struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key"),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            ed: Ed25519KeyPair::generate().expect("a key"),
        }
    }

    fn jwks(&self) -> Value {
        let (n, e) = (self.rsa.public_key().modulus(), self.rsa.public_key().exponent());
        let (x, y) = self.ec.public_key().as_ref()[1..].split_at(32);
        json!({"keys": [
            {"kid": "RS256", "kty": "RSA", "alg": "RS256", "use": "sig",
             "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero())},
            {"kid": "ES256", "kty": "EC", "crv": "P-256", "use": "sig", "x": text(x), "y": text(y)},
            {"kid": "EdDSA", "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": text(self.ed.public_key())},
        ]})
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
    fn token(&self, algorithm: &str, kid: &str) -> String {
        let header = json!({"kid": kid, "alg": algorithm});
        self.signed(algorithm, &header.to_string(), &claims().to_string())
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

fn authenticator(issuer: &Issuer, revocations: Revocations) -> Authenticator {
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
    authenticator.issuers()[0].keys.replace(KeySet::parse(issuer.jwks().to_string().as_bytes()).expect("a set").0);
    authenticator
}

fn headers(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header value");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// As the pipeline does it. Whether the token was accepted. A function of its own, so that callgrind can count what it takes.
#[inline(never)]
fn judge(authenticator: &Authenticator, cache: &TokenCache, headers: &HeaderMap) -> bool {
    let Credentials::Bearer(token) = credentials(headers) else { return false };
    authenticator.recall(cache, token, NOW).is_some() || authenticator.verify(cache, token, NOW).is_ok()
}

/// A token seen before: with an empty revocations file, with a full one, and after a flood of tokens under unknown keys.
fn seen_before(criterion: &mut Criterion) {
    let issuer = Issuer::new();
    let token = headers(&issuer.token("RS256", "RS256"));
    let revoked = |number| Revoked { target: Target::Subject(format!("user-{number}")), issuer: None, issued_before_ns: None };
    let mut group = criterion.benchmark_group("seen_before");
    for (name, revocations) in [("plain", Revocations::none()), ("with_1000_revocations", (0..1000).map(revoked).collect())] {
        let (authenticator, cache) = (authenticator(&issuer, revocations), TokenCache::new(100_000));
        assert!(judge(&authenticator, &cache, &token));
        group.bench_function(name, |bench| bench.iter(|| judge(&authenticator, &cache, black_box(&token))));
    }
    let (authenticator, cache) = (authenticator(&issuer, Revocations::none()), TokenCache::new(100_000));
    assert!(judge(&authenticator, &cache, &token));
    for number in 0..10_000 {
        assert!(!judge(&authenticator, &cache, &headers(&issuer.token("EdDSA", &format!("unknown-{number}")))));
    }
    group.bench_function("after_10000_unknown_kids", |bench| bench.iter(|| judge(&authenticator, &cache, black_box(&token))));
    group.finish();
}

/// A token never seen: ours, `jsonwebtoken`'s `decode` of the same token, and for RS256 the bare signature check.
fn never_seen(criterion: &mut Criterion) {
    let issuer = Issuer::new();
    let (authenticator, nothing) = (authenticator(&issuer, Revocations::none()), TokenCache::new(0));
    let mut group = criterion.benchmark_group("never_seen");
    for name in ["RS256", "ES256", "EdDSA"] {
        let token = issuer.token(name, name);
        let headers = headers(&token);
        assert!(judge(&authenticator, &nothing, &headers));
        let ours = BenchmarkId::new("gateway", name);
        group.bench_function(ours, |bench| bench.iter(|| judge(&authenticator, &nothing, black_box(&headers))));
        let jwk = issuer.jwks()["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == name).expect("its key").clone();
        let key = DecodingKey::from_jwk(&serde_json::from_value(jwk).expect("a JWK")).expect("a key");
        let mut validation = Validation::new(name.parse().expect("an algorithm"));
        validation.validate_aud = false;
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        let decode = || jsonwebtoken::decode::<Value>(black_box(&token), &key, &validation).is_ok();
        assert!(decode());
        group.bench_function(BenchmarkId::new("jsonwebtoken", name), |bench| bench.iter(decode));
    }
    let token = issuer.token("RS256", "RS256");
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let public = issuer.rsa.public_key();
    let (n, e) = (public.modulus().big_endian_without_leading_zero(), public.exponent().big_endian_without_leading_zero());
    let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).expect("a key");
    group.bench_function(BenchmarkId::new("aws_lc", "RS256"), |bench| {
        bench.iter(|| key.verify_sig(black_box(signed.as_bytes()), &signature).is_ok());
    });
    group.finish();
}

/// Tokens that no key is needed to refuse, by what is wrong with them.
fn refused(criterion: &mut Criterion) {
    let issuer = Issuer::new();
    let (authenticator, cache) = (authenticator(&issuer, Revocations::none()), TokenCache::new(100_000));
    let good = issuer.token("RS256", "RS256");
    assert!(judge(&authenticator, &cache, &headers(&good)));
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let twice = claims().to_string().replacen('{', r#"{"sub":"admin","#, 1);
    let header_of = |header: Value| format!("{}.{payload}.{signature}", text(header.to_string()));
    let kinds = [
        ("too_long", "a".repeat(8193)),
        ("opaque", "a".repeat(43)),
        ("four_segments", format!("{good}.{signature}")),
        ("json_serialization", json!({"payload": payload, "protected": header, "signature": signature}).to_string()),
        ("padding_at_the_end", format!("{good}=")),
        ("foreign_character_in_8_kib", format!("{header}.{payload}.{}!", "A".repeat(8191 - header.len() - payload.len() - 2))),
        ("unused_bits", format!("{header}.{payload}.{}B", &signature[..signature.len() - 1])),
        ("header_is_not_json", format!("{}.{payload}.{signature}", text("not json"))),
        ("alg_none", header_of(json!({"alg": "none", "kid": "RS256"}))),
        ("alg_hs256", header_of(json!({"alg": "HS256", "kid": "RS256"}))),
        ("crit", header_of(json!({"alg": "RS256", "kid": "RS256", "crit": ["exp"]}))),
        ("short_signature", format!("{header}.{payload}.AAAA")),
        ("payload_is_not_json", format!("{header}.{}.{signature}", text("not json"))),
        ("payload_ends_too_early", format!("{header}.{}.{signature}", &payload[..payload.len() / 4 * 4 - 4])),
        ("payload_with_a_member_twice", format!("{header}.{}.{signature}", text(twice))),
        ("foreign_issuer", format!("{header}.{}.{signature}", text(json!({"iss": "https://attacker.example"}).to_string()))),
    ];
    let mut group = criterion.benchmark_group("refused");
    for (name, token) in kinds {
        let headers = headers(&token);
        assert!(!judge(&authenticator, &cache, &headers), "{name}");
        group.bench_function(name, |bench| bench.iter(|| judge(&authenticator, &cache, black_box(&headers))));
    }
    group.finish();
}

fn key_sets(criterion: &mut Criterion) {
    let document = Issuer::new().jwks().to_string();
    criterion.bench_function("key_set", |bench| bench.iter(|| KeySet::parse(black_box(document.as_bytes())).is_ok()));
}

criterion_group!(benches, seen_before, never_seen, refused, key_sets);
criterion_main!(benches);
