//! Origins and patterns of origins.
//!
//! An origin is compared in its serialized form (RFC 6454, 6.2): lower case, no default port, nothing after the port.
//! Browsers send no other. So a pattern without a wildcard is compared byte for byte, and with one it is a fixed beginning
//! and end around labels. Patterns that could never match, since no browser writes an origin so, are errors. `null` never
//! matches: every sandboxed frame has it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

const LONGEST_HOST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// `https://host[:port]`, where host may begin with `*.` (one label) or `**.` (one label or more).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// `https://` or `http://`.
    scheme: &'static str,
    labels: Labels,
    /// The host, or what follows the wildcard with its leading dot; then the port with its colon.
    suffix: String,
    /// How much of `suffix` is host.
    host_length: usize,
}

/// What stands for the wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Labels {
    None,
    One,
    OneOrMore,
}

/// Why a text is not a pattern of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPatternError {
    /// It does not begin with `https://` or `http://`.
    Scheme,
    /// The host is not labels of letters, digits and inner hyphens, nor an IP address as browsers write it.
    Host,
    /// The port is not a number from 1 to 65535, or is the scheme's default.
    Port,
    /// `*` elsewhere than as the first label.
    Wildcard,
    /// Something follows the host or port.
    Trailing,
    /// Browsers send origins in lower case.
    NotLowerCase,
}

impl OriginPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, OriginPatternError> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(OriginPatternError::NotLowerCase);
        }
        let (scheme, default_port) = match text.split_once("://") {
            Some(("https", _)) => ("https://", 443),
            Some(("http", _)) => ("http://", 80),
            _ => return Err(OriginPatternError::Scheme),
        };
        let authority = &text[scheme.len()..];
        if authority.contains(['/', '?', '#']) {
            return Err(OriginPatternError::Trailing);
        }
        let (host, port) = split_port(authority);
        if let Some(port) = port {
            check_port(port, default_port)?;
        }
        let (labels, host) = split_wildcard(host)?;
        let suffix = format!("{host}{}", &authority[authority.len() - port.map_or(0, |port| port.len() + 1)..]);
        Ok(Self { scheme, labels, suffix, host_length: host.len() })
    }

    /// Whether a serialized origin matches; any other spelling than the serialized form does not.
    #[must_use]
    pub fn matches(&self, origin: &[u8]) -> bool {
        let behind_scheme = origin.strip_prefix(self.scheme.as_bytes());
        let Some(labels) = behind_scheme.and_then(|rest| rest.strip_suffix(self.suffix.as_bytes())) else { return false };
        match self.labels {
            Labels::None => labels.is_empty(),
            _ if labels.len() + self.host_length > LONGEST_HOST => false,
            Labels::One => is_label(labels),
            Labels::OneOrMore => labels.split(|&byte| byte == b'.').all(is_label),
        }
    }
}

/// The host and the port, if there is a colon; those inside of `[…]` are the host's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let begins = if authority.contains('[') { authority.rfind(']').map_or(authority.len(), |at| at + 1) } else { 0 };
    match authority[begins..].find(':') {
        Some(at) => (&authority[..begins + at], Some(&authority[begins + at + 1..])),
        None => (authority, None),
    }
}

fn check_port(text: &str, default: u16) -> Result<(), OriginPatternError> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse::<u16>() {
        Ok(port) if is_canonical && port != default => Ok(()),
        _ => Err(OriginPatternError::Port),
    }
}

/// What the wildcard stands for, and the host from its dot on (without a wildcard: all of it).
fn split_wildcard(host: &str) -> Result<(Labels, &str), OriginPatternError> {
    let (labels, rest) = match host.trim_start_matches('*') {
        rest if rest.len() == host.len() => (Labels::None, host),
        rest if rest.len() + 1 == host.len() => (Labels::One, rest),
        rest if rest.len() + 2 == host.len() => (Labels::OneOrMore, rest),
        _ => return Err(OriginPatternError::Wildcard),
    };
    if rest.contains('*') || (labels != Labels::None && !rest.starts_with('.')) {
        return Err(OriginPatternError::Wildcard);
    }
    // The shortest host that the wildcard can make is one character longer.
    let (longest, name) = match labels {
        Labels::None => (LONGEST_HOST, rest),
        Labels::One | Labels::OneOrMore => (LONGEST_HOST - 1, &rest[1..]),
    };
    let is_host = is_name(name) || (labels == Labels::None && is_address(name));
    if is_host && rest.len() <= longest { Ok((labels, rest)) } else { Err(OriginPatternError::Host) }
}

/// A DNS name. One whose last label is a number would be read as an IPv4 address (WHATWG URL, 3.5).
fn is_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    !is_number && host.split('.').all(|label| is_label(label.as_bytes()))
}

/// An IP address as the URL standard serializes it.
fn is_address(host: &str) -> bool {
    let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return host.parse::<Ipv4Addr>().is_ok();
    };
    let Ok(address) = literal.parse::<Ipv6Addr>() else { return false };
    if address.to_ipv4_mapped().is_some() {
        // Here the standard differs from RFC 5952: no dotted form.
        let [.., high, low] = address.segments();
        return literal == format!("::ffff:{high:x}:{low:x}");
    }
    literal == address.to_string()
}

fn is_label(label: &[u8]) -> bool {
    let is_hyphen = |byte: Option<&u8>| byte == Some(&b'-');
    let is_inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=LONGEST_LABEL).contains(&label.len())
        && !is_hyphen(label.first())
        && !is_hyphen(label.last())
        && label.iter().all(is_inner)
}

impl fmt::Display for OriginPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "must begin with https:// or http://",
            Self::Host => "has a host that is neither a DNS name nor an IP address as browsers write it",
            Self::Port => "has a port that is not a number from 1 to 65535, or is the default, which browsers leave out",
            Self::Wildcard => "has a wildcard that is not its first label; `*.` and `**.` may begin the host",
            Self::Trailing => "has something after the host and port",
            Self::NotLowerCase => "is not in lower case, as browsers send it",
        })
    }
}

impl std::error::Error for OriginPatternError {}

#[cfg(test)]
mod tests;
