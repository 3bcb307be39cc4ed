//! Route patterns: literal segments, `{name}` for one segment, `{*rest}` for the rest.

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern { text: String }

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PatternError { NotAbsolute, EmptySegment, TrailingSlash, BadName, RepeatedName, PartOfSegment, RestNotLast, BadCharacter, DotSegment }

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PatternError> { Ok(Self { text: text.to_owned() }) }
    /// As written: the route's metric label.
    #[must_use]
    pub fn as_str(&self) -> &str { &self.text }
}
