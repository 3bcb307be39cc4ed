//! Who is let in: tokens as Cognito shapes them, everything that is not quite one, and key sets that cannot be had.
mod support;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::Duration;
use support::{Backend, Issuer, JwksServer, KeyServing, NOBODY, Response, Setup, World, epoch_seconds};

const LIST: &str = "/prod/api/incidents";

fn ask(world: &World, authorization: &str) -> Response {
    world.gateway.connect().get(LIST, &[("Authorization", authorization)])
}

/// Refused as invalid, with this reason in the log and none in the body.
fn check_refused(world: &World, name: &str, token: &str, reason: &str) {
    let response = ask(world, &format!("Bearer {token}"));
    assert_eq!(response.status, 401, "{name}: {response:?}");
    assert_eq!(response.json()["code"], "invalid_token", "{name}");
    let entry = world.gateway.access_log(response.only("X-Request-Id"));
    assert_eq!((&entry["outcome"], &entry["reason"]), (&json!("unauthorized"), &json!(reason)), "{name}: {entry}");
    assert!(!response.text().contains(reason) || reason == "expired", "{name}: {}", response.text());
}

fn segment(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The token with another header, its signature kept.
fn with_header(token: &str, header: &Value) -> String {
    let rest = token.split_once('.').expect("three segments").1;
    format!("{}.{rest}", segment(header))
}

#[test]
fn tokens_shaped_like_cognitos_are_accepted() {
    let world = World::start();
    let now = epoch_seconds();
    let id_token = |claims: &mut Value| {
        let object = claims.as_object_mut().expect("an object");
        object.retain(|name, _| !matches!(name.as_str(), "client_id" | "username" | "scope"));
        claims["token_use"] = json!("id");
        claims["aud"] = json!("test-client");
        claims["cognito:username"] = json!("ada");
    };
    let fraction: Value = serde_json::from_str(&format!("{}.5", now + 99)).expect("a number");
    for (name, token) in [
        ("access token", world.issuer.user("ada")),
        ("id token", world.issuer.token(id_token)),
        ("within the leeway after its end", world.issuer.token(|claims| claims["exp"] = json!(now - 30))),
        ("issued a little ahead", world.issuer.token(|claims| claims["iat"] = json!(now + 30))),
        ("a fraction of a second", world.issuer.token(|claims| claims["exp"] = fraction.clone())),
        ("without scope", world.issuer.token_without("scope")),
    ] {
        assert_eq!(ask(&world, &format!("Bearer {token}")).status, 200, "{name}");
        assert_eq!(ask(&world, &format!("bEARER {token}")).status, 200, "{name}: the scheme is case-insensitive");
    }
}

#[test]
fn tokens_that_are_not_quite_right_are_refused_with_a_reason() {
    let world = World::start();
    let issuer = &world.issuer;
    let good = issuer.user("ada");
    let (head_and_claims, signature) = good.rsplit_once('.').expect("three segments");
    let claims = head_and_claims.split_once('.').expect("two").1;
    let header = json!({"alg": "RS256", "kid": "test-key"});
    let with_alg = |alg: &str| with_header(&good, &json!({"alg": alg, "kid": "test-key"}));
    let with = |name: &str, value: Value| issuer.token(|claims| claims[name] = value);
    let now = epoch_seconds();
    let stranger = Issuer::new("https://pool.test/one");
    let swapped = format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let cases: Vec<(&str, String, &str)> = vec![
        ("not a token", "abc".into(), "malformed"),
        ("two segments", head_and_claims.into(), "malformed"),
        ("four segments", format!("{good}.x"), "malformed"),
        ("padding", format!("{good}="), "malformed"),
        ("claims that are no JSON", format!("{}.{}.{signature}", segment(&header), URL_SAFE_NO_PAD.encode("hello")), "malformed"),
        ("9 KiB", with("padding", json!("x".repeat(9 * 1024))), "too_large"),
        ("alg none", format!("{}.{claims}.", segment(&json!({"alg": "none"}))), "algorithm"),
        ("alg none with a key id", format!("{}.{claims}.", segment(&json!({"alg": "None", "kid": "test-key"}))), "algorithm"),
        ("HMAC", with_alg("HS256"), "algorithm"),
        ("an algorithm not allowed here", with_alg("RS512"), "algorithm"),
        (
            "critical extension",
            with_header(&good, &json!({"alg": "RS256", "kid": "test-key", "crit": ["b64"], "b64": false})),
            "critical",
        ),
        ("another type", with_header(&good, &json!({"alg": "RS256", "kid": "test-key", "typ": "secevent+jwt"})), "type"),
        ("another issuer", with("iss", json!("https://pool.test/two")), "unknown_issuer"),
        ("the issuer with a slash", with("iss", json!("https://pool.test/one/")), "unknown_issuer"),
        ("expired", with("exp", json!(now - 90)), "expired"),
        ("no end", issuer.token_without("exp"), "claims"),
        ("an end in words", with("exp", json!("tomorrow")), "claims"),
        ("not yet", with("nbf", json!(now + 90)), "not_yet_valid"),
        ("issued ahead", with("iat", json!(now + 90)), "issued_ahead"),
        ("another client", with("client_id", json!("other-client")), "client_id"),
        ("no client", issuer.token_without("client_id"), "client_id"),
        ("refresh token", with("token_use", json!("refresh")), "token_use"),
        ("no use", issuer.token_without("token_use"), "token_use"),
        ("no subject", issuer.token_without("sub"), "claims"),
        ("a scope that is no text", with("scope", Value::Null), "claims"),
        ("tampered signature", format!("{head_and_claims}.{swapped}"), "signature"),
        (
            "tampered claims",
            format!("{}.{}.{signature}", good.split_once('.').expect("segments").0, segment(&claims_of(&good, "eve"))),
            "signature",
        ),
        ("the same names, another key", stranger.user("ada"), "signature"),
        ("an unknown key", with_header(&good, &json!({"alg": "RS256", "kid": "other"})), "unknown_key"),
        ("no key id", with_header(&good, &json!({"alg": "RS256"})), "unknown_key"),
    ];
    for (name, token, reason) in cases {
        check_refused(&world, name, &token, reason);
    }
    assert_eq!(ask(&world, &format!("Bearer {good}")).status, 200, "none of that harmed the good token");
}

fn claims_of(token: &str, subject: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three segments");
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
    claims["sub"] = json!(subject);
    claims
}

#[test]
fn only_when_expiry_is_all_that_is_wrong_the_client_is_told() {
    let world = World::start();
    let expired = world.issuer.token(|claims| claims["exp"] = json!(1_000));
    let message = |token: &str| ask(&world, &format!("Bearer {token}")).json()["message"].clone();
    assert_eq!(message(&expired), "The incoming token has expired");
    assert_eq!(
        message(&Issuer::new("https://pool.test/one").token(|claims| claims["exp"] = json!(1_000))),
        "Unauthorized",
        "a forged one"
    );
    let other_client = world.issuer.token(|claims| {
        claims["exp"] = json!(1_000);
        claims["client_id"] = json!("other-client");
    });
    assert_eq!(message(&other_client), "Unauthorized");
}

#[test]
fn credentials_are_looked_for_in_one_place_only() {
    let world = World::start();
    let token = world.issuer.user("ada");
    let bearer = format!("Bearer {token}");
    let mut client = world.gateway.connect();
    for (name, target, headers, status) in [
        ("query", format!("{LIST}?access_token={token}"), vec![], 401),
        ("cookie", LIST.to_owned(), vec![("Cookie", format!("access_token={token}"))], 401),
        ("without a scheme", LIST.to_owned(), vec![("Authorization", token.clone())], 401),
        ("two tokens in one", LIST.to_owned(), vec![("Authorization", format!("{bearer}, {bearer}"))], 401),
        ("twice", LIST.to_owned(), vec![("Authorization", bearer.clone()), ("Authorization", bearer.clone())], 400),
        ("a proxy's", LIST.to_owned(), vec![("Proxy-Authorization", bearer.clone())], 401),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(header, value)| (*header, value.as_str())).collect();
        assert_eq!(client.get(&target, &headers).status, status, "{name}");
    }
}

