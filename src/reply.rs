//! The gateway's own answers: one exhaustive table from a [`Rejection`] to status, code, sentence, header fields and body.
//!
//! What a client reads is here; what an operator reads (`reason`) goes to log and metrics only.

use crate::{
    auth::InvalidReason,
    json,
    limit::{FailuresRefusal, Policy, Refusal},
    response_headers::decimal,
    validate::RecordsError,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::borrow::Cow;

/// Why the gateway answers a request itself instead of forwarding it.
#[derive(Clone, Debug)]
pub enum Rejection {
    /// Malformed path, framing, credentials or body; the sentence for the client.
    InvalidRequest(&'static str),
    /// A query parameter breaks its rule.
    InvalidParameter {
        /// Its configured name.
        parameter: String,
        /// What it must be.
        detail: String,
    },
    /// No bearer token.
    MissingToken,
    /// A bearer token that is refused.
    InvalidToken(InvalidReason),
    /// A good token without any of the route's scopes.
    InsufficientScope(Vec<String>),
    /// A preflight from an origin that is not allowed.
    OriginNotAllowed,
    /// A WebSocket from an origin that is not allowed.
    ForeignWebSocket,
    /// Nothing there.
    NotFound,
    /// The path is known, the method is not allowed on it.
    MethodNotAllowed(HeaderValue),
    /// The client was too slow.
    RequestTimeout,
    /// Body over its bound, in bytes.
    BodyTooLarge(u64),
    /// Target over its bound, in bytes.
    UriTooLong(usize),
    /// Header fields over their bound.
    HeadersTooLarge,
    /// A bulk body with more records than this.
    TooManyRecords(u64),
    /// A body that is not JSON where only JSON is taken.
    UnsupportedMediaType,
    /// A body that must be read and has a `Content-Encoding`.
    UnsupportedCoding,
    /// A body that must be read and has another `charset` than UTF-8.
    UnsupportedCharset,
    /// A limit refuses.
    RateLimited(Refusal),
    /// Too many wrong secrets of a client at the token endpoint.
    TooManyFailures(FailuresRefusal),
    /// The listener only redirects; where to.
    RedirectHttps(HeaderValue),
    /// The upstream could not be reached, or does not speak HTTP.
    BadUpstream,
    /// No server of the upstream is known.
    NoUpstream,
    /// The token's issuer has no key (yet).
    KeysUnavailable,
    /// More connections than there may be.
    Overloaded,
    /// The process is about to stop.
    Draining,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The gateway failed.
    Internal,
}

/// How the exchange ended, for metrics and log (a closed set).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the labels")]
pub enum Outcome {
    Forwarded,
    Answered,
    Preflight,
    Unauthorized,
    Limited,
    Rejected,
    UpstreamFailed,
}

impl Outcome {
    /// Its label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Answered => "answered",
            Self::Preflight => "preflight",
            Self::Unauthorized => "unauthorized",
            Self::Limited => "limited",
            Self::Rejected => "rejected",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
}

/// An answer, complete but for what every response carries.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its own header fields; content type and length among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body; empty for 204.
    pub body: Bytes,
    /// The connection is not to be used again.
    pub close: bool,
}

/// Bytes that nearly every error's body fits in.
const BODY: usize = 320;

/// One row of the table: status, code, message.
type Row = (StatusCode, &'static str, &'static str);

impl Rejection {
    /// Status, `code` and `message`.
    #[must_use]
    pub fn row(&self) -> Row {
        match self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request", "Bad Request"),
            Self::InvalidParameter { .. } => (StatusCode::BAD_REQUEST, "invalid_parameter", "Invalid request parameters"),
            Self::MissingToken => (StatusCode::UNAUTHORIZED, "missing_token", "Unauthorized"),
            Self::InvalidToken(InvalidReason::Expired) => {
                (StatusCode::UNAUTHORIZED, "invalid_token", "The incoming token has expired")
            }
            Self::InvalidToken(_) => (StatusCode::UNAUTHORIZED, "invalid_token", "Unauthorized"),
            Self::InsufficientScope(_) => (StatusCode::FORBIDDEN, "insufficient_scope", "Forbidden"),
            Self::OriginNotAllowed | Self::ForeignWebSocket => (StatusCode::FORBIDDEN, "origin_not_allowed", "Forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not Found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request Timeout"),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Request Too Long"),
            Self::UriTooLong(_) => (StatusCode::URI_TOO_LONG, "uri_too_long", "URI Too Long"),
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "Request Header Fields Too Large")
            }
            Self::TooManyRecords(_) => (StatusCode::BAD_REQUEST, "too_many_records", "Invalid request body"),
            Self::UnsupportedMediaType | Self::UnsupportedCoding | Self::UnsupportedCharset => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported Media Type")
            }
            Self::RateLimited(_) | Self::TooManyFailures(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too Many Requests")
            }
            Self::RedirectHttps(_) => (StatusCode::PERMANENT_REDIRECT, "redirect_https", "Permanent Redirect"),
            Self::BadUpstream => (StatusCode::BAD_GATEWAY, "bad_upstream", "Bad Gateway"),
            Self::NoUpstream => (StatusCode::SERVICE_UNAVAILABLE, "no_upstream", "Service Unavailable"),
            Self::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable", "Service Unavailable"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Service Unavailable"),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining", "Service Unavailable"),
            Self::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", "Endpoint request timed out"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Internal Server Error"),
        }
    }

    /// How the exchange ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::MissingToken | Self::InvalidToken(_) | Self::InsufficientScope(_) | Self::KeysUnavailable => {
                Outcome::Unauthorized
            }
            Self::RateLimited(_) | Self::TooManyFailures(_) => Outcome::Limited,
            Self::OriginNotAllowed => Outcome::Preflight,
            Self::RedirectHttps(_) => Outcome::Answered,
            Self::BadUpstream | Self::NoUpstream | Self::UpstreamTimeout => Outcome::UpstreamFailed,
            Self::InvalidRequest(_)
            | Self::InvalidParameter { .. }
            | Self::ForeignWebSocket
            | Self::NotFound
            | Self::MethodNotAllowed(_)
            | Self::RequestTimeout
            | Self::BodyTooLarge(_)
            | Self::UriTooLong(_)
            | Self::HeadersTooLarge
            | Self::TooManyRecords(_)
            | Self::UnsupportedMediaType
            | Self::Overloaded
            | Self::UnsupportedCoding
            | Self::UnsupportedCharset
            | Self::Draining
            | Self::Internal => Outcome::Rejected,
        }
    }

    /// The `reason` of log and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidToken(reason) => reason.label(),
            other => other.row().1,
        }
    }

    /// The policy that refused.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        match self {
            Self::RateLimited(refusal) => Some(refusal.numbers.policy),
            // A client is limited for each address that it is tried from.
            Self::TooManyFailures(_) => Some(Policy::Address),
            _ => None,
        }
    }

    /// The sentence for the client.
    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::InvalidRequest(detail) => Cow::Borrowed(detail),
            Self::InvalidParameter { detail, .. } => Cow::Borrowed(detail),
            Self::MissingToken => Cow::Borrowed("send an access token in the header Authorization: Bearer <token>"),
            Self::InvalidToken(InvalidReason::Expired) => Cow::Borrowed("get a new token"),
            Self::InvalidToken(_) => Cow::Borrowed("the token is not acceptable here"),
            Self::InsufficientScope(scopes) => Cow::Owned(format!("one of these scopes is needed: {}", scopes.join(" "))),
            Self::OriginNotAllowed => Cow::Borrowed("this origin may not call the API from a browser"),
            Self::ForeignWebSocket => Cow::Borrowed("this origin may not open a WebSocket from a browser"),
            Self::NotFound => Cow::Borrowed("there is nothing at this path"),
            Self::MethodNotAllowed(allow) => Cow::Owned(format!("allowed: {}", allow.to_str().unwrap_or_default())),
            Self::RequestTimeout => Cow::Borrowed("the request came too slowly"),
            Self::BodyTooLarge(bound) => Cow::Owned(format!("the body may have at most {bound} bytes")),
            Self::UriTooLong(bound) => Cow::Owned(format!("the request target may have at most {bound} bytes")),
            Self::HeadersTooLarge => Cow::Borrowed("the header fields are too many or too long"),
            Self::TooManyRecords(max) => Cow::Owned(format!("the body may hold at most {max} records")),
            Self::UnsupportedMediaType => Cow::Borrowed("send the body as Content-Type: application/json"),
            Self::UnsupportedCoding => Cow::Borrowed("send the body without Content-Encoding"),
            Self::UnsupportedCharset => Cow::Borrowed("send the body in UTF-8"),
            Self::RateLimited(refusal) => Cow::Owned(refusal.detail()),
            Self::TooManyFailures(refusal) => Cow::Owned(refusal.detail()),
            Self::RedirectHttps(_) => Cow::Borrowed("this listener only redirects to https"),
            Self::BadUpstream => Cow::Borrowed("the API could not be reached or did not answer in HTTP"),
            Self::NoUpstream => Cow::Borrowed("no server of the API is known at this moment"),
            Self::KeysUnavailable => Cow::Borrowed("the keys to verify the token are not available yet"),
            Self::Overloaded => Cow::Borrowed("more connections than the gateway serves; come back later"),
            Self::Draining => Cow::Borrowed("this gateway is about to stop"),
            Self::UpstreamTimeout => Cow::Borrowed("the API did not answer in time"),
            Self::Internal => Cow::Borrowed("the gateway failed; the request id helps to find out why"),
        }
    }

    /// The answer. `accept` are the request's header fields, `request_id` its name.
    #[must_use]
    pub fn reply(&self, accept: &HeaderMap, request_id: &HeaderValue) -> Reply {
        let (status, ..) = self.row();
        let problem = wants_problem(accept);
        let body = Bytes::from(self.body(problem, request_id));
        let media_type = if problem { "application/problem+json" } else { "application/json" };
        let mut headers = self.own_headers();
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static(media_type)));
        headers.push((header::CONTENT_LENGTH, decimal(body.len() as u64)));
        Reply { status, headers, body, close: self.closes() }
    }

    /// The members in the order in which people read them. Where the client asked for the form of RFC 9457, `about:blank` says
    /// that the status tells all there is (section 4.2.1).
    fn body(&self, problem: bool, request_id: &HeaderValue) -> Vec<u8> {
        let (status, code, message) = self.row();
        let mut body = Vec::with_capacity(BODY);
        // Words of the table above, which need no escape.
        let word = |body: &mut Vec<u8>, name: &str, value: &str| {
            for part in [name, "\"", value, "\""] {
                body.extend_from_slice(part.as_bytes());
            }
        };
        if problem {
            word(&mut body, "{\"type\":", "about:blank");
            word(&mut body, ",\"title\":", message);
        }
        word(&mut body, if problem { ",\"message\":" } else { "{\"message\":" }, message);
        word(&mut body, ",\"code\":", code);
        body.extend_from_slice(b",\"status\":");
        body.extend_from_slice(status.as_str().as_bytes());
        body.extend_from_slice(b",\"detail\":");
        json::write_string(&self.detail(), &mut body);
        if let Some(policy) = self.policy() {
            word(&mut body, ",\"policy\":", policy.label());
        }
        if let Some(parameter) = self.parameter() {
            body.extend_from_slice(b",\"parameter\":");
            json::write_string(parameter, &mut body);
        }
        if let Self::TooManyRecords(max) = self {
            body.extend_from_slice(b",\"max_records\":");
            body.extend_from_slice(itoa::Buffer::new().format(*max).as_bytes());
        }
        // Checked when it was taken over, or made here.
        word(&mut body, ",\"request_id\":", request_id.to_str().unwrap_or_default());
        body.push(b'}');
        body
    }

    /// The query parameter at fault.
    fn parameter(&self) -> Option<&str> {
        match self {
            Self::InvalidParameter { parameter, .. } => Some(parameter),
            _ => None,
        }
    }

    /// Where the framing of what follows is in doubt, or the client is too slow to be kept.
    fn closes(&self) -> bool {
        matches!(self, Self::RequestTimeout | Self::BodyTooLarge(_) | Self::Internal)
    }

    /// The fields of this answer alone.
    fn own_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::MissingToken => vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stackflow\""))],
            Self::InvalidToken(_) => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stackflow\", error=\"invalid_token\""))]
            }
            Self::InsufficientScope(scopes) => {
                let scopes = scopes.join(" ");
                let challenge = format!("Bearer realm=\"stackflow\", error=\"insufficient_scope\", scope=\"{scopes}\"");
                let bare = HeaderValue::from_static("Bearer realm=\"stackflow\", error=\"insufficient_scope\"");
                vec![(header::WWW_AUTHENTICATE, HeaderValue::try_from(challenge).unwrap_or(bare))]
            }
            Self::MethodNotAllowed(allow) => vec![(header::ALLOW, allow.clone())],
            Self::RateLimited(Refusal { retry_after_s, .. }) | Self::TooManyFailures(FailuresRefusal { retry_after_s, .. }) => {
                vec![
                    (header::RETRY_AFTER, decimal(*retry_after_s)),
                    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                ]
            }
            // RFC 9110, section 12.5.3.
            Self::UnsupportedCoding => vec![(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))],
            Self::RedirectHttps(location) => vec![(header::LOCATION, location.clone())],
            Self::NoUpstream | Self::KeysUnavailable | Self::Overloaded | Self::Draining => {
                vec![(header::RETRY_AFTER, HeaderValue::from_static("1"))]
            }
            Self::InvalidRequest(_)
            | Self::InvalidParameter { .. }
            | Self::OriginNotAllowed
            | Self::ForeignWebSocket
            | Self::NotFound
            | Self::RequestTimeout
            | Self::BodyTooLarge(_)
            | Self::UriTooLong(_)
            | Self::HeadersTooLarge
            | Self::TooManyRecords(_)
            | Self::UnsupportedMediaType
            | Self::UnsupportedCharset
            | Self::BadUpstream
            | Self::UpstreamTimeout
            | Self::Internal => Vec::new(),
        }
    }
}

