//! All that a stage may see of a request: its head, borrowed, and what the connection tells.

use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use std::net::IpAddr;

/// Why a request head is refused before anything else is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// It breaks the grammar, or may be read in two ways; which, in a sentence for the client.
    Invalid(&'static str),
    /// The target is over its bound, in bytes.
    TargetTooLong(usize),
    /// The fields are over their bound.
    FieldsTooLarge,
    /// It took too long to come.
    Late,
    /// CONNECT: there is nothing that it could mean here.
    Connect,
    /// Nothing is wrong with it, but its connection is one too many.
    Overloaded,
}

/// A request as the stages see it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method, target, version and header fields.
    pub parts: &'a Parts,
    /// The request target as it came, path and query (RFC 9112, section 3.2); empty when it is not UTF-8.
    pub target: &'a str,
    /// The client: the peer, or what a trusted proxy says of it.
    pub client: IpAddr,
    /// It came over TLS, to the gateway or to a trusted proxy before it.
    pub https: bool,
    /// Its listener only redirects to https.
    pub redirect_only: bool,
    /// A body follows the head, as the protocol's framing tells.
    pub has_body: bool,
    /// What is wrong with its head, which this one stands for.
    pub fault: Option<HeadFault>,
}

impl<'a> Request<'a> {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        &self.parts.method
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        &self.parts.headers
    }

    /// The path of the target, as it came; `*` of `OPTIONS *`.
    #[must_use]
    pub fn raw_path(&self) -> &'a str {
        if let Some(length) = self.known_path_length() {
            return &self.target[..length];
        }
        let origin_form = self.origin_form();
        let path = origin_form.split_once('?').map_or(origin_form, |(path, _)| path);
        // RFC 9110, section 4.2.3: a URI with an authority and no path asks for the root.
        let absolute = origin_form.len() < self.target.len();
        if absolute && path.is_empty() { "/" } else { path }
    }

    /// The query string, byte for byte, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        if let Some(length) = self.known_path_length() {
            return self.target.get(length + 1..);
        }
        self.origin_form().split_once('?').map(|(_, query)| query)
    }

    /// The host asked for: the target's authority (HTTP/2, absolute form), else the one `Host` field (RFC 9110, section 7.2).
    /// None where it stands behind a user's name and password: they would go to the log and to the upstream, and
    /// `https://trusted@other` is a phisher's spelling of `other` (section 4.2.4).
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        let host = match self.parts.uri.authority() {
            Some(authority) => authority.as_str(),
            None => self.host_field()?,
        };
        (!host.contains('@')).then_some(host)
    }

    fn host_field(&self) -> Option<&'a str> {
        let mut values = self.headers().get_all(header::HOST).iter();
        let host = values.next()?;
        if values.next().is_some() {
            return None;
        }
        host.to_str().ok()
    }

    /// Length of the body as the head tells it; `None` when it is not told (chunked, HTTP/2 without a length).
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok())
    }

    /// Whether the length of the body is told at most once, as digits. The framework takes `5, 5` and equal fields, and hands
    /// them on.
    #[must_use]
    pub fn has_plain_length(&self) -> bool {
        let mut lengths = self.headers().get_all(header::CONTENT_LENGTH).iter();
        let first = lengths.next().is_none_or(|length| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit));
        first && lengths.next().is_none()
    }

    /// Whether `Connection` names a few tokens, and nothing that says where a request goes or whence it comes: no connection has a say
    /// in that, and a proxy that removed it would forward another request (RFC 9110, section 7.6.1).
    #[must_use]
    pub fn has_plain_connection(&self) -> bool {
        const MOST_OPTIONS: usize = 9;
        const NEVER_NAMED: [&str; 4] = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
        let fields = self.headers().get_all(header::CONNECTION).iter();
        let options = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let is_plain = |option: &[u8]| {
            option.iter().all(is_token) && NEVER_NAMED.iter().all(|never| !option.eq_ignore_ascii_case(never.as_bytes()))
        };
        let mut count = 0;
        options.filter(|option| !option.is_empty()).all(|option| {
            count += 1;
            count <= MOST_OPTIONS && is_plain(option)
        })
    }

    /// Bytes of all names and values, with four for the separators of each field.
    #[must_use]
    pub fn header_bytes(&self) -> usize {
        header_bytes(self.headers())
    }

    /// The first field of that name.
    #[must_use]
    pub fn header(&self, name: header::HeaderName) -> Option<&'a HeaderValue> {
        self.parts.headers.get(name)
    }

    /// Where the path of an origin form ends: the parsed URI knows, and what it knows is compared with the target.
    fn known_path_length(&self) -> Option<usize> {
        let path = self.parts.uri.path();
        let next = self.target.as_bytes().get(path.len());
        (path.starts_with('/') && self.target.starts_with(path) && next.is_none_or(|byte| *byte == b'?')).then_some(path.len())
    }

    /// The target without scheme and authority, which an absolute form puts before the path.
    fn origin_form(&self) -> &'a str {
        if self.target.starts_with('/') || self.target == "*" {
            return self.target;
        }
        match self.target.split_once("://") {
            Some((_, rest)) => rest.find(['/', '?']).map_or("/", |start| &rest[start..]),
            None => self.target,
        }
    }
}

/// Bytes of all names and values, with four for the separators of each field; of a request or a response.
#[must_use]
pub fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
mod tests;
