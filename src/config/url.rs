//! URLs in the configuration (RFC 3986), http and https only.
//!
//! No problem shows the URL: it may carry a password, which is refused, but must not be printed on the way.

use super::report::Fault;
use std::net::{IpAddr, Ipv6Addr};

const REMEDY: &str = "write http://HOST[:PORT] or https://HOST[:PORT]";

/// The parts of a URL that decide where a connection goes.
pub(crate) struct Url {
    /// `https`, not `http`.
    pub(crate) https: bool,
    /// A name in lower case, or an IP literal (IPv6 without brackets).
    pub(crate) host: String,
    /// Written, or the scheme's default.
    pub(crate) port: u16,
    /// Whether a path or a query follows; a single `/` counts.
    pub(crate) rest: bool,
}

/// Reads a URL.
pub(crate) fn parse(text: &str) -> Result<Url, Fault> {
    let (https, after) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(after), _) => (true, after),
        (_, Some(after)) => (false, after),
        (None, None) => return Err(Fault::new("is not an http or https URL", REMEDY)),
    };
    if !after.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault::new("has a space or a character outside ASCII", "percent-encode it"));
    }
    if after.contains('#') {
        return Err(Fault::new("has a fragment", "remove `#` and what follows"));
    }
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if authority.contains('@') {
        return Err(Fault::new("has a user name or password", "remove it; it would be readable in logs"));
    }
    let (host, port) = host_and_port(authority)?;
    Ok(Url { https, host, port: port.unwrap_or(if https { 443 } else { 80 }), rest: !rest.is_empty() })
}

/// Any http or https URL, as written.
pub(crate) fn absolute(text: &str) -> Result<String, Fault> {
    parse(text).map(|_| text.to_owned())
}

/// https, or http where nobody can listen in: to a loopback address. What is fetched decides who is let in.
pub(crate) fn fetchable(text: &str) -> Result<String, Fault> {
    let Url { https, host, .. } = parse(text)?;
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    if https || loopback {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        "is http to a host that is not a loopback address",
        "write https://…; keys that come in the clear can be replaced",
    ))
}

/// A host name in lower case: labels of letters, digits, `-` and `_`.
pub(crate) fn host_name(text: &str) -> Result<String, Fault> {
    let label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Fault::new("is not a host name", "write a name, as in \"api.example.com\", without scheme and port"))
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), Fault> {
    let (host, port) = if let Some(literal) = authority.strip_prefix('[') {
        let (inside, after) = literal.split_once(']').ok_or_else(|| Fault::new("has a bracket that is not closed", REMEDY))?;
        let ip = inside.parse::<Ipv6Addr>();
        ip.map_err(|_| Fault::new("has something in brackets that is not an IPv6 address", REMEDY))?;
        (inside.to_owned(), after)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (host_name(host).map_err(|_| Fault::new("has no valid host", REMEDY))?, port)
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let number = port.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match number.and_then(|digits| digits.parse::<u16>().ok()) {
        None | Some(0) => Err(Fault::new("has no valid port", "write a port from 1 to 65535")),
        valid => Ok((host, valid)),
    }
}

#[cfg(test)]
mod tests;
