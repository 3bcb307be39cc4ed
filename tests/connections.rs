//! Connections: how long they may take over what, how many there may be, and what becomes of the others meanwhile.
mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};
use support::{Client, JSON, World, assert_decorated, assert_shared_with};

const LIST: &str = "/prod/api/incidents";
const ORIGIN: &str = "https://console.stackflow-tech.com";

/// A world with these bounds.
fn world(bounds: &str) -> World {
    World::with(|setup| setup.with(&format!("[bounds]\n{bounds}")))
}

/// Reads to the end of the connection; what came.
fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

fn connect(world: &World) -> TcpStream {
    let stream = TcpStream::connect(world.gateway.address()).expect("it listens");
    stream.set_read_timeout(Some(support::DEADLINE)).expect("a time");
    stream
}

/// How long one of so many requests takes.
fn median_of(count: usize, world: &World, client: &mut Client) -> Duration {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(world.ask_on(client, "GET", LIST, &[], b"").status, 200);
            began.elapsed()
        })
        .collect();
    times.sort();
    times[count / 2]
}

#[test]
fn a_head_that_does_not_come_to_its_end_is_408_like_all_answers() {
    let world = world("header_timeout = \"300ms\"");
    let mut client = world.gateway.connect();
    client.send(
        format!("GET {LIST} HTTP/1.1\r\nHost: a\r\nOrigin: {ORIGIN}\r\nX-Request-Id: slow\r\nAuthorization: Bea").as_bytes(),
    );
    let response = client.read_response("GET");
    assert_eq!((response.status, response.json()["code"].as_str()), (408, Some("request_timeout")));
    assert_decorated("a slow head", &response);
    assert_shared_with("a slow head", Some(ORIGIN), &response);
    assert_eq!((response.only("X-Request-Id"), response.only("Connection")), ("slow", "close"));
    assert!(client.is_closed());
    let line =
        world.gateway.stdout.wait("its line", support::DEADLINE, |line| line.contains("\"slow\"").then(|| line.to_owned()));
    assert!(line.contains("\"reason\":\"request_timeout\"") && line.contains(&format!("\"path\":\"{LIST}\"")), "{line}");
    assert!(world.backend.requests().is_empty());
}

#[test]
fn a_head_has_one_time_for_all_of_it_however_often_a_byte_comes() {
    let world = world("header_timeout = \"300ms\"");
    let mut stream = connect(&world);
    stream.set_nodelay(true).unwrap();
    let began = Instant::now();
    // Ends by itself after ten seconds at the latest.
    let sent = (0..200).take_while(|_| {
        thread::sleep(Duration::from_millis(50));
        stream.write_all(b"a").is_ok()
    });
    let count = sent.count();
    assert!(count < 200 && began.elapsed() >= Duration::from_millis(300), "{count} bytes in {:?}", began.elapsed());
}

#[test]
fn a_body_that_trickles_is_408_though_each_byte_is_in_time() {
    let world = world("body_timeout = \"300ms\"");
    for framing in ["Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
        let mut client = world.gateway.connect();
        let head =
            format!("POST {LIST} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Type: application/json\r\n", world.bearer);
        client.send(format!("{head}{framing}").as_bytes());
        let piece: &[u8] = if framing.starts_with('T') { b"1\r\n \r\n" } else { b" " };
        // Ends by itself after ten seconds at the latest.
        let pieces = (0..200).take_while(|_| {
            thread::sleep(Duration::from_millis(50));
            client.try_send(piece) && world.gateway.metric("stackflow_gateway_requests_in_flight") > 0.0
        });
        assert!(pieces.count() < 200);
        let response = client.read_response("POST");
        assert_eq!((response.status, response.json()["code"].as_str()), (408, Some("request_timeout")), "{framing}");
    }
    world.gateway.poll("the end of both at the upstream, without their ends", || {
        let requests = world.backend.requests();
        (requests.len() == 2 && requests.iter().all(|request| request.aborted)).then_some(())
    });
}

