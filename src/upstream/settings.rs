//! `[upstreams.NAME]` and `[auth.identity_headers]`, read.
use http::HeaderName;
use std::{fmt, time::Duration};

/// One upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct UpstreamSettings {
    pub name: String,
    /// At least one.
    pub servers: Vec<ServerAddress>,
    /// The client's `Host` goes on; else the server's name.
    pub preserve_host: bool,
    pub connect_timeout: Duration,
    /// From the request sent to the response head, and between two reads of a response body.
    pub response_timeout: Duration,
    pub retries: u32,
}

impl UpstreamSettings {
    /// Largest `retries`.
    pub const MOST_RETRIES: u32 = 10;
}

/// `http://host[:port]` or `https://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// https: certificate verified against the system's trust, for `host`.
    pub tls: bool,
    /// A name or an IP literal (IPv6 without brackets).
    pub host: String,
    /// Written or the scheme's default.
    pub port: u16,
}

/// Names of the headers that tell the upstream who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct IdentityHeaders {
    pub subject: HeaderName,
    pub issuer: HeaderName,
    pub client_id: HeaderName,
    pub username: HeaderName,
    pub scopes: HeaderName,
    pub groups: HeaderName,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(formatter, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}
