//! Who asks, as the gateway's headers tell it, and where the API is publicly found.
//!
//! The headers are believed: only the gateway can reach this API, and it sets or removes them.

#[cfg(test)]
mod tests;

use super::BASE_PATH;
use http::HeaderMap;
use serde::Serialize;

/// Longest remembered name of a caller, in characters: it is stored with every record created.
const MAX_NAME_CHARS: usize = 255;
/// Longest public base path that is believed, in bytes.
const MAX_PREFIX: usize = 256;

/// A view of a request's headers.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a>(pub &'a HeaderMap);

/// What `/whoami` answers: what arrived, `null` for what did not. Never the bearer token.
#[derive(Serialize)]
pub(super) struct Whoami {
    subject: Option<String>,
    issuer: Option<String>,
    client_id: Option<String>,
    username: Option<String>,
    scopes: Option<String>,
    groups: Option<String>,
    request_id: Option<String>,
    traceparent: Option<String>,
    host: Option<String>,
    via: Option<String>,
    forwarded_for: Option<String>,
    forwarded_proto: Option<String>,
    forwarded_host: Option<String>,
    forwarded_prefix: Option<String>,
    has_authorization: bool,
}

impl<'a> Caller<'a> {
    /// The name that goes into records: the subject, else the client, else `anonymous`.
    pub(super) fn name(self) -> String {
        let name = self.joined("x-auth-subject").or_else(|| self.joined("x-auth-client-id"));
        name.map_or_else(|| "anonymous".into(), |name| name.chars().take(MAX_NAME_CHARS).collect())
    }

    /// The path under which clients see [`BASE_PATH`]: `X-Forwarded-Prefix` where it is one plain path. Anything else could
    /// end the `<…>` of a `Link` or point to another host.
    pub(super) fn public_base(self) -> &'a str {
        let prefix = self.0.get("x-forwarded-prefix").and_then(|value| value.to_str().ok());
        match prefix.map(|prefix| prefix.trim_end_matches('/')) {
            Some(prefix) if is_plain_path(prefix) => prefix,
            _ => BASE_PATH,
        }
    }

    pub(super) fn whoami(self) -> Whoami {
        Whoami {
            subject: self.joined("x-auth-subject"),
            issuer: self.joined("x-auth-issuer"),
            client_id: self.joined("x-auth-client-id"),
            username: self.joined("x-auth-username"),
            scopes: self.joined("x-auth-scopes"),
            groups: self.joined("x-auth-groups"),
            request_id: self.joined("x-request-id"),
            traceparent: self.joined("traceparent"),
            host: self.joined("host"),
            via: self.joined("via"),
            forwarded_for: self.joined("x-forwarded-for"),
            forwarded_proto: self.joined("x-forwarded-proto"),
            forwarded_host: self.joined("x-forwarded-host"),
            forwarded_prefix: self.joined("x-forwarded-prefix"),
            has_authorization: self.0.contains_key("authorization"),
        }
    }

    /// Every field of that name, joined as RFC 9110, section 5.3 joins them: a repeated field must not hide.
    fn joined(self, name: &str) -> Option<String> {
        let values: Vec<_> = self.0.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

fn is_plain_path(prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    prefix.len() <= MAX_PREFIX && prefix.starts_with('/') && !prefix.starts_with("//") && prefix.bytes().all(plain)
}
