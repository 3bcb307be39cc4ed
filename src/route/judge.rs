//! One reading of a path, the one that is matched and forwarded.
//!
//! A gateway that reads a path otherwise than the server behind it guards the wrong door. So a path that servers read
//! differently is refused, and of those that differ only in how they are escaped one canonical form goes on:
//! escaped unreserved characters are decoded (RFC 3986, 6.2.2.2), the hexadecimal digits of all other escapes are upper
//! case (6.2.2.1). What comes out consists of `/`, `pchar` and such escapes only; judging it again changes nothing.
//!
//! Escapes are looked through however often they are nested (`%252e`, `%25252e`), since nobody knows how often a chain of
//! servers decodes. Letter case, a trailing slash and `;parameters` are kept: they make another path, and the route table
//! decides what that means. It does not split off the query, and `OPTIONS *` is not a path.

use std::borrow::Cow;
use std::fmt;

/// Why a path has more than one reading, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// `.` or `..`, plain or escaped, also before `;parameters`.
    DotSegment,
    /// An escaped `/`.
    EncodedSlash,
    /// `\`, raw or escaped.
    Backslash,
    /// NUL, another control byte or DEL, raw or escaped.
    ControlByte,
    /// `//`.
    EmptySegment,
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// An escape whose own digits are escaped: `%25%2532e` is a dot to whoever decodes three times.
    SplitEscape,
    /// Escapes of bytes that are not UTF-8, overlong forms included.
    NotUtf8,
    /// A raw character that RFC 3986 does not allow in a path.
    Forbidden,
}

impl PathError {
    /// What is wrong, for the client.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::NotAbsolute => "the path must begin with a slash",
            Self::DotSegment => "the path must not contain dot segments",
            Self::EncodedSlash => "the path must not contain encoded slashes",
            Self::Backslash => "the path must not contain backslashes",
            Self::ControlByte => "the path must not contain control characters",
            Self::EmptySegment => "the path must not contain empty segments",
            Self::BadEscape => "the path contains a percent sign without two hexadecimal digits",
            Self::SplitEscape => "the path contains an escape whose digits are escaped",
            Self::NotUtf8 => "the path contains percent-encoded bytes that are not UTF-8",
            Self::Forbidden => "the path contains a character that must be percent-encoded",
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for PathError {}

/// Judges the path of a request target (without its query); borrows it where it already is in canonical form.
///
/// # Errors
/// What different servers would read differently.
pub fn judge(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if is_plain(raw.as_bytes()) {
        return Ok(Cow::Borrowed(raw));
    }
    let path = canonical(raw)?;
    let segments = path.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment.is_empty() && !is_last {
            return Err(PathError::EmptySegment);
        }
        check_segment(segment.as_bytes())?;
    }
    Ok(path)
}

/// Whether one look at each byte is enough: nothing escaped, no segment empty or beginning with a dot.
fn is_plain(path: &[u8]) -> bool {
    let Some((b'/', rest)) = path.split_first() else { return false };
    let mut begins_segment = true;
    for &byte in rest {
        match byte {
            b'/' | b'.' if begins_segment => return false,
            b'/' => begins_segment = true,
            _ if is_pchar(byte) => begins_segment = false,
            _ => return false,
        }
    }
    true
}

/// The canonical form of what is well formed byte by byte.
fn canonical(raw: &str) -> Result<Cow<'_, str>, PathError> {
    let bytes = raw.as_bytes();
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            check_raw(byte)?;
            at += 1;
            continue;
        }
        let value = escape(bytes, at).ok_or(PathError::BadEscape)?;
        let end = at + 3 * escapes_of_character(value, bytes, at)?;
        if is_unreserved(value) {
            out.push_str(&raw[copied..at]);
            out.push(char::from(value));
            copied = end;
        } else if bytes[at..end].iter().any(u8::is_ascii_lowercase) {
            out.push_str(&raw[copied..at]);
            out.extend(raw[at..end].chars().map(|c| c.to_ascii_uppercase()));
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(raw));
    }
    out.push_str(&raw[copied..]);
    Ok(Cow::Owned(out))
}

fn check_raw(byte: u8) -> Result<(), PathError> {
    match byte {
        b'/' => Ok(()),
        b'\\' => Err(PathError::Backslash),
        // A tab is white space to a lenient parser, like the space it is refused with.
        b'\t' => Err(PathError::Forbidden),
        _ if byte.is_ascii_control() => Err(PathError::ControlByte),
        _ if is_pchar(byte) => Ok(()),
        _ => Err(PathError::Forbidden),
    }
}

/// How many escapes, from the one at `at` on, make up one character. Overlong forms (`%c0%ae` for a dot) are not UTF-8.
fn escapes_of_character(first: u8, bytes: &[u8], at: usize) -> Result<usize, PathError> {
    let length = match first {
        ..=0x7F => return Ok(1),
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return Err(PathError::NotUtf8),
    };
    let mut character = [0; 4];
    for (index, byte) in character[..length].iter_mut().enumerate() {
        *byte = escape(bytes, at + 3 * index).ok_or(PathError::NotUtf8)?;
    }
    str::from_utf8(&character[..length]).map(|_| length).map_err(|_| PathError::NotUtf8)
}

/// The byte that the escape at `at` stands for.
fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    match bytes.get(at..at + 3)? {
        [b'%', high, low] => hexadecimal(*high, *low),
        _ => None,
    }
}

/// Refuses what a server could read as another division into segments.
fn check_segment(segment: &[u8]) -> Result<(), PathError> {
    let mut before = [0, 0];
    for byte in Decoded(segment) {
        match byte {
            b'/' => return Err(PathError::EncodedSlash),
            b'\\' => return Err(PathError::Backslash),
            _ if byte.is_ascii_control() => return Err(PathError::ControlByte),
            // Something is left to decode. Where nothing is, it is what everybody comes to, in whichever order they decode:
            // two escapes never overlap.
            _ if before[0] == b'%' && hexadecimal(before[1], byte).is_some() => return Err(PathError::SplitEscape),
            _ => before = [before[1], byte],
        }
    }
    // `..;x` is `..` to servlet containers (Orange Tsai, 2018); escaped, `?` and `#` end a segment where a server parses
    // what it has decoded once more.
    let mut name = Decoded(segment).take_while(|byte| !matches!(byte, b';' | b'?' | b'#'));
    match name.try_fold(0_usize, |dots, byte| (byte == b'.').then_some(dots + 1)) {
        Some(1 | 2) => Err(PathError::DotSegment),
        _ => Ok(()),
    }
}

/// The bytes of a canonical segment as a server sees them that decodes as often as there is something to decode.
pub(super) struct Decoded<'s>(pub(super) &'s [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        let mut byte = first;
        self.0 = rest;
        while byte == b'%' {
            let [high, low, rest @ ..] = self.0 else { break };
            let Some(inner) = hexadecimal(*high, *low) else { break };
            byte = inner;
            self.0 = rest;
        }
        Some(byte)
    }
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// RFC 3986, 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986, 3.3, without escapes: what a segment may contain raw. Looked up: every byte of every path comes by here.
const fn is_pchar(byte: u8) -> bool {
    PCHAR[byte as usize]
}

const PCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        let sub_delim = matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        table[byte as usize] = is_unreserved(byte) || sub_delim || matches!(byte, b':' | b'@');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests;
