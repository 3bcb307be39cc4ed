//! The head that stands for one that was refused, so that its answer takes the way of all answers: decorated, recorded, counted.
//!
//! Of the refused one it keeps what the answer depends on, and only where that is well formed by itself: the method (a HEAD gets
//! no body), the target (for the log), and the first of the fields named below. It has no body and ends the connection.

use super::head::{field_name, is_host, is_target, trimmed};
use bytes::{BufMut, BytesMut};

/// Bytes of a refused head that are looked at.
const LOOKED_AT: usize = 16 * 1024;
/// Longest value that is kept, and longest target.
pub(super) const LONGEST: usize = 1024;
/// Whose answer it is, in which form, under which name, and what the log says of it.
const KEPT: [&[u8]; 6] = [b"host", b"origin", b"accept", b"x-request-id", b"x-forwarded-for", b"user-agent"];

/// The stand-in; `None` where not even a request line can be made out.
#[must_use]
pub fn stand_in(refused: &[u8]) -> Option<BytesMut> {
    let refused = &refused[..refused.len().min(LOOKED_AT)];
    let mut lines = refused.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.find(|line| !line.is_empty())?;
    let (method, target) = request_line(line)?;
    let mut head = BytesMut::with_capacity(512);
    head.put_slice(method);
    head.put_u8(b' ');
    head.put_slice(target);
    head.put_slice(b" HTTP/1.1\r\nConnection: close\r\n");
    let mut kept = [false; KEPT.len()];
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(which) = kept_field(line).filter(|which| !kept[*which]) {
            kept[which] = true;
            head.put_slice(line);
            head.put_slice(b"\r\n");
        }
    }
    head.put_slice(b"\r\n");
    Some(head)
}

/// Method and target of what has the shape of a request line, each replaced where it is not well formed.
fn request_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target) = (parts.next()?, parts.next()?);
    let version = parts.next_back()?;
    if !version.starts_with(b"HTTP/") || method.is_empty() {
        return None;
    }
    let is_method = method.len() <= 32 && method.iter().all(u8::is_ascii_uppercase) && method != b"CONNECT";
    let is_target = parts.next().is_none() && target.starts_with(b"/") && target.len() <= LONGEST && is_target(target);
    Some((if is_method { method } else { b"GET" }, if is_target { target } else { b"/" }))
}

/// Which of the kept fields a line is, if it is well formed.
fn kept_field(line: &[u8]) -> Option<usize> {
    let name = field_name(line)?;
    kept(name, trimmed(&line[name.len() + 1..]))
}

/// Which of the kept fields this is, if its value is well formed.
pub(super) fn kept(name: &[u8], value: &[u8]) -> Option<usize> {
    let which = KEPT.iter().position(|kept| name.eq_ignore_ascii_case(kept))?;
    let is_text = value.len() <= LONGEST && value.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic());
    (is_text && (which != 0 || is_host(value))).then_some(which)
}

#[cfg(test)]
mod tests;
