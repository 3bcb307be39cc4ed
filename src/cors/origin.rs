//! Origins and patterns of origins.

/// `https://host[:port]`, where host may begin with `*.` (one label) or `**.` (one label or more).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {}

/// Why a text is not a pattern of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OriginPatternError { Scheme, Host, Port, Wildcard, Trailing, NotLowerCase }

impl OriginPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, OriginPatternError> { let _ = text; todo!() }
    /// Whether a serialized origin matches; any other spelling than the serialized form does not.
    #[must_use]
    pub fn matches(&self, origin: &[u8]) -> bool { let _ = origin; todo!() }
}