#[test]
fn scopes_of_a_route_are_asked_of_the_token() {
    let world = World::with(|setup| setup.route("path = \"/changes\"\nscopes = [\"changes:read\", \"admin\"]"));
    for (scope, status) in
        [("changes:read", 200), ("x admin", 200), ("incidents:read", 403), ("Admin", 403), ("administrator", 403), ("", 403)]
    {
        let token = world.issuer.token(|claims| claims["scope"] = json!(scope));
        assert_eq!(world.gateway.connect().get_as(&token, "/prod/api/changes").status, status, "{scope:?}");
    }
}

/// A gateway whose only issuer publishes its keys at `url`.
fn by_url(url: &str, issuer: &Issuer, backend: &Backend) -> Setup {
    Setup::bare(&backend.address().to_string()).issuer(&format!(
        "issuer = \"{}\"\njwks_url = \"{url}\"\nclient_ids = [\"{}\"]\nfetch_timeout = \"1s\"\nrefresh = \"1s\"\nrefresh_cooldown = \"1s\"",
        issuer.name, issuer.client_id
    ))
}

#[test]
fn keys_are_fetched_once_for_many_requests() {
    let (issuer, backend) = (Issuer::new("https://pool.test/one"), Backend::start());
    let server = JwksServer::start(KeyServing::Good(issuer.jwks_json()));
    let lines = format!("issuer = \"{}\"\njwks_url = \"{}\"\nclient_ids = \"any\"", issuer.name, server.url());
    let gateway = Setup::bare(&backend.address().to_string()).issuer(&lines).start();
    for user in 0..20 {
        assert_eq!(gateway.connect().get_as(&issuer.user(&format!("user-{user}")), LIST).status, 200);
    }
    assert_eq!(server.fetches(), 1, "refresh is every ten minutes");
}

