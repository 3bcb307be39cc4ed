//! Floods of HTTP/2: each ends its connection with a GOAWAY, costs little memory, and leaves others served; busy clients are none.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

use serde_json::Value;
use std::{path::Path, process::Command, time::Instant};
use support::{
    Authority, Backend, Call, DATA, HEADERS, Http2, LIMITLESS, MEMORY_KB, Next, RST_STREAM, World, beside_a_good_client,
    flood_time,
    http2::{
        CANCEL, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, PADDED, PING, PREFACE, PRIORITY, WINDOW_UPDATE,
        block, frame, head, settings,
    },
    run_tool,
};

const LIST: &str = "/prod/api/incidents";
/// What one connection may bring at most.
const FRAMES: usize = 3_000;
fn world() -> World {
    World::with(|setup| setup.with(LIMITLESS))
}

/// What came of a flood.
#[derive(Debug, Default)]
struct Flooded {
    connections: usize,
    /// Frames offered in all; what comes after the verdict is thrown away.
    frames: usize,
    /// Error codes with which connections were ended.
    codes: Vec<u32>,
    /// Ended without a word.
    silent: usize,
    /// Answers and resets that came before the end.
    answers: usize,
    resets: usize,
}

/// One connection after another sends what `bytes` gives, after which it reads to the end.
fn flood(world: &World, bytes: &[u8], frames: usize) -> Flooded {
    let mut flooded = Flooded::default();
    let end = Instant::now() + flood_time();
    while Instant::now() < end {
        let mut client = Http2::connect(world.gateway.address());
        // What the gateway does not want any more is not an error of the test.
        let _ = client.try_send(bytes);
        flooded.connections += 1;
        flooded.frames += frames;
        let (came, last) = client.rest();
        assert_eq!(last, Next::Closed, "the connection ends: {flooded:?}");
        let code = came.iter().filter(|frame| frame.kind == GOAWAY).find_map(support::Frame::code);
        code.map_or_else(|| flooded.silent += 1, |code| flooded.codes.push(code));
        flooded.answers += came.iter().filter(|frame| frame.kind == HEADERS).count();
        flooded.resets += came.iter().filter(|frame| frame.kind == RST_STREAM).count();
    }
    flooded
}

/// The flood of these bytes ends every connection with `ENHANCE_YOUR_CALM`.
fn check(name: &str, world: &World, bytes: &[u8], frames: usize) -> Flooded {
    let flooded = beside_a_good_client(name, world, "frames", || {
        let flooded = flood(world, bytes, frames);
        let offered = flooded.frames;
        (flooded, offered)
    });
    println!("{name}: {} connections, {} answers, {} resets", flooded.connections, flooded.answers, flooded.resets);
    let calm = flooded.codes.iter().filter(|code| **code == ENHANCE_YOUR_CALM).count();
    assert_eq!(calm, flooded.connections, "{name}: each ends with GOAWAY (ENHANCE_YOUR_CALM): {flooded:?}");
    assert!(world.gateway.metric("stackflow_gateway_connections_ended_total{reason=\"flood\"}") >= 1.0, "{name}: counted");
    flooded
}

fn check_frames(name: &str, one: &[u8]) {
    check(name, &world(), &one.repeat(FRAMES), FRAMES);
}

#[test]
fn a_flood_of_settings() {
    check_frames("SETTINGS", &settings(&[]));
    check_frames("SETTINGS of 2,000 values", &settings(&[(4, 65_535); 2_000]));
}

#[test]
fn a_flood_of_pings() {
    check_frames("PING", &frame(PING, 0, 0, &[0; 8]));
    check_frames("PING with ACK", &frame(PING, 1, 0, &[0; 8]));
}

#[test]
fn a_flood_of_priority() {
    check_frames("PRIORITY", &frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]));
    check_frames("PRIORITY_UPDATE", &frame(16, 0, 0, b"\0\0\0\x01u=1"));
}

#[test]
fn a_flood_of_window_updates() {
    check_frames("WINDOW_UPDATE of the connection", &frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
    let world = world();
    let updates = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]).repeat(FRAMES);
    let bytes = [head(1, "GET", LIST, &[("authorization", &world.bearer)], true), updates].concat();
    check("WINDOW_UPDATE of a stream", &world, &bytes, FRAMES);
}

#[test]
fn a_flood_of_unknown_frames() {
    check_frames("unknown type", &frame(0x2a, 0, 0, &[0; 100]));
    check_frames("GOAWAY", &frame(GOAWAY, 0, 0, &[0; 8]));
}

