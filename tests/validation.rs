//! `max_records`: bulk bodies are judged before the API is asked, or while they pass; what is refused never arrives whole.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

use serde_json::json;
use std::fmt::Write;
use support::{Backend, DATA, Http2, JSON, Response, Seen, World, assert_decorated, assert_shared_with};

/// At most three records, called `cis`.
const BULK: &str = "/prod/api/cis/bulk";
const AT_UPSTREAM: &str = "/api/v1/cis/bulk";
const ORIGIN: &str = "https://app.stackflow-tech.com";
/// Longer bodies are streamed.
const HELD: usize = 64 * 1024;

fn world() -> World {
    behind(Backend::start())
}

fn behind(backend: Backend) -> World {
    World::behind(backend, |setup| {
        setup
            .with("[limits]\nper_user = { rate = 1, burst = 1000 }")
            .with("[bounds]\nbody = \"1MiB\"")
            .route("path = \"/cis/bulk\"\nmethods = [\"GET\", \"POST\", \"PUT\"]\nlimit = \"exempt\"\nmax_records = 3")
            .route("path = \"/cis/import\"\nmethods = [\"POST\"]\nmax_records = 3")
            .route("path = \"/tiny/bulk\"\nmethods = [\"POST\"]\nmax_records = 3\nbody = \"10B\"")
    })
}

/// How a body is sent.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// With `Content-Length`.
    Told,
    /// In chunks of this many bytes, each sent by itself.
    Chunks(usize),
    /// The same, with a field named in `Connection`.
    UnusualChunks(usize),
    /// `Content-Length`, with a field named in `Connection`.
    UnusualTold,
    /// HTTP/2, the length told or not, in this many frames (a server need not bear many small ones).
    Http2 { told: bool, frames: usize },
}

use Way::{Chunks, Told, UnusualChunks, UnusualTold};

const SMALL: [Way; 9] = [
    Told,
    UnusualTold,
    Chunks(1),
    Chunks(7),
    Chunks(HELD),
    Way::Http2 { told: true, frames: 4 },
    Way::Http2 { told: false, frames: 4 },
    Way::Http2 { told: true, frames: 16 },
    Way::Http2 { told: false, frames: 16 },
];

impl Way {
    /// The status of the answer, and its `code` if it is an error.
    fn send(self, world: &World, target: &str, body: &[u8]) -> (u16, String) {
        if let Self::Http2 { told, frames } = self {
            return over_http2(world, target, body, told, frames);
        }
        let response = self.send_http1(world, target, body);
        let code = if response.status == 200 { String::new() } else { response.json()["code"].as_str().unwrap().to_owned() };
        (response.status, code)
    }

