//! What `[[auth.issuers]]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};

#[test]
fn an_issuer_has_a_name() {
    check(
        r#"[[auth.issuers]]
client_ids = "any""#,
        "1:1: auth.issuers.issuer: is missing; write the `iss` of its tokens",
    );
}

#[test]
fn a_cognito_issuer_is_a_url() {
    check(
        r#"[[auth.issuers]]
issuer = "us-east-1_WKK1AVJ2m"
client_ids = "any""#,
        "2:10: auth.issuers.issuer: is not an http or https URL; write http://HOST[:PORT] or https://HOST[:PORT]",
    );
}

#[test]
fn a_generic_issuer_without_url_needs_a_place_for_its_keys() {
    check(
        r#"[[auth.issuers]]
issuer = "stackflow"
profile = "generic"
audiences = "any""#,
        "2:10: auth.issuers.issuer: is not an https URL, so the keys' place cannot be found from it; write `jwks_url` or `jwks_file`",
    );
}

#[test]
fn a_profile_is_a_known_one() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
profile = "keycloak""#,
        r#"4:11: auth.issuers.profile: `keycloak` is not known; write one of "cognito", "rfc9068", "generic""#,
    );
}

#[test]
fn cognito_needs_client_ids() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
"#,
        r#"1:1: auth.issuers.client_ids: is missing; list the app clients of the pool, or write "any""#,
    );
}

#[test]
fn cognito_has_no_audiences() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
audiences = ["x"]"#,
        "4:13: auth.issuers.audiences: has no meaning for Cognito, whose access tokens have none; remove it; write `client_ids`",
    );
}

#[test]
fn others_need_audiences() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
profile = "generic"
"#,
        r#"1:1: auth.issuers.audiences: is missing; list the accepted `aud`, or write "any""#,
    );
}

#[test]
fn others_have_no_token_use() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
profile = "generic"
audiences = "any"
token_use = ["access"]"#,
        "5:13: auth.issuers.token_use: has no meaning for this profile; remove it",
    );
}

#[test]
fn an_empty_list_of_clients_accepts_nobody() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = []"#,
        r#"3:14: auth.issuers.client_ids: is empty and would accept nobody; list values, or write "any""#,
    );
}

#[test]
fn any_is_the_only_word_for_clients() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "all""#,
        r#"3:14: auth.issuers.client_ids: is a text; write a list, or "any""#,
    );
}

#[test]
fn an_empty_list_of_token_uses_accepts_nothing() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
token_use = []"#,
        r#"4:13: auth.issuers.token_use: is empty and would accept no token; write ["access", "id"] or one of them"#,
    );
}

#[test]
fn a_token_use_is_a_known_one() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
token_use = ["refresh"]"#,
        r#"4:14: auth.issuers.token_use: `refresh` is not known; write one of "access", "id""#,
    );
}

#[test]
fn unsigned_tokens_are_refused_with_the_reason() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
algorithms = ["none"]"#,
        r#"4:15: auth.issuers.algorithms: `none` is no signature: anyone could write such a token; write one of "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA""#,
    );
}

#[test]
fn shared_secrets_are_refused_with_the_reason() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
algorithms = ["RS256", "HS256"]"#,
        r#"4:24: auth.issuers.algorithms: `HS256` needs a shared secret: a published key would serve to forge tokens; write one of "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA""#,
    );
}

#[test]
fn an_algorithm_is_a_known_one() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
algorithms = ["ES512"]"#,
        r#"4:15: auth.issuers.algorithms: `ES512` is not known; write one of "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA""#,
    );
}

#[test]
fn an_empty_list_of_algorithms_accepts_nothing() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
algorithms = []"#,
        r#"4:14: auth.issuers.algorithms: is empty and would accept no token; write ["RS256"]"#,
    );
}

#[test]
fn keys_are_not_fetched_in_the_clear() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
jwks_url = "http://issuer.example/jwks.json""#,
        "4:12: auth.issuers.jwks_url: is http to a host that is not a loopback address; write https://…; keys that come in the clear can be replaced",
    );
}

#[test]
fn a_password_in_a_url_is_refused_and_not_shown() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
jwks_url = "https://user:hunter2@issuer.example/jwks.json""#,
        "4:12: auth.issuers.jwks_url: has a user name or password; remove it; it would be readable in logs",
    );
}