#[test]
fn a_dead_issuer_is_503_until_it_comes_back() {
    let (issuer, backend) = (Issuer::new("https://pool.test/one"), Backend::start());
    let server = JwksServer::start(KeyServing::Dead);
    let gateway = by_url(&server.url(), &issuer, &backend).start_unready();
    let token = issuer.user("ada");
    let refused = gateway.connect().get_as(&token, LIST);
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("keys_unavailable")));
    assert!(refused.number("Retry-After") >= 1, "{refused:?}");
    let not_ready = gateway.admin_get("/readyz");
    assert_eq!(not_ready.status, 503);
    assert!(not_ready.text().contains("https://pool.test/one"), "it says what is missing: {}", not_ready.text());
    assert_eq!(gateway.admin_get("/livez").status, 200, "it must not be restarted for that");
    assert_eq!(gateway.connect().get("/ping", &[]).status, 503, "load balancers look elsewhere");
    // What can be refused without a key is.
    let expired = issuer.token(|claims| claims["exp"] = json!(1_000));
    assert_eq!(gateway.connect().get_as(&expired, LIST).status, 401);
    assert_eq!(gateway.connect().get(LIST, &[]).status, 401);
    server.switch(KeyServing::Good(issuer.jwks_json()));
    gateway.wait_ready();
    assert_eq!(gateway.connect().get_as(&token, LIST).status, 200, "and it has recovered by itself");
    assert_eq!(gateway.connect().get("/ping", &[]).status, 200);
    // Once keys are known, an issuer that dies later is not noticed by those who hold its tokens.
    server.switch(KeyServing::Hanging);
    let (fetches, asked) = (server.fetches(), || server.fetches());
    gateway.poll("another fetch", || (asked() > fetches).then_some(()));
    assert_eq!(gateway.connect().get_as(&issuer.user("bob"), LIST).status, 200);
}

#[test]
fn answers_that_are_no_key_set_are_as_good_as_none() {
    let (issuer, backend) = (Issuer::new("https://pool.test/one"), Backend::start());
    let large = format!("{{\"keys\":[{}]}}", " ".repeat(2 << 20));
    let answer = |status: &str, body: &str| format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for (name, response) in [
        ("an error", answer("500 Oops", &issuer.jwks_json())),
        ("a redirect", format!("HTTP/1.1 302 Found\r\nLocation: http://{NOBODY}/\r\nContent-Length: 0\r\n\r\n")),
        ("no JSON", answer("200 OK", "<html>")),
        ("no keys", answer("200 OK", "{\"keys\":[]}")),
        (
            "no usable key",
            answer("200 OK", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":\"test-key\",\"alg\":\"HS256\"}]}"),
        ),
        ("more than jwks_size", answer("200 OK", &large)),
    ] {
        let server = JwksServer::start(KeyServing::Raw(response));
        let gateway = by_url(&server.url(), &issuer, &backend).start_unready();
        assert_eq!(gateway.connect().get_as(&issuer.user("ada"), LIST).status, 503, "{name}");
    }
}

