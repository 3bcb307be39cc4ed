//! Requests and answers; every refusal starts from a request that was granted a moment before.
use super::*;
use crate::{
    auth::{AuthError, Authenticator, Credentials, InvalidReason, TokenCache, credentials, test_keys::at},
    limit::{LimitState, Limits, Quota},
    secret::Secret,
    token::SigningAlgorithm,
};
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use std::sync::LazyLock;

const GOOD: &str = "grant_type=client_credentials&client_id=id-1&client_secret=hidden";
const NOW_S: u64 = 1_800_000_000;

static ENDPOINT: LazyLock<TokenEndpoint> = LazyLock::new(|| endpoint(SigningAlgorithm::Es256));

fn endpoint(algorithm: SigningAlgorithm) -> TokenEndpoint {
    let settings = TokenSettings {
        path: "/oauth2/token".to_owned(),
        jwks_path: "/jwks".to_owned(),
        issuer: "https://gateway.example".to_owned(),
        audience: "api".to_owned(),
        token_lifetime: Duration::from_secs(900),
        leeway: Duration::from_secs(60),
        signing_key: None,
    };
    let hash = "e564b4081d7a9ea4b00dada53bdae70c99b87b6fce869f0c3dd4d2bfa1e53e1c"; // "hidden"
    let table = |name, expires| {
        format!(
            "[[service_accounts]]\nname = \"{name}\"\nclient_id = \"{name}\"\nsecret_sha256 = \"{hash}\"\nscopes = [\"read\", \"write\"]\n{expires}"
        )
    };
    let file = [
        table("id-1", ""),
        table("soon", "expires = 2027-01-15T08:01:40Z\n"),
        table("old", "expires = 2027-01-15T08:00:00Z\n"),
        table("bare", "").replace("scopes", "# "),
    ]
    .join("");
    let accounts = crate::config::read_accounts(std::path::Path::new("k.toml"), &file).expect("accounts").into_iter().collect();
    TokenEndpoint::new(settings, SigningKey::generate(algorithm).expect("a key").0, RetiredKeys::default(), accounts)
}

/// The limits of an installation, and a bucket of failures of this size.
fn limits(burst: u64) -> Limits {
    let quota = |burst| Quota::new(1, burst).expect("a quota");
    let [global, per_user, per_address] = [quota(1); 3];
    Limits {
        global,
        per_user,
        per_address,
        failures: quota(burst),
        bulk_in_flight: 0,
        max_users: 100,
        plans: crate::limit::Plans::default(),
        routes: Vec::new(),
        dry_run: false,
    }
}

/// Asks with buckets that nobody has charged.
fn grant(endpoint: &TokenEndpoint, request: &TokenRequest<'_>, unix_s: u64) -> TokenAnswer {
    let (state, limits) = (LimitState::new(1), limits(1));
    let attempts = Attempts { state: &state, limits: &limits, address: [203, 0, 113, 7].into(), now: at(unix_s) };
    endpoint.grant(request, &attempts).expect("the first attempt")
}

fn ask_with(pairs: &[(&str, &str)], body: &str) -> TokenAnswer {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::try_from(*name).expect("a name"), HeaderValue::from_str(value).expect("a value"));
    }
    grant(&ENDPOINT, &TokenRequest { headers: &headers, query: None, body: body.as_bytes() }, NOW_S)
}

fn ask(body: &str) -> TokenAnswer {
    ask_with(&[("content-type", "application/x-www-form-urlencoded")], body)
}

