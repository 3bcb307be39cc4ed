//! What every final response carries, the gateway's own and the upstream's alike: the rate limit, CORS, the request id.
//!
//! Written in one place and called from three (early answers, forwarded responses, failures), because the framework has no
//! hook that sees all of them.

mod ietf;

use crate::{
    config::{Gateway, ResetForm},
    cors::{CorsPolicy, RequestOrigin},
    limit::Shown,
    time::Now,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// The request's name, from the client when it is well formed, else made here.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The values of one response.
#[derive(Clone, Debug)]
pub struct ResponseHeaders {
    /// The policies that the headers show, as they stood after the decision.
    pub shown: Shown,
    /// When that was, nanoseconds since 1970.
    pub decided_unix_ns: u64,
    /// What the request's `Origin` means.
    pub origin: RequestOrigin,
    /// The request's name.
    pub request_id: HeaderValue,
}

impl ResponseHeaders {
    /// Calls `put` with each field, which must replace what a response has under that name. `now` is the moment of writing: a
    /// response that took long must not name a moment that has passed.
    pub fn write(&self, gateway: &Gateway, now: Now, mut put: impl FnMut(HeaderName, HeaderValue)) {
        let standing = self.shown.main.standing;
        put(LIMIT, decimal(standing.limit));
        put(REMAINING, decimal(standing.remaining));
        put(RESET, decimal(self.reset(gateway.reset, now)));
        if gateway.ietf_headers {
            ietf::write(&self.shown, self.decided_unix_ns, now, &mut put);
        }
        put(REQUEST_ID, self.request_id.clone());
        gateway.cors.write(&self.origin, &mut put);
        for (name, value) in &gateway.response_headers.set {
            put(name.clone(), value.clone());
        }
    }

    /// What a decision of this moment shows.
    #[must_use]
    pub fn new(shown: Shown, origin: RequestOrigin, request_id: HeaderValue, decided: Now) -> Self {
        Self { shown, decided_unix_ns: decided.unix_ns, origin, request_id }
    }

    /// `X-RateLimit-Reset`: when the bucket is full again, or the quota's period over; rounded up to a second.
    fn reset(&self, form: ResetForm, now: Now) -> u64 {
        let full_at_unix_ns = self.decided_unix_ns.saturating_add(self.shown.main.standing.full_in_ns);
        match form {
            ResetForm::Epoch => full_at_unix_ns.max(now.unix_ns).div_ceil(1_000_000_000),
            ResetForm::Delta => full_at_unix_ns.saturating_sub(now.unix_ns).div_ceil(1_000_000_000),
        }
    }
}

/// The names of an upstream's response that give way: what is the gateway's own to say, what is to be removed, and what the
/// upstream says of its own connection (RFC 9110, section 7.6.1), also by naming it in `Connection`. Framing is the framework's.
pub fn foreign<'a>(headers: &'a HeaderMap, gateway: &'a Gateway) -> impl Iterator<Item = HeaderName> + 'a {
    let gives_way = |name: &HeaderName| {
        CorsPolicy::owns(name)
            || name.as_str().starts_with("x-ratelimit-")
            || (gateway.ietf_headers && ietf::owns(name))
            || HOP_BY_HOP.contains(&name.as_str())
            || gateway.response_headers.remove.contains(name)
    };
    headers.keys().filter(move |name| gives_way(name)).cloned().chain(nominated(headers))
}

/// RFC 9110, section 7.6.1; `Trailer` too, since trailers end here.
const HOP_BY_HOP: [&str; 5] = ["keep-alive", "proxy-connection", "proxy-authenticate", "upgrade", "trailer"];

/// What `Connection` names, but for the framing.
pub fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> + '_ {
    const FRAMING: [HeaderName; 3] = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let fields = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = fields.flat_map(|field| field.split(',')).filter_map(|name| name.trim().parse().ok());
    named.filter(move |name| !FRAMING.contains(name) && headers.contains_key(name))
}

/// A number as a field value, for one allocation: `HeaderValue::from` takes two.
#[must_use]
pub fn decimal(number: u64) -> HeaderValue {
    // Digits always are a field value; the other way is only the dearer one.
    HeaderValue::from_str(itoa::Buffer::new().format(number)).unwrap_or_else(|_| HeaderValue::from(number))
}

#[cfg(test)]
mod tests;
