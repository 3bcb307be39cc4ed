//! An issuer with a real RSA key, and a server for its key set that can be broken and repaired.
use super::{Backend, Call, Gate, Head, epoch_seconds};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Signs tokens as a Cognito user pool does.
pub struct Issuer {
    pub name: String,
    pub key_id: String,
    pub client_id: String,
    /// Its private key, PKCS #8.
    pub key_pem: String,
    key: EncodingKey,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Issuer {
    /// One with a fresh key; `name` is its `iss`.
    pub fn new(name: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public = pair.public_key();
        // From PEM: only that reader takes the PKCS#8 form in which the key comes.
        let pem = rsa_pem(der.as_ref());
        Self {
            name: name.to_owned(),
            key_id: "test-key".to_owned(),
            client_id: "test-client".to_owned(),
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            key_pem: pem,
            modulus: public.modulus().big_endian_without_leading_zero().to_vec(),
            exponent: public.exponent().big_endian_without_leading_zero().to_vec(),
        }
    }

    /// The key set as the issuer publishes it.
    pub fn jwks_json(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, "n": encode(&self.modulus), "e": encode(&self.exponent),
        }]})
        .to_string()
    }

    /// An access token of `ada`, good for an hour, after `change`.
    pub fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let now = epoch_seconds();
        let mut claims = json!({
            "iss": self.name, "sub": "ada", "token_use": "access", "client_id": self.client_id, "username": "ada@example.com",
            "scope": "incidents:read  incidents:write", "cognito:groups": ["operators", "on-call"], "jti": "6c1f6b1e",
            "auth_time": now, "iat": now, "exp": now + 3600,
        });
        change(&mut claims);
        self.sign(&claims)
    }

    /// An access token of this user.
    pub fn user(&self, subject: &str) -> String {
        self.token(|claims| claims["sub"] = json!(subject))
    }

    /// An access token that lacks a claim.
    pub fn token_without(&self, claim: &str) -> String {
        self.token(|claims| drop(claims.as_object_mut().expect("BUG: an object").remove(claim)))
    }

    /// Any claims, signed.
    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// Any text, signed: a token, if it is a header and claims.
    pub fn sign_text(&self, signed: &str, algorithm: Algorithm) -> String {
        format!("{signed}.{}", jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, algorithm).unwrap())
    }
}

fn rsa_pem(pkcs8: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(pkcs8);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|start| &text[start..text.len().min(start + 64)]).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// How a key set server behaves.
#[derive(Clone, Debug)]
pub enum KeyServing {
    /// Serves this document.
    Good(String),
    /// Accepts, reads and closes.
    Dead,
    /// Accepts and never answers.
    Hanging,
    /// Answers this instead, byte for byte.
    Raw(String),
    /// The beginning of an answer, then one byte a second.
    Dripping,
    /// This beginning of an answer, then this again and again, a gigabyte of it.
    Gigabyte(String, String),
    /// Serves this document once the gate is open.
    Gated(Gate, String),
}

/// A key set URL whose behaviour a test changes while the gateway runs.
pub struct JwksServer {
    backend: Backend,
    serving: Arc<Mutex<KeyServing>>,
}

impl JwksServer {
    pub fn start(serving: KeyServing) -> Self {
        let serving = Arc::new(Mutex::new(serving));
        let shared = serving.clone();
        let backend = Backend::scripted(move |call| {
            let now = shared.lock().unwrap().clone();
            serve_keys(call, &now);
        });
        Self { backend, serving }
    }

    /// From the next fetch on.
    pub fn switch(&self, serving: KeyServing) {
        *self.serving.lock().unwrap() = serving;
    }

    /// How often it was asked.
    pub fn fetches(&self) -> usize {
        self.backend.requests().len()
    }

    /// Waits until it has been asked so often.
    pub fn wait_fetches(&self, count: usize) {
        self.backend.wait_total(count);
    }

    /// Whether the last one to ask still waits for the end of an answer that does not end.
    pub fn is_asking(&self) -> bool {
        !self.backend.last().aborted
    }

    /// How many have not waited for the end of such an answer.
    pub fn given_up(&self) -> usize {
        self.backend.requests().iter().filter(|seen| seen.aborted).count()
    }

    /// Heads of requests so far.
    pub fn heads(&self) -> Vec<Head> {
        self.backend.requests().into_iter().map(|seen| seen.head).collect()
    }

    pub fn address(&self) -> SocketAddr {
        self.backend.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}/keys.json", self.address())
    }
}

fn serve_keys(call: &mut Call, serving: &KeyServing) {
    match serving {
        KeyServing::Good(document) => call.answer(200, "Content-Type: application/json\r\n", document),
        KeyServing::Raw(response) => call.send(response.as_bytes()),
        KeyServing::Hanging => call.hang(),
        KeyServing::Dead => {}
        KeyServing::Dripping => {
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            call.drip(Duration::from_secs(1));
        }
        KeyServing::Gigabyte(head, again) => {
            call.send(head.as_bytes());
            call.send_much(again.as_bytes(), 1 << 30);
        }
        KeyServing::Gated(gate, document) => {
            gate.wait();
            call.answer(200, "", document);
        }
    }
    // Each fetch meets the behaviour of its moment, not a connection of an earlier one.
    call.close();
}
