//! Requests in HTTP/2 that are none (RFC 9113, section 8): a stream error or 400, and never forwarded.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

use serde_json::Value;
use support::{
    DATA, Frame, HEADERS, Http2, Next, RST_STREAM, World,
    http2::{CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, NO_ERROR, block_of_bytes, frame},
};

const ORIGIN: &str = "https://app.stackflow-tech.com";
const LIST: &[u8] = b"/prod/api/incidents";

type Field<'a> = (&'a [u8], &'a [u8]);

/// What a request without fault begins with.
const USUAL: [Field<'_>; 4] = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", LIST), (b":authority", b"api.test")];

/// What comes of these fields: `400`, `reset`, `goaway`, or another status. A 400 is one in JSON.
fn outcome(client: &mut Http2, stream: u32, fields: &[Field<'_>], body: Option<&[u8]>) -> String {
    let end = if body.is_none() { END_STREAM } else { 0 };
    client.send(&frame(HEADERS, END_HEADERS | end, stream, &block_of_bytes(fields)));
    if let Some(body) = body {
        client.send(&frame(DATA, END_STREAM, stream, body));
    }
    let mut status = String::new();
    loop {
        match client.next() {
            Next::Frame(Frame { kind: HEADERS, payload, .. }) => status = status_of(&payload),
            Next::Frame(frame) if frame.kind == RST_STREAM && frame.stream == stream => return "reset".to_owned(),
            Next::Frame(frame) if frame.kind == GOAWAY => return "goaway".to_owned(),
            Next::Frame(_) => {}
            Next::Closed => return "closed".to_owned(),
            Next::Silence => return format!("silence after {status:?}"),
        }
        if status == "400" {
            let body: Value = serde_json::from_slice(&client.wait(DATA).payload).unwrap();
            assert_eq!((&body["status"], &body["code"]), (&Value::from(400), &Value::from("invalid_request")));
        }
        if !status.is_empty() {
            return status;
        }
    }
}

/// RFC 7541, appendix A: entries 8 to 14 are statuses; others are literal behind the name of entry 8.
fn status_of(block: &[u8]) -> String {
    match block[0] {
        0x88 => "200".to_owned(),
        0x8c => "400".to_owned(),
        0x8d => "404".to_owned(),
        other => format!("{other:#x}"),
    }
}

/// Answered with a 400 in JSON, where the grammar of HTTP/2 leaves something to answer.
fn answered(world: &World, what: &str, fields: &[Field<'_>]) {
    let mut client = Http2::connect(world.gateway.address());
    assert_eq!(outcome(&mut client, 1, fields, None), "400", "{what}");
    refuse(world, what, fields, None);
}

/// Refused on a connection of its own, and not forwarded; what is right beside it is served.
fn refuse(world: &World, what: &str, fields: &[Field<'_>], body: Option<&[u8]>) {
    // A body may turn out too short once it is on its way: the upstream sees it cut off.
    let forwarded = || world.backend.requests().iter().filter(|seen| seen.complete).count();
    let before = forwarded();
    let mut client = Http2::connect(world.gateway.address());
    let came = outcome(&mut client, 1, fields, body);
    assert!(["400", "reset", "goaway"].contains(&came.as_str()), "{what}: {came}");
    if came == "goaway" {
        assert_eq!(forwarded(), before, "{what}: nothing was forwarded");
        return;
    }
    let good = [&USUAL[..], &[(b"authorization", world.bearer.as_bytes())]].concat();
    assert_eq!(outcome(&mut client, 3, &good, None), "200", "{what}: the connection goes on");
    assert_eq!(forwarded(), before + 1, "{what}: only the good one was forwarded");
}

struct Requests<'a> {
    world: &'a World,
}

impl Requests<'_> {
    /// The usual fields and `ada`'s token, then this one.
    fn refuse_with(&self, what: &str, field: Field<'_>) {
        let fields = [&USUAL[..], &[(b"authorization", self.world.bearer.as_bytes()), field]].concat();
        refuse(self.world, what, &fields, None);
    }

    /// The usual fields with this value in place of that of its name.
    fn refuse_instead(&self, what: &str, name: &[u8], value: &[u8]) {
        let usual = USUAL.iter().map(|field| if field.0 == name { (field.0, value) } else { *field });
        let fields: Vec<_> = usual.chain([(&b"authorization"[..], self.world.bearer.as_bytes())]).collect();
        refuse(self.world, what, &fields, None);
    }

    /// As [`Self::refuse_with`], but answered.
    fn answer_with(&self, what: &str, field: Field<'_>) {
        answered(self.world, what, &[&USUAL[..], &[(b"authorization", self.world.bearer.as_bytes()), field]].concat());
    }

    /// The usual fields without this one.
    fn refuse_without(&self, name: &[u8]) {
        let usual = USUAL.iter().filter(|field| field.0 != name).copied();
        let fields: Vec<_> = usual.chain([(&b"authorization"[..], self.world.bearer.as_bytes())]).collect();
        refuse(self.world, &format!("without {}", String::from_utf8_lossy(name)), &fields, None);
    }
}

fn world() -> World {
    World::with(|setup| {
        setup.with("[api]\nrequire_json = false\n[cors]\nallowed_origins = [\"https://*.stackflow-tech.com\"]\n[limits]\nper_user = { rate = 10000, burst = 10000 }")
    })
}

#[test]
fn pseudo_headers_are_there_once_and_first() {
    let world = world();
    let requests = Requests { world: &world };
    for name in [&b":method"[..], b":scheme", b":path", b":authority"] {
        requests.refuse_without(name);
        requests.refuse_instead(&format!("empty {}", name.escape_ascii()), name, b"");
    }
    for field in USUAL {
        requests.refuse_with("a pseudo-header twice and late", field);
    }
    for scheme in [&b"ftp"[..], b"ws", b"http2", b"ht tp", b"http:"] {
        requests.refuse_instead(&format!("scheme {}", scheme.escape_ascii()), b":scheme", scheme);
    }
    requests.refuse_with("an unknown one", (b":protocol", b"websocket"));
    requests.refuse_with("one of responses", (b":status", b"200"));
    let late = [&[(&b"x-first"[..], &b"1"[..])], &USUAL[..]].concat();
    refuse(&world, "after another field", &late, None);
}

#[test]
fn names_are_lower_case_and_tokens() {
    let world = world();
    let requests = Requests { world: &world };
    for name in [&b"X-Upper"[..], b"x upper", b"x:y", b"x\ny", b"x\0y", b"x\r\ny", b"", b" x", b"x\x7f", b"x\xff", b"x(y)"] {
        requests.refuse_with(&format!("name {}", name.escape_ascii()), (name, b"1"));
    }
}

#[test]
fn values_hold_no_line_ends_and_no_nul() {
    let world = world();
    let requests = Requests { world: &world };
    for value in [&b"a\r\nb: c"[..], b"a\nb", b"a\rb", b"a\0b", b"\r", b"\n", b"\0", b"a\x01b", b"a\x7fb"] {
        requests.refuse_with(&format!("value {}", value.escape_ascii()), (b"x-test", value));
    }
    for value in [&b" a"[..], b"a ", b"\ta", b"a\t"] {
        requests.answer_with("space around a value", (b"x-test", value));
    }
    for path in [&b"/prod/api/incidents HTTP/1.1\r\nX: y"[..], b"/prod/api/inci dents", b"/prod/api/a\tb", b"/a\0", b"prod/api"] {
        requests.refuse_instead(&format!("path {}", path.escape_ascii()), b":path", path);
    }
    for method in [&b"GET /x HTTP/1.1\r\nHost: y\r\n\r\nGET"[..], b"G ET", b"GET\r\n", b"G\0T", b"G\xffT"] {
        requests.refuse_instead(&format!("method {}", method.escape_ascii()), b":method", method);
    }
}

#[test]
fn fields_of_the_connection_are_none_of_http2() {
    let world = world();
    let requests = Requests { world: &world };
    let of_the_connection: [Field<'_>; 8] = [
        (b"connection", b"keep-alive"),
        (b"connection", b"authorization"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"websocket"),
        (b"te", b"gzip"),
        (b"te", b"trailers, deflate"),
    ];
    for field in of_the_connection {
        requests.refuse_with(&format!("{}: {}", field.0.escape_ascii(), field.1.escape_ascii()), field);
    }
}

#[test]
fn the_authority_is_one_and_plain() {
    let world = world();
    let requests = Requests { world: &world };
    requests.answer_with("another host", (b"host", b"other.test"));
    requests.answer_with("another port", (b"host", b"api.test:81"));
    let hosts = [&USUAL[..3], &[(&b"host"[..], &b"a.test"[..]), (b"host", b"b.test")]].concat();
    answered(&world, "two hosts", &hosts);
    answered(&world, "no host", &USUAL[..3]);
    for authority in [
        &b"user@api.test"[..],
        b"user:pass@api.test",
        b"api.test/path",
        b"a b",
        b"api.test, b.test",
        b"a\0b",
        b"a.test:port",
        b"a.test:99999",
        b"[::1",
        b"a!b",
    ] {
        requests.refuse_instead(&format!("authority {}", authority.escape_ascii()), b":authority", authority);
    }
    for path in [&b"http://api.test/prod/api/incidents"[..], b"http://other.test/", b"//api.test/prod/api/incidents", b"*"] {
        requests.refuse_instead(&format!("path {}", path.escape_ascii()), b":path", path);
    }
}

#[test]
fn the_length_is_that_of_the_body() {
    let world = world();
    let post = |length: &[u8], body: Option<&[u8]>| {
        let usual = [(&b":method"[..], &b"POST"[..]), USUAL[1], USUAL[2], USUAL[3]];
        let more = [(&b"authorization"[..], world.bearer.as_bytes()), (b"content-length", length)];
        refuse(&world, &format!("length {} of {body:?}", length.escape_ascii()), &[&usual[..], &more].concat(), body);
    };
    post(b"1", Some(b"[]"));
    post(b"3", Some(b"[]"));
    post(b"100000", Some(b"[]"));
    post(b"2", None);
    for length in [&b"+2"[..], b"2, 3", b"-2", b"0x2", b"2 2", b"two", b"", b"18446744073709551618"] {
        post(length, Some(b"[]"));
    }
    let usual = [(&b":method"[..], &b"POST"[..]), USUAL[1], USUAL[2], USUAL[3]];
    let twice = [(&b"authorization"[..], world.bearer.as_bytes()), (b"content-length", b"2"), (b"content-length", b"3")];
    refuse(&world, "two lengths", &[&usual[..], &twice].concat(), Some(b"[]"));
}

#[test]
fn trailers_carry_neither_credentials_nor_framing() {
    let world = world();
    let mut client = Http2::connect(world.gateway.address());
    let usual = [(&b":method"[..], &b"POST"[..]), USUAL[1], USUAL[2], USUAL[3]];
    let fields = [&usual[..], &[(b"authorization", world.bearer.as_bytes())]].concat();
    let trailers: [Field<'_>; 4] =
        [(b"authorization", b"Bearer other"), (b"content-length", b"7"), (b"x-auth-subject", b"root"), (b"host", b"evil.test")];
    client.send(&frame(HEADERS, END_HEADERS, 1, &block_of_bytes(&fields)));
    client.send(&frame(DATA, 0, 1, b"[]"));
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block_of_bytes(&trailers)));
    assert_eq!(client.wait(HEADERS).payload[0], 0x88, "the request itself is good");
    let seen = world.backend.last();
    assert_eq!(seen.body, b"[]");
    assert!(seen.head.all("x-auth-subject").iter().all(|subject| *subject != "root"), "{seen:?}");
    assert!(seen.head.all("authorization").iter().all(|value| *value == world.bearer), "{seen:?}");
}

/// A head that can be read is answered in JSON, decorated, and recorded.
#[test]
fn what_can_be_answered_is_answered_in_json() {
    let world = world();
    let check = |what: &str, fields: &[Field<'_>], status: u16, code: &str| {
        let mut client = Http2::connect(world.gateway.address());
        let id = format!("malformed-{}", what.replace(' ', "-"));
        let fields = [fields, &[(b"x-request-id", id.as_bytes()), (b"origin", ORIGIN.as_bytes())]].concat();
        client.send(&in_frames(1, &block_of_bytes(&fields)));
        let head = client.wait(HEADERS);
        for text in [ORIGIN, "application/json", "x-ratelimit-remaining", &id] {
            assert!(head.holds(text), "{what}: {text} in {}", head.payload.escape_ascii());
        }
        let body: Value = serde_json::from_slice(&client.wait(DATA).payload).unwrap();
        assert_eq!(
            (&body["status"], &body["code"], &body["request_id"]),
            (&status.into(), &code.into(), &id.as_str().into()),
            "{what}"
        );
        assert_eq!(world.gateway.access_log(&id)["status"], status, "{what}");
    };
    let foreign = [USUAL[0], (&b":scheme"[..], &b"ftp"[..]), USUAL[2], USUAL[3]];
    check("a foreign scheme", &foreign, 400, "invalid_request");
    let authority = [USUAL[0], USUAL[1], USUAL[2], (&b":authority"[..], &b"a!b"[..])];
    check("no host", &authority, 400, "invalid_request");
    check("connect", &[(b":method", b"CONNECT"), (b":authority", b"api.test:443")], 405, "method_not_allowed");
    check("two hosts", &[&USUAL[..3], &[(b"host", b"a.test"), (b"host", b"b.test")]].concat(), 400, "invalid_request");
    check("no authority", &USUAL[..3], 400, "invalid_request");
    check("another host", &[&USUAL[..], &[(b"host", b"other.test")]].concat(), 400, "invalid_request");
    let quoted = [USUAL[0], USUAL[1], (&b":path"[..], &b"/a\"b"[..]), USUAL[3]];
    check("a quote in the path", &quoted, 400, "invalid_request");
    check("two lengths", &[&USUAL[..], &[(b"content-length", b"0"), (b"content-length", b"0")]].concat(), 400, "invalid_request");
    check("over the bound", &[&USUAL[..], &[(b"x-long", &vec![b'x'; 33_000])]].concat(), 431, "headers_too_large");
    check("three times the bound", &[&USUAL[..], &[(b"x-long", &vec![b'x'; 100_000])]].concat(), 431, "headers_too_large");
    check("many fields", &[&USUAL[..], &[(&b"x-many"[..], &b"1"[..]); 100]].concat(), 431, "headers_too_large");
    let long = [b"/prod/api/".to_vec(), vec![b'a'; 9_000]].concat();
    check("a long path", &[USUAL[0], USUAL[1], (b":path", &long), USUAL[3]], 414, "uri_too_long");
    assert!(world.backend.requests().is_empty());
    assert!(world.gateway.metric("stackflow_gateway_connections_ended_total") < 0.5, "no connection was ended for that");
}

/// What is too large to be read is refused all the same, and what is too large by far ends the connection.
#[test]
fn lists_of_fields_that_nobody_reads_are_refused_bare() {
    let world = world();
    let list = |length: usize| in_frames(1, &block_of_bytes(&[&USUAL[..], &[(b"x-long", &vec![b'x'; length])]].concat()));
    let mut client = Http2::connect(world.gateway.address());
    client.send(&list(140_000));
    let answer = client.wait(HEADERS);
    assert!(answer.holds("431") && answer.ends_stream(), "{answer:?}");
    let mut client = Http2::connect(world.gateway.address());
    let _ = client.try_send(&list(600_000));
    assert!(client.wait(GOAWAY).code().is_some_and(|code| code != NO_ERROR));
    assert!(world.backend.requests().is_empty());
}

#[test]
fn streams_that_are_reset_for_the_fault_of_a_client_are_counted() {
    let world = world();
    let mut client = Http2::connect(world.gateway.address());
    for number in 0..5 {
        let fields = [&USUAL[..], &[(&b"connection"[..], &b"close"[..])]].concat();
        assert_eq!(outcome(&mut client, 2 * number + 1, &fields, None), "reset");
    }
    world.gateway.wait_metric("stackflow_gateway_http2_resets_total", 5.0);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let world = world();
    let mut client = Http2::connect(world.gateway.address());
    let post = [(&b":method"[..], &b"POST"[..]), USUAL[1], USUAL[2], USUAL[3]];
    let more = [(&b"authorization"[..], world.bearer.as_bytes()), (b"content-length", b"2"), (b"expect", b"100-continue")];
    client.send(&frame(HEADERS, END_HEADERS, 1, &block_of_bytes(&[&post[..], &more].concat())));
    let asked = client.wait(HEADERS);
    assert!(asked.holds("100") && !asked.ends_stream(), "{asked:?}");
    client.send(&frame(DATA, END_STREAM, 1, b"[]"));
    assert_eq!(client.wait(HEADERS).payload[0], 0x88);
    assert_eq!(world.backend.last().body, b"[]");
}

/// The head of a request without a body, in as many frames as it takes.
fn in_frames(stream: u32, block: &[u8]) -> Vec<u8> {
    let last = block.len().div_ceil(1 << 14) - 1;
    let parts = block.chunks(1 << 14).enumerate();
    let frames = parts.map(|(number, part)| {
        let kind = if number == 0 { HEADERS } else { CONTINUATION };
        let end_headers = if number == last { END_HEADERS } else { 0 };
        frame(kind, end_headers | if number == 0 { END_STREAM } else { 0 }, stream, part)
    });
    frames.collect::<Vec<_>>().concat()
}
