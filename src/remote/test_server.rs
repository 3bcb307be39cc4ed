//! A small HTTP server on 127.0.0.1 that answers as told, badly where told so, and keeps what it was asked.
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

#[derive(Clone)]
pub(super) enum Answer {
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// A head, then one byte a millisecond.
    Drip,
    /// Nothing until the semaphore has a permit, then the bytes.
    Held(Arc<Semaphore>, Vec<u8>),
}

impl Answer {
    pub(super) fn ok(body: &str) -> Self {
        Self::with_status("200 OK", body)
    }

    pub(super) fn with_status(status: &str, body: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    heads: Mutex<Vec<String>>,
}

impl Server {
    /// Serves on the current runtime until that ends.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self { address: listener.local_addr().expect("an address"), shared: Arc::default() };
        let shared = Arc::clone(&server.shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on `path` is answered so.
    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().expect("a lock").insert(path.to_owned(), answer);
    }

    /// The heads of all requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().expect("a lock").clone()
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    shared.heads.lock().expect("a lock").push(head);
    let answer = shared.answers.lock().expect("a lock").get(&path).cloned();
    match answer.unwrap_or_else(|| Answer::with_status("404 Not Found", "")) {
        Answer::Raw(bytes) => drop(stream.write_all(&bytes).await),
        Answer::Drip => drip(stream).await,
        Answer::Held(permits, bytes) => {
            let _permit = permits.acquire().await;
            drop(stream.write_all(&bytes).await);
        }
    }
}

async fn drip(mut stream: TcpStream) {
    let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n").await;
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    while sent.is_ok() {
        pace.tick().await;
        sent = stream.write_all(b" ").await;
    }
}

/// A path for a file of one test, removed with it.
pub(super) struct ScratchFile(PathBuf);

impl ScratchFile {
    pub(super) fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("stackflow-gateway-{}-{count}-{name}", std::process::id())))
    }

    pub(super) fn containing(name: &str, text: &str) -> Self {
        let file = Self::new(name);
        file.write(text);
        file
    }

    pub(super) fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("a file");
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