#[test]
fn keys_come_from_one_place() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
jwks_url = "https://issuer.example/jwks.json"
jwks_file = "jwks.json""#,
        "4:12: auth.issuers.jwks_url: cannot stand beside `jwks_file`; remove one of them",
    );
}

#[test]
fn a_file_of_keys_needs_no_authorities() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
jwks_file = "jwks.json"
ca_file = "ca.pem""#,
        "5:11: auth.issuers.ca_file: has no meaning with `jwks_file`; remove it",
    );
}

#[test]
fn keys_are_fetched_at_most_once_a_second() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
refresh = "500ms"
refresh_cooldown = "0s""#,
        r#"4:11: auth.issuers.refresh: `500ms` is out of range; write "1s" to "24h"
5:20: auth.issuers.refresh_cooldown: `0s` is out of range; write "1s" to "24h""#,
    );
}

#[test]
fn the_leeway_of_an_issuer_is_bounded_too() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
leeway = "10m""#,
        r#"4:10: auth.issuers.leeway: `10m` is out of range; write "0s" to "5m""#,
    );
}

#[test]
fn a_cache_file_is_for_keys_that_are_fetched() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
jwks_file = "jwks.json"
jwks_cache_file = "cache""#,
        "5:19: auth.issuers.jwks_cache_file: has no meaning with `jwks_file`; remove it",
    );
}

#[test]
fn a_cache_file_starts_from_the_folder_of_the_file() {
    let text = "[[auth.issuers]]\nissuer = \"https://issuer.example\"\nclient_ids = \"any\"\njwks_cache_file = \"keys.cache\"";
    let cache = accepted(text).auth.issuers[0].jwks_cache_file.clone();
    assert_eq!(cache.as_deref(), Some(std::path::Path::new("/etc/gateway/keys.cache")));
}

#[test]
fn any_in_a_list_is_refused() {
    let text = "[[auth.issuers]]\nissuer = \"https://i\"\nclient_ids = [\"any\"]";
    check(text, "3:15: auth.issuers.client_ids: lists `any`, which is not a word in a list; write \"any\" without brackets");
}

#[test]
fn keys_are_found_from_the_issuer() {
    let keys = |text: &str| format!("{:?}", accepted(&format!("[[auth.issuers]]\n{text}")).auth.issuers[0].keys);
    let cognito = keys("issuer = \"https://issuer.example\"\nclient_ids = \"any\"");
    assert_eq!(cognito, "Url(\"https://issuer.example/.well-known/jwks.json\")");
    let rfc9068 = keys("issuer = \"https://issuer.example/\"\nprofile = \"rfc9068\"\naudiences = \"any\"");
    assert_eq!(rfc9068, "Discovery(\"https://issuer.example/.well-known/openid-configuration\")");
    let generic = keys("issuer = \"me\"\nprofile = \"generic\"\naudiences = [\"a\"]\njwks_url = \"http://127.0.0.1:9000/keys\"");
    assert_eq!(generic, "Url(\"http://127.0.0.1:9000/keys\")");
    let file = keys("issuer = \"https://issuer.example\"\nclient_ids = \"any\"\njwks_file = \"keys.json\"");
    assert_eq!(file, "File(\"/etc/gateway/keys.json\")");
}

#[test]
fn the_leeway_is_that_of_all_issuers_unless_written() {
    let leeways = |text: &str| accepted(text).auth.issuers[0].leeway.as_secs();
    assert_eq!(leeways("[auth]\nleeway = \"7s\""), 7);
    assert_eq!(
        leeways("[auth]\nleeway = \"7s\"\n[[auth.issuers]]\nissuer = \"https://i\"\nclient_ids = \"any\"\nleeway = \"9s\""),
        9
    );
}

#[test]
fn every_algorithm_of_the_documentation_is_known() {
    let names = "\"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"EdDSA\"";
    let text = format!("[[auth.issuers]]\nissuer = \"https://i\"\nclient_ids = [\"c\"]\nalgorithms = [{names}]");
    assert_eq!(accepted(&text).auth.issuers[0].algorithms.len(), 9);
}