fn json_of(answer: &TokenAnswer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn check(answer: &TokenAnswer, status: u16, error: &str) {
    assert_eq!((answer.status.as_u16(), answer.outcome), (status, error));
    assert_eq!(json_of(answer)["error"], error);
    assert_eq!(answer.challenge_basic, status == 401);
    assert!(!String::from_utf8_lossy(&answer.body).contains("hidden"));
}

fn refused(body: &str, status: u16, error: &str) {
    assert_eq!(ask(GOOD).outcome, "issued");
    check(&ask(body), status, error);
}

#[test]
fn what_is_not_a_form_is_refused() {
    check(&ask_with(&[], GOOD), 400, "invalid_request");
    check(&ask_with(&[("content-type", "application/json")], r#"{"grant_type":"client_credentials"}"#), 400, "invalid_request");
    refused("", 400, "invalid_request");
    refused("grant_type=%", 400, "invalid_request");
    refused(&format!("{GOOD}&x={}", "a".repeat(TokenEndpoint::MAX_BODY)), 400, "invalid_request");
}

#[test]
fn parameters_in_the_target_are_refused() {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let ask = |query, body: &str| {
        grant(&ENDPOINT, &TokenRequest { headers: &headers, query: Some(query), body: body.as_bytes() }, NOW_S)
    };
    let bare = GOOD.replace("&client_secret=hidden", "");
    for query in
        ["client_secret=hidden", "a=b&client_secret", "client%5Fsecret=hidden", "scope=", "grant_type=x", "client_id=id-1"]
    {
        check(&ask(query, &bare), 400, "invalid_request");
        check(&ask(query, GOOD), 400, "invalid_request");
    }
    // RFC 6749, section 3.2: what is not known is not looked at.
    for query in ["", "tenant=one", "xclient_secret=a", "client_secrets=a", "%zz"] {
        assert_eq!(ask(query, GOOD).outcome, "issued", "{query}");
    }
}

#[test]
fn repeated_parameters_are_refused() {
    for name in ["grant_type", "client_id", "client_secret", "scope", "other"] {
        refused(&format!("{GOOD}&{name}=a&{name}=a"), 400, "invalid_request");
    }
}

#[test]
fn other_grants_are_refused() {
    for grant in [
        "password",
        "authorization_code",
        "refresh_token",
        "Client_Credentials",
        "client_credentials+",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ] {
        refused(&GOOD.replace("client_credentials", grant), 400, "unsupported_grant_type");
    }
    refused("client_id=id-1&client_secret=hidden", 400, "invalid_request");
    refused(&GOOD.replace("client_credentials", ""), 400, "invalid_request");
}

#[test]
fn whoever_is_not_proven_gets_one_and_the_same_answer() {
    let answers = [
        GOOD.replace("id-1", "nobody"),
        GOOD.replace("hidden", "wrong"),
        GOOD.replace("hidden", ""),
        GOOD.replace("id-1", "old"),
        GOOD.replace("id-1", ""),
        "grant_type=client_credentials".to_owned(),
        GOOD.replace("hidden", "wrong") + "&scope=admin",
    ]
    .map(|body| ask(&body));
    for answer in &answers {
        check(answer, 401, "invalid_client");
        assert_eq!(answer.body, answers[0].body);
    }
    let named: Vec<Option<&str>> = answers.iter().map(|answer| answer.client_id.as_deref()).collect();
    assert_eq!(named[..4], [None, Some("id-1"), None, Some("old")], "a name that strangers made up is not kept");
}

#[test]
fn two_ways_of_authentication_are_refused() {
    let basic = format!("Basic {}", STANDARD.encode("id-1:hidden"));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = "grant_type=client_credentials";
    assert_eq!(ask_with(&[form, ("authorization", &basic)], body).outcome, "issued");
    check(&ask_with(&[form, ("authorization", &basic)], GOOD), 400, "invalid_request");
    check(&ask_with(&[form, ("authorization", &basic), ("authorization", &basic)], body), 400, "invalid_request");
    let wrong = format!("Basic {}", STANDARD.encode("id-1:wrong"));
    check(&ask_with(&[form, ("authorization", &wrong)], body), 401, "invalid_client");
    check(&ask_with(&[form, ("authorization", "Bearer x")], body), 401, "invalid_client");
}

#[test]
fn an_assertion_is_no_authentication_here() {
    let assertion = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=x";
    refused(&format!("{GOOD}&{assertion}"), 400, "invalid_request");
    refused(&format!("grant_type=client_credentials&client_id=id-1&{assertion}"), 401, "invalid_client");
}

#[test]
fn tokens_for_other_resources_are_refused() {
    for resource in ["https%3A%2F%2Fother", "API", "api+"] {
        refused(&format!("{GOOD}&resource={resource}"), 400, "invalid_target");
    }
    refused(&format!("{}&resource=other", GOOD.replace("hidden", "wrong")), 401, "invalid_client");
    assert_eq!(ask(&format!("{GOOD}&resource=api")).outcome, "issued");
}

/// Asks one after the other with buckets of their own: the outcomes.
fn asked_in_turn(burst: u64, bodies: &[&str]) -> Vec<&'static str> {
    let (state, limits) = (LimitState::new(100), limits(burst));
    let attempts = Attempts { state: &state, limits: &limits, address: [203, 0, 113, 7].into(), now: at(NOW_S) };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let ask = |body: &&str| {
        let answer = ENDPOINT.grant(&TokenRequest { headers: &headers, query: None, body: body.as_bytes() }, &attempts);
        answer.map_or("limited", |answer| answer.outcome)
    };
    bodies.iter().map(ask).collect()
}

#[test]
fn past_its_failures_a_client_is_limited_whether_it_exists_or_not() {
    for client in ["id-1", "nobody", "old"] {
        let (wrong, right) = (GOOD.replace("id-1", client).replace("hidden", "wrong"), GOOD.replace("id-1", client));
        let outcomes = asked_in_turn(2, &[&wrong, &wrong, &wrong, &right, GOOD]);
        let last = if client == "id-1" { "limited" } else { "issued" };
        assert_eq!(outcomes, ["invalid_client", "invalid_client", "limited", "limited", last], "{client}");
    }
}

#[test]
fn only_a_wrong_secret_is_a_failure() {
    let scope = format!("{GOOD}&scope=admin");
    let grant = GOOD.replace("client_credentials", "password");
    let bare = GOOD.replace("&client_secret=hidden", "");
    let outcomes = asked_in_turn(1, &[GOOD, &scope, &grant, &bare, "grant_type=client_credentials", GOOD]);
    let expected = ["issued", "invalid_scope", "unsupported_grant_type", "invalid_client", "invalid_client", "issued"];
    assert_eq!(outcomes, expected);
}

#[test]
fn a_limited_client_is_named_if_it_exists() {
    let (state, limits) = (LimitState::new(100), limits(1));
    let attempts = Attempts { state: &state, limits: &limits, address: [203, 0, 113, 7].into(), now: at(NOW_S) };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    for (client, named) in [("id-1", Some("id-1")), ("nobody", None)] {
        let body = GOOD.replace("id-1", client).replace("hidden", "wrong");
        let ask = || ENDPOINT.grant(&TokenRequest { headers: &headers, query: None, body: body.as_bytes() }, &attempts);
        assert!(ask().is_ok());
        let limited = ask().expect_err("an empty bucket");
        assert_eq!((limited.client_id.as_deref(), limited.refusal.retry_after_s), (named, 1));
    }
}

#[test]
fn descriptions_are_as_rfc_6749_says() {
    for body in [
        "",
        "grant_type=x",
        GOOD,
        "grant_type=client_credentials",
        &format!("{GOOD}&scope=a"),
        &format!("{GOOD}&resource=a"),
        "%",
    ] {
        let answer = json_of(&ask(body));
        let text = answer["error_description"].as_str().unwrap_or_default();
        assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{text}");
    }
}

#[test]
fn scopes_that_the_account_does_not_have_are_refused() {
    for scope in ["admin", "read+admin", "READ", "read%2Cwrite", "+", "read%0Awrite", "%22"] {
        refused(&format!("{GOOD}&scope={scope}"), 400, "invalid_scope");
    }
    refused(&format!("{}&scope=read", GOOD.replace("id-1", "bare")), 400, "invalid_scope");
}

#[test]
fn the_answer_is_as_rfc_6749_says() {
    for (asked, scope) in
        [("", "read write"), ("&scope=", "read write"), ("&scope=write", "write"), ("&scope=write++read+write", "read write")]
    {
        let answer = ask(&format!("{GOOD}{asked}"));
        let body = json_of(&answer);
        assert_eq!((answer.status, answer.challenge_basic, answer.client_id.as_deref()), (StatusCode::OK, false, Some("id-1")));
        assert_eq!((&body["token_type"], &body["expires_in"], &body["scope"]), (&json!("Bearer"), &json!(900), &json!(scope)));
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(4));
    }
    let bare = json_of(&ask(&GOOD.replace("id-1", "bare")));
    assert_eq!(bare.get("scope"), None);
}

fn segment(token: &str, index: usize) -> Value {
    let text = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).expect("a segment")).expect("base64url");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn the_token_is_as_rfc_9068_says() {
    let token = json_of(&ask(GOOD))["access_token"].as_str().expect("a token").to_owned();
    let (header, mut claims) = (segment(&token, 0), segment(&token, 1));
    let jwks: Value = serde_json::from_slice(ENDPOINT.jwks(at(NOW_S))).expect("JSON");
    assert_eq!(header, json!({"typ": "at+jwt", "alg": "ES256", "kid": jwks["keys"][0]["kid"]}));
    let jti = claims.as_object_mut().expect("claims").remove("jti").expect("jti");
    assert_eq!(jti.as_str().map(str::len), Some(22));
    let expected = json!({"iss": "https://gateway.example", "sub": "id-1", "client_id": "id-1", "aud": "api", "iat": NOW_S, "exp": NOW_S + 900, "scope": "read write"});
    assert_eq!(claims, expected);
}

