//! The token endpoint over HTTP: its answers (RFC 6749, sections 2.3.1, 3.2, 4.4 and 5; RFC 9068), its limit of wrong secrets,
//! and the life of its signing keys.
mod support;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, process::Output};
use support::{Backend, Gateway, Response, Setup, account, assert_decorated, epoch_seconds};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const GOOD: &str = "grant_type=client_credentials&client_id=ci&client_secret=hidden";

/// No issuer but the gateway itself; `lines` are of the token endpoint.
fn setup(backend: &Backend, lines: &str) -> Setup {
    let account = |name| account(name, "hidden", &["read", "write"]);
    Setup::bare(&backend.address().to_string())
        .with(&format!("[auth.token_endpoint]\nissuer = \"https://gateway.test\"\napi_keys = \"keys.toml\"\n{lines}"))
        .file("keys.toml", &(account("ci") + &account("b:c+d")))
}

fn gateway(lines: &str) -> Gateway {
    setup(&Backend::start(), lines).start()
}

fn post(gateway: &Gateway, headers: &[(&str, &str)], body: &str) -> Response {
    gateway.connect().exchange("POST", "/oauth2/token", headers, body.as_bytes())
}

fn ask(gateway: &Gateway, body: &str) -> Response {
    post(gateway, &[FORM], body)
}

fn token(gateway: &Gateway) -> String {
    let response = ask(gateway, GOOD);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["access_token"].as_str().expect("a token").to_owned()
}

fn segment(token: &str, index: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).expect("a segment")).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// An answer in the form of RFC 6749, section 5, whatever it says.
#[track_caller]
fn check(response: &Response, status: u16, error: &str) {
    assert_eq!((response.status, response.json()["error"].as_str()), (status, Some(error)), "{response:?}");
    assert_eq!((response.only("Cache-Control"), response.only("Pragma")), ("no-store", "no-cache"));
    assert_eq!(response.only("Content-Type"), "application/json");
    let challenge = (status == 401).then_some("Basic realm=\"stackflow\"");
    assert_eq!(response.header("WWW-Authenticate"), challenge, "{response:?}");
    assert!(!response.text().contains("hidden"));
    assert_decorated(error, response);
}

#[test]
fn only_a_posted_form_is_taken() {
    let gateway = gateway("");
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let response = gateway.connect().exchange(method, "/oauth2/token", &[FORM], b"");
        assert_eq!((response.status, response.header("Allow")), (405, Some("POST")), "{method}");
    }
    for content_type in ["application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded-not"] {
        check(&post(&gateway, &[("Content-Type", content_type)], GOOD), 400, "invalid_request");
    }
    check(&post(&gateway, &[], GOOD), 400, "invalid_request");
    check(&post(&gateway, &[FORM, FORM], GOOD), 400, "invalid_request");
    check(&ask(&gateway, &GOOD.replace("hidden", "%ff")), 400, "invalid_request");
    let long = format!("{GOOD}&x={}", "a".repeat(20_000));
    assert_eq!(ask(&gateway, &long).status, 413);
    let query = gateway.connect().exchange("POST", "/oauth2/token?client_secret=hidden", &[FORM], GOOD.as_bytes());
    check(&query, 400, "invalid_request");
    let typed = ("Content-Type", "Application/X-WWW-Form-URLEncoded; charset=UTF-8");
    assert_eq!(post(&gateway, &[typed], GOOD).status, 200);
}

#[test]
fn bad_requests_have_the_codes_of_rfc_6749() {
    let gateway = gateway("");
    for (name, body, status, error) in [
        ("no grant", "client_id=ci&client_secret=hidden".to_owned(), 400, "invalid_request"),
        ("an empty grant", GOOD.replace("client_credentials", ""), 400, "invalid_request"),
        ("another grant", GOOD.replace("client_credentials", "password"), 400, "unsupported_grant_type"),
        ("a parameter twice", format!("{GOOD}&scope=read&scope=read"), 400, "invalid_request"),
        ("a parameter twice, encoded", format!("{GOOD}&client%5Fid=ci"), 400, "invalid_request"),
        ("a foreign scope", format!("{GOOD}&scope=read+admin"), 400, "invalid_scope"),
        ("a foreign resource", format!("{GOOD}&resource=https%3A%2F%2Fother.test"), 400, "invalid_target"),
        ("no client", "grant_type=client_credentials".to_owned(), 401, "invalid_client"),
        ("no secret", "grant_type=client_credentials&client_id=ci".to_owned(), 401, "invalid_client"),
    ] {
        assert_eq!(ask(&gateway, GOOD).status, 200, "{name}");
        check(&ask(&gateway, &body), status, error);
    }
}

