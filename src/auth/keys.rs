//! An issuer's keys (RFC 7517).
use arc_swap::ArcSwap;

/// A signature algorithm (RFC 7518, section 3.1; RFC 8037). Never `none`, never HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Algorithm { Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, EdDsa }

/// The usable keys of one JWKS.
#[derive(Debug, Default)]
pub struct KeySet {}

/// A key that the set holds and we cannot use, with the reason (for the log).
#[derive(Debug)]
pub struct LeftOut {
    /// Its `kid`, shortened and printable.
    pub kid: String,
    /// Why it is left out.
    pub reason: &'static str,
}

/// Why a document is not a key set.
#[derive(Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// Not one JSON object with a `keys` array.
    Malformed(String),
    /// No key in it can verify anything.
    NoUsableKey,
}

impl KeySet {
    /// Reads a JWKS document; unusable keys are left out, the rest stays.
    ///
    /// # Errors
    /// The document is not a key set, or has no usable key.
    pub fn parse(json: &[u8]) -> Result<(Self, Vec<LeftOut>), KeySetError> {
        let _ = json;
        todo!()
    }

    /// Number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether no key is usable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The place where an issuer's current key set is read by requests and replaced by the fetcher.
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

    /// Puts a new set in place of the old one; cached verifications by keys that changed end with it.
    pub fn replace(&self, set: KeySet) {
        self.current.store(std::sync::Arc::new(set));
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
}