#[test]
fn no_token_outlives_its_account() {
    let body = json_of(&ask(&GOOD.replace("id-1", "soon")));
    let claims = segment(body["access_token"].as_str().expect("a token"), 1);
    assert_eq!((&body["expires_in"], &claims["exp"]), (&json!(100), &json!(NOW_S + 100)));
}

#[test]
fn no_two_tokens_have_one_id() {
    let id = || segment(json_of(&ask(GOOD))["access_token"].as_str().expect("a token"), 1)["jti"].clone();
    assert_ne!(id(), id());
}

/// What the gateway says to a token of its own at that second.
fn judged(endpoint: &TokenEndpoint, authenticator: &Authenticator, unix_s: u64) -> Result<String, AuthError> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let token =
        json_of(&grant(endpoint, &TokenRequest { headers: &headers, query: None, body: GOOD.as_bytes() }, NOW_S))["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).expect("a value"));
    let Credentials::Bearer(token) = credentials(&headers) else { panic!("one bearer token") };
    authenticator.verify(&TokenCache::new(1), token, at(unix_s)).map(|verified| verified.subject().to_owned())
}

#[test]
fn the_gateway_accepts_its_own_tokens_in_time() {
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256] {
        let endpoint = endpoint(algorithm);
        let own = Authenticator::new(vec![endpoint.as_issuer()], 8192, crate::auth::Revocations::none());
        let foreign = Authenticator::new(vec![self::endpoint(algorithm).as_issuer()], 8192, crate::auth::Revocations::none());
        let over = AuthError::Invalid { reason: InvalidReason::Expired, issuer: Some(crate::auth::IssuerIndex(0)) };
        assert_eq!(judged(&endpoint, &own, NOW_S + 960), Err(over));
        assert!(matches!(judged(&endpoint, &foreign, NOW_S), Err(AuthError::UnknownKey { .. })), "a key per installation");
        assert_eq!(judged(&endpoint, &own, NOW_S + 959), Ok("id-1".to_owned()));
    }
}