#[test]
fn rapid_reset() {
    let world = world();
    let auth = [("authorization", world.bearer.as_str())];
    let reset = CANCEL.to_be_bytes();
    let pair = |number: usize| {
        let stream = u32::try_from(2 * number + 1).unwrap();
        [head(stream, "GET", LIST, &auth, true), frame(RST_STREAM, 0, stream, &reset)].concat()
    };
    let bytes: Vec<u8> = (0..1_000).flat_map(pair).collect();
    let flooded = check("rapid reset", &world, &bytes, 2_000);
    let reached = world.backend.requests().len();
    println!("rapid reset: {reached} requests, the good ones too, reached the upstream");
    assert!(flooded.answers < flooded.connections * 201, "{flooded:?}");
}

/// What has the gateway reset this stream.
type Provocation = fn(u32) -> Vec<u8>;

/// Every way to have the gateway reset a stream of its own accord.
#[test]
fn made_you_reset() {
    let on_itself = |stream: u32| frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[1]].concat());
    let no_increment = |stream: u32| frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffffu32.to_be_bytes());
    let too_short = |stream: u32| frame(DATA, END_STREAM, stream, b"1");
    let too_long = |stream: u32| frame(DATA, 0, stream, b"too long");
    let ways: [(&str, Provocation); 4] = [
        ("depends on itself", on_itself),
        ("window over 2^31-1", no_increment),
        ("less than the length", too_short),
        ("more than the length", too_long),
    ];
    for (way, provocation) in ways {
        let world = world();
        let more = [("authorization", world.bearer.as_str()), ("content-type", "application/json"), ("content-length", "2")];
        let pair = |number: usize| {
            let stream = u32::try_from(2 * number + 1).unwrap();
            [head(stream, "POST", LIST, &more, false), provocation(stream)].concat()
        };
        let bytes: Vec<u8> = (0..500).flat_map(pair).collect();
        let name = format!("made you reset: {way}");
        let flooded = check(&name, &world, &bytes, 1_000);
        assert!(flooded.resets <= flooded.connections * 300, "{flooded:?}");
    }
}

#[test]
fn requests_past_the_streams_that_are_allowed() {
    let world = World::behind(Backend::scripted(Call::hang), |setup| setup.with(LIMITLESS).with("[bounds]\nh2_streams = 10"));
    let auth = [("authorization", world.bearer.as_str())];
    let bytes: Vec<u8> = (0..1_000).flat_map(|number| head(2 * number + 1, "GET", LIST, &auth, true)).collect();
    let mut client = Http2::connect(world.gateway.address());
    let _ = client.try_send(&bytes);
    let (came, last) = client.rest();
    assert_eq!(last, Next::Closed);
    assert_eq!(came.iter().filter(|frame| frame.kind == GOAWAY).find_map(support::Frame::code), Some(ENHANCE_YOUR_CALM));
    assert!(world.backend.requests().len() <= 10);
}

#[test]
fn a_flood_of_empty_data() {
    let world = world();
    let open = head(1, "POST", LIST, &[("authorization", &world.bearer), ("content-type", "application/json")], false);
    let empty = frame(DATA, 0, 1, &[]);
    check("empty DATA", &world, &[open.clone(), empty.repeat(FRAMES)].concat(), FRAMES);
    let padded = frame(DATA, PADDED, 1, &[&[200][..], &[0; 200]].concat());
    check("DATA of padding", &world, &[open, padded.repeat(FRAMES)].concat(), FRAMES);
}

#[test]
fn a_flood_of_continuation() {
    let world = world();
    let start = frame(HEADERS, END_STREAM, 1, &block(&[(":method", "GET")]));
    let empty = frame(CONTINUATION, 0, 1, &[]);
    check("empty CONTINUATION", &world, &[start.clone(), empty.repeat(FRAMES)].concat(), FRAMES);
    let long = frame(CONTINUATION, 0, 1, &block(&[("x-long", &"x".repeat(16_000))]));
    check("CONTINUATION of 16 KB", &world, &[start, long.repeat(60)].concat(), 60);
}

/// Blocks that end at once are requests: they are answered, as bounded in size as any.
#[test]
fn continuation_that_ends_is_a_request() {
    let world = world();
    let mut client = Http2::connect(world.gateway.address());
    beside_a_good_client("CONTINUATION with END_HEADERS", &world, "requests", || {
        for number in 0..2_000 {
            let stream = 2 * number + 1;
            let usual = [(":method", "GET"), (":scheme", "http"), (":path", LIST), (":authority", "a")];
            let start = frame(HEADERS, END_STREAM, stream, &block(&usual));
            client.send(&[start, frame(CONTINUATION, END_HEADERS, stream, &block(&[("authorization", &world.bearer)]))].concat());
            assert_eq!(client.wait(HEADERS).stream, stream);
            client.wait(DATA);
            client.send(&frame(WINDOW_UPDATE, 0, 0, &100u32.to_be_bytes()));
        }
        ((), 2_000)
    });
}

