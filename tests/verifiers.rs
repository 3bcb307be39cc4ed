//! The gateway as an issuer: other people's verifiers take the tokens of its token endpoint by the key set that it publishes over
//! https, as the gateway itself does, and refuse what is not quite one.
mod support;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use support::{Authority, Backend, Certificate, Gateway, LIST, Segments, Setup, account, curl, node, python, run_tool};

const ISSUER: &str = "https://gateway.example.internal";
const SECRET: &str = "h7HfJ2vVd0yQm1aTnR6sKpLw";

/// A gateway that listens with TLS and issues tokens, and the place of the authority that vouches for it.
struct Issuing {
    gateway: Gateway,
    backend: Backend,
    ca_file: String,
}

impl Issuing {
    fn start(algorithm: &str, more: &str) -> Self {
        let authority = Authority::new("tests");
        let Certificate { pem, key_pem } = authority.certificate("127.0.0.1");
        let backend = Backend::start();
        let listener =
            "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"tls.pem\", private_key = \"tls-key.pem\" }\n";
        let endpoint = format!("[auth.token_endpoint]\nissuer = \"{ISSUER}\"\nalgorithm = \"{algorithm}\"\n{more}");
        let gateway = Setup::bare(&backend.address().to_string())
            .listeners(listener)
            .with(&endpoint)
            .file("tls.pem", &pem)
            .file("tls-key.pem", &key_pem)
            .file("ca.pem", &authority.pem())
            .file("api-keys.toml", &account("reporting", SECRET, &["read"]))
            .start();
        let ca_file = gateway.path("ca.pem").display().to_string();
        Self { gateway, backend, ca_file }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.gateway.address())
    }

    /// A token, asked for as any client would.
    fn token(&self) -> String {
        let form = ["--data", "grant_type=client_credentials", "--user", &format!("reporting:{SECRET}")];
        let answer = curl(&[&["--cacert", &self.ca_file, &self.url("/oauth2/token")], &form[..]].concat());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// What each verifier makes of each token.
    fn judge(&self, tokens: &BTreeMap<&str, String>) -> Value {
        let jwks_uri = self.url("/.well-known/jwks.json");
        let task = json!({
            "jwks_uri": jwks_uri, "issuer": ISSUER, "audience": "stackflow-api", "ca_file": self.ca_file, "tokens": tokens,
        });
        let task = task.to_string();
        let outputs = [
            run_tool(node("verifiers.mjs").env("NODE_EXTRA_CA_CERTS", &self.ca_file), &task),
            run_tool(&mut python("verifiers.py"), &task),
        ];
        let results = outputs.iter().map(|output| serde_json::from_slice::<Value>(&output.stdout).expect("JSON"));
        let members: serde_json::Map<_, _> = results.filter_map(|result| result.as_object().cloned()).flatten().collect();
        assert_eq!(members.len(), 3, "each of them has judged: {members:?}");
        Value::Object(members)
    }
}

/// What a stranger, another installation and another API make of a good token.
fn spoiled(good: &str, other: &Issuing) -> BTreeMap<&'static str, String> {
    let parts = Segments::of(good);
    let elsewhere = other.token();
    let none = parts.with_header(|header| header["alg"] = json!("none"));
    let hmac = parts.with_header(|header| header["alg"] = json!("HS256"));
    let mut renamed = Segments::of(&elsewhere);
    renamed = renamed.with_header(|header| header["kid"] = parts.header()["kid"].clone());
    let late = parts.with_claims(|claims| claims["exp"] = json!(claims["exp"].as_u64().expect("a number") + 900));
    BTreeMap::from([
        ("another signature", parts.with_signature(|signature| signature[7] ^= 1).token()),
        ("a shorter signature", parts.with_signature(|signature| drop(signature.drain(..1))).token()),
        ("another subject", parts.with_claims(|claims| claims["sub"] = json!("admin")).token()),
        ("another scope", parts.with_claims(|claims| claims["scope"] = json!("admin")).token()),
        ("a later end", late.token()),
        ("no algorithm", none.token()),
        ("no algorithm and no signature", Segments { signature: String::new(), ..none }.token()),
        ("HMAC", hmac.token()),
        ("an unknown key", parts.with_header(|header| header["kid"] = json!("other")).token()),
        ("another installation's token", elsewhere),
        ("another installation's token under this key's name", renamed.token()),
        ("two segments", good.rsplit_once('.').expect("segments").0.to_owned()),
    ])
}

