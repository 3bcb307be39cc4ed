//! What a request's header fields become on their way to the upstream.
//!
//! Identity and forwarding fields are set or removed, never passed through: also in the spellings that a CGI-like upstream
//! folds into the same name (`X_Auth_Subject` becomes `HTTP_X_AUTH_SUBJECT` just like `X-Auth-Subject`). Hop-by-hop fields and
//! what `Connection` nominates are removed before this, so that no client can have removed what is set here.

use super::{IdentityHeaders, Server, UpstreamSettings};
use crate::{auth::VerifiedToken, request::Request, response_headers::REQUEST_ID};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Fields by which clients try to speak of another path, method or address than the one that was judged.
const NEVER_FORWARDED: [&str; 11] = [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "forwarded",
    "proxy-connection",
];

/// One change to the request's header fields.
#[derive(Debug, PartialEq, Eq)]
pub enum Edit {
    /// All fields of that name go.
    Remove(HeaderName),
    /// One field of that name stands, whatever was there.
    Set(HeaderName, HeaderValue),
}

/// What this hop adds to the request.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The connection's other end; `None` on a unix socket.
    pub peer: Option<IpAddr>,
    /// The peer's `X-Forwarded-*` are believed.
    pub peer_is_trusted: bool,
    /// The base path by which the request came.
    pub prefix: &'a str,
    /// The request's name.
    pub request_id: &'a HeaderValue,
    /// A trace context made here, for a request that brings none that is well-formed ([`incoming_trace`]).
    pub traceparent: Option<&'a HeaderValue>,
    /// The client's `Authorization` goes on.
    pub forward_authorization: bool,
}

/// Calls `apply` with each change, removals first.
pub fn edit_request(
    request: &Request<'_>,
    names: &IdentityHeaders,
    principal: Option<&VerifiedToken>,
    hop: Hop<'_>,
    mut apply: impl FnMut(Edit),
) {
    for name in request.headers().keys() {
        if is_ours(name, names) {
            apply(Edit::Remove(name.clone()));
        }
    }
    restore(request.headers(), &mut apply);
    if !hop.forward_authorization {
        apply(Edit::Remove(header::AUTHORIZATION));
    }
    if let Some(principal) = principal {
        set_identity(names, principal, &mut apply);
    }
    set_forwarding(request, hop, &mut apply);
    set_trace(hop, &mut apply);
    join_cookies(request, &mut apply);
    apply(Edit::Set(REQUEST_ID, hop.request_id.clone()));
    apply(Edit::Set(header::VIA, via(request)));
}

/// The `Host` towards a server that does not get the client's: its name, with its port unless it is the scheme's default.
#[must_use]
pub fn server_host(settings: &UpstreamSettings, server: &Server) -> Option<HeaderValue> {
    if settings.preserve_host {
        return None;
    }
    let address = &server.address;
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
    let default_port = if address.tls { 443 } else { 80 };
    let text = if address.port == default_port { host } else { format!("{host}:{}", address.port) };
    HeaderValue::try_from(text).ok()
}

/// Whether a client's field has a name that only the gateway may send, under any spelling that folds into it.
fn is_ours(name: &HeaderName, names: &IdentityHeaders) -> bool {
    let name = name.as_str();
    // Nearly every field of nearly every request leaves here: none of the names below begins otherwise, but configured
    // identity headers may.
    let usual = [&names.subject, &names.issuer, &names.client_id, &names.username, &names.scopes, &names.groups];
    usual.iter().any(|own| folds_into(name, own.as_str()))
        || (matches!(name.as_bytes().first(), Some(b'x' | b'f' | b'p'))
            && NEVER_FORWARDED.iter().any(|never| folds_into(name, never)))
        || (name.contains('_') && is_forwarding_twin(name))
}

/// `X_Forwarded_For` and the like: the field of the right spelling is set by the gateway, or was judged; its twin would stand
/// beside it.
fn is_forwarding_twin(name: &str) -> bool {
    let set_here = [&FORWARDED_FOR, &FORWARDED_PROTO, &FORWARDED_HOST, &FORWARDED_PREFIX, &REQUEST_ID];
    set_here.iter().any(|own| folds_into(name, own.as_str()))
        || ["authorization", "content-type", "content-encoding"].iter().any(|own| folds_into(name, own))
}

/// Whether `name` (lower case, as [`HeaderName`] keeps it) becomes `own` when `_` is read as `-`.
fn folds_into(name: &str, own: &str) -> bool {
    name.len() == own.len()
        && name.bytes().zip(own.bytes()).all(|(a, b)| a == b || (matches!(a, b'_' | b'-') && matches!(b, b'_' | b'-')))
}

/// Puts back what `Connection` must not be able to take away: a client, or a proxy before this one, that nominates
/// `Authorization` would have the upstream see an anonymous request where the gateway saw a user; one that nominates
/// `Content-Type`, a body of another kind than was judged.
fn restore(headers: &HeaderMap, apply: &mut impl FnMut(Edit)) {
    if !headers.contains_key(header::CONNECTION) {
        return;
    }
    let kept = [header::AUTHORIZATION, header::ORIGIN, header::CONTENT_TYPE, header::CONTENT_ENCODING, TRACEPARENT, TRACESTATE];
    for name in kept {
        if let Some(value) = headers.get(&name) {
            apply(Edit::Set(name, value.clone()));
        }
    }
}

