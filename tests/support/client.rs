//! A client that sends exactly the bytes it is given and shows exactly what came back (RFC 9112).
use super::DEADLINE;
use serde_json::Value;
use std::{
    fmt::{self, Write as _},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A request's bytes; `Host`, unless it is given, and, where there is a body, `Content-Length` are added.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        head.push_str("Host: api.test\r\n");
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("writing to a string");
    }
    if !body.is_empty() {
        write!(head, "Content-Length: {}\r\n", body.len()).expect("writing to a string");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A response as it came.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    /// Connects; reads fail at the deadline instead of hanging the test.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Instead of the deadline, where what is waited for takes its time.
    pub fn wait_for_answers(&self, patience: Duration) {
        self.stream.get_ref().set_read_timeout(Some(patience)).unwrap();
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends what the other side may no longer want: a connection closed meanwhile is no error.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).is_ok()
    }

    /// Sends no more.
    pub fn end(&mut self) {
        self.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// One request and its response.
    #[track_caller]
    pub fn exchange(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.send(&request(method, target, headers, body));
        self.read_response(method)
    }

    /// A GET without a body.
    #[track_caller]
    pub fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.exchange("GET", target, headers, b"")
    }

    /// A GET with a bearer token.
    #[track_caller]
    pub fn get_as(&mut self, token: &str, target: &str) -> Response {
        self.get(target, &[("Authorization", &format!("Bearer {token}"))])
    }

    /// The final response to a request of this method, with its body.
    #[track_caller]
    pub fn read_response(&mut self, method: &str) -> Response {
        let mut response = self.read_head();
        while response.status < 200 && response.status != 101 {
            response = self.read_head();
        }
        let no_body = method == "HEAD" || matches!(response.status, 101 | 204 | 304);
        if !no_body {
            response.body = self.read_body(&response);
        }
        response
    }

    /// The next response head alone, informational ones too.
    #[track_caller]
    pub fn read_head(&mut self) -> Response {
        let line = self.read_line();
        let status =
            line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("a status line: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.read_line();
            if line.is_empty() {
                return Response { status, headers, body: Vec::new() };
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a header line: {line:?}"));
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// One chunk of a chunked body; empty at its end.
    #[track_caller]
    pub fn read_chunk(&mut self) -> Vec<u8> {
        let line = self.read_line();
        let size = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16)
            .unwrap_or_else(|_| panic!("a chunk size: {line:?}"));
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk).unwrap();
        assert_eq!(self.read_line(), "", "the end of a chunk");
        chunk
    }

    /// The next byte, whatever it belongs to; `None` once the other side has closed the connection.
    pub fn read_byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(1)).then_some(byte[0])
    }

    /// Whether the other side has closed the connection and sent nothing before that.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(0)) || self.stream.get_ref().take_error().is_ok_and(|error| error.is_some())
    }

    #[track_caller]
    fn read_body(&mut self, response: &Response) -> Vec<u8> {
        let mut body = Vec::new();
        if response.all("transfer-encoding").iter().any(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let chunk = self.read_chunk();
                if chunk.is_empty() {
                    return body;
                }
                body.extend(chunk);
            }
        }
        match response.header("content-length") {
            Some(length) => {
                body.resize(length.parse().unwrap_or_else(|_| panic!("a length: {length:?}")), 0);
                self.stream.read_exact(&mut body).unwrap();
            }
            None => {
                self.stream.read_to_end(&mut body).unwrap();
            }
        }
        body
    }

    #[track_caller]
    fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        if let Err(error) = self.stream.read_until(b'\n', &mut line) {
            panic!("reading a line: {error}");
        }
        let text = String::from_utf8(line).expect("lines of a head are text");
        let Some(line) = text.strip_suffix("\r\n") else { panic!("a whole line, not {text:?}: the connection was closed") };
        line.to_owned()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A failure that shows kilobytes shows nothing.
        let text = format!("{} {:?} {}", self.status, self.headers, self.text());
        formatter.write_str(&text.chars().take(2000).collect::<String>())
    }
}

impl Response {
    /// A header that is there at most once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} must not be repeated: {values:?} in {self:?}");
        values.first().copied()
    }

    /// A header that is there exactly once.
    #[track_caller]
    pub fn only(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("{name} is missing in {self:?}"))
    }

    /// A header that is there exactly once and is a whole number.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        self.only(name).parse().unwrap_or_else(|_| panic!("{name} is a number in {self:?}"))
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// The members of a list header, all its lines together.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.all(name).iter().flat_map(|line| line.split(',')).map(str::trim).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?} of {self:?}", self.text()))
    }
}
