//! The signing key: made or read, and tokens signed with it. Its public half is a [`PublicKey`].
//!
//! aws-lc signs, with the key prepared once. `jsonwebtoken` 11 could do the same with less code, but its `encode` reads the private key
//! anew for each token: measured for RS256, 1.8 ms a token instead of 0.5 ms, for which all other requests of that thread wait. Its
//! `EncodingKey` holds bytes, and what signs with them is made inside `encode`, so that nothing prepared can be handed in.
use super::PublicKey;
use crate::auth::Algorithm;
use aws_lc_rs::{
    encoding::AsDer,
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

/// What the endpoint signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSA with 2048 bits or more.
    Rs256,
    /// ECDSA on P-256: shorter tokens, dearer to verify.
    Es256,
}

impl SigningAlgorithm {
    /// By its name in `alg`.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256].into_iter().find(|algorithm| algorithm.verified_as().name() == name)
    }

    pub(super) fn verified_as(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::Rs256,
            Self::Es256 => Algorithm::Es256,
        }
    }
}

/// A private key; its `Debug` is `[redacted]`.
pub struct SigningKey {
    pair: Pair,
    /// The same for every token: base64url of its JSON.
    header: String,
    public: PublicKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// Why a key cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum SigningKeyError {
    /// Not a PEM text with a `PRIVATE KEY` (PKCS #8).
    NotPem,
    /// Not a key for that algorithm.
    WrongKind(SigningAlgorithm),
    /// An RSA key that is not sound: below 2048 bits, above 8192, or damaged.
    TooShort,
    /// The crypto library could not make a key.
    Generation,
}

impl fmt::Display for SigningKeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotPem => "not a PKCS #8 private key in PEM form",
            Self::WrongKind(SigningAlgorithm::Rs256) => "not an RSA key, which RS256 needs",
            Self::WrongKind(SigningAlgorithm::Es256) => "not a P-256 key, which ES256 needs",
            Self::TooShort => "an RSA key below 2048 bits, or damaged",
            Self::Generation => "the key could not be made",
        })
    }
}

impl std::error::Error for SigningKeyError {}

impl SigningKey {
    /// Makes a fresh key and its PKCS #8 PEM text.
    ///
    /// # Errors
    /// The crypto library failed.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<(Self, String), SigningKeyError> {
        let (pair, pem) = fresh(algorithm).map_err(|Unspecified| SigningKeyError::Generation)?;
        Ok((Self::new(pair, algorithm)?, pem))
    }

    /// Reads a PKCS #8 PEM.
    ///
    /// # Errors
    /// Not a usable key of that algorithm.
    pub fn from_pem(pem: &str, algorithm: SigningAlgorithm) -> Result<Self, SigningKeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| SigningKeyError::NotPem)?;
        let der = der.secret_pkcs8_der();
        let pair = match algorithm {
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
            SigningAlgorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::P256),
        };
        let pair = pair.map_err(|_| match algorithm {
            SigningAlgorithm::Rs256 if is_rsa(der) => SigningKeyError::TooShort,
            SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => SigningKeyError::WrongKind(algorithm),
        })?;
        Self::new(pair, algorithm)
    }

    /// Reads a PKCS #8 PEM of a key for any algorithm.
    ///
    /// # Errors
    /// Not a usable key; of the first algorithm.
    pub fn from_any_pem(pem: &str) -> Result<Self, SigningKeyError> {
        let read = |algorithm| Self::from_pem(pem, algorithm);
        read(SigningAlgorithm::Rs256).or_else(|error| read(SigningAlgorithm::Es256).map_err(|_| error))
    }

    fn new(pair: Pair, algorithm: SigningAlgorithm) -> Result<Self, SigningKeyError> {
        let public = PublicKey::new(pair.public_members(), algorithm).ok_or(SigningKeyError::WrongKind(algorithm))?;
        let header = json!({"typ": "at+jwt", "alg": algorithm.verified_as().name(), "kid": public.kid()});
        Ok(Self { pair, header: URL_SAFE_NO_PAD.encode(header.to_string()), public })
    }

    /// What is published of it.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A token with these claims, `typ` `at+jwt`.
    pub(super) fn token(&self, claims: &impl Serialize) -> Result<String, Unspecified> {
        let claims = serde_json::to_vec(claims).map_err(|_| Unspecified)?;
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes())?);
        Ok(format!("{signed}.{signature}"))
    }
}

fn fresh(algorithm: SigningAlgorithm) -> Result<(Pair, String), Unspecified> {
    match algorithm {
        SigningAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let pem = pem(AsDer::as_der(&pair)?.as_ref());
            Ok((Pair::Rsa(pair), pem))
        }
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            let pem = pem(pair.to_pkcs8v1()?.as_ref());
            Ok((Pair::P256(pair), pem))
        }
    }
}

/// RFC 7468: lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for start in (0..text.len()).step_by(64) {
        pem.push_str(&text[start..text.len().min(start + 64)]);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

/// Whether a PKCS #8 key names `rsaEncryption` (1.2.840.113549.1.1.1), for a better word than "wrong kind".
fn is_rsa(der: &[u8]) -> bool {
    const RSA_ENCRYPTION: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    der.windows(RSA_ENCRYPTION.len()).take(32).any(|window| window == RSA_ENCRYPTION)
}

impl Pair {
    /// The members that RFC 7638, section 3.2, asks for, and no other.
    fn public_members(&self) -> Value {
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                json!({
                    "kty": "RSA",
                    "n": URL_SAFE_NO_PAD.encode(n.big_endian_without_leading_zero()),
                    "e": URL_SAFE_NO_PAD.encode(e.big_endian_without_leading_zero()),
                })
            }
            Self::P256(pair) => {
                // 4, then x and y of 32 bytes each (SEC 1, section 2.3.3).
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::P256(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests;
