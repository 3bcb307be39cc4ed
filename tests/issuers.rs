//! Real issuers: cognito-local, moto's Cognito and oidc-provider. Users sign in there, their tokens are taken here, and none is
//! once anybody has touched it, though the untouched one was taken a moment before.
mod support;

#[path = "issuers/tampering.rs"]
mod tampering;

use serde_json::Value;
use std::collections::BTreeMap;
use support::{Head, Helper, Segments, Trial, node, python};
use tampering::{Key, tampered};

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("{member} in {value}")).to_owned()
}

/// Exactly these identity headers reach the upstream, of those that there are.
fn check_identity(name: &str, head: &Head, expected: &[(&str, &str)]) {
    let named = head.headers.iter().map(|(header, value)| (header.to_ascii_lowercase(), value.clone()));
    let seen: BTreeMap<String, String> = named.filter(|(header, _)| header.starts_with("x-auth-")).collect();
    let expected = expected.iter().map(|(header, value)| (format!("x-auth-{header}"), (*value).to_owned()));
    assert_eq!(seen, expected.collect(), "{name}");
}

/// As an operator writes it for a user pool, with these further lines.
fn pool_of(helper: &Helper, client: &str, more: &str) -> String {
    format!("issuer = \"{}\"\nprofile = \"cognito\"\nclient_ids = [\"{client}\"]\n{more}", helper.text("issuer"))
}

/// A pool of cognito-local, whose key set lies where that of Amazon Cognito does: `jwks_url` by default.
fn cognito_local() -> Helper {
    Helper::start(&mut node("cognito.mjs"))
}

/// Moto's tokens name the real Cognito as their issuer; the key set is Moto's own.
fn moto() -> (Helper, String) {
    let helper = Helper::start(&mut python("moto_cognito.py"));
    let keys = format!("jwks_url = \"{}\"", helper.text("jwks_url"));
    (helper, keys)
}

fn openid() -> Helper {
    Helper::start(&mut node("openid.mjs"))
}

/// As an operator writes it for the provider: the key set is found by its discovery document.
fn provider_of(helper: &Helper, more: &str) -> String {
    let lines = "profile = \"rfc9068\"\naudiences = [\"urn:api\"]";
    format!("issuer = \"{}\"\n{lines}\n{more}", helper.text("issuer"))
}

/// Every way of touching `good` is refused, and `good` is taken before each.
fn check_tampering(trial: &Trial, name: &str, good: &str, keys_url: &str) {
    let key = Key::published(keys_url, &Segments::of(good));
    let cases = tampered(&Segments::of(good), &key);
    assert!(cases.len() >= 40, "{}", cases.len());
    for (spoiled, token, reason) in &cases {
        trial.accept(name, good);
        trial.refuse(&format!("{name}: {spoiled}"), token, reason);
    }
}

