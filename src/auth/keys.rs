//! An issuer's keys (RFC 7517, section 5): the set as read, the choice of a key, the signature check.
//!
//! Invariants: a set holds only keys fit for verifying. A key verifies only with an algorithm of its own kind and curve, and
//! only with its own `alg` where it names one (RFC 8725, section 3.1). HMAC and `none` are not representable.
use super::{
    jwk::{Jwk, Key, read_key},
    jws::Header,
};
use arc_swap::ArcSwap;
use aws_lc_rs::signature::ParsedPublicKey;
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use std::{
    ops::RangeInclusive,
    sync::{Arc, Weak},
};

/// A signature algorithm (RFC 7518, section 3.1; RFC 8037). Never `none`, never HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every accepted algorithm.
    pub const ALL: &'static [Self] =
        &[Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Ps384, Self::Ps512, Self::Es256, Self::Es384, Self::EdDsa];

    /// By its name in `alg`, compared exactly (RFC 7515, section 4.1.1).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Its name in `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// How many bytes a signature can have: with RSA as many as the modulus (2048 to 8192 bits), else exactly two numbers
    /// (RFC 7518, sections 3.3 to 3.5; RFC 8037, section 3.1).
    pub(super) fn signature_lengths(self) -> RangeInclusive<usize> {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => 256..=1024,
            Self::Es256 | Self::EdDsa => 64..=64,
            Self::Es384 => 96..=96,
        }
    }
}

/// The usable keys of one JWKS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// In one order whatever the document's, so that equal content is equal: by `kid`, then by the rest.
    keys: Vec<Key>,
}

/// A key that the set holds and we cannot use, with the reason (for the log).
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its `kid`, shortened and printable.
    pub kid: String,
    /// Why it is left out.
    pub reason: &'static str,
}

/// All of those, as far as a log should name them: a set of a megabyte has room for a third of a million.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AllLeftOut {
    /// The first ones.
    pub named: Vec<LeftOut>,
    /// How many more there are.
    pub more: usize,
}

impl AllLeftOut {
    /// Names enough to see what is wrong.
    const NAMED: usize = 8;

    fn add(&mut self, jwk: &Jwk, reason: &'static str) {
        if self.named.len() < Self::NAMED {
            self.named.push(LeftOut { kid: printable_kid(jwk), reason });
        } else {
            self.more += 1;
        }
    }
}

/// Why a document is not a key set.
#[derive(Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// Not one JSON object with a `keys` array.
    Malformed(String),
    /// No key in it can verify anything.
    NoUsableKey,
}

impl std::fmt::Display for KeySetError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => write!(formatter, "not a key set: {what}"),
            Self::NoUsableKey => formatter.write_str("no key in the set can be used"),
        }
    }
}

impl std::error::Error for KeySetError {}

/// What the keys say about a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyVerdict {
    Holds,
    Broken,
    /// The named key is of another kind than the token's algorithm.
    WrongKind,
    UnknownKey,
    NoKeys,
}

/// Keys of one set: issuers have a few, and each that is prepared takes time and memory. A set of a megabyte has room for ten
/// thousand.
const KEYS: usize = 256;

/// Without a `kid` each fitting key is a signature check that a stranger makes us pay.
const KEYS_TRIED: usize = 4;

impl KeySet {
    /// Reads a JWKS document; unusable keys are left out, and so is what comes after 256 usable ones; the rest stays. Takes some
    /// hundred milliseconds for a set that is made to, so not where requests wait.
    ///
    /// # Errors
    /// The document is not a key set, or has no usable key.
    pub fn parse(json: &[u8]) -> Result<(Self, AllLeftOut), KeySetError> {
        // Members that are passed over are not looked into, and yet have to be text.
        let text = str::from_utf8(json).map_err(|error| KeySetError::Malformed(error.to_string()))?;
        let document: Document = serde_json::from_str(text).map_err(|error| KeySetError::Malformed(error.to_string()))?;
        let Read { mut keys, left_out } = document.keys;
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        keys.sort_unstable_by(|a, b| a.facts.cmp(&b.facts));
        keys.dedup();
        Ok((Self { keys }, left_out))
    }

