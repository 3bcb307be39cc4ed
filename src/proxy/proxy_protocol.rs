//! The header of the PROXY protocol, versions 1 and 2: what a proxy in front writes before a client's own first byte, to say where
//! the client's connection came from (`HAProxy`'s specification, `proxy-protocol.txt`).
//!
//! Invariants
//! - The verdict belongs to the bytes, not to how they are cut: once it is more than [`Verdict::Incomplete`], no further byte
//!   changes it. So a header that comes byte by byte is read as one that comes in a single packet.
//! - A verdict comes after [`MOST`] bytes at the latest.
//! - No byte after the header is looked at. They are the client's, who may write there what looks like another header.
//!
//! Whether the sender is to be believed is not judged here; nor is read what else it says of the connection (TLS, names), but for
//! the checksum.

mod crc32c;
pub mod receive;
mod v1;
mod v2;

use std::net::SocketAddr;

/// Longest header. Version 1 has at most 107 bytes. Version 2 has 232 and then whatever the sender adds: the specification counts on
/// 536, the name of the server, ALPN and what is told of a client's certificate can take more, and no sender in use 4096.
pub const MOST: usize = 4096;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The beginning of a header, or nothing yet.
    Incomplete,
    /// A header of so many bytes.
    Header {
        /// The first byte after it is the client's.
        length: usize,
        /// Where the client's connection came from; `None` when the proxy speaks for itself, or cannot tell.
        source: Option<SocketAddr>,
    },
    /// No header.
    Absent,
    /// A header that breaks the rules.
    Malformed(Fault),
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub &'static str);

/// Judges all bytes that have come so far.
#[must_use]
pub fn read(input: &[u8]) -> Verdict {
    if begins(input, v1::SIGNATURE) {
        v1::read(input)
    } else if begins(input, v2::SIGNATURE) {
        v2::read(input)
    } else {
        Verdict::Absent
    }
}

/// Whether one is the beginning of the other. The signatures differ in their first byte, so that only no byte at all begins both.
fn begins(input: &[u8], signature: &[u8]) -> bool {
    input.starts_with(signature) || signature.starts_with(input)
}

/// A header that is whole, or is not one.
fn whole(length: usize, source: Result<Option<SocketAddr>, Fault>) -> Verdict {
    source.map_or_else(Verdict::Malformed, |source| Verdict::Header { length, source })
}

#[cfg(test)]
mod tests;
