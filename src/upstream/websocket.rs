//! Which requests begin a WebSocket, and which answers agree to one (RFC 6455, section 4; RFC 9110, section 7.8).
//!
//! Both are judged as strictly as a server and a client of the protocol must: what passes makes of the connection a tunnel that
//! nobody looks into any more. No other protocol is ever agreed upon, and `h2c` least of all: it would carry requests past every
//! rule.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, Method, Version, header, request::Parts};

/// What both sides say in `Upgrade`.
pub const WEBSOCKET: &str = "websocket";
/// Bytes of a key.
const KEY: usize = 16;
/// RFC 6455, section 1.3: what a server puts behind the key before it hashes both.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether this head begins a WebSocket: as a client must write it, and with no body behind it, whose bytes would be taken for
/// the tunnel's.
#[must_use]
pub fn is_opening(head: &Parts, has_body: bool) -> bool {
    // Nearly every request leaves here.
    head.headers.contains_key(header::UPGRADE)
        && head.method == Method::GET
        && head.version == Version::HTTP_11
        && !has_body
        && switches(&head.headers)
        && only(&head.headers, &header::SEC_WEBSOCKET_KEY).is_some_and(is_key)
        && only(&head.headers, &header::SEC_WEBSOCKET_VERSION) == Some(b"13")
}

/// Whether the head of a 101 agrees to the WebSocket that `request` has begun.
///
/// # Errors
/// It does not: why, for the log.
pub fn check_agreement(request: &HeaderMap, answer: &HeaderMap) -> Result<(), &'static str> {
    if !switches(answer) {
        return Err("101 to another protocol");
    }
    let key = request.get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes().trim_ascii());
    let expected = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()));
    // Who does not know the key has answered something else: a cache, or a server of another kind.
    if only(answer, &header::SEC_WEBSOCKET_ACCEPT) == Some(expected.as_bytes()) {
        Ok(())
    } else {
        Err("101 with a wrong Sec-WebSocket-Accept")
    }
}

/// `Upgrade: websocket`, and nothing else to choose from, of this connection.
fn switches(headers: &HeaderMap) -> bool {
    let protocol = only(headers, &header::UPGRADE);
    let mut fields = headers.get_all(header::CONNECTION).iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
        && fields.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// The value of a field that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().filter(|_| values.next().is_none())?;
    Some(first.as_bytes().trim_ascii())
}

fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|key| key.len() == KEY)
}

#[cfg(test)]
mod tests;
