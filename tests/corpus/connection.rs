//! A client's connection that sends what it is given, and takes what comes back for what it is.

use super::support::{DEADLINE, Response};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

pub struct Connection(TcpStream);

/// All that came back.
#[derive(Debug)]
pub struct Answers {
    /// Final ones.
    pub responses: Vec<Response>,
    /// The other side closed the connection behind them.
    pub closed: bool,
    /// What is no whole answer.
    pub rest: Option<String>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// The other side may have refused what came before, and be gone.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Reads so many answers, or fewer if the other side closes; a refusal is read on to the close if it announces one.
    pub fn read(&mut self, count: usize) -> Answers {
        let (mut bytes, mut responses) = (Vec::new(), Vec::new());
        loop {
            while let Some((response, end)) = next_response(&bytes) {
                bytes.drain(..end);
                if response.status >= 200 {
                    responses.push(response);
                }
            }
            if responses.len() >= count && !responses.last().is_some_and(says_close) {
                return answers(responses, false, &bytes);
            }
            let mut part = [0; 16384];
            match self.0.read(&mut part) {
                Ok(read @ 1..) => bytes.extend(&part[..read]),
                Ok(_) => return answers(responses, true, &bytes),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return answers(responses, true, &bytes),
                Err(error) => return answers(responses, false, format!("{error}; {}", bytes.escape_ascii()).as_bytes()),
            }
        }
    }
}

/// Nothing comes behind this answer.
pub fn says_close(response: &Response) -> bool {
    response.all("Connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
}

fn answers(responses: Vec<Response>, closed: bool, rest: &[u8]) -> Answers {
    Answers { responses, closed, rest: (!rest.is_empty()).then(|| rest.escape_ascii().to_string()) }
}

/// The answer that begins these bytes, once all of it is there; all answers of the corpus have a length.
fn next_response(bytes: &[u8]) -> Option<(Response, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.strip_prefix("HTTP/1.1 ")?.split("\r\n");
    let status = lines.next()?.get(..3)?.parse().ok()?;
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut response = Response { status, headers, body: Vec::new() };
    let length = match status {
        100..200 | 204 | 304 => 0,
        _ => response.all("Content-Length").first().and_then(|length| length.parse().ok()).unwrap_or(0),
    };
    response.body = bytes.get(end..end + length)?.to_vec();
    Some((response, end + length))
}