/// Rotated at `NOW_S`: what was signed before, and the endpoint after, with the other key.
fn rotated(algorithm: SigningAlgorithm) -> (TokenEndpoint, TokenEndpoint) {
    let before = endpoint(SigningAlgorithm::Es256);
    let mut after = endpoint(algorithm);
    let mut retired = RetiredKeys::default();
    retired.retire(before.signs_as(), Duration::from_secs(900), at(NOW_S));
    retired.date(after.signs_as(), Duration::from_secs(900), Duration::from_secs(60), at(NOW_S));
    after.set_retired(retired);
    (before, after)
}

#[test]
fn a_token_of_a_retired_key_is_good_until_it_is_over() {
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256] {
        let (before, after) = rotated(algorithm);
        let own = Authenticator::new(vec![after.as_issuer()], 8192, crate::auth::Revocations::none());
        assert_eq!(judged(&before, &own, NOW_S + 959), Ok("id-1".to_owned()));
        assert_eq!(judged(&after, &own, NOW_S + 959), Ok("id-1".to_owned()));
        let end = NOW_S + 2 * 900 + 61;
        let keys = |unix_s| (after.accepted_keys(at(unix_s)).len(), after.has_retired_keys());
        assert_eq!((keys(end - 1), keys(end)), ((2, true), (1, true)));
    }
}

#[test]
fn another_key_signs_at_once() {
    let (before, mut after) = rotated(SigningAlgorithm::Es256);
    let own = Authenticator::new(vec![before.as_issuer()], 8192, crate::auth::Revocations::none());
    assert!(matches!(judged(&after, &own, NOW_S), Err(AuthError::UnknownKey { .. })));
    after.set_key(SigningKey::generate(SigningAlgorithm::Es256).expect("a key").0);
    let own = Authenticator::new(vec![after.as_issuer()], 8192, crate::auth::Revocations::none());
    assert_eq!(judged(&after, &own, NOW_S), Ok("id-1".to_owned()));
    assert_eq!(after.retired().len(), 1);
}

#[test]
fn the_demo_account_is_granted_its_scopes() {
    let accounts = ServiceAccounts::single("id-1", &Secret::new("hidden".to_owned()), vec!["all".to_owned()]);
    let endpoint = TokenEndpoint { accounts, ..endpoint(SigningAlgorithm::Es256) };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    assert_eq!(
        json_of(&grant(&endpoint, &TokenRequest { headers: &headers, query: None, body: GOOD.as_bytes() }, 0))["scope"],
        "all"
    );
    assert_eq!(endpoint.settings().path, "/oauth2/token");
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!("{:?}", *ENDPOINT);
    assert!(printed.contains("key: [redacted]") && !printed.contains("229, 100"));
}

proptest::proptest! {
    #[test]
    fn any_body_is_judged(body in "[ -~]{0,80}") {
        proptest::prop_assert_ne!(ask(&body).outcome, "issued");
    }
}