/// Taken by one gateway, and by another, whose issuer has other settings, refused.
fn check_settings(good: &str, taken: &str, cases: &[(&str, String, &'static str)]) {
    let trial = Trial::start(|setup| setup.issuer(taken));
    for (name, settings, reason) in cases {
        trial.accept(name, good);
        Trial::start(|setup| setup.issuer(settings)).refuse(name, good, reason);
    }
}

/// Taken, and refused as soon as its time is over.
fn check_end(name: &str, settings: &str, token: &str) {
    // The leeway leaves slow machines the time to ask before the token's end.
    let trial = Trial::start(|setup| setup.issuer(&format!("{settings}\nleeway = \"4s\"")));
    trial.accept(name, token);
    trial.gateway.poll("the token's end", || (trial.ask(token).status == 401).then_some(()));
    trial.refuse(name, token, "expired");
}

#[test]
fn users_of_cognito_local_are_known_upstream() {
    let mut pool = cognito_local();
    let (issuer, client) = (pool.text("issuer"), pool.text("clients/web"));
    let trial = Trial::start(|setup| setup.issuer(&pool_of(&pool, &client, "")));
    for user in ["ada", "bob"] {
        let tokens = pool.ask(&format!("{user} web"));
        // A user's name there is the subject, because people sign in by their address.
        let subject = text(&tokens, "sub");
        let groups = [("issuer", issuer.as_str()), ("client-id", &client), ("groups", "operators")];
        let person = [("subject", subject.as_str()), ("username", &subject)];
        let scopes = [("scopes", "aws.cognito.signin.user.admin")];
        let head = trial.accept("access token", &text(&tokens, "access_token"));
        check_identity("access token", &head, &[&groups[..], &person, &scopes].concat());
        let head = trial.accept("id token", &text(&tokens, "id_token"));
        check_identity("id token", &head, &[&groups[..], &person].concat());
    }
}

#[test]
fn tokens_of_cognito_local_are_not_taken_once_touched() {
    let mut pool = cognito_local();
    let trial = Trial::start(|setup| setup.issuer(&pool_of(&pool, &pool.text("clients/web"), "")));
    let keys_url = format!("{}/.well-known/jwks.json", pool.text("issuer"));
    let tokens = pool.ask("ada web");
    for kind in ["access_token", "id_token"] {
        check_tampering(&trial, kind, &text(&tokens, kind), &keys_url);
    }
    trial.refuse("a refresh token, which names no key", &text(&tokens, "refresh_token"), "unknown_key");
}

#[test]
fn tokens_of_cognito_local_are_for_one_client_and_one_use() {
    let mut pool = cognito_local();
    let (web, other) = (pool.text("clients/web"), pool.text("clients/other"));
    let tokens = pool.ask("ada web");
    let taken = pool_of(&pool, &web, "");
    let (access, id) = ("token_use = [\"access\"]", "token_use = [\"id\"]");
    check_settings(
        &text(&tokens, "access_token"),
        &taken,
        &[
            ("an access token of another client", pool_of(&pool, &other, ""), "client_id"),
            ("an access token where id tokens are asked for", pool_of(&pool, &web, id), "token_use"),
        ],
    );
    check_settings(
        &text(&tokens, "id_token"),
        &taken,
        &[
            ("an id token of another client", pool_of(&pool, &other, ""), "audience"),
            ("an id token where access tokens are asked for", pool_of(&pool, &web, access), "token_use"),
        ],
    );
    let trial = Trial::start(|setup| setup.issuer(&taken));
    let others = pool.ask("ada other");
    trial.refuse("the same user by another app", &text(&others, "access_token"), "client_id");
    trial.refuse("the same user by another app", &text(&others, "id_token"), "audience");
}

#[test]
fn tokens_of_cognito_local_end() {
    let mut pool = cognito_local();
    let settings = pool_of(&pool, &pool.text("clients/brief"), "");
    check_end("access token", &settings, &text(&pool.ask("ada brief"), "access_token"));
}

#[test]
fn users_of_moto_are_known_upstream() {
    let (mut pool, keys) = moto();
    let (issuer, client) = (pool.text("issuer"), pool.text("clients/web"));
    let trial = Trial::start(|setup| setup.issuer(&pool_of(&pool, &client, &keys)));
    let tokens = pool.ask("ada web");
    let subject = text(&tokens, "sub");
    let common = [
        ("issuer", issuer.as_str()),
        ("client-id", &client),
        ("groups", "operators"),
        ("subject", &subject),
        ("username", "ada"),
    ];
    let head = trial.accept("access token", &text(&tokens, "access_token"));
    check_identity("access token", &head, &[&common[..], &[("scopes", "aws.cognito.signin.user.admin")]].concat());
    check_identity("id token", &trial.accept("id token", &text(&tokens, "id_token")), &common);
}

#[test]
fn tokens_of_moto_are_not_taken_once_touched() {
    let (mut pool, keys) = moto();
    let trial = Trial::start(|setup| setup.issuer(&pool_of(&pool, &pool.text("clients/web"), &keys)));
    let tokens = pool.ask("ada web");
    for kind in ["access_token", "id_token"] {
        check_tampering(&trial, kind, &text(&tokens, kind), &pool.text("jwks_url"));
    }
    trial.refuse("a refresh token", &text(&tokens, "refresh_token"), "malformed");
    trial.refuse("of an hour ago", &text(&pool.ask("expired ada web"), "access_token"), "expired");
}

#[test]
fn tokens_of_moto_are_for_one_client_and_one_use() {
    let (mut pool, keys) = moto();
    let (web, other) = (pool.text("clients/web"), pool.text("clients/other"));
    let tokens = pool.ask("ada web");
    let taken = pool_of(&pool, &web, &keys);
    let only = |kind: &str| pool_of(&pool, &web, &format!("{keys}\ntoken_use = [\"{kind}\"]"));
    let access = [
        ("another client's", pool_of(&pool, &other, &keys), "client_id"),
        ("an access token for an id token", only("id"), "token_use"),
    ];
    check_settings(&text(&tokens, "access_token"), &taken, &access);
    let id = [
        ("another client's", pool_of(&pool, &other, &keys), "audience"),
        ("an id token for an access token", only("access"), "token_use"),
    ];
    check_settings(&text(&tokens, "id_token"), &taken, &id);
}

#[test]
fn people_and_machines_of_an_openid_provider_are_known_upstream() {
    let mut provider = openid();
    let (issuer, client) = (provider.text("issuer"), provider.text("clients/web"));
    let trial = Trial::start(|setup| setup.issuer(&provider_of(&provider, "")));
    for (line, subject) in [("sign-in ada web urn:api", "ada"), ("machine web urn:api", &client)] {
        let head = trial.accept(line, &text(&provider.ask(line), "access_token"));
        let expected = [("issuer", &*issuer), ("client-id", &client), ("subject", subject), ("scopes", "read")];
        check_identity(line, &head, &expected);
    }
}

#[test]
fn tokens_of_an_openid_provider_are_not_taken_once_touched() {
    let mut provider = openid();
    let trial = Trial::start(|setup| setup.issuer(&provider_of(&provider, "")));
    let tokens = provider.ask("sign-in ada web urn:api");
    let good = text(&tokens, "access_token");
    check_tampering(&trial, "access token", &good, &format!("{}/jwks", provider.text("issuer")));
    trial.accept("access token", &good);
    trial.refuse("the id token of the same sign-in", &text(&tokens, "id_token"), "type");
    let mut renamed = Segments::of(&text(&tokens, "id_token"));
    renamed = renamed.with_header(|header| header["typ"] = "at+jwt".into());
    trial.refuse("that id token in an access token's header", &renamed.token(), "audience");
}

#[test]
fn tokens_of_an_openid_provider_are_for_one_api_and_may_be_for_one_client() {
    let mut provider = openid();
    let trial = Trial::start(|setup| setup.issuer(&provider_of(&provider, "client_ids = [\"web-app\"]")));
    for command in ["sign-in ada", "machine"] {
        trial.accept(command, &text(&provider.ask(&format!("{command} web urn:api")), "access_token"));
        for (rest, reason) in [("web urn:other", "audience"), ("other urn:api", "client_id"), ("other urn:other", "audience")] {
            let line = format!("{command} {rest}");
            trial.refuse(&line, &text(&provider.ask(&line), "access_token"), reason);
        }
    }
}

#[test]
fn tokens_of_an_openid_provider_end() {
    let mut provider = openid();
    let settings = provider_of(&provider, "").replace("urn:api", "urn:brief");
    check_end("access token", &settings, &text(&provider.ask("sign-in ada web urn:brief"), "access_token"));
}

#[test]
fn a_provider_can_change_its_keys_while_it_is_asked() {
    let mut provider = openid();
    let lines = provider_of(&provider, "refresh = \"1s\"\nrefresh_cooldown = \"1s\"");
    let trial = Trial::start(|setup| setup.issuer(&lines));
    let old = text(&provider.ask("machine web urn:api"), "access_token");
    trial.accept("the first key", &old);
    assert_eq!(provider.ask("rotate")["keys"], 2);
    let new = text(&provider.ask("machine web urn:api"), "access_token");
    assert_ne!(Segments::of(&old).header()["kid"], Segments::of(&new).header()["kid"]);
    // The token of a new key asks for it, or the next refresh brings it.
    trial.gateway.poll("the second key", || (trial.ask(&new).status == 200).then_some(()));
    trial.accept("the first key, while both are published", &old);
    let mut crossed = Segments::of(&new);
    crossed.header = Segments::of(&old).header;
    trial.refuse("a token of one key in the name of the other", &crossed.token(), "signature");
    assert_eq!(provider.ask("retire")["keys"], 1);
    trial.gateway.poll("the first key's end", || (trial.ask(&old).status == 401).then_some(()));
    trial.refuse("the first key, remembered or not", &old, "unknown_key");
    trial.accept("the second key", &new);
}

#[test]
fn no_issuer_speaks_for_another() {
    let (mut local, (mut moto, moto_keys), mut provider) = (cognito_local(), moto(), openid());
    let trial = Trial::start(|setup| {
        setup
            .issuer(&pool_of(&local, &local.text("clients/web"), ""))
            .issuer(&pool_of(&moto, &moto.text("clients/web"), &moto_keys))
            .issuer(&provider_of(&provider, ""))
    });
    let tokens = [
        text(&local.ask("ada web"), "access_token"),
        text(&moto.ask("ada web"), "access_token"),
        text(&provider.ask("sign-in ada web urn:api"), "access_token"),
    ];
    for (from, token) in tokens.iter().enumerate() {
        let head = trial.accept("its own", token);
        assert_eq!(head.only("X-Auth-Issuer"), Segments::of(token).claims()["iss"], "each by its own issuer");
        for (to, other) in tokens.iter().enumerate().filter(|(to, _)| *to != from) {
            let (own, other) = (Segments::of(token), Segments::of(other));
            let name = format!("{from} as {to}");
            // The other's header and claims over this one's signature, and the other way round.
            let forged = Segments { signature: own.signature.clone(), ..other.clone() };
            trial.refuse(&name, &forged.token(), "signature");
            let renamed = Segments { claims: own.claims.clone(), ..other.clone() };
            assert_eq!(trial.ask(&renamed.token()).status, 401, "{name}: its claims under the other's key");
        }
    }
    for (token, issuers) in tokens.iter().zip([[1, 2], [0, 2], [0, 1]]) {
        trial.accept("all three", token);
        let settings = [
            pool_of(&local, &local.text("clients/web"), ""),
            pool_of(&moto, &moto.text("clients/web"), &moto_keys),
            provider_of(&provider, ""),
        ];
        let two = Trial::start(|setup| setup.issuer(&settings[issuers[0]]).issuer(&settings[issuers[1]]));
        two.refuse("an issuer that is not configured", token, "unknown_issuer");
    }
}