#[test]
fn who_is_not_proven_is_told_the_same_whatever_is_wrong() {
    let gateway = gateway("");
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let bare = "grant_type=client_credentials";
    let answers = [
        ask(&gateway, &GOOD.replace("=ci", "=nobody")),
        ask(&gateway, &GOOD.replace("hidden", "wrong")),
        post(&gateway, &[FORM, ("Authorization", &basic("nobody:hidden"))], bare),
        post(&gateway, &[FORM, ("Authorization", &basic("ci:wrong"))], bare),
        post(&gateway, &[FORM, ("Authorization", &basic("ci"))], bare),
        post(&gateway, &[FORM, ("Authorization", "Basic !")], bare),
        post(&gateway, &[FORM, ("Authorization", "Bearer x")], bare),
    ];
    for answer in &answers {
        check(answer, 401, "invalid_client");
        assert_eq!(answer.body, answers[0].body);
        let names = |answer: &Response| answer.headers.iter().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>();
        assert_eq!(names(answer), names(&answers[0]));
    }
}

#[test]
fn a_client_authenticates_one_way() {
    let gateway = gateway("");
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let bare = "grant_type=client_credentials";
    let with = |value: &str, body: &str| post(&gateway, &[FORM, ("Authorization", value)], body);
    check(&with(&basic("ci:hidden"), GOOD), 400, "invalid_request");
    check(&with(&basic("ci:hidden"), &format!("{bare}&client_id=other")), 400, "invalid_request");
    check(&with(&basic("ci:hidden"), &format!("{bare}&client_assertion=x")), 400, "invalid_request");
    let twice = [FORM, ("Authorization", &basic("ci:hidden")), ("Authorization", &basic("ci:hidden"))];
    check(&post(&gateway, &twice, bare), 400, "invalid_request");
    assert_eq!(with(&basic("ci:hidden"), bare).status, 200);
    assert_eq!(with(&basic("ci:hidden"), &format!("{bare}&client_id=ci")).status, 200);
    // Section 2.3.1: both parts are form-encoded, or this id could not be told from a shorter one and its secret.
    assert_eq!(with(&basic("b%3Ac%2Bd:hidden"), bare).status, 200);
    check(&with(&basic("b:c+d:hidden"), bare), 401, "invalid_client");
}

#[test]
fn scopes_are_narrowed_and_never_widened() {
    let gateway = gateway("");
    for (asked, granted) in
        [("", "read write"), ("&scope=", "read write"), ("&scope=write", "write"), ("&scope=write+read", "read write")]
    {
        let response = ask(&gateway, &format!("{GOOD}{asked}"));
        let body = response.json();
        assert_eq!((response.status, &body["scope"], &body["token_type"]), (200, &json!(granted), &json!("Bearer")), "{asked}");
        assert_eq!(
            (response.only("Cache-Control"), response.only("Pragma"), &body["expires_in"]),
            ("no-store", "no-cache", &json!(900))
        );
        assert_eq!(segment(body["access_token"].as_str().expect("a token"), 1)["scope"], granted);
    }
}

#[test]
fn tokens_are_as_rfc_9068_says_and_accepted_without_a_fetch() {
    for algorithm in ["RS256", "ES256"] {
        let backend = Backend::start();
        let gateway = setup(&backend, &format!("algorithm = \"{algorithm}\"\naudience = \"api\"")).start();
        let token = token(&gateway);
        let (header, claims) = (segment(&token, 0), segment(&token, 1));
        let jwks = gateway.connect().get("/.well-known/jwks.json", &[]).json();
        assert_eq!(header, json!({"typ": "at+jwt", "alg": algorithm, "kid": jwks["keys"][0]["kid"]}));
        let mut names: Vec<_> = claims.as_object().expect("claims").keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"]);
        assert_eq!(
            (&claims["iss"], &claims["aud"], &claims["sub"], &claims["client_id"]),
            (&json!("https://gateway.test"), &json!("api"), &json!("ci"), &json!("ci"))
        );
        let issued = claims["iat"].as_u64().expect("a number");
        assert!(epoch_seconds().abs_diff(issued) <= 2 && claims["exp"] == issued + 900, "{claims}");
        // The issuer's name cannot be resolved: a fetch would fail.
        assert_eq!(gateway.connect().get_as(&token, "/prod/api/incidents").status, 200);
        assert_eq!(backend.last().head.only("X-Auth-Scopes"), "read write");
        gateway.wait_metric("stackflow_gateway_jwks_refresh_total", 0.0);
    }
}

