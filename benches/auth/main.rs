//! What it costs to judge a token: seen before, never seen, and refused; beside the library that most would use instead.
//!
//! `cargo bench --bench auth`: in time. A token that is not remembered is judged with a cache of no entries, so that nothing is found
//! and nothing kept. `cargo bench --bench auth -- --instructions`: in instructions, held to a budget (`instructions`).
mod instructions;
mod tokens;

use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use criterion::{BenchmarkId, Criterion, criterion_group};
use http::HeaderMap;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;
use stackflow_gateway::auth::{KeySet, Revocations, Revoked, Target, TokenCache};
use std::{hint::black_box, process::ExitCode};
use tokens::{ISSUER, Issuer, authenticator, headers, judge, malformed};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        assert!(!judge(&authenticator, &cache, &headers(&issuer.unknown(number))));
    }
    group.bench_function("after_10000_unknown_kids", |bench| bench.iter(|| judge(&authenticator, &cache, black_box(&token))));
    group.finish();
}

/// One of many tokens seen before, which no processor cache holds: each is asked for once in a round, far from the last one.
fn among_100_000(criterion: &mut Criterion) {
    const COUNT: usize = 100_000;
    // Without a common factor with the count.
    const STRIDE: usize = 61_803;
    let issuer = Issuer::new();
    let (authenticator, cache) = (authenticator(&issuer, Revocations::none()), TokenCache::new(COUNT * 2));
    let known: Vec<HeaderMap> = (0..COUNT).map(|number| headers(&issuer.numbered(number))).collect();
    assert!(known.iter().all(|token| judge(&authenticator, &cache, token)) && cache.len() == COUNT);
    let mut place = 0;
    criterion.bench_function("seen_before/among_100000", |bench| {
        bench.iter(|| {
            place = (place + STRIDE) % COUNT;
            judge(&authenticator, &cache, &known[place])
        });
    });
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

fn refused(criterion: &mut Criterion) {
    let issuer = Issuer::new();
    let (authenticator, cache) = (authenticator(&issuer, Revocations::none()), TokenCache::new(100_000));
    assert!(judge(&authenticator, &cache, &headers(&issuer.token("RS256", "RS256"))));
    let mut group = criterion.benchmark_group("refused");
    for (name, token) in malformed(&issuer) {
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

criterion_group!(benches, seen_before, among_100_000, never_seen, refused, key_sets);

fn main() -> ExitCode {
    if let Some(outcome) = instructions::asked_for() {
        return outcome;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    ExitCode::SUCCESS
}
