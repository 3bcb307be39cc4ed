//! Route patterns: literal segments, `{name}` for exactly one segment, `{*rest}` at the end for one character or more.
//!
//! A parameter is always a whole segment. Literals stand in the form that judged paths have, so that comparing bytes is
//! comparing paths; a pattern that no path could match is an error, not a route that never answers. A pattern has no
//! trailing slash: a path with one is another path, never a route. It matches nothing itself; that is the route table's.

use super::judge::{Decoded, PathError, judge};
use std::borrow::Cow;
use std::fmt;

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    Name,
    Rest,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// `//`.
    EmptySegment,
    /// It ends with `/` (`/` alone is a pattern: the base path itself).
    TrailingSlash,
    /// A parameter's name is not a letter or `_`, then letters, digits and `_`.
    BadName,
    /// Two parameters have one name.
    RepeatedName,
    /// A brace beside other text: a parameter is a whole segment.
    PartOfSegment,
    /// `{*rest}` is not the last segment.
    RestNotLast,
    /// A literal that is not in canonical form: a character to be escaped, or an escape that is bad, needless or lower case.
    BadCharacter,
    /// `.` or `..`.
    DotSegment,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut segments = Vec::new();
        let mut names = Vec::new();
        for segment in split(text)? {
            if segments.last() == Some(&Segment::Rest) {
                return Err(PatternError::RestNotLast);
            }
            let (segment, name) = read_segment(segment)?;
            if name.is_some_and(|name| names.contains(&name)) {
                return Err(PatternError::RepeatedName);
            }
            names.extend(name);
            segments.push(segment);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// As written: the route's metric label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is at the path: its last literal segment, decoded, `bulk` not counting. `/cmdb/cis/bulk` is about `cis`.
    #[must_use]
    pub fn resource(&self) -> Option<String> {
        let literals = self.segments.iter().rev().filter_map(|segment| match segment {
            Segment::Literal(text) if text != "bulk" => Some(text),
            Segment::Literal(_) | Segment::Name | Segment::Rest => None,
        });
        literals.take(1).find_map(|text| String::from_utf8(Decoded(text.as_bytes()).collect()).ok())
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

fn split(text: &str) -> Result<Vec<&str>, PatternError> {
    let inner = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    if inner.starts_with('/') || inner.contains("//") {
        return Err(PatternError::EmptySegment);
    }
    if inner.ends_with('/') {
        return Err(PatternError::TrailingSlash);
    }
    Ok(inner.split('/').collect())
}

/// The segment and, of a parameter, its name.
fn read_segment(text: &str) -> Result<(Segment, Option<&str>), PatternError> {
    if !text.contains(['{', '}']) {
        return read_literal(text).map(|literal| (literal, None));
    }
    let inner = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).ok_or(PatternError::PartOfSegment)?;
    if inner.contains(['{', '}']) {
        return Err(PatternError::PartOfSegment);
    }
    let (segment, name) = match inner.strip_prefix('*') {
        Some(name) => (Segment::Rest, name),
        None => (Segment::Name, inner),
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(PatternError::BadName);
    }
    Ok((segment, Some(name)))
}

fn read_literal(text: &str) -> Result<Segment, PatternError> {
    match judge(&format!("/{text}")) {
        Ok(Cow::Borrowed(_)) => Ok(Segment::Literal(text.to_owned())),
        Err(PathError::DotSegment) => Err(PatternError::DotSegment),
        Ok(Cow::Owned(_)) | Err(_) => Err(PatternError::BadCharacter),
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "must begin with a slash",
            Self::EmptySegment => "must not contain empty segments",
            Self::TrailingSlash => "must not end with a slash",
            Self::BadName => "has a parameter whose name is not letters, digits and underscores",
            Self::RepeatedName => "has two parameters of one name",
            Self::PartOfSegment => "has a brace beside other text; a parameter is a whole segment",
            Self::RestNotLast => "has something after {*rest}",
            Self::BadCharacter => "has a segment that is not in canonical percent-encoded form",
            Self::DotSegment => "must not contain dot segments",
        })
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests;