fn set_identity(names: &IdentityHeaders, principal: &VerifiedToken, apply: &mut impl FnMut(Edit)) {
    let identity = principal.identity();
    let fields = [
        (&names.subject, &identity.subject),
        (&names.issuer, &identity.issuer),
        (&names.client_id, &identity.client_id),
        (&names.username, &identity.username),
        (&names.scopes, &identity.scopes),
        (&names.groups, &identity.groups),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            apply(Edit::Set(name.clone(), value.clone()));
        }
    }
}

/// `X-Forwarded-*`: a trusted proxy's are kept and continued, anybody else's are replaced.
fn set_forwarding(request: &Request<'_>, hop: Hop<'_>, apply: &mut impl FnMut(Edit)) {
    let headers = request.headers();
    let before = if hop.peer_is_trusted { chain(headers) } else { String::new() };
    set_text(FORWARDED_FOR, &forwarded_for(before, hop.peer), apply);
    apply(Edit::Set(FORWARDED_PROTO, HeaderValue::from_static(if request.https { "https" } else { "http" })));
    let kept = hop.peer_is_trusted && headers.contains_key(FORWARDED_HOST);
    if let Some(host) = request.host().filter(|_| !kept) {
        set_text(FORWARDED_HOST, host, apply);
    }
    let before = headers.get(FORWARDED_PREFIX).filter(|_| hop.peer_is_trusted).and_then(|value| value.to_str().ok());
    match (before.unwrap_or_default(), hop.prefix) {
        ("", "" | "/") => apply(Edit::Remove(FORWARDED_PREFIX)),
        (before, "/") => set_text(FORWARDED_PREFIX, before, apply),
        (before, prefix) => set_text(FORWARDED_PREFIX, &format!("{before}{prefix}"), apply),
    }
}

/// What proxies before this one say, to be continued.
fn chain(headers: &HeaderMap) -> String {
    let mut chain = String::new();
    for before in headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()) {
        chain.push_str(before);
        chain.push_str(", ");
    }
    chain
}

/// Nearly every peer has an IPv4 address, for which the formatting machinery takes longer than a decision.
fn forwarded_for(mut chain: String, peer: Option<IpAddr>) -> String {
    match peer {
        None => chain.push_str("unknown"),
        Some(IpAddr::V6(peer)) => chain.push_str(&peer.to_string()),
        Some(IpAddr::V4(peer)) => {
            for (place, octet) in peer.octets().into_iter().enumerate() {
                if place > 0 {
                    chain.push('.');
                }
                chain.push_str(itoa::Buffer::new().format(octet));
            }
        }
    }
    chain
}

/// W3C Trace Context, section 3: a well-formed context goes on, anything else is replaced and its state dropped.
fn set_trace(hop: Hop<'_>, apply: &mut impl FnMut(Edit)) {
    if let Some(made_here) = hop.traceparent {
        apply(Edit::Remove(TRACESTATE));
        apply(Edit::Set(TRACEPARENT, made_here.clone()));
    }
}

/// The trace id of a request that brings a well-formed `traceparent`.
#[must_use]
pub fn incoming_trace(headers: &HeaderMap) -> Option<&str> {
    // Nearly every request brings none, and is asked only once.
    let first = headers.get(TRACEPARENT)?;
    let text = Some(first).filter(|_| headers.get_all(TRACEPARENT).iter().nth(1).is_none())?.to_str().ok()?;
    let bytes = text.as_bytes();
    let hex = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let shaped = bytes.len() == 55 && bytes[2] == b'-' && bytes[35] == b'-' && bytes[52] == b'-';
    let known = shaped && hex(0..2) && hex(3..35) && hex(36..52) && hex(53..55) && !text.starts_with("ff");
    let zero = |range: std::ops::Range<usize>| text[range].bytes().all(|byte| byte == b'0');
    (known && !zero(3..35) && !zero(36..52)).then(|| &text[3..35])
}

/// HTTP/2 may bring a cookie in parts, one field each; towards HTTP/1.1 they are one field (RFC 9113, section 8.2.3).
fn join_cookies(request: &Request<'_>, apply: &mut impl FnMut(Edit)) {
    if request.parts.version != Version::HTTP_2 || request.headers().get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let parts: Vec<&[u8]> = request.headers().get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&parts.join(&b"; "[..])) {
        apply(Edit::Set(header::COOKIE, cookie));
    }
}

/// RFC 9110, section 7.6.3: the received protocol and a pseudonym; what was there stays before it.
fn via(request: &Request<'_>) -> HeaderValue {
    let own = match request.parts.version {
        Version::HTTP_2 => "2 stackflow-gateway",
        Version::HTTP_10 => "1.0 stackflow-gateway",
        _ => "1.1 stackflow-gateway",
    };
    let Some(before) = request.headers().get(header::VIA).and_then(|value| value.to_str().ok()) else {
        return HeaderValue::from_static(own);
    };
    HeaderValue::try_from(format!("{before}, {own}")).unwrap_or_else(|_| HeaderValue::from_static(own))
}

fn set_text(name: HeaderName, text: &str, apply: &mut impl FnMut(Edit)) {
    match HeaderValue::try_from(text) {
        Ok(value) => apply(Edit::Set(name, value)),
        Err(_) => apply(Edit::Remove(name)),
    }
}

#[cfg(test)]
mod tests;
