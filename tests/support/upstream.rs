//! An upstream that writes down what it is sent, to the byte, and answers as the path asks.
//!
//! It reads HTTP/1.1 itself: a library would repair, refuse or normalise exactly what a proxy's tests need to see. It judges
//! nothing; whether a request was well made is for the test to say.
//!
//! The path's end chooses the answer, under any base, unless [`Upstream::script`] has another for it:
//! `/status/503`, `/slow/500ms` (the head comes late), `/chunked`, `/sse`, `/echo`, `/204`, `/304`, and the broken ones
//! `/close`, `/garbage`, `/reset-mid-body`, `/hang`. Everything else is 200 with JSON that names the request.
//! Whatever is well formed carries [`MARKS`], headers that have to give way to the gateway's own.

#![allow(dead_code, reason = "each test binary that includes this file uses a part of it")]

use std::{
    future, io,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// On every well-formed answer.
pub const MARKS: &str = "Server: upstream\r\nX-RateLimit-Limit: 1\r\nAccess-Control-Allow-Origin: *\r\n";

/// Between two parts of an answer that comes in parts.
pub const PART_INTERVAL: Duration = Duration::from_millis(50);
/// How long [`Upstream::wait_for_requests`] waits before it gives the test up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happens after a request was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// 200 and JSON: `method` and `target` of the request.
    Describe,
    /// That status and JSON.
    Status(u16),
    /// As [`Self::Describe`], but the head comes that much later.
    Slow(Duration),
    /// The chunks `one`, `two` and `three`, [`PART_INTERVAL`] apart.
    Chunked,
    /// The server-sent events 1, 2 and 3, [`PART_INTERVAL`] apart.
    Events,
    /// 200, with the request's body and media type.
    Echo,
    /// The connection is closed without a byte.
    Close,
    /// Bytes that are not HTTP, then the connection is closed.
    Garbage,
    /// A head that promises 1000 bytes, 10 of them, and a TCP reset.
    ResetMidBody,
    /// Nothing, for as long as the upstream lives.
    Hang,
    /// These bytes; the connection stays open for the next request.
    Raw(Vec<u8>),
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Up to and with the empty line.
    pub head: Vec<u8>,
    /// What the client meant, without chunk framing.
    pub body: Vec<u8>,
    /// What followed the head on the wire, chunk sizes, extensions and trailers included.
    pub raw_body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// The body is all there. Not yet, or never, while it is false.
    pub complete: bool,
}

