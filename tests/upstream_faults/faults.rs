//! What an upstream sends in place of a good answer, and what must become of it.

use super::ways::Way;

/// One misbehaviour.
pub struct Fault {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub ending: Ending,
    pub outcome: Outcome,
}

/// What follows the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Close,
    /// The connection stays as if all were well.
    Keep,
    /// Nothing more comes.
    Hang,
    /// The same again and again.
    Endless,
}

/// What the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Fails(u16),
    /// A head, and then visibly no end.
    Cut,
    /// Head and fault came together: either will do.
    FailsOrCut,
    Passes(u16, &'static str),
}

use Ending::{Close, Endless, Hang, Keep};
use Outcome::{Cut, Fails, FailsOrCut, Passes};

impl Fault {
    /// Whether a fault makes sense for a request of this kind.
    pub fn fits(&self, way: Way) -> bool {
        // What is wrong with a body is nothing to who gets none, but that it comes.
        way != Way::Head || !matches!(self.outcome, Cut | FailsOrCut)
    }

    /// To HEAD every answer is without a body.
    pub fn to_head(&self) -> Outcome {
        match self.outcome {
            Passes(status, _) => Passes(status, ""),
            other => other,
        }
    }
}

fn fault(name: &'static str, bytes: &[u8], ending: Ending, outcome: Outcome) -> Fault {
    Fault { name, bytes: bytes.to_vec(), ending, outcome }
}

/// All of them.
pub fn all() -> Vec<Fault> {
    [no_answers(), heads(), lengths(), chunks(), bodiless(), more_than_asked(), odd_but_good()].into_iter().flatten().collect()
}