#[test]
fn what_is_no_request_gets_a_bare_400() {
    let world = world("header_timeout = \"300ms\"");
    for garbage in
        [&b"GET /\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"SSH-2.0-OpenSSH\r\n", b"G", b"\n"]
    {
        let mut stream = connect(&world);
        stream.write_all(garbage).unwrap();
        let answer = read_all(&mut stream);
        assert_eq!(answer, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "{garbage:?}");
    }
}

#[test]
fn a_connection_without_a_request_is_closed_in_silence() {
    let world = world("idle_timeout = \"300ms\"");
    assert_eq!(read_all(&mut connect(&world)), "");
    let mut client = world.gateway.connect();
    for _ in 0..2 {
        assert_eq!(world.ask_on(&mut client, "GET", LIST, &[], b"").status, 200);
    }
    assert!(client.is_closed());
}

#[test]
fn a_thousand_slow_clients_delay_nobody() {
    let world = world("header_timeout = \"60s\"\nconnections = 5000\nconnections_per_address = 5000");
    let slow: Vec<TcpStream> = (0..1000)
        .map(|number| {
            let mut stream = connect(&world);
            let beginning: &[u8] = if number % 2 == 0 { b"GET /prod/api/incidents HTTP/1.1\r\nHost: a\r\nX: " } else { b"" };
            stream.write_all(beginning).unwrap();
            stream
        })
        .collect();
    world.gateway.poll("all of them", || (world.gateway.metric("stackflow_gateway_connections") >= 1000.0).then_some(()));
    let mut client = world.gateway.connect();
    let median = median_of(100, &world, &mut client);
    assert!(median < Duration::from_millis(100), "{median:?}");
    drop(slow);
}

#[test]
fn above_the_bound_a_connection_is_told_so_and_the_established_go_on() {
    let world = world("connections = 2\nconnections_per_address = 2");
    let mut established = [world.gateway.connect(), world.gateway.connect()];
    for client in &mut established {
        assert_eq!(world.ask_on(client, "GET", LIST, &[], b"").status, 200);
    }
    let mut third = world.gateway.connect();
    let response = world.ask_on(&mut third, "POST", LIST, &[JSON, ("Origin", ORIGIN)], b"{}");
    assert_eq!((response.status, response.json()["code"].as_str()), (503, Some("overloaded")));
    assert_decorated("one too many", &response);
    assert_shared_with("one too many", Some(ORIGIN), &response);
    assert_eq!((response.only("Retry-After"), response.only("Connection")), ("1", "close"));
    assert!(third.is_closed());
    for client in &mut established {
        assert_eq!(world.ask_on(client, "GET", LIST, &[], b"").status, 200);
    }
    assert!(world.gateway.metric("stackflow_gateway_connections_refused_total") >= 1.0);
    let [first, _second] = established;
    drop(first);
    world.gateway.poll("room again", || (world.get(LIST).status == 200).then_some(()));
}

#[test]
fn one_address_does_not_get_all_connections() {
    let world = world("connections = 100\nconnections_per_address = 1");
    let mut first = world.gateway.connect();
    assert_eq!(world.ask_on(&mut first, "GET", LIST, &[], b"").status, 200);
    assert_eq!(world.get(LIST).status, 503);
    assert_eq!(world.ask_on(&mut first, "GET", LIST, &[], b"").status, 200);
}

#[test]
fn far_above_the_bound_connections_are_closed_unasked() {
    let world = world("connections = 1\nheader_timeout = \"60s\"\nidle_timeout = \"60s\"");
    let open: Vec<TcpStream> = (0..80).map(|_| connect(&world)).collect();
    world
        .gateway
        .poll("refusals", || (world.gateway.metric("stackflow_gateway_connections_refused_total") >= 79.0).then_some(()));
    // One is served, 64 may ask to be told.
    let closed = open.into_iter().filter(|stream| {
        stream.set_nonblocking(true).unwrap();
        let mut stream = stream;
        !matches!(stream.read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert_eq!(closed.count(), 80 - 65);
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let world = World::start();
    let auth = &world.bearer;
    let mut client = world.gateway.connect();
    let mut all = Vec::new();
    for number in 0..20 {
        let head = |method: &str, fields: &str| {
            format!(
                "{method} {LIST}?n={number} HTTP/1.1\r\nHost: a\r\nAuthorization: {auth}\r\nX-Request-Id: n{number}\r\n{fields}\r\n"
            )
        };
        let json = "Content-Type: application/json\r\n";
        match number % 4 {
            0 => all.extend(head("GET", "").into_bytes()),
            1 => all.extend(head("POST", &format!("{json}Content-Length: 2\r\n")).into_bytes().into_iter().chain(*b"{}")),
            2 => all.extend(
                format!("{}2\r\n{{}}\r\n0\r\n\r\n", head("POST", &format!("{json}Transfer-Encoding: chunked\r\n"))).bytes(),
            ),
            _ => all.extend(format!("GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: n{number}\r\n\r\n").bytes()),
        }
    }
    client.send(&all);
    for number in 0..20 {
        let response = client.read_response("GET");
        assert_eq!(response.only("X-Request-Id"), format!("n{number}"));
        assert_eq!(response.status, if number % 4 == 3 { 404 } else { 200 }, "{number}: {response:?}");
    }
}

#[test]
fn answers_without_a_body_that_nobody_reads_are_given_up_too() {
    let world = world("write_timeout = \"300ms\"");
    for request in [
        "HEAD /ping HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        format!("OPTIONS {LIST} HTTP/1.1\r\nHost: a\r\nOrigin: {ORIGIN}\r\nAccess-Control-Request-Method: GET\r\n\r\n"),
    ] {
        let mut client = connect(&world);
        client.set_write_timeout(Some(support::DEADLINE)).unwrap();
        // Far more than both sockets hold; ends by itself once the gateway has closed.
        let sent = (0..2000).take_while(|_| client.write_all(request.repeat(100).as_bytes()).is_ok());
        assert!(sent.count() < 2000, "{request}");
        world.gateway.poll("its end", || (world.gateway.metric("stackflow_gateway_connections") == 0.0).then_some(()));
    }
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks_and_no_interim_answer() {
    let backend = support::Backend::scripted(|call| {
        call.read_body();
        call.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
        call.close();
    });
    let world = World::behind(backend, |setup| setup);
    for rest in ["GET", "POST"] {
        let mut stream = connect(&world);
        let body = if rest == "GET" {
            "\r\n"
        } else {
            "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
        };
        let head = format!("{rest} {LIST} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nAuthorization: {}\r\n", world.bearer);
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let answer = read_all(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n{}"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
    }
}

#[test]
fn a_stop_does_not_wait_for_connections_that_have_said_nothing() {
    let mut world = World::with(|setup| setup.with("[server]\ndrain_timeout = \"60s\""));
    let _silent: Vec<TcpStream> = (0..3).map(|_| connect(&world)).collect();
    world.gateway.poll("all of them", || (world.gateway.metric("stackflow_gateway_connections") > 2.5).then_some(()));
    let began = Instant::now();
    world.gateway.stop_gracefully();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let world = World::behind(
        support::Backend::scripted(|call| {
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            call.send_much(b"x", 100_000_000);
            call.close();
        }),
        |setup| setup.with("[bounds]\nwrite_timeout = \"300ms\""),
    );
    let mut client = world.gateway.connect();
    client.send(&support::request("GET", LIST, &[world.auth()], b""));
    world.backend.wait_total(1);
    world.gateway.poll("its end", || {
        (world.gateway.metric("stackflow_gateway_requests_in_flight") == 0.0
            && world.gateway.metric("stackflow_gateway_connections") == 0.0)
            .then_some(())
    });
    let _: &Client = &client;
}

/// Of a client's own process: as many files as the system allows.
fn raise_open_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("what the system allows");
    limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

#[test]
fn eight_thousand_connections_cost_little_memory_and_no_time() {
    // Fewer where the system does not allow so many open files; other tests of this process have some, too.
    let count = raise_open_files().saturating_sub(2000).min(8000);
    assert!(count >= 500, "too few files may be open to see anything");
    let world = world("idle_timeout = \"10m\"\nconnections = 20000\nconnections_per_address = 20000");
    let mut client = world.gateway.connect();
    let mut median = || median_of(81, &world, &mut client);
    let (alone, before) = (median(), world.gateway.status("VmRSS"));
    // Each has been used and is kept.
    let _kept: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = connect(&world);
            stream.write_all(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = [0; 1024];
            assert!(stream.read(&mut answer).unwrap() > 0 && answer.starts_with(b"HTTP/1.1 200"));
            stream
        })
        .collect();
    let (beside, after) = (median(), world.gateway.status("VmRSS"));
    let each = after.saturating_sub(before) * 1024 / count as u64;
    println!("{count} connections: {each} bytes each; a request takes {beside:?} beside them, {alone:?} alone (medians)");
    assert!(each < 8 * 1024, "{each} bytes for each");
    assert!(beside < alone * 3 + Duration::from_millis(1), "{beside:?} beside them, {alone:?} alone");
}
