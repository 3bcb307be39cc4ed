//! An upstream that records exactly what reaches it and answers as the test scripts it, byte by byte if need be.
//!
//! Unscripted it answers 200 with `{"ok":true}`, and `/api/v1/status/NNN` with status NNN.
use super::DEADLINE;
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Where nobody listens: a reserved port, so that no other test can be given it.
pub const NOBODY: &str = "127.0.0.1:1";

/// A request head as it came. Where no request should have begun, `method` is what came instead and `target` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

/// A request as far as it has been read.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub head: Head,
    pub body: Vec<u8>,
    /// The whole body came.
    pub complete: bool,
    /// The connection ended before the body did.
    pub aborted: bool,
    /// Counts connections from 0.
    pub connection: usize,
}

/// A running upstream.
pub struct Backend {
    address: SocketAddr,
    record: Record,
}

#[derive(Clone, Default)]
struct Record(Arc<(Mutex<Vec<Seen>>, Condvar)>);

/// One request being answered by a script.
pub struct Call {
    pub head: Head,
    stream: BufReader<TcpStream>,
    record: Record,
    index: usize,
    keep: bool,
}

impl Backend {
    /// Answers as the file's comment says.
    pub fn start() -> Self {
        Self::scripted(Call::answer_by_path)
    }

    /// Answers every request with these bytes.
    pub fn answering(response: &str) -> Self {
        let response = response.to_owned();
        Self::scripted(move |call| {
            call.read_body();
            call.send(response.as_bytes());
        })
    }

    /// Runs `script` for each request.
    pub fn scripted(script: impl Fn(&mut Call) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let backend = Self { address: listener.local_addr().unwrap(), record: Record::default() };
        let (record, script) = (backend.record.clone(), Arc::new(script));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (Ok(stream), record, script) = (stream, record.clone(), script.clone()) else { continue };
                thread::spawn(move || serve(stream, connection, &record, &*script));
            }
        });
        backend
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.record.lock(Clone::clone)
    }

    /// The last request that came.
    pub fn last(&self) -> Seen {
        self.record.lock(|seen| seen.last().cloned()).expect("a request has reached the upstream")
    }

    /// The first request that `wanted` holds for, now or later.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        self.wait_all(what, |seen| seen.iter().find(|request| wanted(request)).cloned())
    }

    /// Waits until so many requests for this target have come.
    pub fn wait_count(&self, target: &str, count: usize) {
        let arrived = |seen: &[Seen]| seen.iter().filter(|request| request.head.target == target).count();
        self.wait_all(&format!("request {count} for {target}"), |seen| (arrived(seen) >= count).then_some(()));
    }

    /// Waits until so many requests have come.
    pub fn wait_total(&self, count: usize) {
        self.wait_all(&format!("request {count}"), |seen| (seen.len() >= count).then_some(()));
    }

    fn wait_all<T>(&self, what: &str, find: impl Fn(&[Seen]) -> Option<T>) -> T {
        let (mutex, changed) = &*self.record.0;
        let end = Instant::now() + DEADLINE;
        let mut seen = mutex.lock().unwrap();
        loop {
            if let Some(found) = find(&seen) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not reach the upstream; seen: {:?}", *seen);
            seen = changed.wait_timeout(seen, left).unwrap().0;
        }
    }
}

fn serve(stream: TcpStream, connection: usize, record: &Record, script: &dyn Fn(&mut Call)) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream) {
        let index = record.change(|seen| {
            seen.push(Seen { head: head.clone(), connection, ..Seen::default() });
            seen.len() - 1
        });
        let mut call = Call { head, stream, record: record.clone(), index, keep: true };
        script(&mut call);
        if !call.keep {
            return;
        }
        stream = call.stream;
    }
}

fn read_head(stream: &mut BufReader<TcpStream>) -> Option<Head> {
    let line = read_line(stream)?;
    let (method, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let target = rest.strip_suffix(" HTTP/1.1").unwrap_or_default();
    let mut head = Head { method: method.to_owned(), target: target.to_owned(), headers: Vec::new() };
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            return Some(head);
        }
        let (name, value) = line.split_once(':')?;
        head.headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).ok()?;
    Some(String::from_utf8_lossy(&line).strip_suffix("\r\n")?.to_owned())
}

impl Head {
    /// Every value of a header, by its exact name apart from case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// A header that came exactly once.
    pub fn only(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref values => panic!("{name} must reach the upstream once, not {values:?}: {self:?}"),
        }
    }

    fn is_chunked(&self) -> bool {
        self.all("transfer-encoding").iter().any(|coding| coding.eq_ignore_ascii_case("chunked"))
    }
}

impl Call {
    /// Sends these bytes; the gateway may have gone.
    pub fn send(&mut self, bytes: &[u8]) {
        self.keep &= self.stream.get_mut().write_all(bytes).is_ok();
    }