impl From<RecordsError> for Rejection {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::TooMany(max) => Self::TooManyRecords(max),
            RecordsError::Repeated
            | RecordsError::Empty
            | RecordsError::Incomplete
            | RecordsError::Trailing
            | RecordsError::Syntax
            | RecordsError::Number
            | RecordsError::ControlCharacter
            | RecordsError::Escape
            | RecordsError::Surrogate
            | RecordsError::NotUtf8
            | RecordsError::TooDeep => Self::InvalidRequest(error.detail()),
        }
    }
}

impl Reply {
    /// A JSON answer that is not an error.
    #[must_use]
    pub fn json(status: StatusCode, body: Bytes) -> Self {
        let headers = vec![
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CONTENT_LENGTH, decimal(body.len() as u64)),
        ];
        Self { status, headers, body, close: false }
    }

    /// 204 (RFC 9110, section 15.3.5): no body and no length.
    #[must_use]
    pub fn no_content(headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { status: StatusCode::NO_CONTENT, headers, body: Bytes::new(), close: false }
    }
}

/// Whether an `Accept` field names `application/problem+json` with a weight above zero (RFC 9110, section 12.5.1).
fn wants_problem(headers: &HeaderMap) -> bool {
    const NAME: &str = "application/problem+json";
    // Shorter fields, as most are, cannot name it.
    let fields = headers.get_all(header::ACCEPT).iter().filter(|value| value.len() >= NAME.len());
    fields.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(NAME));
        named && !parts.any(is_zero_weight)
    })
}

/// `q=0` with up to three decimals; the name of a parameter has no case (RFC 9110, sections 5.6.6 and 12.4.2).
fn is_zero_weight(parameter: &str) -> bool {
    let weight = parameter.strip_prefix(['q', 'Q']).and_then(|rest| rest.strip_prefix('='));
    weight.is_some_and(|weight| matches!(weight, "0" | "0." | "0.0" | "0.00" | "0.000"))
}

#[cfg(test)]
mod tests;
