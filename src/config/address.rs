//! Addresses: where to listen, which servers to connect to, whom to believe.
//!
//! Listeners take IP addresses only: what a name resolves to changes, and with it who can reach the gateway.

use super::{ListenerAddress, report::Fault, url, value::excerpt};
use crate::upstream::ServerAddress;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// `IP:PORT` or `unix:/PATH`.
pub(crate) fn listener(text: &str) -> Result<ListenerAddress, Fault> {
    const REMEDY: &str = "write IP:PORT, as in \"0.0.0.0:8080\" or \"[::]:8080\", or \"unix:/PATH\"";
    if let Some(path) = text.strip_prefix("unix:") {
        // The kernel takes 108 bytes with the final zero (unix(7)).
        let absolute = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0') && path.len() < 108;
        let wrong =
            || Fault::new(format!("`{}` is not the absolute path of a socket", excerpt(path)), "write \"unix:/run/NAME.sock\"");
        return if absolute { Ok(ListenerAddress::Unix(path.into())) } else { Err(wrong()) };
    }
    let address = text.parse::<SocketAddr>().map_err(|_| Fault::new(format!("`{}` is not an address", excerpt(text)), REMEDY))?;
    Ok(ListenerAddress::Tcp(address))
}

/// Whether both cannot be bound at once. Port 0 is a free port, never the same one. `[::]` takes IPv4 connections too, as
/// Linux has it unless told otherwise.
pub(crate) fn overlap(a: &ListenerAddress, b: &ListenerAddress) -> bool {
    match (a, b) {
        (ListenerAddress::Unix(a), ListenerAddress::Unix(b)) => a == b,
        (ListenerAddress::Tcp(a), ListenerAddress::Tcp(b)) => {
            let takes = |a: &SocketAddr, b: &SocketAddr| a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4());
            a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || takes(a, b) || takes(b, a))
        }
        _ => false,
    }
}

/// Whether strangers could reach it: neither loopback, nor link-local, nor of a private range (RFC 1918, 4193, 6598).
/// "All addresses" is public, because nothing says which ones the machine has.
pub(crate) fn is_public(address: &ListenerAddress) -> bool {
    let ListenerAddress::Tcp(address) = address else { return false };
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared)
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

/// A range of addresses, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, Fault> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    let wrong =
        |_| Fault::new(format!("`{}` is not a range of addresses", excerpt(text)), "write ADDRESS/BITS, as in \"10.0.0.0/8\"");
    let network = text.parse::<IpNet>().map_err(wrong)?;
    if network.trunc() == network {
        return Ok(network);
    }
    let remedy = format!("write \"{}\" for the whole range, or \"{}\" for the one address", network.trunc(), network.addr());
    Err(Fault::new(format!("`{network}` is an address inside a range"), remedy))
}

/// `http://HOST[:PORT]` or `https://HOST[:PORT]`. A path has no place here: `api.upstream_base_path` says it once for all.
pub(crate) fn server(text: &str) -> Result<ServerAddress, Fault> {
    let url::Url { https, host, port, rest } = url::parse(text)?;
    if rest {
        return Err(Fault::new(
            "has something after the host and port",
            "remove it; paths are made with `api.upstream_base_path`",
        ));
    }
    Ok(ServerAddress { tls: https, host, port })
}

#[cfg(test)]
mod tests;