#[test]
fn a_bomb_of_hpack() {
    let world = world();
    // One field of 4 KB joins the table, and is named 12,000 times in each request: 48 MB for 16 KB.
    let value = [&[0x40, 1, b'a', 127, 0xa1, 0x1e][..], &[b'x'; 4000]].concat();
    let usual = [(":method", "GET"), (":scheme", "http"), (":path", LIST), (":authority", "a")];
    let first = frame(HEADERS, END_HEADERS | END_STREAM, 1, &[block(&usual), value].concat());
    let bomb = [block(&usual), vec![0xbe; 12_000]].concat();
    let bombs = (1..=100).flat_map(|number| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &bomb));
    check("HPACK bomb", &world, &first.into_iter().chain(bombs).collect::<Vec<_>>(), 101);
    // The table is as large as the gateway says, and no larger.
    let evicting: Vec<u8> = (0..1_000).flat_map(|_| [0x3f, 0xe1, 0x1f, 0x20]).collect();
    let sizes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &evicting);
    let mut client = Http2::connect(world.gateway.address());
    client.send(&sizes);
    assert_eq!(client.wait(RST_STREAM).stream, 1, "a block of table sizes is no request");
}

#[test]
fn malformed_requests_for_ever() {
    let world = world();
    let request = |number: u32| head(2 * number + 1, "GET", LIST, &[("host", "other.test")], true);
    let bytes: Vec<u8> = (0..1_000).flat_map(request).collect();
    let mut client = Http2::connect(world.gateway.address());
    let _ = client.try_send(&bytes);
    let (came, last) = client.rest();
    assert_eq!(last, Next::Closed);
    assert_eq!(came.iter().filter(|frame| frame.kind == GOAWAY).find_map(support::Frame::code), Some(ENHANCE_YOUR_CALM));
    assert!(world.backend.requests().is_empty());
    world.gateway.wait_metric("stackflow_gateway_connections_ended_total{reason=\"malformed\"}", 1.0);
}

#[test]
fn a_thousand_connections_with_only_a_preface() {
    let world = World::with(|setup| setup.with(LIMITLESS).with("[bounds]\nheader_timeout = \"1s\"\nidle_timeout = \"2s\""));
    let began = Instant::now();
    beside_a_good_client("1,000 prefaces", &world, "connections", || {
        let mut clients: Vec<_> = (0..1_000)
            .map(|number| {
                let mut client = Http2::silent(world.gateway.address());
                client.send(PREFACE);
                if number % 2 == 0 {
                    client.send(&settings(&[]));
                }
                client
            })
            .collect();
        for client in &mut clients {
            assert_eq!(client.rest().1, Next::Closed);
        }
        ((), 1_000)
    });
    println!("1,000 prefaces: all closed {:?} after the first", began.elapsed());
    world.gateway.wait_metric("stackflow_gateway_connections_ended_total{reason=\"idle\"}", 500.0);
    world.gateway.wait_metric("stackflow_gateway_connections_ended_total{reason=\"unfinished\"}", 500.0);
}

#[test]
fn answers_that_nobody_reads_cost_little() {
    let large = Backend::scripted(|call: &mut Call| {
        call.read_body();
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n");
        call.send_much(b"0123456789", 10 << 20);
    });
    let world = World::behind(large, |setup| setup.with(LIMITLESS).with("[bounds]\nwrite_timeout = \"2s\""));
    let auth = [("authorization", world.bearer.as_str())];
    let requests: Vec<u8> = (0..100).flat_map(|number| head(2 * number + 1, "GET", LIST, &auth, true)).collect();
    let before = world.gateway.status("VmHWM");
    // Windows of nothing; windows without end, and nobody who reads.
    let mut no_window = Http2::silent(world.gateway.address());
    no_window.send(&[PREFACE, &settings(&[(4, 0)]), &requests].concat());
    let mut unread = Http2::silent(world.gateway.address());
    let largest = 0x7fff_0000u32;
    unread.send(&[PREFACE, &settings(&[(4, largest)]), &frame(WINDOW_UPDATE, 0, 0, &largest.to_be_bytes()), &requests].concat());
    let resets = (0..100).map(|_| no_window.wait(RST_STREAM).stream).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(resets.len(), 100, "each stream without a window is reset");
    world.gateway.wait_metric("stackflow_gateway_connections_ended_total{reason=\"unread\"}", 1.0);
    let above = world.gateway.status("VmHWM").saturating_sub(before);
    println!("200 answers of 10 MiB that nobody reads: {above} KiB above idle");
    assert!(above < MEMORY_KB, "{above} KiB above idle");
}

