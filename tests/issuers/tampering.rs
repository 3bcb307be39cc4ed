//! What strangers do to a token that they have seen: every change that needs no private key.
use crate::support::{Client, Segments, base64url};
use aws_lc_rs::{encoding::AsDer, hmac, rsa::PublicKeyComponents};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The key that signed a token, as its issuer publishes it.
pub struct Key {
    document: String,
    jwk: Value,
}

impl Key {
    /// Asks for the key set, as anybody can.
    pub fn published(url: &str, token: &Segments) -> Self {
        let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an http URL");
        let address: SocketAddr = address.parse().expect("an address");
        let response = Client::connect(address).get(&format!("/{path}"), &[]);
        let keys = response.json()["keys"].as_array().expect("keys").clone();
        let kid = &token.header()["kid"];
        let jwk = keys.into_iter().find(|key| key["kid"] == *kid).unwrap_or_else(|| panic!("{kid} in {}", response.text()));
        Self { document: response.text(), jwk }
    }

    /// Every form in which a server may hold the public key as bytes (CVE-2016-10555).
    fn secrets(&self) -> Vec<(&'static str, Vec<u8>)> {
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(self.jwk[member].as_str().expect("text")).expect("base64url");
        let (n, e) = (bytes("n"), bytes("e"));
        let der = PublicKeyComponents { n: &n, e: &e }.as_der().expect("a key").as_ref().to_vec();
        let text = STANDARD.encode(&der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
        vec![
            ("the modulus", n),
            ("the modulus as it is written", self.jwk["n"].as_str().expect("text").into()),
            ("the key as DER", der),
            ("the key as PEM", pem.clone().into_bytes()),
            ("the key as PEM without its last line feed", pem.trim_end().as_bytes().to_vec()),
            ("the JWK", self.jwk.to_string().into_bytes()),
            ("the key set", self.document.clone().into_bytes()),
            ("nothing", Vec::new()),
        ]
    }
}

type Case = (String, String, &'static str);

/// Each with a name and the reason of its refusal.
pub fn tampered(good: &Segments, key: &Key) -> Vec<Case> {
    let groups = [unsigned(good, key), other_contents(good), other_keys(good), other_forms(good)];
    groups.into_iter().flatten().collect()
}

/// `alg` changed, to no signature and to one that the public key makes.
fn unsigned(good: &Segments, key: &Key) -> Vec<Case> {
    let named = |alg: &str| good.with_header(|header| header["alg"] = json!(alg));
    let mut cases = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let token = named(alg);
        cases.push((format!("alg {alg:?} and the old signature"), token.token(), "algorithm"));
        cases.push((
            format!("alg {alg:?} and no signature"),
            Segments { signature: String::new(), ..token }.token(),
            "algorithm",
        ));
    }
    let algorithms = [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];
    for (alg, algorithm) in algorithms {
        for (name, secret) in key.secrets() {
            let token = named(alg);
            let signed = format!("{}.{}", token.header, token.claims);
            let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), signed.as_bytes());
            cases.push((format!("{alg} with {name}"), format!("{signed}.{}", base64url(tag)), "algorithm"));
        }
    }
    for alg in ["RS384", "RS512", "PS256", "rs256", "RS256 "] {
        cases.push((format!("alg {alg:?}"), named(alg).token(), "algorithm"));
    }
    for alg in ["ES256", "EdDSA"] {
        // As long as theirs are, so that the length is not what is wrong.
        let token = named(alg).with_signature(|signature| signature.truncate(64)).token();
        cases.push((format!("alg {alg:?}"), token, "algorithm"));
    }
    cases
}

/// Claims changed, and bits of the signature.
fn other_contents(good: &Segments) -> Vec<Case> {
    let claim = |name: &str, value: Value| good.with_claims(|claims| claims[name] = value).token();
    let flipped = |byte: usize, bit: u8| good.with_signature(|signature| signature[byte] ^= bit).token();
    let now = good.claims()["exp"].as_u64().expect("a number");
    let mut spaced = good.clone();
    spaced.claims = base64url(format!("{} ", good.claims()));
    [
        ("another subject", claim("sub", json!("eve"))),
        ("a longer life", claim("exp", json!(now + 1))),
        ("another name", claim("username", json!("root"))),
        ("more scopes", claim("scope", json!("admin"))),
        ("more groups", claim("cognito:groups", json!(["operators", "admins"]))),
        ("a claim that nobody reads", claim("unread", json!(1))),
        ("white space in the claims", spaced.token()),
        ("the first bit of the signature", flipped(0, 0x80)),
        ("the last bit of the signature", flipped(255, 1)),
        ("a bit inside the signature", flipped(100, 4)),
        ("a shorter signature", good.with_signature(|signature| signature.truncate(255)).token()),
        ("a longer signature", good.with_signature(|signature| signature.push(0)).token()),
        ("a signature of zeros", good.with_signature(|signature| signature.fill(0)).token()),
        ("a signature of ones", good.with_signature(|signature| signature.fill(0xff)).token()),
        ("no signature", Segments { signature: String::new(), ..good.clone() }.token()),
    ]
    .map(|(name, token)| (name.to_owned(), token, "signature"))
    .into()
}

/// `kid` changed, and keys brought along.
fn other_keys(good: &Segments) -> Vec<Case> {
    let kid = good.header()["kid"].as_str().expect("a kid").to_owned();
    let with = |member: &str, value: Value| good.with_header(|header| header[member] = value).token();
    let mut cases = Vec::new();
    for other in ["other", "../../../../dev/null", "' or 1=1 --", "http://127.0.0.1/key", &format!("{kid} "), &kid[1..]] {
        cases.push((format!("kid {other:?}"), with("kid", json!(other)), "unknown_key"));
    }
    for other in [json!(""), json!(null), json!(7), json!([kid]), json!("k".repeat(257))] {
        cases.push((format!("kid {other}"), with("kid", other), "malformed"));
    }
    for (member, value) in [
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/keys")),
    ] {
        cases.push((format!("{member} added"), with(member, value), "signature"));
    }
    cases.push(("crit added".to_owned(), with("crit", json!(["exp"])), "critical"));
    cases
}

/// The same bytes, spelled otherwise.
fn other_forms(good: &Segments) -> Vec<Case> {
    let token = good.token();
    let Segments { header, claims, signature } = good;
    [
        ("without its last character", token[..token.len() - 1].to_owned()),
        ("without its first character", token[1..].to_owned()),
        ("padded", format!("{token}=")),
        ("padded twice", format!("{token}==")),
        ("a segment more", format!("{token}.{signature}")),
        ("an empty segment more", format!("{token}.")),
        ("an empty segment before", format!(".{token}")),
        ("two segments", format!("{header}.{claims}")),
        ("a segment of nothing", format!("{header}..{signature}")),
        ("a space inside", format!("{header}. {claims}.{signature}")),
        ("a comma after", format!("{token},")),
        ("itself twice", format!("{token} {token}")),
        ("quoted", format!("\"{token}\"")),
        ("the scheme twice", format!("Bearer {token}")),
    ]
    .map(|(name, token)| (name.to_owned(), token, "malformed"))
    .into()
}
