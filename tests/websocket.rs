//! `WebSocket`: real software on both sides, what is refused before anybody switches, and what nobody may smuggle behind an opening.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

use serde_json::Value;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use support::{
    Backend, Call, Certificate, Client, Helper, Issuer, JSON, Response, Setup, World, assert_decorated, node, request,
};

/// Key and answer of RFC 6455, section 1.3.
const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
const VERSION: (&str, &str) = ("Sec-WebSocket-Version", "13");
const UPGRADE: (&str, &str) = ("Upgrade", "websocket");
const CONNECTION: (&str, &str) = ("Connection", "Upgrade");
const OPENING: [(&str, &str); 4] = [UPGRADE, CONNECTION, KEY, VERSION];
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const IN_FLIGHT: &str = "stackflow_gateway_requests_in_flight";
const EVENTS: &str = "/prod/api/events";
const ROUTE: &str = "path = \"/events\"\nmethods = [\"GET\", \"POST\"]\nupgrade = true";
/// Asked on the same connection, behind an opening.
const SMUGGLED: &[u8] = b"GET /prod/api/incidents HTTP/1.1\r\nHost: api.test\r\n\r\n";

fn world(backend: Backend) -> World {
    changed(backend, "")
}

/// With these tables more.
fn changed(backend: Backend, tables: &str) -> World {
    World::behind(backend, |setup| setup.route(ROUTE).with(tables))
}

/// Agrees to every WebSocket and then does `more`; anything else it answers as always.
fn agreeing(more: impl Fn(&mut Call) + Send + Sync + 'static) -> Backend {
    Backend::scripted(move |call| {
        if call.head.all("Upgrade").is_empty() {
            return call.answer(200, "", "plain");
        }
        call.send(AGREED.as_bytes());
        more(call);
        call.close();
    })
}

/// Sends back what comes, to its end.
fn echo(call: &mut Call) {
    while let Some(bytes) = call.read_some() {
        call.send(&bytes);
    }
}

/// `ada`'s opening with these fields, and what comes behind it.
fn send_opening(world: &World, client: &mut Client, target: &str, fields: &[(&str, &str)], behind: &[u8]) {
    let opening = request("GET", target, &[&[world.auth()], fields].concat(), b"");
    client.send(&[&opening, behind].concat());
}

/// `ada`'s WebSocket.
#[track_caller]
fn open(world: &World) -> Client {
    let mut client = world.gateway.connect();
    send_opening(world, &mut client, EVENTS, &OPENING, b"");
    assert_eq!(client.read_response("GET").status, 101);
    client
}

#[track_caller]
fn assert_reads(client: &mut Client, expected: &[u8]) {
    let read: Vec<u8> = (0..expected.len()).map_while(|_| client.read_byte()).collect();
    assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(expected));
}

fn code(response: &Response) -> (u16, String) {
    (response.status, response.json()["code"].as_str().unwrap_or_default().to_owned())
}

// Real software.

