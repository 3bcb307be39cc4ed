//! One reading of a path, the one that is matched and forwarded.
use std::borrow::Cow;

/// Why a path has more than one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PathError { NotAbsolute, DotSegment, EncodedSlash, Backslash, ControlByte, EmptySegment, BadEscape, NotUtf8, Forbidden }

impl PathError {
    /// What is wrong, for the client.
    #[must_use]
    pub fn detail(self) -> &'static str { todo!() }
}

/// Judges the path of a request target (without its query).
///
/// # Errors
/// What different servers would read differently.
pub fn judge(raw: &str) -> Result<Cow<'_, str>, PathError> { let _ = raw; todo!() }