#[test]
fn past_its_failures_a_client_is_limited_at_that_address() {
    let backend = Backend::start();
    let gateway = setup(&backend, "failures = { rate = 1, burst = 3 }\n[server]\ntrusted_proxies = [\"127.0.0.1\"]").start();
    let from = |address: &str, body: &str| post(&gateway, &[FORM, ("X-Forwarded-For", address)], body);
    for client in ["ci", "nobody"] {
        let wrong = GOOD.replace("=ci", &format!("={client}")).replace("hidden", "wrong");
        for _ in 0..3 {
            check(&from("203.0.113.7", &wrong), 401, "invalid_client");
        }
        // A second that ends meanwhile gives one attempt back.
        let limited = (0..8).map(|_| from("203.0.113.7", &wrong)).find(|answer| answer.status == 429).expect("a limit");
        let body = limited.json();
        assert_eq!(
            (&body["code"], &body["policy"], &body["message"]),
            (&json!("rate_limited"), &json!("address"), &json!("Too Many Requests"))
        );
        assert_eq!(body["detail"], "limit of 1 failed authentication per second for this client from this address exceeded");
        assert_eq!((limited.number("Retry-After"), limited.only("Cache-Control")), (1, "no-store"));
        assert_eq!((limited.number("X-RateLimit-Limit"), limited.number("X-RateLimit-Remaining")), (3, 0));
        assert_decorated(client, &limited);
        let entry = gateway.access_log(limited.only("X-Request-Id"));
        assert_eq!(
            (&entry["outcome"], &entry["policy"], &entry["reason"]),
            (&json!("limited"), &json!("address"), &json!("rate_limited"))
        );
        assert_eq!(entry["client_id"], if client == "ci" { json!("ci") } else { Value::Null }, "{entry}");
    }
    let one_of = |answers: [Response; 3]| answers.iter().any(|answer| answer.status == 429);
    assert!(one_of([(); 3].map(|()| from("203.0.113.7", &GOOD.replace("hidden", "wrong")))));
    let other = GOOD.replace("=ci", "=b%3Ac%2Bd");
    assert_eq!(from("203.0.113.7", &other).status, 200, "another client there");
    assert_eq!(from("203.0.113.8", GOOD).status, 200, "that client elsewhere");
    assert_eq!(from("2001:db8::1", GOOD).status, 200);
}

#[test]
fn a_right_secret_is_limited_too_and_is_good_after_the_wait() {
    let gateway = gateway("failures = { rate = 1, burst = 50 }");
    let wrong = GOOD.replace("hidden", "wrong");
    let mut client = gateway.connect();
    let mut send = |body: &str| client.exchange("POST", "/oauth2/token", &[FORM], body.as_bytes()).status;
    let first = (0..400).find(|_| send(&wrong) == 429);
    assert!(first.is_some_and(|first| first >= 50), "{first:?}");
    // Where a second has passed between the two, the bucket had refilled.
    assert!((0..20).any(|_| send(&wrong) == 429 && send(GOOD) == 429), "the right secret is let through");
    gateway.poll("the end of the wait", || (ask(&gateway, GOOD).status == 200).then_some(()));
}

