//! Version 1: one line of text, `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443` and CR LF (section 2.1 of the specification).

use super::{Fault, Verdict, whole};
use memchr::memchr;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// What it begins with.
pub const SIGNATURE: &[u8] = b"PROXY ";
/// The longest line, with its end: two IPv6 addresses in full.
const LONGEST: usize = 107;

/// Judges bytes that begin with the signature, or are its beginning.
pub fn read(input: &[u8]) -> Verdict {
    let input = &input[..input.len().min(LONGEST)];
    let Some(end) = memchr(b'\n', input) else {
        return if input.len() < LONGEST { Verdict::Incomplete } else { Verdict::Malformed(Fault("a line without end")) };
    };
    let source = match input[..end].strip_suffix(b"\r") {
        Some(line) => source(line),
        None => Err(Fault("a line that ends without CR")),
    };
    whole(end + 1, source)
}

fn source(line: &[u8]) -> Result<Option<SocketAddr>, Fault> {
    let line = std::str::from_utf8(line).map_err(|_| Fault("a line that is no text"))?;
    // One space between: of two, the second makes an empty word, which is neither an address nor a port.
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        // "The receiver must ignore anything presented before the CRLF is found."
        [_, "UNKNOWN", ..] => Ok(None),
        [_, "TCP4", source, destination, from, to] => addresses::<Ipv4Addr>([source, destination], [from, to]),
        [_, "TCP6", source, destination, from, to] => addresses::<Ipv6Addr>([source, destination], [from, to]),
        [_, "TCP4" | "TCP6", ..] => Err(Fault("not two addresses and two ports")),
        _ => Err(Fault("an unknown family")),
    }
}

/// Nobody asks where the client was going, but a line that is half right is not right.
fn addresses<A: FromStr + Into<IpAddr>>(addresses: [&str; 2], ports: [&str; 2]) -> Result<Option<SocketAddr>, Fault> {
    let [source, _destination] = [address::<A>(addresses[0])?, address::<A>(addresses[1])?];
    let [from, _to] = [port(ports[0])?, port(ports[1])?];
    Ok(Some(SocketAddr::new(source, from)))
}

/// The standard library's readers take no leading zeros in IPv4, no zone in IPv6, and no other family.
fn address<A: FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, Fault> {
    text.parse::<A>().map(Into::into).map_err(|_| Fault("no address of the family"))
}

/// In digits, without a sign or leading zeros.
fn port(text: &str) -> Result<u16, Fault> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_canonical).ok_or(Fault("no port"))
}