    /// Number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks the signature over `signed` with the key the header names.
    ///
    /// The token's own `alg` chooses the algorithm only after it was found on the issuer's list, and only keys made for it
    /// are tried. aws-lc checks the rest of the mathematics: PKCS #1 v1.5 by comparing bytes, PSS with a salt as long as
    /// the hash, ECDSA as `r || s` of fixed length with both in 1..n (CVE-2022-21449), Ed25519 with s below the order.
    pub(super) fn verify(&self, header: &Header, signed: &str, signature: &[u8]) -> KeyVerdict {
        if self.is_empty() {
            return KeyVerdict::NoKeys;
        }
        let named = header.kid.as_deref().map_or(&self.keys[..], |kid| self.called(kid));
        if named.is_empty() {
            return KeyVerdict::UnknownKey;
        }
        let mut fitting = named.iter().filter_map(|key| key.prepared_for(header.algorithm)).peekable();
        if fitting.peek().is_none() {
            return if header.kid.is_some() { KeyVerdict::WrongKind } else { KeyVerdict::UnknownKey };
        }
        let holds = |key: &ParsedPublicKey| key.verify_sig(signed.as_bytes(), signature).is_ok();
        if fitting.take(KEYS_TRIED).any(holds) { KeyVerdict::Holds } else { KeyVerdict::Broken }
    }

    /// The keys of that `kid`: usually one; several only when the issuer repeats it.
    fn called(&self, kid: &str) -> &[Key] {
        let start = self.keys.partition_point(|key| key.facts.kid.as_deref() < Some(kid));
        let length = self.keys[start..].iter().take_while(|key| key.facts.kid.as_deref() == Some(kid)).count();
        &self.keys[start..start + length]
    }
}

/// The members of a key set that are needed (RFC 7517, section 5).
#[derive(Deserialize)]
struct Document {
    keys: Read,
}

/// Its keys, taken one at a time: all of them as trees of values would be many times as large as the document.
#[derive(Default)]
struct Read {
    keys: Vec<Key>,
    left_out: AllLeftOut,
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_seq(Self::default())
    }
}

impl<'de> Visitor<'de> for Read {
    type Value = Self;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<Self, A::Error> {
        while let Some(jwk) = sequence.next_element::<Jwk>()? {
            let full = self.keys.len() == KEYS;
            match if full { Err("the set has as many usable keys as are taken before it") } else { read_key(&jwk) } {
                Ok(key) => self.keys.push(key),
                Err(reason) => self.left_out.add(&jwk, reason),
            }
        }
        Ok(self)
    }
}

fn printable_kid(jwk: &Jwk) -> String {
    jwk.text("kid").unwrap_or_default().chars().take(64).flat_map(char::escape_default).collect()
}

/// The place where an issuer's current key set is read by requests and replaced by the fetcher.
///
/// Which set a verification was made with is told by the set's address: a ring never shares its set with another ring, and a
/// remembered verification keeps the address taken, so that no later set can have the same.
#[derive(Debug)]
pub struct KeyRing {
    current: ArcSwap<KeySet>,
}

impl KeyRing {
    /// A ring without keys.
    #[must_use]
    pub fn empty() -> Self {
        Self { current: ArcSwap::from_pointee(KeySet::default()) }
    }

    /// Puts a new set in place of the old one; cached verifications end with the old set. A set with the same content
    /// changes nothing. Returns whether it changed.
    pub fn replace(&self, set: KeySet) -> bool {
        let changed = **self.current.load() != set;
        if changed {
            self.current.store(Arc::new(set));
        }
        changed
    }

    /// Number of keys at this moment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.current.load().len()
    }

    /// Whether no key is known (yet).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The set to judge a token by and to remember the verdict with.
    pub(super) fn current(&self) -> Arc<KeySet> {
        self.current.load_full()
    }

    /// Whether this very set is still the current one.
    pub(super) fn holds(&self, set: &Weak<KeySet>) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.current.load()), set.as_ptr())
    }
}

#[cfg(test)]
mod tests;
