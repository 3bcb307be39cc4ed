//! The CORS headers of every answer, and preflights.
use super::OriginPattern;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::time::Duration;

/// `[cors]`, read.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct CorsSettings {
    pub allowed_origins: Vec<OriginPattern>,
    pub allowed_headers: Vec<HeaderName>,
    pub allow_credentials: bool,
    pub max_age: Duration,
}

/// What the `Origin` header of a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOrigin {
    /// No `Origin` header: not a cross-origin browser request.
    Absent,
    /// Served without CORS headers; its preflight is a 403. Also several headers.
    Foreign,
    /// Allowed; echoed.
    Allowed(HeaderValue),
}

/// The policy with its header values made ahead.
#[derive(Debug)]
pub struct CorsPolicy {}

/// An allowed preflight's headers.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Preflight {}

impl CorsPolicy {
    /// Makes the header values.
    #[must_use]
    pub fn new(settings: CorsSettings) -> Self { let _ = settings; todo!() }
    /// Whether a response header field is the policy's.
    #[must_use]
    pub fn owns(name: &HeaderName) -> bool { let _ = name; todo!() }
    /// Judges the request's origin.
    #[must_use]
    pub fn origin(&self, headers: &HeaderMap) -> RequestOrigin { let _ = headers; todo!() }
    /// OPTIONS with `Origin` and `Access-Control-Request-Method`.
    #[must_use]
    pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool { let _ = (method, headers); todo!() }
    /// Headers of every answer: `Vary: Origin` always; the others when allowed. Calls `put` for each.
    pub fn write(&self, origin: &RequestOrigin, put: impl FnMut(HeaderName, HeaderValue)) { let _ = (origin, put); todo!() }
    /// Headers of the answer to an allowed preflight, beyond [`Self::write`]; `allow_methods` is the route's, e.g. `GET, HEAD, POST`.
    pub fn write_preflight(&self, allow_methods: &HeaderValue, put: impl FnMut(HeaderName, HeaderValue)) { let _ = (allow_methods, put); todo!() }
}
