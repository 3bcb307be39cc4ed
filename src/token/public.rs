//! The public half of a signing key, as it is published (RFC 7517).
//!
//! The `kid` is the key's thumbprint (RFC 7638), so that a new key always has a new name. Only the members that a key of its
//! kind needs are taken, so that nothing private is ever published. The rules for other issuers' keys hold for our own: a key
//! that they leave out could sign but not be used.

use super::SigningAlgorithm;
use crate::auth::KeySet;
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// A key that verifies the gateway's own tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: SigningAlgorithm,
    kid: String,
    /// With `kid`, `alg` and `use`.
    jwk: Value,
}

impl PublicKey {
    /// Of a JWK; other members are left behind. `None`: no sound key for that algorithm.
    pub(super) fn new(jwk: Value, algorithm: SigningAlgorithm) -> Option<Self> {
        let (kty, needed): (_, &[&str]) = match algorithm {
            SigningAlgorithm::Rs256 => ("RSA", &["e", "kty", "n"]),
            SigningAlgorithm::Es256 => ("EC", &["crv", "kty", "x", "y"]),
        };
        let Value::Object(mut written) = jwk else { return None };
        let members: Option<Map<_, _>> = needed.iter().map(|name| written.remove_entry(*name)).collect();
        let mut jwk = members?;
        if jwk["kty"] != kty || jwk.values().any(|member| !member.is_string()) {
            return None;
        }
        let kid = thumbprint(&Value::Object(jwk.clone()));
        for (member, value) in [("kid", kid.as_str()), ("alg", algorithm.verified_as().name()), ("use", "sig")] {
            jwk.insert(member.to_owned(), value.into());
        }
        let key = Self { algorithm, kid, jwk: Value::Object(jwk) };
        KeySet::parse(key_set(&[&key]).as_bytes()).ok().map(|_| key)
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it verifies.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Its members.
    pub(super) fn jwk(&self) -> &Value {
        &self.jwk
    }
}

/// A JWKS of these.
pub(super) fn key_set(keys: &[&PublicKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// RFC 7638: SHA-256 of the required members, sorted by name, without white space. `serde_json` writes an object of this
/// kind so (a test holds it to the RFC's example).
fn thumbprint(jwk: &Value) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, jwk.to_string().as_bytes()))
}

#[cfg(test)]
mod tests;
