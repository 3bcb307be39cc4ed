//! Keys of every kind, what is signed with them, and a gateway that takes them all.
use crate::support::{Directory, JwksServer, KeyServing, Segments, Trial, base64url, epoch_seconds, run_tool};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use serde_json::{Value, json};
use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

pub const ISSUER: &str = "https://keys.test";

/// A key, and its public half as a member of a key set.
pub struct Pair {
    pub pem: String,
    pub jwk: Value,
    pub algorithm: Algorithm,
    key: EncodingKey,
}

fn pem(pkcs8: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8))
}

impl Pair {
    /// A fresh key for this algorithm; its `kid` is the algorithm's name.
    pub fn new(algorithm: Algorithm) -> Self {
        let elliptic = |curve| EcdsaKeyPair::generate(curve).and_then(|pair| Ok(pem(pair.to_pkcs8v1()?.as_ref())));
        let pem = match algorithm {
            Algorithm::ES256 => elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => Ed25519KeyPair::generate().and_then(|pair| Ok(pem(pair.to_pkcs8v1()?.as_ref()))),
            _ => KeyPair::generate(KeySize::Rsa2048).and_then(|pair| Ok(pem(AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)?.as_ref()))),
        };
        let pem = pem.expect("a key");
        Self::from_pem(pem, algorithm)
    }

    fn from_pem(pem: String, algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let key = key.unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
        let jwk = Jwk::from_encoding_key(&key, algorithm).expect("a public half");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(format!("{algorithm:?}"));
        Self { pem, jwk, algorithm, key }
    }

    /// The key in the set under another name, after `change`.
    pub fn twin(&self, kid: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        change(&mut jwk);
        jwk
    }

    /// What is signed: a token for a key of that name, like no other.
    pub fn draft(&self, kid: &str) -> Segments {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let header = json!({"alg": format!("{:?}", self.algorithm), "kid": kid});
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let claims = json!({"iss": ISSUER, "sub": "ada", "aud": "api", "exp": epoch_seconds() + 600, "jti": id.to_string()});
        Segments { header: base64url(header.to_string()), claims: base64url(claims.to_string()), signature: String::new() }
    }

    /// The same, signed.
    pub fn token(&self, kid: &str) -> Segments {
        let mut draft = self.draft(kid);
        let signed = format!("{}.{}", draft.header, draft.claims);
        draft.signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("a signature");
        draft
    }
}

/// A gateway that takes every algorithm it knows, by the keys of `set`.
pub struct AllKinds {
    pub trial: Trial,
    pub server: JwksServer,
}

impl AllKinds {
    pub fn start(set: &[Value]) -> Self {
        let server = JwksServer::start(KeyServing::Good(json!({"keys": set}).to_string()));
        let algorithms = r#"["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]"#;
        let lines = format!("profile = \"generic\"\naudiences = [\"api\"]\nalgorithms = {algorithms}");
        let trial =
            Trial::start(|setup| setup.issuer(&format!("issuer = \"{ISSUER}\"\njwks_url = \"{}\"\n{lines}", server.url())));
        Self { trial, server }
    }
}

/// What openssl makes of `input` with this private key: signatures that no library of ours would make.
pub fn openssl(arguments: &[&str], key_pem: &str, input: &[u8]) -> Vec<u8> {
    let directory = Directory::new();
    let file = |name: &str| directory.path().join(name);
    fs::write(file("key.pem"), key_pem).expect("a file");
    fs::write(file("input"), input).expect("a file");
    run_tool(Command::new("openssl").args(arguments).current_dir(directory.path()), "");
    fs::read(file("output")).expect("its output")
}
