//! HTTP/2 clients that stop: each wait has its bound, and costs nobody else anything.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

use serde_json::Value;
use std::time::{Duration, Instant};
use support::{
    Authority, Backend, Call, DATA, DEADLINE, Frame, Gate, HEADERS, Http2, JSON, Next, RST_STREAM, SETTINGS, World,
    http2::{
        CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, NO_ERROR, PING, PREFACE, WINDOW_UPDATE, block, frame, head, settings,
    },
};

const LIST: &str = "/prod/api/incidents";
/// Half a second and up, so that tests need not wait for what operators do.
const SHORT: &str =
    "[bounds]\nheader_timeout = \"500ms\"\nbody_timeout = \"1s\"\nwrite_timeout = \"500ms\"\nidle_timeout = \"1s\"";
const ENDED: &str = "stackflow_gateway_connections_ended_total";

/// With these times, and long ones of everybody else.
fn world(backend: Backend) -> World {
    World::behind(backend, |setup| setup.with(SHORT).upstream("response_timeout = \"60s\""))
}

/// The head of an upload as `ada`.
fn upload(world: &World, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let (name, json) = JSON;
    let name = name.to_ascii_lowercase();
    let usual = [("authorization", world.bearer.as_str()), (name.as_str(), json)];
    head(stream, "POST", LIST, &[&usual, more].concat(), false)
}

/// How the connection ends: the code of its GOAWAY, and after how long.
fn end_of(client: &mut Http2) -> (Option<u32>, Duration) {
    let began = Instant::now();
    client.wait_for_answers(DEADLINE);
    let (came, last) = client.rest();
    assert_eq!(last, Next::Closed, "the connection ends; before: {came:?}");
    (came.iter().filter(|frame| frame.kind == GOAWAY).find_map(support::Frame::code), began.elapsed())
}

/// After these bytes the connection ends in time, not at once, with this code.
fn check_ends(what: &str, world: &World, bytes: &[u8], code: Option<u32>, reason: &str) {
    let before = world.gateway.metric(&format!("{ENDED}{{reason=\"{reason}\"}}"));
    let mut client = Http2::silent(world.gateway.address());
    client.send(bytes);
    let (came, took) = end_of(&mut client);
    assert_eq!(came, code, "{what}");
    assert!((Duration::from_millis(400)..Duration::from_secs(10)).contains(&took), "{what}: {took:?}");
    world.gateway.wait_metric(&format!("{ENDED}{{reason=\"{reason}\"}}"), before + 1.0);
}

#[test]
fn what_was_begun_is_waited_for_as_long_as_a_head() {
    let world = world(Backend::start());
    let hello = [PREFACE, &settings(&[])].concat();
    let check = |what: &str, more: &[u8]| {
        check_ends(what, &world, &[&hello, more].concat(), Some(NO_ERROR), "unfinished");
    };
    let get = block(&[(":method", "GET"), (":scheme", "http"), (":path", LIST), (":authority", "a")]);
    check("one byte", &[0]);
    check("half the head of a frame", &[0, 0, 8, PING]);
    check("a head without a payload", &[0, 0, 8, PING, 0, 0, 0, 0, 0]);
    check("half a PING", &frame(PING, 0, 0, &[0; 8])[..12]);
    check("HEADERS without END_HEADERS", &frame(HEADERS, END_STREAM, 1, &get));
    check("half a block", &frame(HEADERS, END_STREAM | END_HEADERS, 1, &get)[..20]);
    check("CONTINUATION without end", &[frame(HEADERS, END_STREAM, 1, &get), frame(CONTINUATION, 0, 1, &[])].concat());
    check_ends("a preface alone", &world, PREFACE, Some(NO_ERROR), "unfinished");
    assert!(world.backend.requests().is_empty());
}

