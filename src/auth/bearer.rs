//! The `Authorization` header (RFC 6750, section 2.1; RFC 9110, section 11.4).
use http::HeaderMap;

/// A bearer token as it came, nothing proven. Its `Debug` is `[redacted]`.
#[derive(Clone, Copy)]
pub struct UnverifiedToken<'a>(pub(super) &'a str);

/// What the request presents as credentials.
#[derive(Clone, Copy)]
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
    let _ = headers;
    todo!()
}
