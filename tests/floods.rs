//! Floods of HTTP/1: connections, slow heads, malformed heads, bad tokens, requests that are refused. Each costs little memory and
//! leaves others served. Those of HTTP/2 are in `h2_floods.rs`.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

use serde_json::json;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};
use support::{DEADLINE, LIMITLESS, World, beside_a_good_client, flood_time, request};

const LIST: &str = "/prod/api/incidents";
/// Connections that a flood asks on at a time.
const CONNECTIONS: usize = 50;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Whether an answer came, whole; the status that it has, and whether the connection goes on.
fn answer(stream: &mut TcpStream, space: &mut Vec<u8>) -> Option<(u16, bool)> {
    space.clear();
    let mut part = [0; 4096];
    loop {
        if let Some(head) = space.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&space[..head]).to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1)?.split('\r').next()?.parse::<usize>().ok()?;
            if space.len() >= head + 4 + length {
                return Some((text.get(9..12)?.parse().ok()?, !text.contains("connection: close")));
            }
        }
        match stream.read(&mut part) {
            Ok(count @ 1..) => space.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
}

/// Asks on many connections, each as soon as it has its answer, and connects again where the gateway has closed. How many answers
/// came, all of which must have one of these statuses.
fn ask_without_a_pause(address: SocketAddr, bytes: &[u8], statuses: &[u16]) -> usize {
    let end = Instant::now() + flood_time();
    let (mut answers, mut space) = (0, Vec::new());
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    while Instant::now() < end {
        for client in &mut clients {
            if client.write_all(bytes).is_err() {
                *client = connect(address);
            }
        }
        for client in &mut clients {
            let came = answer(client, &mut space);
            if let Some((status, _)) = came {
                assert!(statuses.contains(&status), "{}", String::from_utf8_lossy(&space));
                answers += 1;
            }
            if !came.is_some_and(|(_, goes_on)| goes_on) {
                *client = connect(address);
            }
        }
    }
    answers
}

/// A flood of this request.
fn check(name: &str, world: &World, bytes: &[u8], statuses: &[u16]) {
    let address = world.gateway.address();
    let answers = beside_a_good_client(name, world, "requests", || {
        let answers = ask_without_a_pause(address, bytes, statuses);
        (answers, answers)
    });
    assert!(answers > 0, "{name}");
}

fn limitless() -> World {
    World::with(|setup| setup.with(LIMITLESS))
}

#[test]
fn unknown_places() {
    check("404", &limitless(), &request("GET", "/elsewhere", &[], b""), &[404]);
}

#[test]
fn no_token_and_bad_tokens() {
    let world = limitless();
    check("401 without a token", &world, &request("GET", LIST, &[], b""), &[401]);
    let (good, _) = world.bearer.rsplit_once('.').unwrap();
    let forged = format!("{good}.{}", "A".repeat(342));
    check("401, forged signatures", &world, &request("GET", LIST, &[("Authorization", &forged)], b""), &[401]);
    let users = "[limits]\nglobal = { rate = 1000000, burst = 1000000 }\nper_user = { rate = 1000000, burst = 1000000 }";
    let world = World::with(|setup| setup.with(users));
    check("401, then 429 of the address", &world, &request("GET", LIST, &[], b""), &[401, 429]);
}

#[test]
fn a_user_over_the_limit() {
    let plan = "[[limits.plans]]\nname = \"slow\"\ngroups = [\"flood\"]\nper_user = { rate = 1, burst = 1 }";
    let world = World::with(|setup| setup.with(&format!("{LIMITLESS}\n\n{plan}")));
    let eve = world.issuer.token(|claims| {
        claims["sub"] = json!("eve");
        claims["cognito:groups"] = json!(["flood"]);
    });
    let bytes = request("GET", LIST, &[("Authorization", &format!("Bearer {eve}"))], b"");
    check("429 of a user", &world, &bytes, &[200, 429]);
}

