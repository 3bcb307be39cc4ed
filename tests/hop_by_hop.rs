//! What a client cannot have removed, cannot bring along, and cannot hide behind its body: the same on every way to the upstream.
mod support;

use support::{Backend, Client, DATA, Head, Http2, JSON, World, request};

const TARGET: &str = "/prod/api/v1/incidents";

/// In every field that a client makes up here.
const EVIL: &str = "evil";

/// What the gateway alone says of who asks and from where.
const OURS: [&str; 11] = [
    "X-Auth-Subject",
    "X-Auth-Issuer",
    "X-Auth-Client-Id",
    "X-Auth-Username",
    "X-Auth-Scopes",
    "X-Auth-Groups",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Real-IP",
];

/// By which clients speak of another path, method or address than the one that was judged.
const OVERRIDES: [&str; 8] = [
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Forwarded-Path",
    "X-Forwarded-Port",
    "Forwarded",
];

/// Of the connection, RFC 9110, section 7.6.1, and what was before it.
const HOP_BY_HOP: [&str; 7] =
    ["Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "TE", "Upgrade", "HTTP2-Settings"];

/// More requests than the limits of a start let through.
const UNLIMITED: &str = "[limits]\nper_user = { rate = 100000, burst = 100000 }";

/// A request with these fields, as it comes over HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Get,
    Small,
    Large,
    Chunks,
}

const WAYS: [Way; 4] = [Way::Get, Way::Small, Way::Large, Way::Chunks];

impl Way {
    fn send(self, client: &mut Client, world: &World, fields: &[(&str, &str)], trailers: &str) {
        let headers = [&[world.auth(), JSON], fields].concat();
        let bytes = match self {
            Self::Get => request("GET", TARGET, &[&[world.auth()], fields].concat(), b""),
            Self::Small => request("POST", TARGET, &headers, b"{}"),
            Self::Large => request("POST", TARGET, &headers, &vec![b' '; 100_000]),
            Self::Chunks => {
                let head = request("POST", TARGET, &[&headers[..], &[("Transfer-Encoding", "chunked")]].concat(), b"");
                [&head, &b"2\r\n{}\r\n0\r\n"[..], trailers.as_bytes(), b"\r\n"].concat()
            }
        };
        client.send(&bytes);
    }

    fn method(self) -> &'static str {
        if self == Self::Get { "GET" } else { "POST" }
    }
}

/// The spellings that an upstream may fold into one name.
fn spellings(name: &str) -> Vec<String> {
    let folded = name.replace('-', "_");
    let half = name.replacen('-', "_", 1);
    vec![name.to_owned(), name.to_ascii_uppercase(), folded.to_ascii_lowercase(), folded, half]
}

/// As CGI and WSGI make variables of names (RFC 3875, section 4.1.18).
fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Nothing of the client's making, what is ours once, and ada for who she is.
#[track_caller]
fn assert_clean(what: &str, world: &World, head: &Head) {
    for (name, value) in &head.headers {
        assert!(!value.contains(EVIL), "{what}: {name}: {value} reached the upstream");
        let same = head.headers.iter().filter(|(other, _)| folded(other) == folded(name)).count();
        let is_ours = OURS.iter().chain(&["authorization", "host", "content-length", "transfer-encoding"]);
        let is_ours = is_ours.into_iter().any(|ours| folded(ours) == folded(name));
        assert!(!is_ours || same == 1, "{what}: {name} reached the upstream {same} times: {head:?}");
    }
    assert_eq!(head.only("X-Auth-Subject"), "ada", "{what}");
    assert_eq!(head.only("Authorization"), world.bearer, "{what}");
    assert_eq!(head.only("X-Forwarded-For"), "127.0.0.1", "{what}");
    assert_eq!(head.only("Host"), "api.test", "{what}");
}

#[test]
fn no_spelling_of_a_field_of_ours_is_passed_on() {
    let world = World::with(|setup| setup.with(UNLIMITED));
    for name in OURS.iter().chain(&OVERRIDES).chain(&HOP_BY_HOP) {
        for spelling in spellings(name) {
            // The client's own, with an underscore, may go on: it folds into nothing that anybody sets.
            if HOP_BY_HOP.contains(name) && spelling.contains('_') {
                continue;
            }
            for way in WAYS {
                let what = format!("{spelling} ({way:?})");
                let mut client = world.gateway.connect();
                way.send(&mut client, &world, &[(&spelling, EVIL)], "");
                assert_eq!(client.read_response(way.method()).status, 200, "{what}");
                assert_clean(&what, &world, &world.backend.last().head);
            }
        }
    }
}

