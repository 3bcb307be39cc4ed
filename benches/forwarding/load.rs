//! The load: a fixed number of requests over 64 connections that are kept, each waiting for its answer.

use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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
    let mut buffer = vec![0u8; 16 * 1024];
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).await.expect("the proxy reads");
        let status = read_answer(&mut stream, &mut buffer).await;
        // The limit that refuses lets one request a second through.
        let let_through = expected == 429 && status == 200;
        assert!(status == expected || let_through, "answered {status}, not {expected}");
    }
}

/// Reads one answer with a Content-Length; gives its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> u16 {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.expect("the proxy answers");
        assert_ne!(read, 0, "the connection is kept");
        filled += read;
        if let Some((status, length)) = whole(&buffer[..filled]) {
            assert_eq!(length, filled, "one answer for one request");
            return status;
        }
    }
}

/// Status and length of the answer, once all of it is there.
fn whole(bytes: &[u8]) -> Option<(u16, usize)> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (bytes.len() >= head_end + length).then_some((status, head_end + length))
}