#[test]
fn idle_connections_cost_little() {
    const COUNT: usize = 1_000;
    let world = world();
    let used = |client: &mut Http2| {
        client.send(&head(1, "GET", LIST, &[("authorization", &world.bearer)], true));
        client.wait_for("the answer", support::Frame::ends_stream);
    };
    used(&mut Http2::connect(world.gateway.address()));
    let before = world.gateway.status("VmRSS");
    let mut clients: Vec<_> = (0..COUNT).map(|_| Http2::connect(world.gateway.address())).collect();
    clients.iter_mut().for_each(used);
    let above = world.gateway.status("VmRSS").saturating_sub(before);
    println!("{COUNT} idle connections: {above} KiB, {} bytes each", above * 1024 / COUNT as u64);
    assert!(above < 60 * 1024, "{above} KiB above none");
}

/// Large requests without a token, and no window for their answers: what is kept of each is its answer.
#[test]
fn answers_without_a_window_keep_no_requests() {
    const CONNECTIONS: u32 = 100;
    const STREAMS: u32 = 100;
    let world = World::with(|setup| setup.with(LIMITLESS).with("[bounds]\nidle_timeout = \"2m\""));
    let large = "x".repeat(30_000);
    let requests: Vec<u8> = (0..STREAMS).flat_map(|number| in_frames(2 * number + 1, &[("x-large", &large)])).collect();
    let mut clients = Vec::new();
    beside_a_good_client("answers without a window", &world, "streams", || {
        for _ in 0..CONNECTIONS {
            let mut client = Http2::silent(world.gateway.address());
            client.send(&[PREFACE, &settings(&[(4, 0)]), &requests].concat());
            for _ in 0..STREAMS {
                client.wait(HEADERS);
            }
            clients.push(client);
        }
        let now = world.gateway.status("VmRSS");
        println!("{CONNECTIONS} connections of {STREAMS} streams without a window: {now} KiB in all");
        ((), (CONNECTIONS * STREAMS) as usize)
    });
    assert!(world.gateway.metric("stackflow_gateway_connections_ended_total") < 0.5, "none was ended");
}

/// A GET without a token, with more fields than one frame holds.
fn in_frames(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [(":method", "GET"), (":scheme", "http"), (":path", LIST), (":authority", "api.test")];
    let block = block(&[&usual, more].concat());
    let (first, rest) = block.split_at(1 << 14);
    [frame(HEADERS, END_STREAM, stream, first), frame(CONTINUATION, END_HEADERS, stream, rest)].concat()
}

/// Nothing that a busy client does is a flood.
#[test]
fn busy_clients_are_not_sent_away() {
    let authority = Authority::new("tests");
    let certificate = authority.certificate("127.0.0.2");
    let tls = "tls = { certificate = \"c.pem\", private_key = \"k.pem\" }";
    let listeners = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n\n[[listeners]]\naddress = \"127.0.0.2:0\"\n{tls}\n");
    let world = World::with(|setup| {
        let setup = setup.with(LIMITLESS).listeners(&listeners).file("ca.pem", &authority.pem());
        setup.file("c.pem", &certificate.pem).file("k.pem", &certificate.key_pem)
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/external/busy_http2.mjs");
    let url = format!("http://{}", world.gateway.address());
    let token = world.bearer.trim_start_matches("Bearer ");
    let began = Instant::now();
    let output = run_tool(Command::new("node").arg(script).args([&url, token, "5000"]), "");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("node: 5,000 requests of 22 DATA frames in {:?}: {seen}", began.elapsed());
    assert_eq!((&seen["statuses"]["200"], &seen["goaway"]), (&Value::from(5_000), &Value::Null), "{seen}");
    assert!(seen["pings"].as_u64() > Some(100), "{seen}");
    // Over TLS: with prior knowledge curl 7.88 does not get along with itself once it does several things at a time.
    let list = format!("https://{}{LIST}?page=[1-2000]", world.gateway.listeners[1]);
    let bearer = format!("Authorization: {}", world.bearer);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--http2", "-Z", "--parallel-max", "100", "-o", "/dev/null", "-w", "%{http_code} %{http_version}\n"]);
    let output = run_tool(curl.arg("--cacert").arg(world.gateway.path("ca.pem")).args(["-H", &bearer, &list]), "");
    let good = String::from_utf8(output.stdout).unwrap().lines().filter(|line| *line == "200 2").count();
    assert_eq!(good, 2_000, "curl");
    assert!(world.gateway.metric("stackflow_gateway_connections_ended_total") < 0.5, "none was ended");
}
