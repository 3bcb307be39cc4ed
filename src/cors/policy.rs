//! The CORS headers of every answer, and preflights.
//!
//! Every answer says `Vary: Origin`, the refused and the foreign too: a cache must not serve one origin's answer to
//! another. An allowed origin is echoed, never `*`. All other values are made when the configuration is compiled. What an
//! upstream says of CORS gives way ([`CorsPolicy::owns`]), so that nothing stands twice or is opened behind our back.
//!
//! A preflight's answer is the same whatever method and headers it asks for: the browser compares. So its `Vary` need not
//! name them; nor is an answer to OPTIONS ever cached by HTTP (RFC 9110, 9.3.7). Which methods a route has and what status
//! the answer gets is not decided here.

use super::OriginPattern;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::time::Duration;

/// What a page may read of an answer beyond the safelisted headers.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, X-Request-Id, ETag, Location, Link, \
     WWW-Authenticate",
);
/// The same with the fields of draft-ietf-httpapi-ratelimit-headers.
const EXPOSED_WITH_IETF_LIMITS: HeaderValue = HeaderValue::from_static(
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, ETag, \
     Location, Link, WWW-Authenticate",
);

/// `[cors]`, read.
#[derive(Clone, Debug)]
pub struct CorsSettings {
    /// Whose pages may read answers.
    pub allowed_origins: Vec<OriginPattern>,
    /// Request headers that pages may send.
    pub allowed_headers: Vec<HeaderName>,
    /// Whether pages may have the browser send cookies and client certificates.
    pub allow_credentials: bool,
    /// For how long a browser may remember a preflight; in whole seconds.
    pub max_age: Duration,
    /// Answers carry `RateLimit` and `RateLimit-Policy`, for pages to read.
    pub expose_ietf_limits: bool,
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
pub struct CorsPolicy {
    allowed_origins: Vec<OriginPattern>,
    /// None when no header may be sent: the list would be empty.
    allow_headers: Option<HeaderValue>,
    allow_credentials: bool,
    max_age: HeaderValue,
    exposed: HeaderValue,
}

impl CorsPolicy {
    /// Makes the header values.
    #[must_use]
    pub fn new(settings: CorsSettings) -> Self {
        Self {
            allowed_origins: settings.allowed_origins,
            allow_headers: Some(join(&settings.allowed_headers)).filter(|names| !names.is_empty()),
            allow_credentials: settings.allow_credentials,
            max_age: HeaderValue::from(settings.max_age.as_secs()),
            exposed: if settings.expose_ietf_limits { EXPOSED_WITH_IETF_LIMITS } else { EXPOSED },
        }
    }

    /// Judges the request's origin.
    #[must_use]
    pub fn origin(&self, headers: &HeaderMap) -> RequestOrigin {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (first, second) = (origins.next(), origins.next());
        let Some(origin) = first else { return RequestOrigin::Absent };
        let is_allowed = || self.allowed_origins.iter().any(|pattern| pattern.matches(origin.as_bytes()));
        if second.is_none() && is_allowed() { RequestOrigin::Allowed(origin.clone()) } else { RequestOrigin::Foreign }
    }

    /// OPTIONS with `Origin` and `Access-Control-Request-Method`.
    #[must_use]
    pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        let has = |name: HeaderName| headers.contains_key(name);
        method == Method::OPTIONS && has(header::ORIGIN) && has(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Whether a header of an upstream's answer is ours to say, so that it must be removed, allowed origin or not.
    #[must_use]
    pub fn owns(name: &HeaderName) -> bool {
        name.as_str().starts_with("access-control-")
    }

    /// Headers of every answer: `Vary: Origin` always; the others when allowed. Calls `put` for each, which must append
    /// `Vary` to the upstream's.
    pub fn write(&self, origin: &RequestOrigin, mut put: impl FnMut(HeaderName, HeaderValue)) {
        put(header::VARY, HeaderValue::from_static("Origin"));
        let RequestOrigin::Allowed(origin) = origin else { return };
        put(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.allow_credentials {
            put(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        put(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
    }

    /// Headers of the answer to an allowed preflight, beyond [`Self::write`]; `allow_methods` is the route's, e.g. `GET, HEAD, POST`.
    pub fn write_preflight(&self, allow_methods: &HeaderValue, mut put: impl FnMut(HeaderName, HeaderValue)) {
        put(header::ACCESS_CONTROL_ALLOW_METHODS, allow_methods.clone());
        if let Some(names) = &self.allow_headers {
            put(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        put(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
    }
}

fn join(names: &[HeaderName]) -> HeaderValue {
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).expect("BUG: header names and commas are visible ASCII")
}

#[cfg(test)]
mod tests;