    /// Sends a response with a length.
    pub fn answer(&mut self, status: u16, headers: &str, body: &str) {
        self.send(format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    /// Reads the request's body to its end.
    pub fn read_body(&mut self) {
        if self.head.is_chunked() {
            while self.read_piece() {}
        } else {
            let length = self.head.all("content-length").first().and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = Vec::new();
            // After a reset what came before it is there.
            let _ = (&mut self.stream).take(length).read_to_end(&mut body);
            if (body.len() as u64) < length {
                self.note_abort();
            }
            self.note(|seen| seen.body = body);
        }
        self.note(|seen| seen.complete = !seen.aborted);
    }

    /// Keeps nothing of this request but its first line and whether there was a body: for tests that make load.
    pub fn forget(&self) {
        self.note(|seen| {
            seen.head.headers = Vec::new();
            seen.body = seen.body.first().copied().into_iter().collect();
        });
    }

    /// Reads one chunk; false at the end of the body or of the connection.
    pub fn read_piece(&mut self) -> bool {
        let size = read_line(&mut self.stream).and_then(|line| usize::from_str_radix(&line, 16).ok());
        let Some(size) = size else {
            self.note_abort();
            return false;
        };
        let mut chunk = vec![0; size + 2];
        if self.stream.read_exact(&mut chunk).is_err() {
            self.note_abort();
            return false;
        }
        self.note(|seen| seen.body.extend(&chunk[..size]));
        size > 0
    }

    /// The next bytes behind the head, whatever they are; `None` at their end.
    pub fn read_some(&mut self) -> Option<Vec<u8>> {
        let bytes = self.stream.fill_buf().ok()?.to_vec();
        self.stream.consume(bytes.len());
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Does nothing for so long, or until the gateway leaves or sends something.
    pub fn pause(&mut self, pause: Duration) {
        self.stream.get_ref().set_read_timeout(Some(pause)).unwrap();
        let _ = self.stream.get_ref().peek(&mut [0]);
        self.stream.get_ref().set_read_timeout(None).unwrap();
    }

    /// Answers nothing until the gateway gives up, and notes that.
    pub fn hang(&mut self) {
        let mut rest = [0; 4096];
        while self.stream.read(&mut rest).is_ok_and(|read| read > 0) {}
        self.note_abort();
    }

    /// Sends one byte in each pause until the gateway gives up, and notes that.
    pub fn drip(&mut self, pause: Duration) {
        self.send_again(b" ", pause);
    }

    /// Sends a text again and again, so many bytes of it, or until the gateway does not want them any more.
    pub fn send_much(&mut self, again: &[u8], bytes: usize) {
        let block = again.repeat((1 << 20) / again.len());
        for _ in 0..bytes / block.len() {
            self.send(&block);
            if !self.keep {
                return self.note_abort();
            }
        }
    }

    /// Sends a text once in each pause until the gateway does not want it any more, and notes that.
    pub fn send_again(&mut self, again: &[u8], pause: Duration) {
        self.stream.get_ref().set_read_timeout(Some(pause.max(Duration::from_micros(1)))).unwrap();
        // Nothing comes: reading is the pause, and sees the end at once.
        while self.keep && matches!(self.stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock) {
            self.send(again);
        }
        self.note_abort();
    }

    /// Ends the connection after this request.
    pub fn close(&mut self) {
        self.keep = false;
    }

    fn answer_by_path(&mut self) {
        self.read_body();
        let status = self.head.target.split('?').next().and_then(|path| path.strip_prefix("/api/v1/status/")?.parse().ok());
        match (status.unwrap_or(200), self.head.method.as_str()) {
            (204, _) => self.send(b"HTTP/1.1 204 No Content\r\n\r\n"),
            (304, _) => self.send(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
            (status, "HEAD") => {
                self.send(
                    format!("HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n")
                        .as_bytes(),
                );
            }
            (status, _) => self.answer(status, "Content-Type: application/json\r\n", "{\"ok\":true}"),
        }
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.record.change(|seen| change(&mut seen[self.index]));
    }

    fn note_abort(&mut self) {
        self.keep = false;
        self.note(|seen| seen.aborted = true);
    }
}

impl Record {
    fn lock<T>(&self, read: impl FnOnce(&Vec<Seen>) -> T) -> T {
        read(&self.0.0.lock().unwrap())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Seen>) -> T) -> T {
        let result = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }
}

/// Holds scripts back until the test lets them go on.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Waits for `open`.
    pub fn wait(&self) {
        self.wait_for(DEADLINE);
    }

    /// Waits for `open`, for so long.
    pub fn wait_for(&self, patience: Duration) {
        let (open, changed) = &*self.0;
        let guard = open.lock().unwrap();
        drop(changed.wait_timeout_while(guard, patience, |open| !*open).unwrap());
    }

    /// Lets everybody through, from now on.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