/// A running upstream; it ends, with its connections, when dropped.
pub struct Upstream {
    address: SocketAddr,
    record: Arc<Record>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Record {
    requests: Mutex<Vec<Recorded>>,
    changed: Condvar,
    connections: AtomicUsize,
    scripts: Mutex<Vec<(String, Behaviour)>>,
}

impl Upstream {
    /// Listens on a free port of 127.0.0.1, in a thread and a runtime of its own, so that it answers while a test blocks.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let record = Arc::new(Record::default());
        let (stop, stopped) = oneshot::channel();
        let written = Arc::clone(&record);
        let thread = thread::spawn(move || run(listener, written, stopped));
        Self { address, record, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as the configuration names a server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What requests for paths that begin with `prefix` get from now on; the longest prefix counts, of equal ones the last.
    pub fn script(&self, prefix: &str, behaviour: Behaviour) {
        locked(&self.record.scripts).push((prefix.to_owned(), behaviour));
    }

    /// Every request whose head has arrived, in the order of their heads.
    pub fn requests(&self) -> Vec<Recorded> {
        locked(&self.record.requests).clone()
    }

    /// Waits until that many requests are complete, and returns all.
    ///
    /// # Panics
    /// They do not arrive within 10 seconds.
    pub fn wait_for_requests(&self, count: usize) -> Vec<Recorded> {
        self.wait_until(|requests| requests.iter().filter(|request| request.complete).count() >= count)
    }

    /// Waits until the requests, incomplete ones too, are as `arrived` wants them, and returns them.
    ///
    /// # Panics
    /// That does not happen within 10 seconds.
    pub fn wait_until(&self, arrived: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
        let requests = locked(&self.record.requests);
        let waited = self.record.changed.wait_timeout_while(requests, PATIENCE, |requests| !arrived(requests));
        let (requests, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{} requests arrived, but not what was waited for: {:?}", requests.len(), *requests);
        requests.clone()
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Recorded {
    /// The request line without its line end.
    pub fn request_line(&self) -> String {
        self.lines().next().unwrap_or_default()
    }

    /// The request's method.
    pub fn method(&self) -> String {
        self.request_line().split(' ').next().unwrap_or_default().to_owned()
    }

    /// The request's target as it was written: path and query.
    pub fn target(&self) -> String {
        self.request_line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The value of a header that is there once; `None` when there is none.
    ///
    /// # Panics
    /// It is there several times: a test that means that asks for [`Self::headers`].
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.headers(name);
        assert!(values.len() <= 1, "{name} is there several times: {values:?}");
        values.into_iter().next()
    }

    /// The values of all headers of that name, in order; the case of the name does not count.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let pairs =
            self.lines().skip(1).filter_map(|line| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())));
        pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The names of all headers as they were written, in order.
    pub fn header_names(&self) -> Vec<String> {
        self.lines().skip(1).filter_map(|line| line.split_once(':').map(|(name, _)| name.to_owned())).collect()
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let text = String::from_utf8_lossy(&self.head).into_owned();
        text.split("\r\n").map(str::to_owned).collect::<Vec<_>>().into_iter()
    }
}

impl Behaviour {
    fn of_path(path: &str) -> Self {
        let mut segments = path.rsplit('/');
        let (last, before) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        match (before, last) {
            ("status", status) => status.parse().map_or(Self::Describe, Self::Status),
            ("slow", delay) => {
                let ms = delay.strip_suffix("ms").and_then(|ms| ms.parse().ok());
                ms.map_or(Self::Describe, |ms| Self::Slow(Duration::from_millis(ms)))
            }
            (_, "chunked") => Self::Chunked,
            (_, "sse") => Self::Events,
            (_, "echo") => Self::Echo,
            (_, "204") => Self::Status(204),
            (_, "304") => Self::Status(304),
            (_, "close") => Self::Close,
            (_, "garbage") => Self::Garbage,
            (_, "reset-mid-body") => Self::ResetMidBody,
            (_, "hang") => Self::Hang,
            _ => Self::Describe,
        }
    }
}

impl Record {
    fn behaviour(&self, path: &str) -> Behaviour {
        let scripts = locked(&self.scripts);
        let fitting = scripts.iter().filter(|(prefix, _)| path.starts_with(prefix.as_str()));
        // Of equal ones `max_by_key` takes the last.
        fitting
            .max_by_key(|(prefix, _)| prefix.len())
            .map_or_else(|| Behaviour::of_path(path), |(_, behaviour)| behaviour.clone())
    }

    /// Writes a new request down and returns its place.
    fn begin(&self, head: &[u8], connection: usize) -> usize {
        let mut requests = locked(&self.requests);
        requests.push(Recorded { head: head.to_vec(), connection, ..Recorded::default() });
        self.changed.notify_all();
        requests.len() - 1
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut Recorded)) {
        change(&mut locked(&self.requests)[place]);
        self.changed.notify_all();
    }

    fn complete(&self, place: usize) -> Recorded {
        self.change(place, |request| request.complete = true);
        locked(&self.requests)[place].clone()
    }
}

/// A failed assertion elsewhere must not fail every later look at the record.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(listener: std::net::TcpListener, record: Arc<Record>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a socket");
        tokio::select! {
            () = accept(listener, record) => {}
            _ = stopped => {}
        }
    });
    // Dropping the runtime drops the connections' tasks, hanging ones included.
}

async fn accept(listener: TcpListener, record: Arc<Record>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = record.connections.fetch_add(1, Ordering::SeqCst);
        let record = Arc::clone(&record);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // An error here is a client that left, or one that a behaviour has thrown out.
            let _ = Connection { stream, buffer: Vec::new(), number, record }.serve().await;
        });
    }
}

struct Connection {
    stream: TcpStream,
    /// Received and not yet used: of a pipelined next request, too.
    buffer: Vec<u8>,
    number: usize,
    record: Arc<Record>,
}

impl Connection {
    async fn serve(mut self) -> io::Result<()> {
        while let Some(head) = self.read_head().await? {
            let place = self.record.begin(&head, self.number);
            let request = Recorded { head, ..Recorded::default() };
            self.read_body(place, &request).await?;
            let request = self.record.complete(place);
            let path = request.target().split('?').next().unwrap_or_default().to_owned();
            let keep = self.answer(&request, self.record.behaviour(&path)).await?;
            if !keep || asks_to_close(&request) {
                break;
            }
        }
        self.stream.shutdown().await
    }

