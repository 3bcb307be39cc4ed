//! Version 2: a binary header (section 2.2 of the specification): signature, version and command, family, length; then addresses,
//! and then fields of one byte of type, two of length, and a value.

use super::{Fault, MOST, Verdict, crc32c::crc32c, whole};
use std::net::{IpAddr, SocketAddr};

/// What it begins with; no HTTP request and no TLS handshake does.
pub const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Up to the length.
const HEAD: usize = 16;

/// `PP2_TYPE_CRC32C`.
const CRC32C: u8 = 0x03;
/// Bytes of two unix socket addresses.
const UNIX: usize = 216;

/// Judges bytes that begin with the signature, or are its beginning.
pub fn read(input: &[u8]) -> Verdict {
    let Some((head, rest)) = input.split_first_chunk::<HEAD>() else { return Verdict::Incomplete };
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > MOST - HEAD {
        return Verdict::Malformed(Fault("a header that is too long"));
    }
    let command = match head[12] {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Verdict::Malformed(Fault("an unknown version or command")),
    };
    let Some(block) = rest.get(..length) else { return Verdict::Incomplete };
    let header = &input[..HEAD + length];
    whole(
        header.len(),
        match command {
            // The proxy's own connection, for a health check: "the receiver must discard the protocol block".
            Command::Local => Ok(None),
            Command::Proxy => source(header, head[13], block),
        },
    )
}

enum Command {
    Local,
    Proxy,
}

/// The client's address, if it is one that a stream can come from.
fn source(header: &[u8], family: u8, block: &[u8]) -> Result<Option<SocketAddr>, Fault> {
    let (source, fields) = match family {
        // Unspecified: what follows is in no form that is known.
        0x00..=0x02 => return Ok(None),
        0x11 | 0x12 => addresses::<4>(block)?,
        0x21 | 0x22 => addresses::<16>(block)?,
        0x31 | 0x32 => return check(header, take::<UNIX>(block)?.1).map(|()| None),
        _ => return Err(Fault("an unknown family or transport")),
    };
    check(header, fields)?;
    // Datagrams do not come this way: like other receivers, this one makes nothing of their addresses.
    Ok(Some(source).filter(|_| family & 0x0f == 1))
}

/// The source of a pair of addresses of `N` bytes, and what comes after the pair.
fn addresses<const N: usize>(block: &[u8]) -> Result<(SocketAddr, &[u8]), Fault>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = take::<N>(block)?;
    let (_destination, rest) = take::<N>(rest)?;
    let ([high, low, _, _], rest) = take::<4>(rest)?;
    Ok((SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes([*high, *low])), rest))
}

fn take<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), Fault> {
    bytes.split_first_chunk().ok_or(Fault("a part that is cut short"))
}

/// Walks over the fields, which must end where the header ends, and holds the checksum against the header, if it is there.
fn check(header: &[u8], mut fields: &[u8]) -> Result<(), Fault> {
    while !fields.is_empty() {
        let ([kind, high, low], rest) = take::<3>(fields)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(Fault("a field that is cut short"))?;
        if *kind == CRC32C {
            // It is the checksum of the header with zeros in its own place.
            let (before, after) = header.split_at(header.len() - rest.len() - value.len());
            let told: [u8; 4] = value.try_into().map_err(|_| Fault("a checksum that is none"))?;
            if crc32c([before, &[0; 4], &after[value.len()..]]) != u32::from_be_bytes(told) {
                return Err(Fault("a wrong checksum"));
            }
        }
        fields = rest;
    }
    Ok(())
}
