//! The ways through the gateway, and what a client sees at their end.

use super::support::{Client, Directory, JSON, Response, World, request};
use std::{fs, process::Command};

/// More than the gateway holds: it is streamed.
const LARGE: usize = 100_000;

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Get,
    Head,
    /// A body that is held before a server is asked.
    Small,
    /// One that is not.
    Large,
    Chunks,
    /// `Connection` names a field.
    Nominating,
    Http2Get,
    Http2Large,
}

/// What came back, and whether it has an end.
#[derive(Debug)]
pub enum Answer {
    Whole(Response),
    /// A head, and less behind it than there should be.
    Cut(u16),
    /// Not even a head, but this.
    #[expect(dead_code, reason = "shown where a test fails")]
    Nothing(String),
}

impl Answer {
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Whole(response) => Some(response.status),
            Self::Cut(status) => Some(*status),
            Self::Nothing(_) => None,
        }
    }

    pub fn response(&self) -> Option<&Response> {
        match self {
            Self::Whole(response) => Some(response),
            Self::Cut(_) | Self::Nothing(_) => None,
        }
    }

    /// The gateway's own answer.
    pub fn failed(&self, status: u16) -> bool {
        let code = if status == 504 { "\"code\":\"upstream_timeout\"" } else { "\"code\":\"bad_upstream\"" };
        // An answer to HEAD has no body.
        self.response()
            .is_some_and(|response| response.status == status && (response.body.is_empty() || response.text().contains(code)))
    }

    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Cut(_))
    }

    pub fn is_whole(&self, status: u16, body: &[u8]) -> bool {
        self.response().is_some_and(|response| response.status == status && (response.body == body || response.body.is_empty()))
    }
}

impl Way {
    /// `ada` asks in this way, on a connection of its own.
    pub fn ask(self, world: &World, target: &str) -> Answer {
        // Read to its end: the gateway closes the connection behind the answer.
        let close = ("Connection", "close");
        let large = vec![b' '; LARGE];
        let bytes = match self {
            Self::Get => request("GET", target, &[world.auth(), close], b""),
            Self::Head => request("HEAD", target, &[world.auth(), close], b""),
            Self::Small => request("POST", target, &[world.auth(), close, JSON], b"{}"),
            Self::Large => request("POST", target, &[world.auth(), close, JSON], &large),
            Self::Nominating => request("GET", target, &[world.auth(), ("Connection", "close, x-hop"), ("X-Hop", "1")], b""),
            Self::Chunks => {
                let head = request("POST", target, &[world.auth(), close, JSON, ("Transfer-Encoding", "chunked")], b"");
                [&head, format!("{LARGE:x}\r\n").as_bytes(), &large, b"\r\n0\r\n\r\n"].concat()
            }
            Self::Http2Get => return over_http2(world, target, None),
            Self::Http2Large => return over_http2(world, target, Some(&large)),
        };
        let mut client = world.gateway.connect();
        client.try_send(&bytes);
        read(&mut client, self == Self::Head)
    }
}

fn read(client: &mut Client, is_head: bool) -> Answer {
    let mut bytes = Vec::new();
    while let Some(byte) = client.read_byte() {
        bytes.push(byte);
    }
    let mut rest = &bytes[..];
    loop {
        let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Answer::Nothing(rest.escape_ascii().to_string());
        };
        let (head, body) = rest.split_at(end + 4);
        let text = String::from_utf8_lossy(head);
        let status: u16 = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        if (100..200).contains(&status) {
            rest = body;
            continue;
        }
        let fields = text.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut response = Response { status, headers, body: Vec::new() };
        return match whole_body(&response, body, is_head) {
            Some(body) => {
                response.body = body;
                Answer::Whole(response)
            }
            None => Answer::Cut(status),
        };
    }
}

/// What the framing says is there, if it is, and nothing else is.
fn whole_body(response: &Response, bytes: &[u8], is_head: bool) -> Option<Vec<u8>> {
    if is_head || matches!(response.status, 204 | 304) {
        return bytes.is_empty().then(Vec::new);
    }
    if response.all("Transfer-Encoding") == ["chunked"] {
        return dechunk(bytes);
    }
    let length: usize = response.only("Content-Length").parse().ok()?;
    (bytes.len() == length).then(|| bytes.to_vec())
}

fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?, 16).ok()?;
        let data = bytes.get(line + 2..line + 2 + size + 2)?;
        body.extend(&data[..size]);
        bytes = &bytes[line + 2 + size + 2..];
        if size == 0 {
            return bytes.is_empty().then_some(body);
        }
    }
}

/// curl says by its exit code whether a stream came to its end.
fn over_http2(world: &World, target: &str, body: Option<&[u8]>) -> Answer {
    let directory = Directory::new();
    let (head, sent) = (directory.path().join("head"), directory.path().join("sent"));
    let mut curl = Command::new("curl");
    curl.args(["-s", "--http2-prior-knowledge", "-m", "20", "-D"]).arg(&head);
    curl.args(["-H", &format!("Authorization: {}", world.bearer)]);
    if let Some(body) = body {
        fs::write(&sent, body).unwrap();
        curl.args(["-H", "Content-Type: application/json", "--data-binary"]).arg(format!("@{}", sent.display()));
    }
    let output = curl.arg(format!("http://{}{target}", world.gateway.address())).output().unwrap();
    let text = fs::read_to_string(&head).unwrap_or_default();
    let last = text.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
    let status = last.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, output.status.code()) {
        (Some(status), Some(0)) => {
            let fields = last.lines().skip(1).filter_map(|line| line.split_once(": "));
            let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
            Answer::Whole(Response { status, headers, body: output.stdout })
        }
        // 18: less than was told; 92: the stream was reset, which may overtake a head that was not sent yet.
        (status, Some(18 | 92)) => Answer::Cut(status.unwrap_or(0)),
        (_, code) => Answer::Nothing(format!("curl's {code:?}: {text}")),
    }
}
