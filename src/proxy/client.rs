//! Who the client is behind trusted proxies: the rightmost address of `X-Forwarded-For` that no trusted proxy has.
//!
//! Everything left of it was written by somebody who is not trusted, and proves nothing.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// The client and what the connection's other end may say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whose address bucket pays.
    pub address: IpAddr,
    /// The other end is a trusted proxy.
    pub peer_is_trusted: bool,
    /// It says that the client came over TLS.
    pub said_https: bool,
}

/// Judges the other end of a connection (`None`: a unix socket, which only a local proxy can hold: trusted like loopback).
#[must_use]
pub fn client(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.to_canonical());
    let trusts = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !trusts(&peer) {
        return Client { address: peer, peer_is_trusted: false, said_https: false };
    }
    let mut address = peer;
    let fields = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
    for hop in fields.flat_map(|field| field.rsplit(',')) {
        // A hop that is no address ends the chain: what stands before it came through somebody unknown.
        let Some(hop) = parse_hop(hop.trim()) else { break };
        address = hop;
        if !trusts(&hop) {
            break;
        }
    }
    let said_https = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    Client { address, peer_is_trusted: true, said_https }
}

/// An address, as proxies write it: bare, in brackets, or with a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>();
    let bracketed = || text.strip_prefix('[')?.split_once(']')?.0.parse().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.ok().or_else(bracketed).or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