#[test]
fn a_hanging_issuer_holds_a_request_no_longer_than_one_fetch() {
    let (issuer, backend) = (Issuer::new("https://pool.test/one"), Backend::start());
    let server = JwksServer::start(KeyServing::Hanging);
    let gateway = by_url(&server.url(), &issuer, &backend).start_unready();
    let started = std::time::Instant::now();
    assert_eq!(gateway.connect().get_as(&issuer.user("ada"), LIST).status, 503);
    assert!(started.elapsed() < Duration::from_secs(5), "fetch_timeout is 1s: {:?}", started.elapsed());
}

#[test]
fn a_new_key_is_fetched_when_a_token_asks_for_it() {
    let (old, backend) = (Issuer::new("https://pool.test/one"), Backend::start());
    let mut new = Issuer::new("https://pool.test/one");
    new.key_id = "new-key".to_owned();
    let server = JwksServer::start(KeyServing::Good(old.jwks_json()));
    let lines =
        format!("issuer = \"{}\"\njwks_url = \"{}\"\nclient_ids = \"any\"\nrefresh_cooldown = \"1s\"", old.name, server.url());
    let gateway = Setup::bare(&backend.address().to_string()).issuer(&lines).start();
    assert_eq!(gateway.connect().get_as(&old.user("ada"), LIST).status, 200);
    server.switch(KeyServing::Good(new.jwks_json()));
    // Within the cooldown of the first fetch the new key is unknown; after it a token brings it in.
    let token = new.user("ada");
    gateway.poll("the new key", || (gateway.connect().get_as(&token, LIST).status == 200).then_some(()));
    assert_eq!(gateway.connect().get_as(&old.user("bob"), LIST).status, 401, "the set is replaced as a whole");
}

#[test]
fn it_listens_at_once_whether_or_not_an_issuer_answers() {
    let (issuer, backend) = (Issuer::new("https://pool.test/one"), Backend::start());
    let hanging = JwksServer::start(KeyServing::Hanging);
    for url in [hanging.url(), format!("http://{NOBODY}/keys")] {
        // Other load on the machine only ever adds: the best of five is what the gateway itself needs.
        let fastest = (0..5).map(|_| by_url(&url, &issuer, &backend).start_unready().started_in).min().expect("five starts");
        assert!(fastest < Duration::from_millis(300), "{url}: listening after {fastest:?}");
    }
}

#[test]
fn revoked_tokens_are_refused_with_a_reason() {
    let revoked = "[[revoked]]\njti = \"stolen\"\n[[revoked]]\nsubject = \"eve\"\n\
                   [[revoked]]\nclient_id = \"test-client\"\nissuer = \"https://pool.test/one\"\nissued_before = 2020-01-01T00:00:00Z\n";
    let setup = |setup: Setup| setup.with("[auth]\nrevocations = \"revoked.toml\"\n").file("revoked.toml", revoked);
    let world = World::with(setup);
    let with = |name: &str, value: Value| world.issuer.token(|claims| claims[name] = value);
    for (name, token) in [
        ("one token", with("jti", json!("stolen"))),
        ("a user", world.issuer.user("eve")),
        ("an old token of a client", with("iat", json!(1_577_836_799))),
        ("one that does not say when it was issued", world.issuer.token_without("iat")),
    ] {
        check_refused(&world, name, &token, "revoked");
    }
    assert_eq!(ask(&world, &world.bearer).status, 200);
    assert_eq!(ask(&world, &format!("Bearer {}", with("jti", json!("other")))).status, 200);
    let counted = world.gateway.metric("stackflow_gateway_auth_total{issuer=\"https://pool.test/one\",result=\"revoked\"}");
    assert!((counted - 4.0).abs() < 0.1, "{counted}");
}

#[test]
fn a_mistake_in_the_revocations_stops_the_start() {
    let (issuer, backend) = (Issuer::new("https://pool.test/one"), Backend::start());
    let setup = Setup::new(backend.address(), &issuer).with("[auth]\nrevocations = \"revoked.toml\"\n");
    let check = |revoked: &str| {
        let files = [("revoked.toml".to_owned(), revoked.to_owned()), ("jwks.json".to_owned(), issuer.jwks_json())];
        support::Gateway::output(&["check", "--config", "gateway.toml"], &setup.toml(), &files)
    };
    let output = check("[[revoked]]\nsub = \"eve\"\n");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let shown = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(shown.contains("revoked.toml:2:1: revoked.sub: unknown key"), "{shown}");
    assert_eq!(check("[[revoked]]\nsubject = \"eve\"\n").status.code(), Some(0));
}
