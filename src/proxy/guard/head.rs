//! Reads the head of an HTTP/1 request so strictly that nobody after it can read it otherwise (RFC 9112).
//!
//! What passes has one reading: lines that end with CR LF and nothing else, names that are tokens followed by their colon, one
//! `Host` that is one, a length told once in plain digits or one final `chunked`, never both. It is handed on as it came, but for
//! an absolute form, which becomes the origin form that it means. Everything else is refused, never repaired.
//!
//! Pure: no clock, no socket. How long a head may take is the stream's to say, and what a path means the judge's.

use crate::request::HeadFault;
use bytes::{BufMut, BytesMut};
use memchr::memchr;

/// How the body after a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// A head that may be handed on.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the input that it took.
    pub length: usize,
    /// What follows it.
    pub body: BodyFraming,
    /// What is handed on in its place, when that is not the same.
    pub rewritten: Option<BytesMut>,
}

/// Where the search for a head's end goes on when more of it has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan(usize);

impl Scan {
    /// Whether the head is complete; looks at each byte once, however few come at a time.
    ///
    /// # Errors
    /// It can never become a good one: a line ends without CR.
    pub fn is_complete(&mut self, input: &[u8]) -> Result<bool, HeadFault> {
        while let Some(found) = memchr(b'\n', &input[self.0..]) {
            let end = self.0 + found;
            if end == 0 || input[end - 1] != b'\r' {
                return Err(BARE_LF);
            }
            self.0 = end + 1;
            // An empty line before the head is not its end.
            if end > 2 && input[..end].ends_with(b"\r\n\r") {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

const BARE_LF: HeadFault = HeadFault::Invalid("a line of the head ends without a carriage return");
const CONTROL: HeadFault = HeadFault::Invalid("a control character in the head");
const REQUEST_LINE: HeadFault = HeadFault::Invalid("the request line is malformed");
const TARGET: HeadFault = HeadFault::Invalid("the request target is malformed");
const AUTHORITY: HeadFault = HeadFault::Invalid("the request target and the Host field disagree, or the host is malformed");
const FIELD: HeadFault = HeadFault::Invalid("a header field is malformed");
const HOST: HeadFault = HeadFault::Invalid("the Host field is missing, repeated or malformed");
const LENGTH: HeadFault = HeadFault::Invalid("the length of the body is malformed or told more than once");
const CODING: HeadFault = HeadFault::Invalid("the transfer coding is not one final chunked");
const BOTH: HeadFault = HeadFault::Invalid("the body has both a length and a transfer coding");

/// Reads a head; `None` while its end has not come.
///
/// # Errors
/// It is refused. What is wrong may be found before the end has come.
pub fn read(input: &[u8]) -> Result<Option<Head>, HeadFault> {
    // RFC 9112, section 2.2: one empty line before the request line is passed over, as some old clients end a body with it.
    let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
    let Some((line, mut at)) = next_line(input, skipped)? else { return Ok(None) };
    let request = RequestLine::read(line)?;
    let (first_field, mut fields, mut count) = (at, Fields::default(), 0);
    loop {
        let Some((line, next)) = next_line(input, at)? else { return Ok(None) };
        at = next;
        if line.is_empty() {
            break;
        }
        count += 1;
        fields.take(line)?;
    }
    if count > MOST_FIELDS {
        return Err(HeadFault::FieldsTooLarge);
    }
    check_controls(&input[skipped..at], count + 2)?;
    let host = fields.host.filter(|host| is_host(host)).ok_or(HOST)?;
    let body = fields.framing(request.is_http10)?;
    let rewritten = request.origin_form(host)?.map(|target| rewrite(&request, target, &input[first_field..at]));
    let rewritten = rewritten.or_else(|| (skipped > 0).then(|| BytesMut::from(&input[skipped..at])));
    Ok(Some(Head { length: at, body, rewritten }))
}

/// The framework reads no more than that (pingora-core, protocols/http/v1/common.rs). The configured bounds are no matter of
/// reading: a request over them is answered like any other.
const MOST_FIELDS: usize = 256;

/// The line that begins at `at`, without its end, and where the next begins.
fn next_line(input: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, HeadFault> {
    let Some(length) = memchr(b'\n', &input[at..]) else { return Ok(None) };
    match input[at..at + length].split_last() {
        Some((b'\r', line)) => Ok(Some((line, at + length + 1))),
        _ => Err(BARE_LF),
    }
}

/// No control character but the tab, and no CR except at the end of a line.
fn check_controls(head: &[u8], lines: usize) -> Result<(), HeadFault> {
    // Each line has two of its own. Without a tab there are no others, and that is all there is to find out.
    if count(head, |byte| byte < b' ' || byte == 0x7f) == 2 * lines {
        return Ok(());
    }
    let fits = |byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~' | 0x80..);
    let good = count(head, fits) == head.len() && count(head, |byte| byte == b'\r') == lines;
    if good { Ok(()) } else { Err(CONTROL) }
}

/// How many bytes are such, many at a time: the sum of few fits in a byte.
fn count(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    let few = |part: &[u8]| part.iter().map(|byte| u8::from(is_such(*byte))).sum::<u8>();
    bytes.chunks(128).map(|part| usize::from(few(part))).sum()
}

/// The parts of a request line.
struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    is_http10: bool,
}

impl<'a> RequestLine<'a> {
    fn read(line: &'a [u8]) -> Result<Self, HeadFault> {
        let method = memchr(b' ', line).map(|end| &line[..end]).ok_or(REQUEST_LINE)?;
        let rest = &line[method.len() + 1..];
        let (target, is_http10) = match rest.strip_suffix(b" HTTP/1.1") {
            Some(target) => (target, false),
            None => (rest.strip_suffix(b" HTTP/1.0").ok_or(REQUEST_LINE)?, true),
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(REQUEST_LINE);
        }
        if method == b"CONNECT" {
            return Err(HeadFault::Connect);
        }
        if !is_target(target) {
            return Err(TARGET);
        }
        Ok(Self { method, target, is_http10 })
    }

    /// The origin form that an absolute form means (RFC 9112, section 3.2.2); `None` where the target is no absolute form.
    fn origin_form(&self, host: &[u8]) -> Result<Option<&'a [u8]>, HeadFault> {
        if self.target.starts_with(b"/") || (self.target == b"*" && self.method == b"OPTIONS") {
            return Ok(None);
        }
        let rest = without_scheme(self.target).ok_or(TARGET)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if rest[..end].eq_ignore_ascii_case(host) { Ok(Some(&rest[end..])) } else { Err(AUTHORITY) }
    }
}

/// What follows `http://` or `https://`.
fn without_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (begin, rest) = target.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Visible ASCII without a fragment.
pub(super) fn is_target(target: &[u8]) -> bool {
    // RFC 3986, appendix A: none of these stands in a URI. The framework would refuse most of them itself, without a word.
    let stands_in_none = |byte: u8| matches!(byte, b'#' | b'"' | b'<' | b'>' | b'`');
    !target.is_empty() && count(target, |byte| byte.is_ascii_graphic() && !stands_in_none(byte)) == target.len()
}

/// The request line in origin form, and the fields as they came.
fn rewrite(request: &RequestLine<'_>, target: &[u8], fields: &[u8]) -> BytesMut {
    let mut head = BytesMut::with_capacity(request.method.len() + target.len() + fields.len() + 16);
    head.put_slice(request.method);
    head.put_slice(if target.starts_with(b"/") { b" " } else { b" /" });
    head.put_slice(target);
    head.put_slice(if request.is_http10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
    head.put_slice(fields);
    head
}

/// The fields that say where a request goes and where it ends.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, line: &'a [u8]) -> Result<(), HeadFault> {
        let name = field_name(line).ok_or(FIELD)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") && self.host.replace(trimmed(&line[5..])).is_some() => return Err(HOST),
            14 if is_name(name, b"content-length") => {
                // Some servers read `_` as `-`: a length that only they see.
                let length = plain_number(trimmed(&line[15..])).filter(|_| name[7] == b'-').ok_or(LENGTH)?;
                if self.length.replace(length).is_some() {
                    return Err(LENGTH);
                }
            }
            17 if is_name(name, b"transfer-encoding") => {
                if self.chunked || name[8] != b'-' || !trimmed(&line[18..]).eq_ignore_ascii_case(b"chunked") {
                    return Err(CODING);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, is_http10: bool) -> Result<BodyFraming, HeadFault> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(BOTH),
            // RFC 9112, section 6.1: who speaks HTTP/1.0 may not have understood it.
            (true, None) if is_http10 => Err(CODING),
            (true, None) => Ok(BodyFraming::Chunked),
            (false, length) => Ok(BodyFraming::Length(length.unwrap_or(0))),
        }
    }
}

/// The name before the colon, if it is a token that the colon follows at once.
pub(super) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let end = line.iter().position(|byte| !is_token(*byte))?;
    (end > 0 && line[end] == b':').then(|| &line[..end])
}

/// Without spaces and tabs around it.
pub(super) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Letters of either case, `-` or `_`.
fn is_name(name: &[u8], expected: &[u8]) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.iter().map(fold).eq(expected.iter().copied())
}

/// Digits without a needless zero before them: `010` is eight to some.
pub(super) fn plain_number(digits: &[u8]) -> Option<u64> {
    let needless_zero = digits.len() > 1 && digits[0] == b'0';
    if digits.is_empty() || digits.len() > 18 || needless_zero || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let (mut table, mut at) = ([false; 256], 0);
        let token = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        while at < token.len() {
            table[token[at] as usize] = true;
            at += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// A name, an IPv4 address, or an IPv6 address in brackets, and maybe a port.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr(b']', rest) else { return false };
            let literal = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            if literal.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (&b"[]"[..], &rest[end + 1..])
        }
        None => host.split_at(memchr(b':', host).unwrap_or(host.len())),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_port = |digits: &[u8]| plain_number(digits).is_some_and(|port| u16::try_from(port).is_ok());
    let good_name = name == b"[]" || (!name.is_empty() && name.len() <= 255 && name.iter().all(is_name));
    good_name && (port.is_empty() || port.strip_prefix(b":").is_some_and(is_port))
}

#[cfg(test)]
mod tests;
