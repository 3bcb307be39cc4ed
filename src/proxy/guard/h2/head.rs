//! The head of a request in HTTP/2, judged by the rules that hold for HTTP/1 (RFC 9113, section 8.3, and RFC 9110).
//!
//! What breaks the grammar of HTTP/2 itself (names in upper case, fields of the connection, pseudo-headers that are missing or
//! come late) never gets here: its stream is reset. What is refused here is answered as any other request is: a head that nobody
//! can read otherwise, and that is small, stands for it, with its fault. No more than that is kept of it.

use crate::{
    proxy::guard::{
        head::{is_host, is_target, plain_number},
        stand_in::{LONGEST, kept},
    },
    request::{HeadFault, header_bytes},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts};
use pingora_http::RequestHeader;

const SCHEME: HeadFault = HeadFault::Invalid("the scheme is neither http nor https");
const TARGET: HeadFault = HeadFault::Invalid("the request target is malformed");
const HOST: HeadFault = HeadFault::Invalid("the authority is missing, repeated or malformed");
const AUTHORITY: HeadFault = HeadFault::Invalid("the authority and the Host field disagree");
const LENGTH: HeadFault = HeadFault::Invalid("the length of the body is malformed or told more than once");
const CODING: HeadFault = HeadFault::Invalid("there are no transfer codings in HTTP/2");
const FIELD: HeadFault = HeadFault::Invalid("a header field is malformed");

/// What heads are held to, as in HTTP/1.
#[derive(Clone, Copy, Debug)]
pub struct HeadBounds {
    /// Bytes of a request target.
    pub target: usize,
    /// Bytes of all fields.
    pub fields: usize,
    /// How many fields.
    pub count: usize,
}

/// The head that the framework gets, and why it stands for one that is refused.
pub fn judge(head: Parts, bounds: HeadBounds) -> (RequestHeader, Option<HeadFault>) {
    match fault(&head, bounds) {
        None => (RequestHeader::from(head), None),
        Some(fault) => {
            let mut stand_in = stand_in(head);
            stand_in.extensions.insert(fault);
            (RequestHeader::from(stand_in), Some(fault))
        }
    }
}

/// The fault that a head stands in for.
pub fn marked(head: &RequestHeader) -> Option<HeadFault> {
    head.extensions.get().copied()
}

fn fault(head: &Parts, bounds: HeadBounds) -> Option<HeadFault> {
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > bounds.target {
        return Some(HeadFault::TargetTooLong(bounds.target));
    }
    if head.headers.len() > bounds.count || header_bytes(&head.headers) > bounds.fields {
        return Some(HeadFault::FieldsTooLarge);
    }
    if head.method == Method::CONNECT {
        return Some(HeadFault::Connect);
    }
    if !matches!(head.uri.scheme_str(), None | Some("http" | "https")) {
        return Some(SCHEME);
    }
    // Visible characters alone, though the framework's heads have room for others.
    if !(is_target(target.as_bytes()) && (target.starts_with('/') || (target == "*" && head.method == Method::OPTIONS))) {
        return Some(TARGET);
    }
    host_fault(head).or_else(|| field_fault(&head.headers))
}

fn host_fault(head: &Parts) -> Option<HeadFault> {
    let mut fields = head.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let (field, another) = (fields.next(), fields.next());
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, field) {
        // RFC 9113, section 8.3.1.
        (Some(authority), Some(field)) if authority != field => Some(AUTHORITY),
        (Some(host), _) | (None, Some(host)) if another.is_none() && is_host(host) => None,
        _ => Some(HOST),
    }
}

fn field_fault(headers: &HeaderMap) -> Option<HeadFault> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let is_plain = |length: &HeaderValue| plain_number(length.as_bytes()).is_some();
    // Some servers read `_` as `-`: a length that only they see.
    if !lengths.next().is_none_or(is_plain) || lengths.next().is_some() || headers.contains_key("content_length") {
        return Some(LENGTH);
    }
    if headers.contains_key("transfer_encoding") {
        return Some(CODING);
    }
    // RFC 9113, section 8.2.1: no space around a value.
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_spaced = |value: &HeaderValue| is_space(value.as_bytes().first()) || is_space(value.as_bytes().last());
    headers.values().any(is_spaced).then_some(FIELD)
}

/// What stands for a refused head: a method and a target that have one reading, and the fields that its answer depends on.
fn stand_in(refused: Parts) -> Parts {
    let mut head = Request::new(()).into_parts().0;
    head.version = refused.version;
    let method = refused.method.as_str();
    if method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_uppercase()) && refused.method != Method::CONNECT {
        head.method = refused.method;
    }
    let target = refused.uri.path_and_query().map_or("", |target| target.as_str());
    let is_good = target.starts_with('/') && target.len() <= LONGEST && is_target(target.as_bytes());
    head.uri = if is_good { target.parse().unwrap_or_default() } else { Uri::default() };
    let authority = refused.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let fields = authority.iter().map(|authority| (&header::HOST, authority)).chain(&refused.headers);
    for (name, value) in fields.filter(|(name, value)| kept(name.as_str().as_bytes(), value.as_bytes()).is_some()) {
        if !head.headers.contains_key(name) {
            // Copied: what came may be a small part of a buffer that is large.
            let (name, value) = (HeaderName::clone(name), HeaderValue::from_bytes(value.as_bytes()));
            value.map(|value| head.headers.insert(name, value)).ok();
        }
    }
    head
}

#[cfg(test)]
mod tests;
