//! `require_json`.
use http::HeaderMap;

/// Whether the `Content-Type` is one JSON media type (`application/json`, `application/*+json`), parameters allowed.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool { let _ = headers; todo!() }
