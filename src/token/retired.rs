//! Retired signing keys: the public halves of keys that sign no more, until the last token of each is over.
//!
//! They stand in a file beside the signing key, `NAME.retired.json`, a JWKS whose keys carry two members more: `token_lifetime`,
//! the longest in seconds that its tokens may have, and `exp`, the second since 1970 from which on the key is nobody's. A key
//! is added without `exp`: the processes that run go on signing with it until they load the new one, so that its end is not
//! known yet. The first process that does dates it, once and for all ([`RetiredKeys::date`]).
//!
//! The end is two token lifetimes after that: one for processes that share the files and still sign with the old key, which
//! must load the new one within it; one for the last token of those. Nothing ever moves it: however often processes start, no
//! key is published for ever.
//!
//! Invariants: the keys are in the order in which they were retired; no private member is read or written.

use super::{PublicKey, SigningAlgorithm};
use crate::time::Now;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// The retired keys, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetiredKeys(Vec<RetiredKey>);

/// A key that signs no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RetiredKey {
    pub(super) public: PublicKey,
    /// Seconds.
    token_lifetime: u64,
    /// Neither published nor accepted from this second on; not known until a process has loaded its successor.
    pub(super) ends_unix_s: Option<u64>,
}

/// Why a text is not a list of retired keys.
#[derive(Debug, PartialEq, Eq)]
pub enum RetiredKeysError {
    /// Not the JSON that is written here.
    Malformed(String),
    /// A key of the list cannot be used; which one, from 0.
    Unusable(usize),
}

impl fmt::Display for RetiredKeysError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(formatter, "is not a list of retired keys ({what})"),
            Self::Unusable(index) => write!(formatter, "has a key (number {}) that cannot be used", index + 1),
        }
    }
}

impl std::error::Error for RetiredKeysError {}

impl RetiredKeys {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The first problem.
    pub fn parse(text: &str) -> Result<Self, RetiredKeysError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Written>,
        }
        let document: Document = serde_json::from_str(text).map_err(|error| RetiredKeysError::Malformed(error.to_string()))?;
        let read = |(index, written): (usize, Written)| written.read().ok_or(RetiredKeysError::Unusable(index));
        document.keys.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The file's text.
    #[must_use]
    pub fn render(&self) -> String {
        let keys: Vec<Value> = self.0.iter().map(RetiredKey::written).collect();
        format!("{:#}\n", json!({ "keys": keys }))
    }

    /// Adds a key that signs until its successor is loaded, and forgets what is over. Of a key that was retired before, only
    /// this counts.
    pub fn retire(&mut self, public: &PublicKey, token_lifetime: Duration, now: Now) {
        self.0.retain(|key| key.public.kid() != public.kid() && !key.is_over(now));
        self.0.push(RetiredKey { public: public.clone(), token_lifetime: token_lifetime.as_secs(), ends_unix_s: None });
    }

    /// Whether [`date`](Self::date) would change anything.
    #[must_use]
    pub fn needs_dates(&self, loaded: &PublicKey) -> bool {
        self.before(loaded).any(|key| key.ends_unix_s.is_none())
    }

    /// A process has loaded `loaded`, so the keys before it are dated; and what is over is forgotten.
    ///
    /// A key is in its own list when its rotation did not come to its end, or came between the reading of the two files: it
    /// signs on, and so may those after it.
    pub fn date(&mut self, loaded: &PublicKey, token_lifetime: Duration, leeway: Duration, now: Now) {
        let dated = self.before(loaded).count();
        for key in self.0.iter_mut().take(dated) {
            let lifetime = key.token_lifetime.max(token_lifetime.as_secs());
            // `now` is rounded down.
            let end = || now.unix_s().saturating_add(1 + leeway.as_secs()).saturating_add(lifetime.saturating_mul(2));
            key.ends_unix_s.get_or_insert_with(end);
        }
        self.0.retain(|key| !key.is_over(now));
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those beside the key that signs.
    pub(super) fn beside(&self, signing: &PublicKey) -> impl Iterator<Item = &RetiredKey> + Clone {
        self.0.iter().filter(|key| key.public.kid() != signing.kid())
    }

    fn before(&self, loaded: &PublicKey) -> impl Iterator<Item = &RetiredKey> {
        self.0.iter().take_while(|key| key.public.kid() != loaded.kid())
    }
}

impl RetiredKey {
    fn is_over(&self, now: Now) -> bool {
        self.ends_unix_s.is_some_and(|end| end <= now.unix_s())
    }

    fn written(&self) -> Value {
        let mut jwk = self.public.jwk().clone();
        jwk["token_lifetime"] = self.token_lifetime.into();
        if let Some(end) = self.ends_unix_s {
            jwk["exp"] = end.into();
        }
        jwk
    }
}

#[derive(Deserialize)]
struct Written {
    alg: String,
    kid: String,
    token_lifetime: u64,
    exp: Option<u64>,
    #[serde(flatten)]
    members: serde_json::Map<String, Value>,
}

impl Written {
    fn read(self) -> Option<RetiredKey> {
        let public = PublicKey::new(Value::Object(self.members), SigningAlgorithm::named(&self.alg)?)?;
        let named = public.kid() == self.kid;
        named.then_some(RetiredKey { public, token_lifetime: self.token_lifetime, ends_unix_s: self.exp })
    }
}

#[cfg(test)]
mod tests;