#[test]
fn malformed_heads() {
    let world = limitless();
    check("400, a bare LF", &world, b"GET / HTTP/1.1\nHost: a\r\n\r\n", &[400]);
    check("400, two lengths", &world, &request("POST", LIST, &[("Content-Length", "1"), ("Content-Length", "2")], b""), &[400]);
    check("400, a path read differently", &world, &request("GET", "/prod/api/a/%2e%2e/b", &[], b""), &[400]);
    check("431", &world, &request("GET", LIST, &[("X", &"x".repeat(40_000))], b""), &[431]);
}

#[test]
fn requests_sent_at_once() {
    let world = limitless();
    let address = world.gateway.address();
    let many = request("GET", "/elsewhere", &[], b"").repeat(200);
    beside_a_good_client("404, 200 sent at once", &world, "requests", || {
        let end = Instant::now() + flood_time();
        let (mut answers, mut space) = (0, vec![0; 1 << 16]);
        while Instant::now() < end {
            let mut client = connect(address);
            client.write_all(&many).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            while let Ok(count @ 1..) = client.read(&mut space) {
                answers += space[..count].windows(13).filter(|part| part.starts_with(b"HTTP/1.1 404 ")).count();
            }
        }
        ((), answers)
    });
}

#[test]
fn connections_that_come_and_go() {
    let world = limitless();
    let address = world.gateway.address();
    beside_a_good_client("connections without a word", &world, "connections", || {
        let (end, mut count) = (Instant::now() + flood_time(), 0);
        while Instant::now() < end {
            // A reset, so that no port of the client's waits for its time.
            let socket = TcpStream::connect(address).unwrap();
            rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
            count += 1;
        }
        ((), count)
    });
    check("connections, one request each", &world, &request("GET", "/ping", &[("Connection", "close")], b""), &[200]);
}

#[test]
fn connections_past_the_bound() {
    let world = World::with(|setup| setup.with(LIMITLESS).with("[bounds]\nconnections = 100\nconnections_per_address = 100"));
    let address = world.gateway.address();
    beside_a_good_client("connections past the bound", &world, "connections", || {
        let _held: Vec<TcpStream> = (0..90).map(|_| connect(address)).collect();
        let (end, mut count, mut held) = (Instant::now() + flood_time(), 0, std::collections::VecDeque::new());
        while Instant::now() < end {
            held.push_back(connect(address));
            count += 1;
            if held.len() > 200 {
                held.pop_front();
            }
        }
        ((), count)
    });
}

/// So many connections that begin alike, and then bring a piece of the rest in each pause; how many pieces.
fn trickle(address: SocketAddr, connections: usize, begin: &[u8], piece: &[u8], pause: Duration) -> usize {
    let mut slow: Vec<TcpStream> = (0..connections).map(|_| connect(address)).collect();
    let (end, mut count) = (Instant::now() + flood_time(), 0);
    for stream in &mut slow {
        stream.write_all(begin).unwrap();
    }
    while Instant::now() < end {
        let next = Instant::now() + pause;
        for stream in &mut slow {
            stream.write_all(piece).unwrap();
            count += 1;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    count
}

const MANY: &str = "[bounds]\nheader_timeout = \"60s\"\nconnections = 5000\nconnections_per_address = 5000";

#[test]
fn slow_heads() {
    let world = World::with(|setup| setup.with(LIMITLESS).with(MANY));
    let address = world.gateway.address();
    beside_a_good_client("1,000 heads, a byte each 10 ms", &world, "bytes", || {
        ((), trickle(address, 1_000, b"GET / HTTP/1.1\r\nX: ", b"x", Duration::from_millis(10)))
    });
}

#[test]
fn slow_bodies() {
    let world = World::with(|setup| setup.with(LIMITLESS).with(MANY));
    let address = world.gateway.address();
    let head = format!(
        "POST {LIST} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        world.bearer
    );
    beside_a_good_client("500 bodies, a chunk of one byte each 100 ms", &world, "chunks", || {
        ((), trickle(address, 500, head.as_bytes(), b"1\r\n \r\n", Duration::from_millis(100)))
    });
}
