//! Requests as fast as they are answered, over connections that are kept; and an upstream that answers all of them.
//!
//! Every answer is kept with the moments at which its request was sent and it had come: what a limiter must have done follows
//! from these, however slow the machine is.

use crate::support;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    time::timeout,
};

/// One answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub status: u16,
    pub sent: Instant,
    pub came: Instant,
}

/// What one connection asks, again and again.
#[derive(Clone)]
pub struct Asking {
    /// The whole request of one user after another.
    pub requests: Vec<String>,
    /// Between two requests.
    pub pause: Duration,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// All connections at once for so long; the answers of each, in their order.
pub fn ask(address: SocketAddr, connections: Vec<Asking>, duration: Duration) -> Vec<Vec<Answer>> {
    runtime().block_on(async {
        let end = Instant::now() + duration;
        let tasks: Vec<_> = connections.into_iter().map(|asking| tokio::spawn(converse(address, asking, end))).collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.expect("every request is answered"));
        }
        answers
    })
}

async fn converse(address: SocketAddr, asking: Asking, end: Instant) -> Vec<Answer> {
    let mut stream = TcpStream::connect(address).await.expect("the gateway accepts");
    stream.set_nodelay(true).expect("a TCP socket");
    let (mut answers, mut buffer) = (Vec::new(), Vec::new());
    for (turn, request) in asking.requests.iter().cycle().enumerate() {
        let sent = Instant::now();
        // Each request is made once at least, however slow the machine is.
        if sent >= end && turn >= asking.requests.len() {
            break;
        }
        stream.write_all(request.as_bytes()).await.expect("the gateway reads");
        let answer = timeout(support::DEADLINE, support::read_answer(&mut stream, &mut buffer)).await;
        answers.push(Answer { status: answer.expect("an answer in time"), sent, came: Instant::now() });
        if !asking.pause.is_zero() {
            tokio::time::sleep(asking.pause).await;
        }
    }
    answers
}

/// Counts what it answers.
pub struct Upstream {
    pub address: SocketAddr,
    answered: Arc<AtomicU64>,
}

impl Upstream {
    pub fn start() -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let upstream = Self { address: listener.local_addr().expect("bound"), answered: Arc::default() };
        let answered = Arc::clone(&upstream.answered);
        thread::spawn(move || {
            runtime.block_on(async {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&answered)));
                }
            });
        });
        upstream
    }

    pub fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }
}

/// Requests without bodies.
async fn serve(mut stream: TcpStream, answered: Arc<AtomicU64>) {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            answered.fetch_add(1, Relaxed);
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.is_err() {
                return;
            }
        }
    }
}