#[test]
fn the_signing_key_is_made_once_and_for_one_user() {
    let mut gateway = gateway("");
    let before = gateway.connect().get("/.well-known/jwks.json", &[]).body;
    let key = fs::metadata(gateway.path("signing-key.pem")).expect("the key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    gateway.restart();
    assert_eq!(gateway.connect().get("/.well-known/jwks.json", &[]).body, before);
}

fn rotate(gateway: &Gateway, more: &[&str]) -> Output {
    gateway.run_beside(&[&["signing-key", "rotate", "--config", "gateway.toml"], more].concat())
}

fn kids(gateway: &Gateway) -> Vec<String> {
    let jwks = gateway.connect().get("/.well-known/jwks.json", &[]).json();
    jwks["keys"].as_array().expect("keys").iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// A token that only who has this private key could make: good for an hour.
fn forged(gateway: &Gateway, kid: &str) -> String {
    let pem = fs::read(gateway.path("signing-key.pem")).expect("the key");
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(kid.to_owned()));
    let claims = json!({"iss": "https://gateway.test", "aud": "stackflow-api", "sub": "ci", "client_id": "ci", "jti": "1",
        "iat": epoch_seconds(), "exp": epoch_seconds() + 3600});
    let key = jsonwebtoken::EncodingKey::from_ec_pem(&pem).expect("a key");
    jsonwebtoken::encode(&header, &claims, &key).expect("a token")
}

#[test]
fn a_rotated_key_is_published_until_its_tokens_are_over_and_no_longer() {
    let backend = Backend::start();
    let lines = "algorithm = \"ES256\"\ntoken_lifetime = \"3s\"\n[auth]\nleeway = \"0s\"";
    let gateway = setup(&backend, lines).start();
    let old = kids(&gateway).remove(0);
    let stolen = forged(&gateway, &old);
    let status = |gateway: &Gateway, token: &str| gateway.connect().get_as(token, "/prod/api/incidents").status;
    let output = rotate(&gateway, &["--format", "json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!((&said["old_kid"], &said["old_is_kept"]), (&json!(old), &json!(true)));
    let new = said["kid"].as_str().expect("a kid").to_owned();
    assert_eq!(segment(&token(&gateway), 0)["kid"], json!(old), "the running process signs on with the old key");
    assert_eq!(kids(&gateway), [old.as_str()]);

    gateway.take_up();
    assert_eq!(kids(&gateway), [new.clone(), old]);
    assert_eq!(status(&gateway, &stolen), 200, "and is remembered");
    assert_eq!(segment(&token(&gateway), 0)["kid"], json!(new));
    // Two lifetimes after it was loaded, without a reload.
    gateway.poll("the end of the old key", || (kids(&gateway).len() == 1).then_some(()));
    gateway.poll("its tokens are refused", || (status(&gateway, &stolen) == 401).then_some(()));
    assert_eq!(kids(&gateway), [new]);
    gateway.take_up();
    assert_eq!((kids(&gateway).len(), status(&gateway, &stolen)), (1, 401));
}

#[test]
fn rotations_in_a_row_lose_no_token() {
    let backend = Backend::start();
    let gateway = setup(&backend, "").start();
    let tokens = [token(&gateway)];
    let first = rotate(&gateway, &[]);
    let shown = String::from_utf8_lossy(&first.stdout).into_owned() + &String::from_utf8_lossy(&first.stderr);
    for words in ["new key  ", "old key  ", "systemctl reload", "kill -HUP", "1800 s", "900 s", "signing-key.pem.retired.json"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    assert_eq!((rotate(&gateway, &[]).status.code(), rotate(&gateway, &[]).status.code()), (Some(0), Some(0)));
    gateway.take_up();
    assert_eq!(kids(&gateway).len(), 4);
    assert_eq!(gateway.connect().get_as(&tokens[0], "/prod/api/incidents").status, 200);
    let retired = fs::metadata(gateway.path("signing-key.pem.retired.json")).expect("the retired keys");
    assert_eq!(retired.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(gateway.path("signing-key.pem.retired.json")).expect("text");
    assert!(!text.contains("\"d\"") && !text.contains("PRIVATE"), "{text}");
}

#[test]
fn a_leaked_key_is_forgotten_with_the_reload_and_tokens_seen_before_too() {
    let backend = Backend::start();
    let gateway = setup(&backend, "algorithm = \"ES256\"").start();
    let status = |token: &str| gateway.connect().get_as(token, "/prod/api/incidents").status;
    let (seen, unseen) = (token(&gateway), token(&gateway));
    assert_eq!((status(&seen), status(&seen)), (200, 200), "the second time it is remembered");
    let output = rotate(&gateway, &["--forget-old"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("each refuses what was signed before") && said.contains("a minute later"),
        "{said}"
    );
    assert_eq!(status(&seen), 200, "not before it is taken up");
    gateway.take_up();
    assert_eq!((kids(&gateway).len(), status(&seen), status(&unseen)), (1, 401, 401));
    assert_eq!(status(&token(&gateway)), 200);
}

#[test]
fn gateways_that_share_a_key_are_to_be_reloaded_at_once() {
    let backend = Backend::start();
    let [one, two] = [(); 2].map(|()| setup(&backend, "algorithm = \"ES256\"").start());
    fs::copy(one.path("signing-key.pem"), two.path("signing-key.pem")).expect("a copy");
    two.take_up();
    assert_eq!(kids(&one), kids(&two));
    let status = |gateway: &Gateway, token: &str| gateway.connect().get_as(token, "/prod/api/incidents").status;
    let old = token(&one);
    let output = rotate(&one, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Reload all gateways that share the key at once") && said.contains("refuses (401)"), "{said}");
    for name in ["signing-key.pem", "signing-key.pem.retired.json"] {
        fs::copy(one.path(name), two.path(name)).expect("a copy");
    }
    one.take_up();
    let new = token(&one);
    assert_eq!(
        (status(&one, &old), status(&two, &old), status(&one, &token(&two))),
        (200, 200, 200),
        "old tokens have their time"
    );
    assert_eq!((status(&one, &new), status(&two, &new)), (200, 401), "as it is said");
    two.take_up();
    assert_eq!((status(&two, &old), status(&two, &new), status(&one, &token(&two))), (200, 200, 200));
}

#[test]
fn a_rotation_that_cannot_be_says_why() {
    let gateway = gateway("algorithm = \"ES256\"");
    fs::write(gateway.path("signing-key.pem"), "hidden").expect("a file");
    let output = rotate(&gateway, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{output:?}");
    assert!(said.contains("signing-key.pem") && !said.contains("hidden"), "{said}");
    let output = gateway.run_beside(&["signing-key", "rotate"]);
    assert_eq!(output.status.code(), Some(2), "which gateway's must be said: {output:?}");
}
