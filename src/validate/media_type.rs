//! `require_json`: whether a request body says that it is JSON; and, where bodies are read, in which characters.
//!
//! One `Content-Type` header with one media type, read by the grammar (RFC 9110, 8.3.1) and not searched for: a list such as
//! `text/plain, application/json`, which one server reads from the left and another from the right, is not JSON. Of the
//! parameters only the form is looked at; whether the body is JSON is not decided here.

use http::{HeaderMap, header};

/// Whether the `Content-Type` is one JSON media type (`application/json`, `application/*+json`), parameters allowed.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => is_json_media_type(value.as_bytes()),
        _ => false,
    }
}

fn is_json_media_type(value: &[u8]) -> bool {
    let (essence, parameters) = value.split_at(find(value, b';'));
    let Some((kind, [b'/', subtype @ ..])) = essence.split_at_checked(find(essence, b'/')) else { return false };
    let subtype = subtype.trim_ascii_end();
    kind.trim_ascii_start().eq_ignore_ascii_case(b"application")
        && is_json_subtype(subtype)
        && are_parameters(parameters, |_, _| true)
}

fn is_json_subtype(subtype: &[u8]) -> bool {
    let Some((prefix, suffix)) = subtype.len().checked_sub(4).and_then(|at| subtype.split_at_checked(at)) else { return false };
    suffix.eq_ignore_ascii_case(b"json") && matches!(prefix, [] | [_, .., b'+']) && subtype.iter().copied().all(is_token_byte)
}

/// `*( OWS ";" OWS [ parameter ] )` (RFC 9110, 5.6.6), each of which is admitted: its name, and its value behind `=`.
fn are_parameters(mut text: &[u8], admits: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    loop {
        text = text.trim_ascii();
        match text {
            [] => return true,
            [b';', rest @ ..] => text = rest.trim_ascii_start(),
            _ => return false,
        }
        if matches!(text, [] | [b';', ..]) {
            continue;
        }
        let Some(rest) = behind_parameter(text) else { return false };
        let (name, value) = text[..text.len() - rest.len()].split_at(token_length(text));
        if !admits(name, value) {
            return false;
        }
        text = rest;
    }
}

/// Whether the `Content-Type` says that the text is not UTF-8, or says it in a form that is not to be understood.
///
/// RFC 8259, 8.1, knows no `charset`, but there are servers that heed it: in Shift JIS the bytes of a backslash are the second
/// half of a character, so that a quote which is escaped in UTF-8 ends its string there. Readers of mail, whose reader of fields
/// some servers have, also take it from `charset*` and `charset*0` (RFC 2231): nothing else sends those.
#[must_use]
pub fn is_foreign_charset(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let value = value.as_bytes();
        let parameters = &value[find(value, b';')..];
        !are_parameters(parameters, |name, value| {
            let plain = &name[..find(name, b'*')];
            !plain.eq_ignore_ascii_case(b"charset") || (plain.len() == name.len() && is_utf8(value))
        })
    })
}

/// A name of UTF-8, or of a part of it, behind `=`.
fn is_utf8(value: &[u8]) -> bool {
    let name = value.strip_prefix(b"=").unwrap_or_default();
    let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
    [b"utf-8".as_slice(), b"utf8", b"us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// What follows one `token = ( token / quoted-string )`.
fn behind_parameter(text: &[u8]) -> Option<&[u8]> {
    let (name, value) = text.split_at(token_length(text));
    let value = value.strip_prefix(b"=").filter(|_| !name.is_empty())?;
    match value {
        [b'"', quoted @ ..] => behind_quoted_string(quoted),
        _ => value.split_at_checked(token_length(value)).filter(|(token, _)| !token.is_empty()).map(|(_, rest)| rest),
    }
}

/// What follows the closing quote.
fn behind_quoted_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        match text {
            [] | [b'\\'] => return None,
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', _, rest @ ..] | [_, rest @ ..] => text = rest,
        }
    }
}

/// Where the byte is, or the end.
fn find(text: &[u8], byte: u8) -> usize {
    text.iter().position(|&other| other == byte).unwrap_or(text.len())
}

fn token_length(text: &[u8]) -> usize {
    text.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(text.len())
}

/// RFC 9110, 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
