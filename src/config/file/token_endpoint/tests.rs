//! What `[auth.token_endpoint]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};

#[test]
fn an_own_issuer_is_a_url() {
    check(
        r#"[auth.token_endpoint]
issuer = "gateway""#,
        "2:10: auth.token_endpoint.issuer: is not an http or https URL; write http://HOST[:PORT] or https://HOST[:PORT]",
    );
}

#[test]
fn own_tokens_are_signed_in_one_of_two_ways() {
    check(
        r#"[auth.token_endpoint]
algorithm = "PS256""#,
        r#"2:13: auth.token_endpoint.algorithm: `PS256` is not known; write one of "RS256", "ES256""#,
    );
}

#[test]
fn own_tokens_are_short_lived() {
    check(
        r#"[auth.token_endpoint]
token_lifetime = "48h""#,
        r#"2:18: auth.token_endpoint.token_lifetime: `48h` is out of range; write "1s" to "24h""#,
    );
}

#[test]
fn a_key_in_place_of_its_path_is_not_shown() {
    check(
        r#"[auth.token_endpoint]
signing_key = """-----BEGIN PRIVATE KEY-----
MIG
""""#,
        "2:15: auth.token_endpoint.signing_key: is not the path of a file; write a path; a relative one starts from this file's folder",
    );
}

#[test]
fn a_limit_of_failures_is_a_quota() {
    for (written, expected) in [
        (
            "{ rate = 0, burst = 1 }",
            "2:21: auth.token_endpoint.failures.rate: 0 is out of range; write a whole number from 1 to 1000000",
        ),
        (
            "{ rate = 1, burst = 0 }",
            "2:32: auth.token_endpoint.failures.burst: 0 is out of range; write a whole number from 1 to 100000000",
        ),
        ("1", "2:12: auth.token_endpoint.failures: is a whole number; write a table, as in { … }"),
    ] {
        check(&format!("[auth.token_endpoint]\nfailures = {written}"), expected);
    }
    let endpoint = accepted("[auth.token_endpoint]\nfailures = { rate = 2, burst = 7 }").auth.token_endpoint;
    assert_eq!(endpoint.map(|endpoint| (endpoint.failures.rate(), endpoint.failures.burst())), Some((2, 7)));
}

#[test]
fn an_empty_table_has_the_documented_defaults() {
    let Some(endpoint) = accepted("[auth.token_endpoint]").auth.token_endpoint else { panic!("no token endpoint") };
    assert_eq!((endpoint.path.value.as_str(), endpoint.jwks_path.value.as_str()), ("/oauth2/token", "/.well-known/jwks.json"));
    assert_eq!(
        (endpoint.issuer.value.as_str(), endpoint.audience.as_str()),
        ("https://gateway.example.internal", "stackflow-api")
    );
    assert_eq!(endpoint.signing_key.value.to_str(), Some("/etc/gateway/signing-key.pem"));
    assert_eq!(endpoint.api_keys.value.to_str(), Some("/etc/gateway/api-keys.toml"));
    assert_eq!(endpoint.token_lifetime.as_secs(), 900);
    assert_eq!((endpoint.failures.rate(), endpoint.failures.burst()), (1, 100));
}