#[test]
fn a_head_that_comes_byte_by_byte_is_waited_for_no_longer() {
    let world = world(Backend::start());
    let mut client = Http2::connect(world.gateway.address());
    let request = head(1, "GET", LIST, &[("authorization", &world.bearer)], true);
    client.wait_for_answers(Duration::from_millis(50));
    let began = Instant::now();
    // The pause between two bytes is that nothing comes.
    let ended = request.iter().any(|byte| {
        client.try_send(&[*byte]);
        matches!(std::iter::repeat_with(|| client.next()).find(|next| !matches!(next, Next::Frame(_))), Some(Next::Closed))
    });
    assert!(ended && began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(world.backend.requests().is_empty());
}

#[test]
fn without_a_preface_a_connection_is_closed() {
    let authority = Authority::new("tests");
    let certificate = authority.certificate("127.0.0.1");
    let tls = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"c.pem\", private_key = \"k.pem\" }\n";
    let world =
        World::with(|setup| setup.with(SHORT).listeners(tls).file("c.pem", &certificate.pem).file("k.pem", &certificate.key_pem));
    for bytes in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let mut client = Http2::silent_over_tls(world.gateway.address(), &authority.pem());
        client.send(bytes);
        let (_, took) = end_of(&mut client);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn an_idle_connection_is_told_and_closed() {
    let world = world(Backend::start());
    let hello = [PREFACE, &settings(&[])].concat();
    check_ends("never a request", &world, &hello, Some(NO_ERROR), "idle");
    let request = head(1, "GET", LIST, &[("authorization", &world.bearer)], true);
    check_ends("after a request", &world, &[hello.clone(), request].concat(), Some(NO_ERROR), "idle");
    // Pings are no requests.
    let mut client = Http2::silent(world.gateway.address());
    client.send(&hello);
    client.wait_for_answers(Duration::from_millis(100));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let _ = client.try_send(&frame(PING, 0, 0, &[0; 8]));
        match client.next() {
            Next::Closed => return,
            Next::Frame(frame) if frame.kind == GOAWAY => return,
            _ => {}
        }
    }
    panic!("a connection of pings alone is idle");
}

#[test]
fn a_long_answer_is_not_idleness() {
    let slow = Backend::scripted(|call: &mut Call| {
        call.read_body();
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        // More than all times of the gateway.
        std::thread::sleep(Duration::from_secs(3));
        call.send(b"1\r\nb\r\n0\r\n\r\n");
    });
    let world = world(slow);
    let mut client = Http2::connect(world.gateway.address());
    client.send(&head(1, "GET", LIST, &[("authorization", &world.bearer)], true));
    let first = client.wait(DATA);
    assert_eq!(first.payload, b"a");
    assert_eq!(client.wait(DATA).payload, b"b", "the client waits as long as it likes for the server");
}

/// The next answer on this stream, which is a 408, and that nobody wants the rest of its body.
fn assert_timed_out(client: &mut Http2, stream: u32, what: &str) {
    let body: Value = serde_json::from_slice(&client.wait_for("an answer", |frame| frame.kind == DATA).payload).unwrap();
    assert_eq!((&body["status"], &body["code"]), (&Value::from(408), &Value::from("request_timeout")), "{what}");
    let reset = client.wait(RST_STREAM);
    assert_eq!((reset.stream, reset.code()), (stream, Some(NO_ERROR)), "{what}");
}

/// A body that stops is answered; the upstream sees it cut off, if it sees it at all.
fn check_stalled_upload(what: &str, more: &[(&str, &str)], part: &[u8], is_streamed: bool) {
    let world = world(Backend::scripted(|call: &mut Call| {
        call.read_body();
        call.answer(200, "", "{}");
    }));
    let mut client = Http2::connect(world.gateway.address());
    client.send(&upload(&world, 1, &[more, &[("x-request-id", "stalled")]].concat()));
    client.send(&frame(DATA, 0, 1, part));
    assert_timed_out(&mut client, 1, what);
    assert_eq!(world.gateway.access_log("stalled")["status"], 408, "{what}");
    if is_streamed {
        world.backend.wait("the end of the upload", |seen| seen.aborted);
    }
    // The connection goes on.
    client.send(&head(3, "GET", "/ping", &[], true));
    assert_eq!(client.wait(HEADERS).stream, 3, "{what}");
    assert!(world.backend.requests().iter().all(|seen| !seen.complete), "{what}: {:?}", world.backend.requests());
}

#[test]
fn a_body_that_stops_is_408() {
    check_stalled_upload("of 9 bytes", &[("content-length", "9")], b"[1", false);
    check_stalled_upload("of 100,000 bytes", &[("content-length", "100000")], &[b' '; 10_000], true);
    check_stalled_upload("without a length", &[], &[b' '; 10_000], true);
}

#[test]
fn a_body_that_stops_after_its_answer_is_cut_off_too() {
    let world = world(Backend::scripted(|call: &mut Call| {
        call.answer(200, "", "{}");
        call.hang();
    }));
    let mut client = Http2::connect(world.gateway.address());
    client.send(&upload(&world, 1, &[]));
    assert_eq!(client.wait(DATA).payload, b"{}");
    assert_eq!(client.wait(RST_STREAM).stream, 1);
    world.backend.wait("the end of its connection", |seen| seen.aborted);
    world.gateway.wait_metric("stackflow_gateway_requests_in_flight", 0.0);
}

#[test]
fn a_body_that_dribbles_is_408() {
    let world = world(Backend::scripted(|call: &mut Call| {
        call.read_body();
        call.answer(200, "", "{}");
    }));
    let mut client = Http2::connect(world.gateway.address());
    client.send(&upload(&world, 1, &[]));
    client.wait_for_answers(Duration::from_millis(50));
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(10), "20 bytes a second are too few");
        client.send(&frame(DATA, 0, 1, b" "));
        if let Next::Frame(Frame { kind: HEADERS, .. }) = client.next() {
            break;
        }
    }
    client.wait_for_answers(DEADLINE);
    assert_timed_out(&mut client, 1, "dribbling");
    world.backend.wait("the end of the upload", |seen| seen.aborted);
}

