//! An upstream that reads as strictly as RFC 9112 lets a server read, and records what it was sent to the last byte.
//!
//! It shares no code with the gateway: what it takes for a request is what the gateway sent as one. Whatever is not in the one form
//! that leaves nothing to decide is a violation, which the test that started it reports.

use super::support::DEADLINE;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

/// A request that came whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value).collect()
    }
}

/// What came so far, on all connections.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub requests: Vec<Seen>,
    /// What was no request, or none in the one form; a request that was broken off is none.
    pub violations: Vec<String>,
}

type Shared = Arc<(Mutex<Record>, Condvar)>;

/// A running upstream; it answers each request with `{"target": …}`.
pub struct Upstream {
    pub address: SocketAddr,
    record: Shared,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self { address: listener.local_addr().unwrap(), record: Shared::default() };
        let record = upstream.record.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = record.clone();
                thread::spawn(move || serve(stream, &record));
            }
        });
        upstream
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.record.0.lock().unwrap().requests.len()
    }

    /// What came after the first `from` requests, as soon as these are at least `count`.
    pub fn wait(&self, from: usize, count: usize) -> Record {
        let end = Instant::now() + DEADLINE;
        let mut record = self.record.0.lock().unwrap();
        while record.requests.len() < from + count && record.violations.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            record = self.record.1.wait_timeout(record, left).unwrap().0;
        }
        Record { requests: record.requests[from..].to_vec(), violations: std::mem::take(&mut record.violations) }
    }
}

fn serve(mut stream: TcpStream, record: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut bytes = Vec::new();
    loop {
        match next_request(&bytes) {
            Ok(Some((request, end))) => {
                bytes.drain(..end);
                let answer = answer(&request);
                record.0.lock().unwrap().requests.push(request);
                record.1.notify_all();
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
            Ok(None) => {
                let mut part = [0; 16384];
                match stream.read(&mut part) {
                    Ok(read @ 1..) => bytes.extend(&part[..read]),
                    _ => return,
                }
            }
            Err(what) => {
                record.0.lock().unwrap().violations.push(format!("{what}: {}", bytes.escape_ascii()));
                record.1.notify_all();
                return;
            }
        }
    }
}

fn answer(request: &Seen) -> Vec<u8> {
    let body = serde_json::json!({ "target": request.target }).to_string();
    let (length, body) = match request.method.as_str() {
        "HEAD" => (String::new(), String::new()),
        _ => (format!("Content-Length: {}\r\n", body.len()), body),
    };
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}\r\n{body}").into_bytes()
}

/// The request that begins these bytes and where it ends; `None` until all of it is there.
fn next_request(bytes: &[u8]) -> Result<Option<(Seen, usize)>, String> {
    let Some(head_end) = position(bytes, b"\r\n\r\n") else {
        return if bytes.len() > 64 * 1024 { Err("an endless head".to_owned()) } else { Ok(None) };
    };
    let mut seen = head(&bytes[..head_end])?;
    let body_begin = head_end + 4;
    let length = framing(&seen)?;
    let body = match length {
        Framing::Length(length) => bytes.get(body_begin..body_begin + length).map(|body| (body.to_vec(), body_begin + length)),
        Framing::Chunked => chunks(&bytes[body_begin..])?.map(|(body, end)| (body, body_begin + end)),
    };
    Ok(body.map(|(body, end)| {
        seen.body = body;
        (seen, end)
    }))
}

/// RFC 9112, sections 3 and 5, without anything that a recipient may be lenient about.
fn head(bytes: &[u8]) -> Result<Seen, String> {
    let mut lines = split(bytes, b"\r\n").into_iter();
    let first = lines.next().unwrap_or_default();
    let parts: Vec<&[u8]> = first.split(|byte| *byte == b' ').collect();
    let [method, target, b"HTTP/1.1"] = parts[..] else { return Err("no request line".to_owned()) };
    if method.is_empty() || !method.iter().all(u8::is_ascii_uppercase) {
        return Err("a strange method".to_owned());
    }
    if !target.starts_with(b"/") || !target.iter().all(u8::is_ascii_graphic) || target.contains(&b'#') {
        return Err("a strange target".to_owned());
    }
    let mut fields = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a line without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err("a strange field name".to_owned());
        }
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err("a control byte in a value".to_owned());
        }
        fields.push((text(name), value.to_vec()));
    }
    Ok(Seen { method: text(method), target: text(target), fields, body: Vec::new() })
}

enum Framing {
    Length(usize),
    Chunked,
}

/// One host, and one framing at most.
fn framing(seen: &Seen) -> Result<Framing, String> {
    if seen.all("host").len() != 1 {
        return Err("not one Host".to_owned());
    }
    for twin in ["content_length", "transfer_encoding"] {
        if !seen.all(twin).is_empty() {
            return Err(format!("{twin}, which some servers take for a framing"));
        }
    }
    match (&seen.all("content-length")[..], &seen.all("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit) && (length.len() == 1 || length[0] != b'0');
            let length = text(length).parse().ok().filter(|_| digits);
            length.map(Framing::Length).ok_or_else(|| "a length that is not a plain number".to_owned())
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        _ => Err("a framing in doubt".to_owned()),
    }
}

/// Chunks in their plainest form: no extensions, no trailers.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = position(&bytes[at..], b"\r\n") else {
            return if bytes.len() - at > 16 { Err("no chunk size".to_owned()) } else { Ok(None) };
        };
        let digits = &bytes[at..at + line];
        if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err("a chunk size that is not plain".to_owned());
        }
        let size = usize::from_str_radix(&text(digits), 16).map_err(|error| error.to_string())?;
        at += line + 2;
        let Some(data) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !data.ends_with(b"\r\n") {
            return Err("a chunk that does not end where it should, or a trailer".to_owned());
        }
        body.extend(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

/// RFC 9110, section 5.6.2.
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while let Some(at) = position(rest, by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