/// It removes nothing that the gateway says or that was judged; where it is refused, nothing is forwarded.
#[test]
fn connection_removes_nothing_that_matters() {
    let world = World::with(|setup| setup.with(UNLIMITED));
    let judged = ["Authorization", "Host", "Origin", "X-Request-Id", "Traceparent", "Via", "Content-Length", "Transfer-Encoding"];
    for name in OURS.iter().chain(&judged) {
        for way in WAYS {
            for nominated in
                [name.to_string(), name.to_ascii_lowercase(), format!("close, {name}"), format!("keep-alive,{name} ,")]
            {
                let what = format!("Connection: {nominated} ({way:?})");
                let before = world.backend.requests().len();
                let mut client = world.gateway.connect();
                let fields = [("Connection", &*nominated), ("Origin", "https://app.test"), ("X-Request-Id", "mine")];
                way.send(&mut client, &world, &fields, "");
                let status = client.read_response(way.method()).status;
                let seen = &world.backend.requests()[before..];
                if status == 400 {
                    assert!(seen.iter().all(|seen| !seen.complete), "{what}: refused and forwarded");
                    continue;
                }
                assert_eq!((status, seen.len()), (200, 1), "{what}");
                let head = &seen[0].head;
                assert_clean(&what, &world, head);
                assert_eq!((head.only("Origin"), head.only("X-Request-Id")), ("https://app.test", "mine"), "{what}");
                assert!(!head.only("Via").is_empty() && !head.only("Traceparent").is_empty(), "{what}");
                assert!(head.all("Connection").iter().all(|value| !value.contains(name)), "{what}: {head:?}");
            }
        }
    }
}

/// RFC 9110, section 6.5.1: what routes, frames or authenticates does not stand behind a body. Here nothing does.
#[test]
fn trailers_end_here() {
    let world = World::with(|setup| setup.with(UNLIMITED));
    let names = [
        "Authorization",
        "X-Auth-Subject",
        "X-Auth-Scopes",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "X-Trailer",
        "Cookie",
    ];
    for name in names {
        let mut client = world.gateway.connect();
        Way::Chunks.send(&mut client, &world, &[("Trailer", name)], &format!("{name}: {EVIL}\r\n"));
        let response = client.read_response("POST");
        // A framing or a token behind a body may be refused; what is forwarded is without it.
        if response.status != 400 {
            assert_eq!(response.status, 200, "{name}: {response:?}");
            assert_clean(name, &world, &world.backend.last().head);
            assert_eq!(world.backend.last().body, b"{}", "{name}");
            // The next on this connection is the next that was sent.
            assert_eq!(client.get("/ping", &[]).status, 200, "{name}");
        }
    }
    assert!(world.backend.requests().iter().all(|seen| seen.head.target == "/api/v1/incidents"), "a trailer became a request");
}

#[test]
fn over_http_2_too() {
    let world = World::with(|setup| setup.with(UNLIMITED));
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", TARGET), (":authority", "api.test")];
    for name in OURS.iter().chain(&OVERRIDES).chain(&["Proxy-Authorization", "Proxy-Authenticate"]) {
        for spelling in spellings(name) {
            if name.starts_with("Proxy-Auth") && spelling.contains('_') {
                continue;
            }
            let before = world.backend.requests().len();
            let mut http2 = Http2::connect(world.gateway.address());
            http2.send_head(1, &[&pseudo[..], &[world.auth(), JSON, (&spelling, EVIL), ("te", "trailers")]].concat(), false);
            http2.send_data(1, b"{}", false);
            http2.send_head(1, &[(&spelling, EVIL), ("authorization", EVIL), ("x-auth-subject", EVIL)], true);
            assert_eq!(http2.wait(DATA).payload, b"{\"ok\":true}", "{spelling}");
            let seen = &world.backend.requests()[before..];
            assert_eq!(seen.len(), 1, "{spelling}");
            assert_clean(&spelling, &world, &seen[0].head);
            assert_eq!(seen[0].body, b"{}", "{spelling}");
            assert!(seen[0].head.all("TE").is_empty(), "{spelling}");
        }
    }
}

/// What an upstream says of its own connection is not for the client's, and takes nothing away from it.
#[test]
fn a_servers_hop_by_hop_fields_end_here_too() {
    let fields = "Connection: keep-alive, X-Hop, X-RateLimit-Limit, X-Request-Id, Vary, Content-Length\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                  Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nTrailer: X-After";
    let world =
        World::behind(Backend::answering(&format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: 2\r\n\r\nok")), |setup| setup);
    for way in WAYS {
        let mut client = world.gateway.connect();
        way.send(&mut client, &world, &[], "");
        let response = client.read_response(way.method());
        for gone in ["X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Upgrade", "Trailer"] {
            assert!(response.all(gone).is_empty(), "{way:?}: {gone}: {response:?}");
        }
        assert_eq!((response.number("X-RateLimit-Limit"), response.body.as_slice()), (100, &b"ok"[..]), "{way:?}");
    }
}
