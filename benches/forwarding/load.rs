//! The load: a fixed number of requests over 64 connections that are kept, each waiting for its answer.

use crate::support;
use std::{net::SocketAddr, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Connections at a time.
const CONNECTIONS: usize = 64;

/// One round against one proxy.
pub struct Load {
    /// The proxy.
    pub address: SocketAddr,
    /// One whole request.
    pub request: String,
    /// How many.
    pub requests: usize,
    /// The status that each answer must have.
    pub expected: u16,
}

impl Load {
    /// Runs the round and tells how long it took.
    pub fn run(self) -> Duration {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let began = std::time::Instant::now();
            let each = self.requests.div_ceil(CONNECTIONS);
            let tasks: Vec<_> = (0..CONNECTIONS)
                .map(|_| tokio::spawn(converse(self.address, self.request.clone(), each, self.expected)))
                .collect();
            for task in tasks {
                task.await.expect("every answer has the expected status");
            }
            began.elapsed()
        })
    }
}

async fn converse(address: SocketAddr, request: String, requests: usize, expected: u16) {
    let mut stream = TcpStream::connect(address).await.expect("the proxy accepts");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut buffer = Vec::with_capacity(16 * 1024);
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).await.expect("the proxy reads");
        let status = support::read_answer(&mut stream, &mut buffer).await;
        // The limit that refuses lets one request a second through.
        let let_through = expected == 429 && status == 200;
        assert!(status == expected || let_through, "answered {status}, not {expected}");
    }
}