    /// `None`: the client closed between two requests.
    async fn read_head(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.buffer.drain(..at + 4).collect()));
            }
            match self.read_more().await {
                Ok(()) => {}
                Err(_) if self.buffer.is_empty() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_body(&mut self, place: usize, request: &Recorded) -> io::Result<()> {
        let chunked = request.headers("transfer-encoding").iter().any(|coding| coding.to_ascii_lowercase().ends_with("chunked"));
        let length = request.headers("content-length").first().and_then(|length| length.parse().ok()).unwrap_or(0);
        if request.headers("expect").iter().any(|expectation| expectation.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        if chunked { self.read_chunks(place).await } else { self.read_exactly(place, length, true).await }
    }

    async fn read_chunks(&mut self, place: usize) -> io::Result<()> {
        loop {
            let line = self.read_line(place).await?;
            let digits = line.split([';', ' ']).next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            self.read_exactly(place, size, true).await?;
            self.read_exactly(place, 2, false).await?;
        }
        // Trailers, up to the empty line.
        while !self.read_line(place).await?.is_empty() {}
        Ok(())
    }

    /// Reads `left` bytes of the body, written down as they come; `content`: not chunk framing.
    async fn read_exactly(&mut self, place: usize, mut left: usize, content: bool) -> io::Result<()> {
        while left > 0 {
            if self.buffer.is_empty() {
                self.read_more().await?;
            }
            let bytes: Vec<u8> = self.buffer.drain(..left.min(self.buffer.len())).collect();
            left -= bytes.len();
            self.record.change(place, |request| {
                request.raw_body.extend_from_slice(&bytes);
                if content {
                    request.body.extend_from_slice(&bytes);
                }
            });
        }
        Ok(())
    }

    async fn read_line(&mut self, place: usize) -> io::Result<String> {
        let at = loop {
            match find(&self.buffer, b"\r\n") {
                Some(at) => break at,
                None => self.read_more().await?,
            }
        };
        let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
        self.record.change(place, |request| request.raw_body.extend_from_slice(&line));
        Ok(String::from_utf8_lossy(&line[..at]).into_owned())
    }

    /// # Errors
    /// Also when the client has closed.
    async fn read_more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Whether the connection can take another request.
    async fn answer(&mut self, request: &Recorded, behaviour: Behaviour) -> io::Result<bool> {
        match behaviour {
            Behaviour::Describe => self.write_whole(200, "application/json", &description(request), request).await?,
            Behaviour::Status(status) => self.write_whole(status, "application/json", &description(request), request).await?,
            Behaviour::Slow(delay) => {
                tokio::time::sleep(delay).await;
                self.write_whole(200, "application/json", &description(request), request).await?;
            }
            Behaviour::Chunked => self.write_parts("text/plain", &["one", "two", "three"], request).await?,
            Behaviour::Events => {
                self.write_parts("text/event-stream", &["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"], request).await?;
            }
            Behaviour::Echo => {
                let media_type = request.headers("content-type").join(", ");
                self.write_whole(200, &media_type, &request.body, request).await?;
            }
            Behaviour::Raw(bytes) => self.stream.write_all(&bytes).await?,
            Behaviour::Hang => future::pending().await,
            Behaviour::Close => return Ok(false),
            Behaviour::Garbage => {
                self.stream.write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n").await?;
                return Ok(false);
            }
            Behaviour::ResetMidBody => {
                self.stream
                    .write_all(format!("HTTP/1.1 200 OK\r\n{MARKS}Content-Length: 1000\r\n\r\nten bytes.").as_bytes())
                    .await?;
                // The bytes are to arrive before the reset throws away what is still under way.
                tokio::time::sleep(PART_INTERVAL).await;
                self.stream.set_zero_linger()?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(true)
    }

    async fn write_whole(&mut self, status: u16, media_type: &str, body: &[u8], request: &Recorded) -> io::Result<()> {
        let mut answer = format!("HTTP/1.1 {status} Upstream\r\n{MARKS}").into_bytes();
        // RFC 9110: 204 has no Content-Length (section 8.6), 204 and 304 have no body (15.3.5, 15.4.5).
        if status == 204 || status == 304 {
            answer.extend_from_slice(b"\r\n");
            return self.stream.write_all(&answer).await;
        }
        answer.extend_from_slice(format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
        if request.method() != "HEAD" {
            answer.extend_from_slice(body);
        }
        self.stream.write_all(&answer).await
    }

    async fn write_parts(&mut self, media_type: &str, parts: &[&str], request: &Recorded) -> io::Result<()> {
        let head = format!("HTTP/1.1 200 Upstream\r\n{MARKS}Content-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        if request.method() == "HEAD" {
            return Ok(());
        }
        for part in parts {
            self.stream.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).await?;
            tokio::time::sleep(PART_INTERVAL).await;
        }
        self.stream.write_all(b"0\r\n\r\n").await
    }
}

fn asks_to_close(request: &Recorded) -> bool {
    request
        .headers("connection")
        .iter()
        .any(|options| options.to_ascii_lowercase().split(',').any(|option| option.trim() == "close"))
}

fn description(request: &Recorded) -> Vec<u8> {
    serde_json::json!({ "upstream": true, "method": request.method(), "target": request.target() }).to_string().into_bytes()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
