//! The recording upstream itself: other tests trust what it says, so it must not be wrong.

#[path = "support/upstream.rs"]
mod upstream;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};
use upstream::{Behaviour, MARKS, Upstream};

fn connect(upstream: &Upstream) -> TcpStream {
    let stream = TcpStream::connect(upstream.address()).expect("the upstream listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    stream
}

/// Sends `request` on a new connection and reads until the upstream closes it.
fn exchange(upstream: &Upstream, request: &str) -> String {
    let mut stream = connect(upstream);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("closed in order");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(upstream: &Upstream, path: &str) -> String {
    exchange(upstream, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

fn check(path: &str, status_line: &str, body: &str) {
    let answer = get(&Upstream::start(), path);
    let (head, received) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with(&format!("{status_line}\r\n{}", MARKS.trim_end())), "{head}");
    assert_eq!(received, body);
}

#[test]
fn close_sends_no_byte() {
    assert_eq!(get(&Upstream::start(), "/api/v1/close"), "");
}

#[test]
fn garbage_is_not_http() {
    assert!(!get(&Upstream::start(), "/api/v1/garbage").starts_with("HTTP/"));
}

#[test]
fn a_reset_comes_after_ten_bytes_of_the_body() {
    let upstream = Upstream::start();
    let mut stream = connect(&upstream);
    stream.write_all(b"GET /api/v1/reset-mid-body HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(answer.ends_with(b"Content-Length: 1000\r\n\r\nten bytes."));
}

#[test]
fn what_hangs_ends_with_the_upstream() {
    let upstream = Upstream::start();
    let mut stream = connect(&upstream);
    stream.write_all(b"GET /api/v1/hang HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    assert_eq!(upstream.wait_for_requests(1)[0].target(), "/api/v1/hang");
    drop(upstream);
    assert_eq!(stream.read(&mut [0]).expect("closed"), 0);
}

#[test]
fn any_other_path_is_described() {
    check(
        "/api/v1/incidents?limit=2",
        "HTTP/1.1 200 Upstream",
        r#"{"method":"GET","target":"/api/v1/incidents?limit=2","upstream":true}"#,
    );
}

#[test]
fn the_path_chooses_the_status() {
    check("/api/v1/status/503", "HTTP/1.1 503 Upstream", r#"{"method":"GET","target":"/api/v1/status/503","upstream":true}"#);
    check("/api/v1/204", "HTTP/1.1 204 Upstream", "");
    check("/api/v1/304", "HTTP/1.1 304 Upstream", "");
}

#[test]
fn a_slow_answer_is_whole() {
    check("/api/v1/slow/5ms", "HTTP/1.1 200 Upstream", r#"{"method":"GET","target":"/api/v1/slow/5ms","upstream":true}"#);
}

#[test]
fn chunks_and_events_come_in_three_parts() {
    check("/api/v1/chunked", "HTTP/1.1 200 Upstream", "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
    check("/sse", "HTTP/1.1 200 Upstream", "9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n9\r\ndata: 3\n\n\r\n0\r\n\r\n");
}

#[test]
fn head_has_a_length_and_no_body() {
    let answer = exchange(&Upstream::start(), "HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("Content-Length: 47\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn the_head_is_recorded_to_the_byte() {
    let upstream = Upstream::start();
    let head = "GET /a?b=%2F HTTP/1.1\r\nhOST: a\r\nX-Twice: 1\r\nx-twice:2\r\nConnection: Close\r\n\r\n";
    exchange(&upstream, head);
    let request = &upstream.requests()[0];
    assert_eq!(request.head, head.as_bytes());
    assert_eq!((request.method(), request.target()), ("GET".into(), "/a?b=%2F".into()));
    assert_eq!((request.header("Host"), request.header("absent")), (Some("a".into()), None));
    assert_eq!((request.headers("X-TWICE"), request.header_names().len()), (vec!["1".to_owned(), "2".into()], 4));
}

#[test]
#[should_panic(expected = "several times")]
fn a_header_that_is_there_twice_is_not_one() {
    let upstream = Upstream::start();
    exchange(&upstream, "GET / HTTP/1.1\r\nA: 1\r\nA: 2\r\nConnection: close\r\n\r\n");
    upstream.requests()[0].header("a");
}

#[test]
fn a_chunked_body_is_recorded_with_and_without_its_framing() {
    let upstream = Upstream::start();
    let body = "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
    let head = "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: text/x\r\nConnection: close\r\n\r\n";
    let answer = exchange(&upstream, &format!("{head}{body}"));
    assert!(answer.contains("Content-Type: text/x\r\n") && answer.ends_with("\r\n\r\nabcde"), "{answer}");
    let request = &upstream.requests()[0];
    assert_eq!((request.body.as_slice(), request.raw_body.as_slice(), request.complete), (&b"abcde"[..], body.as_bytes(), true));
}

#[test]
fn a_head_that_breaks_off_is_no_request() {
    let upstream = Upstream::start();
    assert_eq!(exchange_half(&upstream, "GET / HTTP/1.1\r\nHos"), "");
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_body_is_seen_while_it_arrives() {
    let upstream = Upstream::start();
    let mut stream = connect(&upstream);
    stream.write_all(b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc").expect("sent");
    let requests = upstream.wait_until(|requests| requests.first().is_some_and(|request| request.body == b"abc"));
    assert!(!requests[0].complete);
}

#[test]
fn a_body_that_breaks_off_is_recorded_as_incomplete() {
    let upstream = Upstream::start();
    assert_eq!(exchange_half(&upstream, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc"), "");
    let request = &upstream.requests()[0];
    assert_eq!((request.body.as_slice(), request.complete), (&b"abc"[..], false));
}

/// As [`exchange`], but says that nothing more will come.
fn exchange_half(upstream: &Upstream, request: &str) -> String {
    let mut stream = connect(upstream);
    stream.write_all(request.as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("closed in order");
    answer
}

#[test]
fn an_expectation_is_answered_before_the_body() {
    let upstream = Upstream::start();
    let mut stream = connect(&upstream);
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("an interim answer");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("closed in order");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[test]
fn a_connection_takes_request_after_request() {
    let upstream = Upstream::start();
    let first = "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
    let answer = exchange(&upstream, &format!("{first}GET /204 HTTP/1.1\r\n\r\nGET /304 HTTP/1.1\r\nConnection: close\r\n\r\n"));
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 3, "{answer}");
    get(&upstream, "/");
    assert_eq!(upstream.connections(), 2);
    assert_eq!(upstream.requests().iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0, 0, 1]);
}

#[test]
fn the_longest_and_latest_script_counts() {
    let upstream = Upstream::start();
    upstream.script("/api/v1/incidents", Behaviour::Status(500));
    upstream.script("/api", Behaviour::Status(501));
    upstream.script("/api/v1/incidents", Behaviour::Raw(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n".to_vec()));
    assert!(get(&upstream, "/api/v1/incidents/1").starts_with("HTTP/1.1 418 "));
    assert!(get(&upstream, "/api/v1/changes").starts_with("HTTP/1.1 501 "));
    assert!(get(&upstream, "/other/204").starts_with("HTTP/1.1 204 "));
}
