//! A token taken apart, to be put together differently.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// The three parts of a token, as they stand in it.
#[derive(Clone, Debug)]
pub struct Segments {
    pub header: String,
    pub claims: String,
    pub signature: String,
}

/// As in tokens: no padding (RFC 7515, section 2).
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(segment).unwrap_or_else(|error| panic!("{error}: {segment}"))
}

fn object(segment: &str) -> Value {
    serde_json::from_slice(&decoded(segment)).unwrap_or_else(|error| panic!("{error}: {segment}"))
}

impl Segments {
    pub fn of(token: &str) -> Self {
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, claims, signature] = &parts[..] else { panic!("three segments: {token}") };
        Self { header: header.to_owned(), claims: claims.to_owned(), signature: signature.to_owned() }
    }

    pub fn token(&self) -> String {
        format!("{}.{}.{}", self.header, self.claims, self.signature)
    }

    /// The header's object.
    pub fn header(&self) -> Value {
        object(&self.header)
    }

    /// The claims' object.
    pub fn claims(&self) -> Value {
        object(&self.claims)
    }

    /// Another header, the rest as it was.
    pub fn with_header(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut header = self.header();
        change(&mut header);
        Self { header: base64url(header.to_string()), ..self.clone() }
    }

    /// Other claims, the rest as it was.
    pub fn with_claims(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut claims = self.claims();
        change(&mut claims);
        Self { claims: base64url(claims.to_string()), ..self.clone() }
    }

    /// Another signature, the rest as it was.
    pub fn with_signature(&self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut signature = decoded(&self.signature);
        change(&mut signature);
        Self { signature: base64url(signature), ..self.clone() }
    }
}