fn check(algorithm: &str) {
    let issuing = Issuing::start(algorithm, "");
    let other = Issuing::start(algorithm, "");
    let good = issuing.token();
    let header = Segments::of(&good).header();
    assert_eq!((&header["alg"], &header["typ"]), (&json!(algorithm), &json!("at+jwt")), "{header}");
    let mut tokens = spoiled(&good, &other);
    tokens.insert("good", good);
    tokens.insert("good, and another", issuing.token());
    let results = issuing.judge(&tokens);
    let verifiers: Vec<&String> = results.as_object().expect("an object").keys().collect();
    assert_eq!(verifiers, ["PyJWT", "aws-jwt-verify", "jose"], "{results}");
    for (verifier, verdicts) in results.as_object().expect("an object") {
        for name in tokens.keys() {
            let verdict = &verdicts[name];
            if name.starts_with("good") {
                assert_eq!(verdict, &json!({"sub": "reporting"}), "{verifier} takes it: {name}");
            } else {
                assert!(verdict["error"].is_string() && verdict["sub"].is_null(), "{verifier} refuses {name}: {verdict}");
            }
        }
    }
    // And so does the gateway, which needs nobody to ask for its own keys.
    for (name, token) in &tokens {
        let header = format!("Authorization: Bearer {token}");
        let response = curl(&["--cacert", &issuing.ca_file, "--header", &header, &issuing.url(LIST)]);
        assert_eq!(response.status, if name.starts_with("good") { 200 } else { 401 }, "{name}: {response:?}");
    }
    assert_eq!(issuing.backend.last().head.only("X-Auth-Subject"), "reporting");
    assert_eq!(issuing.backend.requests().len(), 2, "the good ones alone reached the upstream");
}

#[test]
fn rs256_tokens_are_taken_by_every_verifier() {
    check("RS256");
}

#[test]
fn es256_tokens_are_taken_by_every_verifier() {
    check("ES256");
}

#[test]
fn every_verifier_takes_tokens_of_the_old_key_and_of_the_new_one_after_a_rotation() {
    let issuing = Issuing::start("ES256", "");
    let old = issuing.token();
    let rotate = |more: &[&str]| {
        let arguments = [&["signing-key", "rotate", "--config", "gateway.toml"], more].concat();
        let output = issuing.gateway.run_beside(&arguments);
        assert!(output.status.success() && issuing.gateway.reload(), "{output:?}");
    };
    rotate(&[]);
    let tokens = BTreeMap::from([("new", issuing.token()), ("old", old)]);
    let kid = |name: &str| Segments::of(&tokens[name]).header()["kid"].clone();
    assert_ne!(kid("new"), kid("old"));
    let results = issuing.judge(&tokens);
    for (verifier, verdicts) in results.as_object().expect("an object") {
        for name in tokens.keys() {
            assert_eq!(verdicts[name], json!({"sub": "reporting"}), "{verifier} takes it: {name}");
        }
    }
    let forgotten = issuing.token();
    rotate(&["--forget-old"]);
    let tokens = BTreeMap::from([("new", issuing.token()), ("forgotten", forgotten), ("old", tokens["old"].clone())]);
    let results = issuing.judge(&tokens);
    for (verifier, verdicts) in results.as_object().expect("an object") {
        assert_eq!(verdicts["new"], json!({"sub": "reporting"}), "{verifier}");
        for name in ["forgotten", "old"] {
            assert!(verdicts[name]["error"].is_string(), "{verifier} refuses {name}: {verdicts}");
        }
    }
}

#[test]
fn a_verifier_that_asks_for_something_else_is_not_content() {
    // A good signature over another audience: the verdicts above are about more than signatures.
    let issuing = Issuing::start("ES256", "audience = \"another-api\"");
    let results = issuing.judge(&BTreeMap::from([("for another API", issuing.token())]));
    for (verifier, verdicts) in results.as_object().expect("an object") {
        let error = verdicts["for another API"]["error"].as_str().unwrap_or_default().to_ascii_lowercase();
        assert!(error.contains("aud"), "{verifier}: {verdicts}");
    }
}

#[test]
fn the_published_key_set_holds_public_members_alone() {
    for (algorithm, members) in [("RS256", "alg e kid kty n use"), ("ES256", "alg crv kid kty use x y")] {
        let issuing = Issuing::start(algorithm, "");
        let response = curl(&["--cacert", &issuing.ca_file, &issuing.url("/.well-known/jwks.json")]);
        let document = response.json();
        let keys = document["keys"].as_array().expect("keys");
        assert_eq!(keys.len(), 1, "{document}");
        let names: Vec<&str> = keys[0].as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names.join(" "), members, "{document}");
        assert_eq!(Segments::of(&issuing.token()).header()["kid"], keys[0]["kid"]);
    }
}