    fn send_http1(self, world: &World, target: &str, body: &[u8]) -> Response {
        let mut head =
            format!("POST {target} HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\nOrigin: {ORIGIN}\r\n");
        write!(head, "Authorization: {}\r\n", world.bearer).unwrap();
        if matches!(self, UnusualChunks(_) | UnusualTold) {
            head += "Connection: x-unknown\r\n";
        }
        let mut client = world.gateway.connect();
        match self {
            Chunks(size) | UnusualChunks(size) => {
                client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
                for part in body.chunks(size) {
                    // Whoever is refused may find the connection closed.
                    client.try_send(&[format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
                }
                client.try_send(b"0\r\n\r\n");
            }
            _ => {
                client.send(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                client.try_send(body);
            }
        }
        client.read_response("POST")
    }
}

fn over_http2(world: &World, target: &str, body: &[u8], told: bool, frames: usize) -> (u16, String) {
    if body.len() >= HELD {
        return exchange_http2(world, target, body.len(), told, |client| {
            if client.send_long(1, body) {
                client.send_data(1, b"", true);
            }
        });
    }
    let parts: Vec<_> = body.chunks(body.len().div_ceil(frames).max(1)).collect();
    in_frames(world, target, &parts, told)
}

fn in_frames(world: &World, target: &str, parts: &[&[u8]], told: bool) -> (u16, String) {
    let length = parts.iter().map(|part| part.len()).sum();
    exchange_http2(world, target, length, told, |client| {
        for part in parts {
            client.send_data(1, part, false);
        }
        client.send_data(1, b"", true);
    })
}

fn exchange_http2(world: &World, target: &str, length: usize, told: bool, send: impl FnOnce(&mut Http2)) -> (u16, String) {
    let mut client = Http2::connect(world.gateway.address());
    let (bearer, length) = (world.bearer.as_str(), length.to_string());
    let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":authority", "api.test"), (":path", target)];
    fields.extend([("authorization", bearer), JSON]);
    if told {
        fields.push(("content-length", &length));
    }
    client.send_head(1, &fields, false);
    send(&mut client);
    let answer: serde_json::Value = serde_json::from_slice(&client.wait(DATA).payload).unwrap();
    let status = answer["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap());
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

/// So many records of about this size.
fn records(count: usize, size: usize) -> String {
    let filling = "x".repeat(size);
    let all: Vec<_> = (0..count).map(|number| format!("{{\"name\":\"ci-{number}\",\"note\":\"{filling}\"}}")).collect();
    format!("[{}]", all.join(",\n"))
}

/// What never reaches the upstream, and the code of its refusal.
fn refused() -> Vec<(String, &'static str)> {
    let wrapped = |name: &str, count| format!("{{\"dry\":true,\"{name}\":{}}}", records(count, 10));
    vec![
        (records(4, 10), "too_many_records"),
        (records(1000, 10), "too_many_records"),
        (wrapped("records", 4), "too_many_records"),
        (wrapped("items", 4), "too_many_records"),
        (wrapped("data", 4), "too_many_records"),
        (wrapped("cis", 4), "too_many_records"),
        (wrapped("\\u0063is", 4), "too_many_records"),
        (wrapped("CIs", 4), "too_many_records"),
        ("{\"items\":[1],\"records\":[1,2,3,4]}".to_owned(), "too_many_records"),
        ("{\"records\":[1],\"records\":[1]}".to_owned(), "invalid_request"),
        ("[1,2".to_owned(), "invalid_request"),
        ("[1][1]".to_owned(), "invalid_request"),
        ("[\"\u{1}\"]".to_owned(), "invalid_request"),
        ("\u{feff}[]".to_owned(), "invalid_request"),
        ("name,class\nci-1,server\n".to_owned(), "invalid_request"),
        (" ".to_owned(), "invalid_request"),
        (format!("{}{}", "[".repeat(1000), "]".repeat(1000)), "invalid_request"),
        (format!("{}]", records(3, 20_000)), "invalid_request"),
    ]
}

#[test]
fn what_is_refused_within_64_kib_never_reaches_the_upstream() {
    let world = world();
    for (body, code) in refused() {
        for way in SMALL {
            assert_eq!(way.send(&world, BULK, body.as_bytes()), (400, code.to_owned()), "{way:?}: {body:.80}");
        }
    }
    assert_eq!(Chunks(1).send(&world, BULK, b""), (400, "invalid_request".to_owned()), "an empty body");
    assert_eq!(over_http2(&world, BULK, b"", false, 1), (400, "invalid_request".to_owned()), "an empty body");
    assert_eq!(world.post(BULK, b"").status, 400, "no body");
    assert!(world.backend.requests().is_empty(), "{:?}", world.backend.last());
}

#[test]
fn what_is_accepted_arrives_byte_for_byte() {
    let world = world();
    let wrapped = format!(" {{\"x\":[1,2,3,4,5],\"cis\" : {} }}\r\n", records(3, 10));
    let bodies = [
        "[]".to_owned(),
        records(3, 10),
        wrapped,
        records(3, 21_000),
        "[\"Außenlager 障害 😀\",-0.50e+1]".to_owned(),
        "7".to_owned(),
    ];
    for body in &bodies {
        assert!(body.len() <= HELD, "{}", body.len());
        for way in SMALL.iter().chain(&[UnusualChunks(5)]) {
            // Tens of thousands of writes of a byte each prove no more than some do.
            if body.len() > 1000 && matches!(way, Chunks(..8) | UnusualChunks(_)) {
                continue;
            }
            assert_eq!(way.send(&world, BULK, body.as_bytes()).0, 200, "{way:?}: {body:.80}");
            let seen = world.backend.last();
            assert!(seen.complete && seen.body == body.as_bytes(), "{way:?}: {body:.80}");
            assert_eq!(seen.head.target, AT_UPSTREAM);
        }
    }
}

#[test]
fn where_a_body_is_cut_makes_no_difference() {
    let world = world();
    let good = "{\"\\u0063is\":[{\"a\":\"é\\ud83d\\ude00\"},-1.5e3,true]}";
    let bad = "{\"\\u0063is\":[{\"a\":\"é\\ud83d\\ude00\"},-1.5e3,true,0]}";
    for (body, status) in [(good, 200), (bad, 400)] {
        for at in 1..body.len() {
            let (first, second) = body.as_bytes().split_at(at);
            assert_eq!(in_two_chunks(&world, first, second).status, status, "cut at {at} of {body}");
            assert_eq!(in_frames(&world, BULK, &[first, second], at % 2 == 0).0, status, "cut at {at} of {body}");
        }
    }
    let seen = world.backend.requests();
    assert_eq!(seen.len(), 2 * (good.len() - 1));
    assert!(seen.iter().all(|seen| seen.body == good.as_bytes()));
}

fn in_two_chunks(world: &World, first: &[u8], second: &[u8]) -> Response {
    let mut client = world.gateway.connect();
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let head = format!("POST {BULK} HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\n");
    client.send(format!("{head}Authorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n", world.bearer).as_bytes());
    client.send(&chunk(first));
    client.send(&[&chunk(second)[..], b"0\r\n\r\n"].concat());
    client.read_response("POST")
}

/// Bodies that are streamed, and the code of their refusal, each found late.
fn refused_late() -> Vec<(String, &'static str)> {
    let long = records(3, 50_000);
    let many = format!("[{}]", ["{}"; 4].join(&format!("{}, ", " ".repeat(50_000))));
    vec![
        (many.clone(), "too_many_records"),
        (format!("{{\"cis\":{many}}}"), "too_many_records"),
        (long[..long.len() - 1].to_owned(), "invalid_request"),
        (format!("{long},"), "invalid_request"),
        (format!("{long}{}x", " ".repeat(100_000)), "invalid_request"),
        (format!("[\"{}\n\"]", "x".repeat(200_000)), "invalid_request"),
    ]
}

#[test]
fn what_is_refused_later_never_arrives_whole() {
    let world = world();
    let ways = [
        Told,
        UnusualTold,
        Chunks(1000),
        Chunks(16_384),
        UnusualChunks(16_384),
        Way::Http2 { told: true, frames: 0 },
        Way::Http2 { told: false, frames: 0 },
    ];
    for (number, (body, code)) in refused_late().into_iter().enumerate() {
        assert!(body.len() > 2 * HELD, "{}", body.len());
        for (place, way) in ways.into_iter().enumerate() {
            let query = format!("?try={number}-{place}");
            let refused = way.send(&world, &format!("{BULK}{query}"), body.as_bytes());
            assert_eq!(refused, (400, code.to_owned()), "{way:?}: {body:.40}");
            let ended = |seen: &Seen| seen.head.target.ends_with(&query) && (seen.aborted || seen.complete);
            let seen = world.backend.wait("the end of the aborted request", ended);
            // In chunks all of the body may have come, but never the last chunk, which is its end.
            assert!(!seen.complete, "{way:?}: {} of {} bytes", seen.body.len(), body.len());
            assert!(body.as_bytes().starts_with(&seen.body), "{way:?}");
        }
    }
}

/// The end of an HTTP/2 stream may come long after the last byte, with which a server of HTTP/1 would have the whole.
#[test]
fn the_last_byte_that_was_told_is_held_back_until_the_body_is_judged() {
    let world = world();
    let long = records(3, 50_000);
    let body = &long.as_bytes()[..long.len() - 1];
    let answer =
        exchange_http2(&world, BULK, body.len(), true, |client| assert!(client.send_long(1, body), "it is not judged yet"));
    assert_eq!(answer, (400, "invalid_request".to_owned()));
    let seen = world.backend.wait("the end of the aborted request", |seen| seen.aborted || seen.complete);
    assert!(!seen.complete && seen.body.len() < body.len(), "{} of {} bytes", seen.body.len(), body.len());
}

/// Larger chunks than are held: what is found within them never leaves the gateway.
#[test]
fn one_chunk_of_more_than_64_kib_arrives_whole_or_not() {
    let world = world();
    for (body, code) in refused_late() {
        assert_eq!(Chunks(1 << 20).send(&world, BULK, body.as_bytes()), (400, code.to_owned()), "{body:.40}");
    }
    assert_eq!(world.post(BULK, b"[\"last\"]").status, 200);
    let whole: Vec<_> = world.backend.requests().into_iter().filter(|seen| seen.complete).collect();
    assert!(whole.len() == 1 && whole[0].body == b"[\"last\"]", "{whole:?}");
}

#[test]
fn what_is_streamed_and_good_arrives_byte_for_byte() {
    let world = world();
    // Just over what is held, and far over it.
    for body in [format!("{}{}", records(3, 10), " ".repeat(HELD)), records(3, 21_850), records(3, 100_000)] {
        assert!(body.len() > HELD, "{}", body.len());
        for way in [
            Told,
            UnusualTold,
            Chunks(1000),
            Chunks(HELD - 1),
            Chunks(HELD + 1),
            Chunks(400_000),
            UnusualChunks(1000),
            Way::Http2 { told: true, frames: 0 },
            Way::Http2 { told: false, frames: 0 },
        ] {
            assert_eq!(way.send(&world, BULK, body.as_bytes()).0, 200, "{way:?}: {} bytes", body.len());
            let seen = world.backend.last();
            assert!(seen.complete && seen.body == body.as_bytes(), "{way:?}: {} of {} bytes", seen.body.len(), body.len());
        }
    }
}

#[test]
fn a_refusal_says_the_bound_and_is_decorated_and_recorded() {
    let world = world();
    let late = &refused_late()[0].0;
    for (name, body, way) in [("small", "[1,2,3,4]", Told), ("chunked", "[1,2,3,4]", Chunks(2)), ("streamed", late, Told)] {
        let response = way.send_http1(&world, BULK, body.as_bytes());
        let answer = response.json();
        assert_eq!(
            (response.status, &answer["code"], &answer["message"], &answer["max_records"]),
            (400, &json!("too_many_records"), &json!("Invalid request body"), &json!(3)),
            "{name}"
        );
        assert_decorated(name, &response);
        assert_shared_with(name, Some(ORIGIN), &response);
        let entry = world.gateway.access_log(response.only("X-Request-Id"));
        assert_eq!((&entry["reason"], &entry["outcome"]), (&json!("too_many_records"), &json!("rejected")), "{name}: {entry}");
        assert_eq!(entry["route"], "/cis/bulk");
    }
    let malformed = Told.send_http1(&world, BULK, b"[1,2");
    let answer = malformed.json();
    assert_eq!((&answer["code"], &answer["max_records"]), (&json!("invalid_request"), &json!(null)));
    assert_eq!(answer["detail"], "the body is not JSON: it ends too early");
    world.gateway.wait_metric("stackflow_gateway_requests_total{route=\"/cis/bulk\",code=\"400\",outcome=\"rejected\"}", 4.0);
}

#[test]
fn after_the_refusal_of_a_small_body_the_connection_is_used_again() {
    let world = world();
    let mut client = world.gateway.connect();
    for (body, status) in [("[1,2,3,4]", 400), ("[1", 400), ("[1]", 200), ("[1,2,3,4]", 400)] {
        assert_eq!(world.ask_on(&mut client, "POST", BULK, &[JSON], body.as_bytes()).status, status, "{body}");
    }
}

#[test]
fn what_is_refused_stays_charged() {
    let world = world();
    let remaining = |body: &str| world.post("/prod/api/cis/import", body.as_bytes()).number("X-RateLimit-Remaining");
    let first = remaining("[1]");
    assert!(remaining("[1,2,3,4]") < first && remaining("[") < first - 1);
}

#[test]
fn what_could_be_read_otherwise_by_the_upstream_is_415() {
    let world = world();
    let ask = |headers: &[(&str, &str)]| {
        let response = world.ask("POST", BULK, headers, b"[1]");
        (response.status, response.header("Accept-Encoding").map(str::to_owned))
    };
    let identity = Some("identity".to_owned());
    for coding in ["gzip", "br", "gzip, identity", "identity, gzip", "x"] {
        assert_eq!(ask(&[JSON, ("Content-Encoding", coding)]), (415, identity.clone()), "{coding}");
    }
    assert_eq!(ask(&[JSON, ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]), (415, identity));
    for charset in ["utf-16", "shift_jis", "\"utf-16le\"", "utf-8;charset=utf-7"] {
        assert_eq!(ask(&[("Content-Type", &format!("application/json; charset={charset}"))]), (415, None), "{charset}");
    }
    assert_eq!(ask(&[("Content-Type", "text/plain")]), (415, None));
    assert!(world.backend.requests().is_empty());
    assert_eq!(ask(&[("Content-Type", "application/json; charset=\"UTF-8\""), ("Content-Encoding", "Identity")]).0, 200);
    // Where nothing is counted, the upstream may read what it can.
    assert_eq!(world.ask("POST", "/prod/api/incidents", &[JSON, ("Content-Encoding", "gzip")], b"\x1f\x8b").status, 200);
}

#[test]
fn a_request_without_a_body_has_no_records() {
    let world = world();
    assert_eq!(world.get(BULK).status, 200);
    assert_eq!(world.ask("PUT", BULK, &[], b"").status, 400);
    assert_eq!(world.ask("PUT", BULK, &[JSON], b"[1,2,3,4]").status, 400);
}

#[test]
fn the_bound_of_the_body_holds_for_what_is_taken_in() {
    let world = world();
    for way in [Told, Chunks(4), Way::Http2 { told: false, frames: 4 }, Way::Http2 { told: true, frames: 4 }] {
        assert_eq!(way.send(&world, "/prod/api/tiny/bulk", b"[1,       2]"), (413, "body_too_large".to_owned()), "{way:?}");
        assert_eq!(way.send(&world, "/prod/api/tiny/bulk", b"[1,     2]").0, 200, "{way:?}");
    }
    assert!(world.backend.requests().iter().all(|seen| seen.complete && seen.body.len() == 10));
}

#[test]
fn a_client_that_waits_to_be_asked_is_asked_and_then_judged() {
    let world = world();
    for (body, status) in [("[1,2,3,4]", 400), ("[1]", 200)] {
        for framing in [format!("Content-Length: {}", body.len()), "Transfer-Encoding: chunked".to_owned()] {
            let mut client = world.gateway.connect();
            let head =
                format!("POST {BULK} HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n");
            client.send(format!("{head}Authorization: {}\r\n{framing}\r\n\r\n", world.bearer).as_bytes());
            assert_eq!(client.read_head().status, 100, "{framing}");
            let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            client.send(if framing.ends_with("chunked") { &chunked } else { body }.as_bytes());
            assert_eq!(client.read_response("POST").status, status, "{framing}: {body}");
        }
    }
    assert!(world.backend.requests().iter().all(|seen| seen.head.all("expect").is_empty() && seen.body == b"[1]"));
}