/// A plain listener and one with TLS, before a server that speaks WebSocket.
fn with_real_server() -> (Helper, support::Gateway, Issuer) {
    let helper = Helper::start(&mut node("websocket.mjs"));
    let port = u16::try_from(helper.ready["port"].as_u64().unwrap()).unwrap();
    let issuer = Issuer::new("https://pool.test/one");
    let Certificate { pem, key_pem } = Certificate::self_signed("localhost");
    let tables = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\
                  tls = { certificate = \"cert.pem\", private_key = \"key.pem\" }\n";
    let setup = Setup::new(SocketAddr::from(([127, 0, 0, 1], port)), &issuer).listeners(tables).route(ROUTE);
    let gateway = setup.file("cert.pem", &pem).file("key.pem", &key_pem).start();
    (helper, gateway, issuer)
}

fn greeted<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let fields: Vec<_> = seen["greeting"]["headers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    fields.chunks(2).filter(|field| field[0].eq_ignore_ascii_case(name)).map(|field| field[1]).collect()
}

#[test]
fn real_clients_and_servers_talk_over_plain_text_and_tls() {
    let (mut helper, gateway, issuer) = with_real_server();
    let token = issuer.user("ada");
    for (listener, scheme) in [(0, "ws"), (1, "wss")] {
        let url = format!("{scheme}://localhost:{}{EVENTS}?since=1", gateway.listeners[listener].port());
        for (count, size) in [(1, 0), (1000, 100), (20, 1_000_000)] {
            let seen = helper.ask(&format!("{url} {token} {count} {size}"));
            let name = format!("{scheme}, {count} of {size}: {seen}");
            assert_eq!(
                (&seen["echoed"], &seen["wrong"], &seen["pong"]),
                (&count.into(), &0.into(), &"still there".into()),
                "{name}"
            );
            assert_eq!(
                (&seen["code"], &seen["reason"], &seen["protocol"]),
                (&4321.into(), &"enough".into(), &"two".into()),
                "{name}"
            );
            assert_eq!(
                (&seen["extensions"], &seen["greeting"]["url"]),
                (&"permessage-deflate".into(), &"/api/v1/events?since=1".into()),
                "{name}"
            );
            assert_eq!(greeted(&seen, "x-auth-subject"), ["ada"], "{name}");
            assert_eq!(greeted(&seen, "x-forwarded-proto"), [scheme.replace("ws", "http")], "{name}");
            assert_eq!(
                seen["closings"].as_array().unwrap().last(),
                Some(&"4321 enough".into()),
                "the server heard it too: {name}"
            );
        }
    }
    let seen = helper.ask(&format!("ws://127.0.0.1:{}{EVENTS} forged 1 1", gateway.listeners[0].port()));
    assert_eq!(seen["status"], 401);
}

// What is refused is an answer like any other.

#[test]
fn what_the_gateway_refuses_never_reaches_the_server() {
    let world = changed(agreeing(echo), "[limits]\nper_user = { rate = 1, burst = 1 }\n");
    let opening = |auth: &[(&str, &str)]| {
        let mut client = world.gateway.connect();
        client.send(&request("GET", EVENTS, &[auth, &OPENING].concat(), b""));
        let response = client.read_response("GET");
        assert_decorated("a refused opening", &response);
        assert!(client.is_closed(), "whatever its client sends behind it is no request");
        code(&response)
    };
    let auth = world.auth();
    assert_eq!(opening(&[]), (401, "missing_token".to_owned()));
    assert_eq!(opening(&[("Authorization", "Bearer no.such.token")]), (401, "invalid_token".to_owned()));
    assert_eq!(opening(&[auth, ("Origin", "https://evil.example")]), (403, "origin_not_allowed".to_owned()));
    assert_eq!(world.backend.requests().len(), 0);
    // Nobody was charged for that: the first is let in. While others are, too, it is late.
    drop(open(&world));
    let refused = (0..50).find_map(|_| {
        let mut client = world.gateway.connect();
        send_opening(&world, &mut client, EVENTS, &OPENING, b"");
        let response = client.read_response("GET");
        (response.status != 101).then(|| code(&response))
    });
    assert_eq!(refused, Some((429, "rate_limited".to_owned())));
}

#[test]
fn an_allowed_origin_may_open_one() {
    let world = changed(agreeing(echo), "[cors]\nallowed_origins = [\"https://app.test\"]\n");
    let mut client = world.gateway.connect();
    send_opening(&world, &mut client, EVENTS, &[&OPENING[..], &[("Origin", "https://app.test")]].concat(), b"");
    let response = client.read_response("GET");
    assert_eq!((response.status, response.only("Access-Control-Allow-Origin")), (101, "https://app.test"));
    assert_eq!((response.only("Upgrade"), response.only("Connection")), ("websocket", "Upgrade"));
    for name in ["X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"] {
        response.only(name);
    }
    let head = world.backend.last().head;
    assert_eq!(
        (head.only("Upgrade"), head.only("Connection"), head.only("Origin")),
        ("websocket", "Upgrade", "https://app.test")
    );
    assert_eq!((head.only("X-Auth-Subject"), head.only(KEY.0)), ("ada", KEY.1));
}

/// A name, method, target and fields.
type Asked<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

/// RFC 9110, section 7.8: it is not what it asks to become, and is answered as what it is.
#[test]
fn what_is_no_opening_is_answered_as_any_request() {
    let world = world(agreeing(echo));
    let cases: [Asked; 13] = [
        ("another protocol", "GET", EVENTS, &[("Upgrade", "h2c"), CONNECTION, ("HTTP2-Settings", "AAMAAABk"), KEY, VERSION]),
        ("a list", "GET", EVENTS, &[("Upgrade", "websocket, h2c"), CONNECTION, KEY, VERSION]),
        ("a list the other way", "GET", EVENTS, &[("Upgrade", "h2c, websocket"), CONNECTION, KEY, VERSION]),
        ("two fields", "GET", EVENTS, &[UPGRADE, ("Upgrade", "h2c"), CONNECTION, KEY, VERSION]),
        ("not of the connection", "GET", EVENTS, &[UPGRADE, KEY, VERSION]),
        ("without a key", "GET", EVENTS, &[UPGRADE, CONNECTION, VERSION]),
        ("a short key", "GET", EVENTS, &[UPGRADE, CONNECTION, ("Sec-WebSocket-Key", "YQ=="), VERSION]),
        ("two keys", "GET", EVENTS, &[UPGRADE, CONNECTION, KEY, KEY, VERSION]),
        ("another version", "GET", EVENTS, &[UPGRADE, CONNECTION, KEY, ("Sec-WebSocket-Version", "8")]),
        ("two versions", "GET", EVENTS, &[UPGRADE, CONNECTION, KEY, VERSION, VERSION]),
        ("another method", "POST", EVENTS, &OPENING),
        ("another route", "GET", "/prod/api/incidents", &OPENING),
        ("no route", "GET", "/prod/api/elsewhere", &OPENING),
    ];
    for (name, method, target, fields) in cases {
        let mut client = world.gateway.connect();
        let response = world.ask_on(&mut client, method, target, fields, b"");
        assert_eq!((response.status, response.text()), (200, "plain".to_owned()), "{name}");
        let head = world.backend.last().head;
        for gone in ["Upgrade", "HTTP2-Settings"] {
            assert_eq!(head.all(gone), [""; 0], "{name}: {head:?}");
        }
    }
    // With a body, whose bytes would be a tunnel's.
    for fields in [&[JSON][..], &[JSON, ("Transfer-Encoding", "chunked")]] {
        let mut client = world.gateway.connect();
        let fields = [&[world.auth()], &OPENING[..], fields].concat();
        let chunked = fields.len() > 6;
        let body: &[u8] = if chunked { b"2\r\n{}\r\n0\r\n\r\n" } else { b"{}" };
        let head = request("GET", EVENTS, &fields, if chunked { b"" } else { body });
        client.send(&if chunked { [&head, body].concat() } else { head });
        assert_eq!(client.read_response("GET").status, 200, "{fields:?}");
        assert_eq!(world.backend.last().head.all("Upgrade"), [""; 0], "{fields:?}");
    }
}

#[test]
fn http_1_0_opens_none() {
    let world = world(agreeing(echo));
    let mut client = world.gateway.connect();
    let opening = request("GET", EVENTS, &[&[world.auth()], &OPENING[..]].concat(), b"");
    client.send(String::from_utf8(opening).unwrap().replace("HTTP/1.1", "HTTP/1.0").as_bytes());
    assert_eq!(client.read_response("GET").status, 200);
    assert_eq!(world.backend.last().head.all("Upgrade"), [""; 0]);
}

/// RFC 6455, section 4.1, says what a client must not believe.
#[test]
fn a_101_that_does_not_answer_the_opening_is_a_502() {
    for (what, replacement) in [
        ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("Sec-WebSocket-Accept", "X-Accept"),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("Upgrade: websocket", "X: y"),
        ("Connection: Upgrade", "Connection: keep-alive"),
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        let answer = AGREED.replacen(what, replacement, 1);
        assert_ne!(answer, AGREED);
        let world = world(Backend::answering(&format!("{answer}raw")));
        let mut client = world.gateway.connect();
        send_opening(&world, &mut client, EVENTS, &OPENING, SMUGGLED);
        let response = client.read_response("GET");
        assert_eq!(code(&response), (502, "bad_upstream".to_owned()), "{replacement}");
        assert_decorated(replacement, &response);
        assert!(client.is_closed(), "{replacement}");
        assert_eq!(world.backend.requests().len(), 1, "asked once: {replacement}");
    }
}

/// To an ordinary request, a server that says 101 says it unasked, whatever the route allows.
#[test]
fn a_101_to_who_has_not_opened_is_a_502() {
    let world = world(Backend::answering(AGREED));
    assert_eq!(code(&world.get(EVENTS)), (502, "bad_upstream".to_owned()));
    assert_eq!(code(&world.ask("GET", "/prod/api/incidents", &OPENING, b"")), (502, "bad_upstream".to_owned()));
}

// Nothing is smuggled.

#[test]
fn what_comes_behind_a_refused_opening_is_no_request() {
    for status in ["200 OK", "403 Forbidden", "426 Upgrade Required"] {
        let world = world(Backend::answering(&format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno")));
        for target in [EVENTS, "/prod/api/incidents"] {
            let before = world.backend.requests().len();
            let mut client = world.gateway.connect();
            send_opening(&world, &mut client, target, &OPENING, SMUGGLED);
            let response = client.read_response("GET");
            assert_eq!((response.status.to_string().as_str(), response.text().as_str()), (&status[..3], "no"), "{target}");
            assert_eq!(response.only("Connection"), "close");
            assert!(client.is_closed(), "one answer, and no second: {status}, {target}");
            assert_eq!(world.backend.requests().len(), before + 1, "{status}, {target}");
        }
    }
}

#[test]
fn what_comes_behind_an_opening_goes_to_the_server_as_it_is() {
    let world = world(agreeing(echo));
    let mut client = world.gateway.connect();
    send_opening(&world, &mut client, EVENTS, &OPENING, SMUGGLED);
    assert_eq!(client.read_response("GET").status, 101);
    assert_reads(&mut client, SMUGGLED);
    client.send(SMUGGLED);
    assert_reads(&mut client, SMUGGLED);
    client.end();
    assert_eq!(client.read_byte(), None, "and nothing else answers");
    assert_eq!(world.backend.requests().len(), 1);
    world.gateway.wait_metric("stackflow_gateway_requests_total", 1.0);
}

#[test]
fn what_the_server_says_with_its_101_reaches_the_client() {
    let world = world(Backend::scripted(|call| {
        call.send(format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{AGREED}HTTP/1.1 200 OK\r\n\r\n").as_bytes());
        call.close();
    }));
    let mut client = open(&world);
    assert_reads(&mut client, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(client.read_byte(), None);
}

/// `Connection` may name more than the upgrade; that is gone, and what the gateway says stays.
#[test]
fn an_opening_cannot_strip_what_the_gateway_says() {
    let world = world(agreeing(echo));
    let mut client = world.gateway.connect();
    let nominating = ("Connection", "upgrade, x-hop, x-auth-subject, authorization, via, x-request-id");
    send_opening(&world, &mut client, EVENTS, &[UPGRADE, nominating, KEY, VERSION, ("X-Hop", "1")], b"");
    assert_eq!(client.read_response("GET").status, 101);
    let head = world.backend.last().head;
    assert_eq!(head.all("X-Hop"), [""; 0]);
    assert_eq!((head.only("X-Auth-Subject"), head.only("Host"), head.only("Connection")), ("ada", "api.test", "Upgrade"));
    for name in ["Authorization", "X-Forwarded-For", "X-Request-Id"] {
        head.only(name);
    }
}

// Time.

#[test]
fn silence_does_not_end_one() {
    let backend = agreeing(|call| {
        // Longer than every time-out below.
        call.pause(Duration::from_millis(2500));
        call.send(b"at last");
        echo(call);
    });
    let world = World::behind(backend, |setup| {
        setup
            .upstream("response_timeout = \"300ms\"")
            .route(ROUTE)
            .with("[bounds]\nidle_timeout = \"1s\"\nbody_timeout = \"1s\"\nheader_timeout = \"1s\"\nwrite_timeout = \"1s\"\n")
    });
    let mut client = open(&world);
    assert_reads(&mut client, b"at last");
    client.send(b"and on");
    assert_reads(&mut client, b"and on");
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    let backend = agreeing(|call| call.send_much(b"news ", 256 << 20));
    let world = changed(backend, "[bounds]\nwrite_timeout = \"1s\"\n");
    let client = open(&world);
    world.backend.wait("the gateway letting go", |seen| seen.aborted);
    world.gateway.wait_metric(IN_FLIGHT, 0.0);
    drop(client);
}

#[test]
fn a_server_that_does_not_read_is_cut() {
    let backend = agreeing(|call| call.pause(Duration::from_secs(20)));
    let world = World::behind(backend, |setup| setup.upstream("response_timeout = \"1s\"").route(ROUTE));
    let mut client = open(&world);
    let block = vec![b'x'; 1 << 20];
    let began = Instant::now();
    while client.try_send(&block) {
        assert!(began.elapsed() < support::DEADLINE);
    }
    world.gateway.wait_metric(IN_FLIGHT, 0.0);
}

#[test]
fn who_has_said_its_last_still_hears_the_other() {
    let backend = agreeing(|call| {
        while call.read_some().is_some() {}
        call.send(b"the last words");
    });
    let world = world(backend);
    let mut client = open(&world);
    client.send(b"bye");
    client.end();
    assert_reads(&mut client, b"the last words");
    assert_eq!(client.read_byte(), None);
}

#[test]
fn a_side_that_stays_after_the_other_has_left_is_not_waited_for_long() {
    let backend = agreeing(Call::hang);
    let world = changed(backend, "[bounds]\nwrite_timeout = \"1s\"\n");
    drop(open(&world));
    world.gateway.wait_metric(IN_FLIGHT, 0.0);
    let world = changed(agreeing(|call| call.send(b"bye")), "[bounds]\nwrite_timeout = \"1s\"\n");
    let mut client = open(&world);
    assert_reads(&mut client, b"bye");
    assert_eq!(client.read_byte(), None);
    world.gateway.wait_metric(IN_FLIGHT, 0.0);
}

// Its record and its end.

#[test]
fn one_is_recorded_at_its_end() {
    let world = world(agreeing(echo));
    let mut client = world.gateway.connect();
    send_opening(&world, &mut client, EVENTS, &[&OPENING[..], &[("X-Request-Id", "socket-1")]].concat(), b"");
    assert_eq!(client.read_response("GET").status, 101);
    world.gateway.wait_metric(IN_FLIGHT, 1.0);
    client.send(b"twelve bytes");
    assert_reads(&mut client, b"twelve bytes");
    client.end();
    assert_eq!(client.read_byte(), None);
    let line = world.gateway.access_log("socket-1");
    for (name, expected) in [
        ("status", 101.into()),
        ("outcome", "forwarded".into()),
        ("upstream_status", 101.into()),
        ("request_bytes", 12.into()),
        ("response_bytes", 12.into()),
        ("route", "/events".into()),
        ("subject", Value::from("ada")),
    ] {
        assert_eq!(line[name], expected, "{name}: {line}");
    }
    world.gateway.wait_metric(IN_FLIGHT, 0.0);
    world.gateway.wait_metric(
        "stackflow_gateway_requests_total{route=\"/events\",method=\"GET\",code=\"101\",outcome=\"forwarded\"}",
        1.0,
    );
}

#[test]
fn a_stop_waits_for_one_no_longer_than_drain_timeout() {
    let mut world = changed(agreeing(echo), "[server]\ndrain_timeout = \"2s\"\n");
    let mut client = open(&world);
    let asked = Instant::now();
    world.gateway.signal("TERM");
    world.gateway.poll("closed listeners", || std::net::TcpStream::connect(world.gateway.address()).is_err().then_some(()));
    client.send(b"still");
    assert_reads(&mut client, b"still");
    assert_eq!(world.gateway.wait(support::DEADLINE).code(), Some(0), "{}", world.gateway.written());
    assert!(asked.elapsed() >= Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(client.read_byte(), None);
}

#[test]
fn a_stop_does_not_wait_when_the_last_one_has_ended() {
    let mut world = changed(agreeing(echo), "[server]\ndrain_timeout = \"60s\"\n");
    let mut client = open(&world);
    world.gateway.signal("TERM");
    client.end();
    assert_eq!(client.read_byte(), None);
    assert_eq!(world.gateway.wait(support::DEADLINE).code(), Some(0), "{}", world.gateway.written());
}
