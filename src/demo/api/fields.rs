//! What a record's fields may hold: types that cannot be too long or out of range, so that a stored record has a bounded
//! size; and the reading of a body into them.

#[cfg(test)]
mod tests;

use super::answer::Refusal;
use crate::time::civil;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use std::fmt;

/// A moment in seconds since 1970-01-01T00:00:00Z; written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timestamp(pub u64);

/// Text of 1 to `MAX` characters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text<const MAX: usize>(String);

/// 1 (critical) to 5 (planning).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub(super) struct Priority(u8);

impl Priority {
    /// Of an incident whose author names none.
    pub(super) const LOW: Self = Self(4);

    /// Of a seed.
    pub(super) fn fixed(level: u8) -> Self {
        Self(level.clamp(1, 5))
    }
}

impl<const MAX: usize> Text<MAX> {
    /// Of a seed, which is short.
    pub(super) fn fixed(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=MAX).contains(&text.chars().take(MAX + 1).count());
        if fits { Ok(Self(text)) } else { Err(format!("a text of 1 to {MAX} characters is expected")) }
    }
}

impl TryFrom<u8> for Priority {
    type Error = &'static str;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        if (1..=5).contains(&level) { Ok(Self(level)) } else { Err("a priority is a number from 1 to 5") }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / 86_400);
        let second = self.0 % 86_400;
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
    }
}

/// A JSON object as a `T`.
///
/// # Errors
/// 400 for what is not JSON or no object, 422 for an object whose fields are wrong.
pub(super) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // serde also reads a struct from an array of its fields in order, which is no documented form of any body.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::InvalidBody("a JSON object is expected".into()));
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refusal::Unprocessable(error.to_string()),
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof | serde_json::error::Category::Io => {
            Refusal::InvalidBody(error.to_string())
        }
    })
}
