//! What the framework takes in a head of HTTP/2 and the gateway does not, by the rules that hold for HTTP/1.
//!
//! Everything else that is malformed (RFC 9113, section 8.2 and 8.3) the framework resets or answers before this sees it. The
//! fault goes along with the head, so that its answer takes the way of all answers.

use crate::{
    proxy::{guard::head::is_host, heads::take_request},
    request::HeadFault,
};
use http::{Method, Uri, header, request::Parts};
use pingora_http::RequestHeader;

/// Marks a head that is to be refused.
pub fn judge(head: &mut RequestHeader) {
    let Some(fault) = fault(head) else { return };
    let mut parts = take_request(head);
    if fault == HeadFault::Connect {
        // The framework would answer it by itself, in words of its own: another request stands for it.
        parts.method = Method::GET;
        parts.uri = Uri::from_static("/");
    }
    parts.extensions.insert(fault);
    *head = RequestHeader::from(parts);
}

/// The fault of a head that was marked.
pub fn marked(head: &RequestHeader) -> Option<HeadFault> {
    head.extensions.get().copied()
}

fn fault(head: &Parts) -> Option<HeadFault> {
    if head.method == Method::CONNECT {
        return Some(HeadFault::Connect);
    }
    if !matches!(head.uri.scheme_str(), None | Some("http" | "https")) {
        return Some(HeadFault::Invalid("the scheme is neither http nor https"));
    }
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = authority.or_else(|| head.headers.get(header::HOST).map(http::HeaderValue::as_bytes));
    // That there is one, and that two agree, the framework has seen to.
    if host.is_some_and(|host| !is_host(host)) {
        return Some(HeadFault::Invalid("the authority is no host"));
    }
    None
}

#[cfg(test)]
mod tests;
