//! The `Authorization` header (RFC 6750, section 2.1; RFC 9110, section 11.4): which credentials a request presents.
//!
//! Only this header counts: a token in the query, a cookie, the body or another header is not looked for (RFC 6750, section 2,
//! lets a server refuse those ways; they leak into logs and caches). Several headers are never chosen from, because another
//! server on the way might choose differently.
use http::{HeaderMap, header::AUTHORIZATION};
use std::fmt;

/// A bearer token as it came, nothing proven. Its `Debug` is `[redacted]`.
#[derive(Clone, Copy)]
pub struct UnverifiedToken<'a>(pub(super) &'a str);

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// What the request presents as credentials.
#[derive(Clone, Copy, Debug)]
pub enum Credentials<'a> {
    /// No `Authorization` header.
    None,
    /// One header of another scheme than Bearer.
    OtherScheme,
    /// Several `Authorization` headers: a 400.
    Several,
    /// Bearer, but not one token of b64token characters.
    Malformed,
    /// One bearer token.
    Bearer(UnverifiedToken<'a>),
}

/// Reads the credentials of a request; costs one header look-up and one pass over the token.
#[must_use]
pub fn credentials(headers: &HeaderMap) -> Credentials<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Credentials::None };
    if values.next().is_some() {
        return Credentials::Several;
    }
    let bytes = value.as_bytes();
    let scheme_length = bytes.iter().position(|&byte| byte == b' ').unwrap_or(bytes.len());
    let (scheme, rest) = bytes.split_at(scheme_length);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Credentials::OtherScheme;
    }
    match b64token(skip_spaces(rest)) {
        Some(token) => Credentials::Bearer(UnverifiedToken(token)),
        None => Credentials::Malformed,
    }
}

/// `1*SP` between scheme and token (RFC 9110, section 11.4).
fn skip_spaces(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|&&byte| byte == b' ').count();
    &bytes[spaces..]
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`, to the end of the header.
#[expect(clippy::needless_bitwise_bool, reason = "lazy operators are branches, one for each byte")]
fn b64token(bytes: &[u8]) -> Option<&str> {
    let padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
    let token = &bytes[..bytes.len() - padding];
    // Without a way out of the loop, so that the compiler looks at many bytes at a time: this is all that stands between a
    // token seen before and its verdict.
    let in_alphabet = token.iter().fold(true, |so_far, &byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        let mark = (byte == b'-') | (byte == b'.') | (byte == b'_') | (byte == b'~') | (byte == b'+') | (byte == b'/');
        so_far & (letter | digit | mark)
    });
    if token.is_empty() || !in_alphabet {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