/// Nothing, or nothing of HTTP.
fn no_answers() -> Vec<Fault> {
    vec![
        fault("closes without a word", b"", Close, Fails(502)),
        fault("hangs", b"", Hang, Fails(504)),
        fault("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Close, Fails(502)),
        fault("HTTP/0.9", b"<html><body>hello</body></html>\r\n\r\n", Close, Fails(502)),
        fault(
            "HTTP/2's settings",
            b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff",
            Close,
            Fails(502),
        ),
        fault("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Close, Fails(502)),
        fault("a TLS alert", b"\x15\x03\x01\0\x02\x02\x46", Close, Fails(502)),
        fault("NULs", &[0; 512], Close, Fails(502)),
        fault("garbage without end", b"garbage ", Endless, Fails(502)),
        fault("empty lines without end", b"\r\n", Endless, Fails(502)),
        fault("a version that is not ours", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a status of letters", b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a status of no kind", b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a request", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Close, Fails(502)),
    ]
}

/// Heads that do not end, are over their bounds, or are none.
fn heads() -> Vec<Fault> {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 2\r\n\r\n{{}}", "a".repeat(33 * 1024));
    let many = |count: usize| format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\n{{}}", "X-Many: 1\r\n".repeat(count));
    let interim = |count: usize| {
        format!("{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count))
    };
    let long_interim = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}",
        "a".repeat(33 * 1024)
    );
    vec![
        fault("half a status line", b"HTTP/1.1 20", Close, Fails(502)),
        fault("half a head", b"HTTP/1.1 200 OK\r\nContent-Le", Close, Fails(502)),
        fault("half a head, and silence", b"HTTP/1.1 200 OK\r\nContent-Le", Hang, Fails(504)),
        fault("a field of 33 KiB", long.as_bytes(), Keep, Fails(502)),
        fault("101 fields and more", many(101).as_bytes(), Keep, Fails(502)),
        fault("300 fields", many(300).as_bytes(), Keep, Fails(502)),
        fault("fields without end", &[b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: 1\r\n".repeat(400_000)].concat(), Hang, Fails(502)),
        fault("a field without end", &[b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 2 << 20]].concat(), Hang, Fails(502)),
        fault("a line without a colon", b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a space within a name", b"HTTP/1.1 200 OK\r\nno name: 1\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("a carriage return in a value", b"HTTP/1.1 200 OK\r\nX: a\rb: c\r\nContent-Length: 2\r\n\r\n{}", Close, Fails(502)),
        fault("eight interim answers", interim(8).as_bytes(), Keep, Passes(200, "{}")),
        fault("nine interim answers", interim(9).as_bytes(), Keep, Fails(502)),
        fault("an interim answer of 33 KiB", long_interim.as_bytes(), Keep, Fails(502)),
        fault("an interim answer, and silence", b"HTTP/1.1 103 Early Hints\r\n\r\n", Hang, Fails(504)),
        fault("an interim answer, and the end", b"HTTP/1.1 103 Early Hints\r\n\r\n", Close, Fails(502)),
        fault(
            "an answer that nobody asked to wait for",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            Keep,
            Passes(200, "{}"),
        ),
        fault(
            "another protocol",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw",
            Hang,
            Fails(502),
        ),
    ]
}

/// Lengths that are none, or not true.
fn lengths() -> Vec<Fault> {
    let with = |framing: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}").into_bytes();
    vec![
        fault("two lengths", &with("Content-Length: 2\r\nContent-Length: 3", "{}"), Close, Fails(502)),
        fault("a list of lengths that differ", &with("Content-Length: 2, 3", "{}"), Close, Fails(502)),
        fault("a negative length", &with("Content-Length: -2", "{}"), Close, Fails(502)),
        fault("a length with a sign", &with("Content-Length: +2", "{}"), Close, Fails(502)),
        fault("an empty length", &with("Content-Length:", "{}"), Close, Fails(502)),
        fault("a length in letters", &with("Content-Length: two", "{}"), Close, Fails(502)),
        fault("a length that overflows", &with("Content-Length: 18446744073709551618", "{}"), Close, Fails(502)),
        fault("a coding that is not chunked", &with("Transfer-Encoding: identity", "{}"), Close, Fails(502)),
        fault("a coding before chunked", &with("Transfer-Encoding: gzip, chunked", "2\r\n{}\r\n0\r\n\r\n"), Close, Fails(502)),
        fault(
            "chunked twice",
            &with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"),
            Close,
            Fails(502),
        ),
        fault("less than its length", &with("Content-Length: 100", "half"), Close, Cut),
        fault("nothing of its length", &with("Content-Length: 100", ""), Close, Cut),
    ]
}

/// Chunks that are none, or do not end.
fn chunks() -> Vec<Fault> {
    let with = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes();
    let endless = [with(""), b"2;".to_vec(), vec![b'a'; 1 << 20]].concat();
    let trailers = [with("2\r\n{}\r\n0\r\n"), b"X: 1\r\n".repeat(200_000)].concat();
    vec![
        fault("a chunk cut short", &with("10\r\nhalf"), Close, Cut),
        fault("a chunk size cut short", &with("2\r\n{}\r\n1"), Close, Cut),
        fault("no last chunk", &with("2\r\n{}\r\n"), Close, Cut),
        fault("no end of the last chunk", &with("2\r\n{}\r\n0\r\n"), Close, Cut),
        fault("no chunk at all", &with(""), Close, Cut),
        fault("a chunk size that is none", &with("zz\r\n{}\r\n0\r\n\r\n"), Close, FailsOrCut),
        fault("a negative chunk size", &with("-2\r\n{}\r\n0\r\n\r\n"), Close, FailsOrCut),
        fault("a chunk size with a prefix", &with("0x2\r\n{}\r\n0\r\n\r\n"), Close, FailsOrCut),
        fault("a chunk size that overflows", &with("10000000000000002\r\n{}\r\n0\r\n\r\n"), Close, FailsOrCut),
        fault("a chunk size of nearly all numbers", &with("FFFFFFFFFFFFFFFE\r\n{}\r\n0\r\n\r\n"), Close, FailsOrCut),
        fault("a chunk that is longer than it says", &with("1\r\n{}\r\n0\r\n\r\n"), Close, FailsOrCut),
        fault("an extension without end", &endless, Hang, FailsOrCut),
        fault("trailers without end", &trailers, Hang, FailsOrCut),
    ]
}

/// Bodies where none may be.
fn bodiless() -> Vec<Fault> {
    let stolen = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTOLEN";
    let with = |status: &str, framing: &str| format!("HTTP/1.1 {status}\r\n{framing}\r\n{stolen}").into_bytes();
    vec![
        fault("204 with a length and a body", &with("204 No Content", "Content-Length: 44\r\n"), Keep, Passes(204, "")),
        fault("204 with a body", &with("204 No Content", ""), Keep, Passes(204, "")),
        fault("204 in chunks", &with("204 No Content", "Transfer-Encoding: chunked\r\n"), Keep, Passes(204, "")),
        fault("304 with a length and a body", &with("304 Not Modified", "Content-Length: 44\r\n"), Keep, Passes(304, "")),
        fault("304 with a body", &with("304 Not Modified", ""), Keep, Passes(304, "")),
    ]
}

/// What follows an answer is no answer to anybody.
fn more_than_asked() -> Vec<Fault> {
    let with = |rest: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}{rest}").into_bytes();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTOLEN";
    vec![
        fault("more than its length", &with("more"), Keep, Passes(200, "{}")),
        fault("two answers", &with("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTOLEN"), Keep, Passes(200, "{}")),
        fault("two answers, the first in chunks", chunked, Keep, Passes(200, "{}")),
        fault("an interim answer behind the answer", &with("HTTP/1.1 100 Continue\r\n\r\n"), Keep, Passes(200, "{}")),
    ]
}

/// What is unusual, and means one thing.
fn odd_but_good() -> Vec<Fault> {
    let both = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    vec![
        fault("HTTP/1.0 without a length", b"HTTP/1.0 200 OK\r\n\r\n{}", Close, Passes(200, "{}")),
        fault("HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", Close, Passes(200, "{}")),
        fault("no length", b"HTTP/1.1 200 OK\r\n\r\n{}", Close, Passes(200, "{}")),
        fault(
            "a length told twice",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            Keep,
            Passes(200, "{}"),
        ),
        fault("a length beside chunks", both, Close, Passes(200, "{}")),
        fault("a folded line", b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}", Keep, Passes(200, "{}")),
        fault(
            "an extension and a trailer",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX: 1\r\n\r\n",
            Keep,
            Passes(200, "{}"),
        ),
        fault("no reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", Keep, Passes(200, "{}")),
    ]
}
