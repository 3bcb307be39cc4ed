//! Header names in the configuration, and which of them are the gateway's own business.
//!
//! Names are compared as lenient servers fold them: without regard to case, and with `_` for `-`.

use super::{report::Fault, value::excerpt};
use http::{HeaderName, HeaderValue};

/// Headers that say how one message is framed and sent on one connection (RFC 9110, section 7.6.1; RFC 9112).
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
    "http2-settings",
    "proxy-authenticate",
    "proxy-authorization",
];

/// Request headers that mean something else to an upstream, or that the gateway sets itself.
const NOT_FOR_IDENTITY: [&str; 19] = [
    "authorization",
    "host",
    "cookie",
    "origin",
    "referer",
    "via",
    "x-request-id",
    "traceparent",
    "tracestate",
    "forwarded",
    "accept",
    "range",
    "date",
    "user-agent",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-method-override",
];

/// Response headers that the gateway decides for every response, or that belong to the one answer that says them: set on all
/// responses, `Cache-Control: public` would have caches keep tokens and refusals, `Retry-After` would contradict a limit's.
const OWNED_IN_RESPONSES: [&str; 14] = [
    "x-request-id",
    "vary",
    "content-type",
    "content-encoding",
    "content-range",
    "cache-control",
    "pragma",
    "date",
    "age",
    "expires",
    "location",
    "allow",
    "retry-after",
    "www-authenticate",
];

/// A header name.
pub(crate) fn name(text: &str) -> Result<HeaderName, Fault> {
    let wrong = |_| Fault::new(format!("`{}` is not a header name", excerpt(text)), "write letters, digits and hyphens");
    HeaderName::from_bytes(text.as_bytes()).map_err(wrong)
}

/// A name for an identity header.
pub(crate) fn identity(text: &str) -> Result<HeaderName, Fault> {
    let name = name(text)?;
    let folded = fold(&name);
    let taken = HOP_BY_HOP.contains(&&*folded)
        || NOT_FOR_IDENTITY.contains(&&*folded)
        || ["x-forwarded-", "if-", "accept-", "access-control-", "x-http-method-", "content-"]
            .iter()
            .any(|family| folded.starts_with(family));
    if taken {
        return Err(Fault::new(
            format!("`{}` has another meaning", excerpt(text)),
            "write a name of its own, as in \"X-Auth-Subject\"",
        ));
    }
    Ok(name)
}

/// A name that may be set on or removed from every response. With `ietf_headers` the fields of that draft may not.
pub(crate) fn editable(text: &str, ietf_headers: bool) -> Result<HeaderName, Fault> {
    let name = name(text)?;
    let folded = fold(&name);
    let families = ["x-ratelimit-", "access-control-"];
    let owned = HOP_BY_HOP.contains(&&*folded)
        || OWNED_IN_RESPONSES.contains(&&*folded)
        || families.iter().any(|family| folded.starts_with(family))
        || (ietf_headers && (folded == "ratelimit" || folded.starts_with("ratelimit-")));
    if owned {
        return Err(Fault::new(format!("`{}` is decided by the gateway for each response", excerpt(text)), "remove it"));
    }
    Ok(name)
}

/// A header value: visible ASCII with inner spaces. The value is not shown: it may be a secret between servers.
pub(crate) fn value(text: &str) -> Result<HeaderValue, Fault> {
    let wrong = || Fault::new("is not a header value", "write visible ASCII characters");
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.trim() == text;
    if visible { HeaderValue::from_str(text).map_err(|_| wrong()) } else { Err(wrong()) }
}

/// The name under which lenient servers file it.
pub(crate) fn fold(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

#[cfg(test)]
mod tests;