/// Uploads until the server takes no more and the window of the connection is used up, but for some bytes; how many it took.
fn fill_window(client: &mut Http2, stream: u32) -> usize {
    let (mut of_connection, mut of_stream, mut sent) = (65_535 - 100, 65_535, 0);
    client.wait_for_answers(Duration::from_millis(300));
    loop {
        let room = of_connection.min(of_stream).min(16_384);
        if room > 0 {
            client.send(&frame(DATA, 0, stream, &vec![b' '; room]));
            (of_connection, of_stream, sent) = (of_connection - room, of_stream - room, sent + room);
            continue;
        }
        match client.next() {
            Next::Frame(Frame { kind: WINDOW_UPDATE, stream, payload, .. }) => {
                let window = if stream == 0 { &mut of_connection } else { &mut of_stream };
                *window += u32::from_be_bytes(payload.try_into().unwrap()) as usize;
            }
            Next::Frame(frame) => assert!(frame.kind == SETTINGS, "after {sent} bytes: {frame:?}"),
            Next::Silence => break,
            Next::Closed => panic!("the connection is open"),
        }
    }
    assert_eq!(of_connection, 0, "the connection has no window after {sent} bytes");
    sent
}

/// One upload holds the window of the connection, because its server does not read; the other is not slow for that.
#[test]
fn a_body_that_another_leaves_no_window_is_waited_for() {
    let gate = Gate::default();
    let opened = gate.clone();
    let world = world(Backend::scripted(move |call: &mut Call| {
        if call.head.target.ends_with("held") {
            opened.wait();
        }
        call.read_body();
        call.answer(200, "", "{}");
    }));
    let mut client = Http2::connect(world.gateway.address());
    let json = [("authorization", world.bearer.as_str()), ("content-type", "application/json")];
    client.send(&head(1, "POST", "/prod/api/held", &json, false));
    let held = fill_window(&mut client, 1);
    client.send(&upload(&world, 3, &[]));
    client.send(&frame(DATA, 0, 3, b"["));
    client.wait_for_answers(Duration::from_secs(3));
    // Three times as long as a body is waited for.
    loop {
        match client.next() {
            Next::Silence => break,
            Next::Frame(frame) => assert!(![HEADERS, RST_STREAM, GOAWAY].contains(&frame.kind), "after {held} bytes: {frame:?}"),
            Next::Closed => panic!("the connection goes on"),
        }
    }
    gate.open();
    client.wait_for_answers(DEADLINE);
    client.wait_for("a window", |frame| frame.kind == WINDOW_UPDATE && frame.stream == 0);
    client.send(&[frame(DATA, END_STREAM, 3, b"]"), frame(DATA, END_STREAM, 1, b"")].concat());
    let answers: std::collections::BTreeSet<_> = (0..2).map(|_| client.wait(HEADERS).stream).collect();
    assert_eq!(answers.into_iter().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn a_body_that_is_slow_but_not_too_slow_arrives() {
    let world = world(Backend::start());
    let mut client = Http2::connect(world.gateway.address());
    client.send(&upload(&world, 1, &[]));
    client.wait_for_answers(Duration::from_millis(50));
    let began = Instant::now();
    let mut sent = 0;
    // Over three times the time-out.
    while began.elapsed() < Duration::from_millis(3_200) {
        client.send(&frame(DATA, 0, 1, &[b' '; 100]));
        sent += 100;
        if let Next::Frame(frame) = client.next() {
            assert!(![RST_STREAM, HEADERS, GOAWAY].contains(&frame.kind), "{frame:?}");
        }
    }
    client.send(&frame(DATA, END_STREAM, 1, b"[]"));
    client.wait_for_answers(DEADLINE);
    assert_eq!(client.wait(HEADERS).stream, 1);
    let seen = world.backend.last();
    assert!(seen.complete && seen.body.len() == sent + 2, "{} of {sent} bytes", seen.body.len());
}

#[test]
fn half_a_frame_of_data_ends_the_connection() {
    let world = world(Backend::start());
    let mut client = Http2::connect(world.gateway.address());
    client.send(&upload(&world, 1, &[]));
    client.send(&frame(DATA, 0, 1, &[b' '; 10_000])[..5_000]);
    let (code, took) = end_of(&mut client);
    assert_eq!(code, Some(NO_ERROR), "nothing else could have come on it");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn an_upload_that_waits_for_the_upstream_is_not_cut_off() {
    let slow = Backend::scripted(|call: &mut Call| {
        // Nothing is read for longer than the client may pause.
        std::thread::sleep(Duration::from_secs(2));
        call.read_body();
        call.answer(200, "", "{}");
    });
    let world = world(slow);
    let mut client = Http2::connect(world.gateway.address());
    client.send(&upload(&world, 1, &[]));
    let (mut windows, mut sent) = ([65_535usize; 2], 0);
    let total = 9 << 20;
    while sent < total {
        let room = windows[0].min(windows[1]).min(16_384).min(total - sent);
        if room > 0 {
            client.send(&frame(DATA, if sent + room == total { END_STREAM } else { 0 }, 1, &vec![b' '; room]));
            sent += room;
            windows = windows.map(|window| window - room);
        } else {
            let update = client.wait_for("a window", |frame| [WINDOW_UPDATE, RST_STREAM, GOAWAY, HEADERS].contains(&frame.kind));
            assert_eq!(update.kind, WINDOW_UPDATE, "{sent} of {total}: {update:?}");
            windows[usize::from(update.stream == 1)] += u32::from_be_bytes(update.payload.try_into().unwrap()) as usize;
        }
    }
    assert_eq!(client.wait(HEADERS).stream, 1);
    assert_eq!(world.backend.last().body.len(), total);
}

#[test]
fn an_answer_without_a_window_is_given_up_and_others_go_on() {
    let world = world(Backend::start());
    let mut client = Http2::silent(world.gateway.address());
    client.send(&[PREFACE, &settings(&[(4, 0)])].concat());
    client.send(&head(1, "GET", LIST, &[("authorization", &world.bearer)], true));
    assert_eq!(client.wait(HEADERS).stream, 1);
    assert_eq!(client.wait(RST_STREAM).stream, 1, "its body cannot be sent");
    client.send(&[settings(&[(4, 65_535)]), head(3, "GET", LIST, &[("authorization", &world.bearer)], true)].concat());
    assert_eq!(client.wait(DATA).stream, 3);
}

#[test]
fn a_client_that_reads_nothing_is_given_up() {
    let large = Backend::scripted(|call: &mut Call| {
        call.read_body();
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
        call.send_much(b"0123456789", 100 << 20);
    });
    let world = world(large);
    let mut client = Http2::silent(world.gateway.address());
    let largest = 0x7fff_0000u32;
    client.send(&[PREFACE, &settings(&[(4, largest)]), &frame(WINDOW_UPDATE, 0, 0, &largest.to_be_bytes())].concat());
    client.send(&head(1, "GET", LIST, &[("authorization", &world.bearer)], true));
    world.gateway.wait_metric(&format!("{ENDED}{{reason=\"unread\"}}"), 1.0);
    world.backend.wait("the end of the answer", |seen| seen.aborted);
    world.gateway.wait_metric("stackflow_gateway_connections", 0.0);
}

/// SETTINGS that nobody acknowledges, and nothing read of what is answered to pings.
#[test]
fn answers_to_pings_that_nobody_reads_do_not_pile_up() {
    let world = world(Backend::start());
    let mut client = Http2::connect(world.gateway.address());
    assert_eq!(client.wait(SETTINGS).flags, 0);
    let ping = frame(PING, 0, 0, &[0; 8]);
    let sent = (0..100_000).take_while(|_| client.try_send(&ping)).count();
    assert!(sent < 100_000, "the connection ends");
}
