//! What reaches the upstream, byte for byte, and what comes back from it.
mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::{Backend, Call, Gate, Gateway, Issuer, NOBODY, Seen, Setup, request};

const LIST: &str = "/prod/api/incidents";

struct World {
    gateway: Gateway,
    backend: Backend,
    issuer: Issuer,
}

fn world() -> World {
    world_with("", Backend::start())
}

fn world_with(tables: &str, backend: Backend) -> World {
    let issuer = Issuer::new("https://pool.test/one");
    let setup = Setup::new(backend.address(), &issuer).with(tables).route("path = \"/open\"\nauth = \"none\"");
    World { gateway: setup.start(), backend, issuer }
}

impl World {
    /// What the upstream sees of a request with these headers besides the token.
    fn forward(&self, headers: &[(&str, &str)]) -> Seen {
        let bearer = format!("Bearer {}", self.issuer.user("ada"));
        let all = [&[("Authorization", bearer.as_str())], headers].concat();
        let response = self.gateway.connect().get(LIST, &all);
        assert_eq!(response.status, 200, "{headers:?}: {response:?} {}", response.text());
        self.backend.last()
    }

    fn upload_head(&self, framing: &str) -> String {
        let token = self.issuer.user("ada");
        format!(
            "POST {LIST} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        )
    }
}

#[test]
fn the_upstream_is_told_who_asks() {
    let world = world();
    let token = world.issuer.token(|claims| claims["sub"] = json!("ada"));
    world.gateway.connect().get_as(&token, LIST);
    let head = world.backend.last().head;
    for (name, value) in [
        ("X-Auth-Subject", "ada"),
        ("X-Auth-Issuer", "https://pool.test/one"),
        ("X-Auth-Client-Id", "test-client"),
        ("X-Auth-Username", "ada@example.com"),
        ("X-Auth-Scopes", "incidents:read incidents:write"),
        ("X-Auth-Groups", "operators,on-call"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "api.test"),
        ("X-Forwarded-Prefix", "/prod/api"),
        ("Host", "api.test"),
        ("Authorization", &format!("Bearer {token}")),
    ] {
        assert_eq!(head.only(name), value, "{name}");
    }
    assert!(head.only("Via").starts_with("1.1 "), "{head:?}");
    let trace: Vec<&str> = head.only("traceparent").split('-').collect();
    assert_eq!(trace.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{trace:?}");
    assert!(!head.only("X-Request-Id").is_empty());
}

#[test]
fn identity_headers_cannot_be_sent_by_a_client() {
    let world = world();
    for name in [
        "X-Auth-Subject",
        "x-auth-subject",
        "X_Auth_Subject",
        "x_auth-subject",
        "X-Auth_Subject",
        "X-AUTH-GROUPS",
        "X_AUTH_SCOPES",
        "X-Auth-Client_Id",
    ] {
        let head = world.forward(&[(name, "root")]).head;
        assert!(head.headers.iter().all(|(_, value)| value != "root"), "{name} reached the upstream: {head:?}");
        assert_eq!(head.only("X-Auth-Subject"), "ada");
        // On routes that ask for no token they are removed all the same.
        assert_eq!(world.gateway.connect().get("/prod/api/open", &[(name, "root")]).status, 200);
        let open = world.backend.last().head;
        assert!(
            open.headers.iter().all(|(known, value)| value != "root" && !known.to_ascii_lowercase().starts_with("x-auth")),
            "{name}: {open:?}"
        );
    }
    let absent = format!("Bearer {}", world.issuer.token_without("cognito:groups"));
    let response = world.gateway.connect().get(LIST, &[("Authorization", &absent), ("X-Auth-Groups", "root")]);
    assert_eq!(response.status, 200, "{response:?}");
    assert!(
        world.backend.last().head.all("X-Auth-Groups").is_empty(),
        "a claim the token has not is a header the upstream gets not"
    );
}

#[test]
fn a_connection_header_cannot_remove_what_the_gateway_adds() {
    let world = world();
    for named in [
        "X-Auth-Subject",
        "x-auth-issuer, X-Request-Id",
        "X-Forwarded-For",
        "Authorization",
        "Host",
        "Via",
        "close, X-Auth-Scopes",
    ] {
        let bearer = format!("Bearer {}", world.issuer.user("ada"));
        let response = world.gateway.connect().get(LIST, &[("Authorization", &bearer), ("Connection", named)]);
        // Refusing such a request is as good as forwarding it whole.
        if response.status == 200 {
            let head = world.backend.last().head;
            for name in [
                "X-Auth-Subject",
                "X-Auth-Issuer",
                "X-Auth-Scopes",
                "X-Request-Id",
                "X-Forwarded-For",
                "Authorization",
                "Host",
                "Via",
            ] {
                assert!(!head.only(name).is_empty(), "Connection: {named} removed {name}");
            }
        } else {
            assert_eq!(response.status, 400, "Connection: {named}");
        }
    }
}

#[test]
fn headers_that_override_the_target_are_dropped() {
    let world = world();
    for name in [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Forwarded-Path",
        "x-original-url",
    ] {
        let seen = world.forward(&[(name, "/admin")]);
        assert!(seen.head.all(name).is_empty(), "{name}");
        assert_eq!((seen.head.method.as_str(), seen.head.target.as_str()), ("GET", "/api/v1/incidents"));
    }
}

#[test]
fn hop_by_hop_fields_end_here() {
    let world = world();
    let sent = [
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic YTpi"),
        ("TE", "trailers, gzip"),
        ("Upgrade", "h2c"),
        ("X-End-To-End", "stays"),
    ];
    let head = world.forward(&sent).head;
    for (name, _) in &sent[1..7] {
        assert!(head.all(name).is_empty(), "{name}: {head:?}");
    }
    assert_eq!(head.only("X-End-To-End"), "stays");
}

#[test]
fn a_clients_forwarding_headers_are_replaced_unless_it_is_trusted() {
    let sent = [
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Prefix", "/evil"),
    ];
    let head = world().forward(&sent).head;
    assert_eq!(head.only("X-Forwarded-For"), "127.0.0.1");
    assert_eq!(head.only("X-Forwarded-Proto"), "http");
    assert_eq!(head.only("X-Forwarded-Host"), "api.test");
    assert_eq!(head.only("X-Forwarded-Prefix"), "/prod/api");
    let trusting = world_with("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]", Backend::start());
    assert_eq!(trusting.forward(&sent[..1]).head.only("X-Forwarded-For"), "203.0.113.7, 127.0.0.1");
    let mut client = trusting.gateway.connect();
    let id = client.get(LIST, &[("X-Forwarded-For", "198.51.100.9, 203.0.113.7")]).only("X-Request-Id").to_owned();
    assert_eq!(trusting.gateway.access_log(&id)["client_address"], "203.0.113.7", "the last that no trusted proxy wrote");
}

#[test]
fn host_and_token_can_be_kept_from_the_upstream() {
    let backend = Backend::start();
    let issuer = Issuer::new("https://pool.test/one");
    let gateway = Setup::new(backend.address(), &issuer)
        .upstream("preserve_host = false")
        .with("[auth]\nforward_authorization = false\n[auth.identity_headers]\nsubject = \"X-User\"")
        .start();
    gateway
        .connect()
        .get("/prod/api/incidents", &[("Authorization", &format!("Bearer {}", issuer.user("ada"))), ("X-User", "root")]);
    let head = backend.last().head;
    assert!(head.all("Authorization").is_empty());
    assert!(head.only("Host").starts_with("127.0.0.1"), "{head:?}");
    assert_eq!(head.only("X-User"), "ada");
}

#[test]
fn a_body_is_forwarded_unchanged_however_large() {
    let world = world();
    let large = format!("\"{}\"", "0123456789abcdef".repeat(64 * 1024 * 5));
    for body in ["{}", "{\"a\":1}", large.as_str()] {
        world.gateway.connect().exchange(
            "POST",
            LIST,
            &[("Authorization", &format!("Bearer {}", world.issuer.user("ada"))), ("Content-Type", "application/json")],
            body.as_bytes(),
        );
        let seen = world.backend.last();
        assert!(seen.complete && seen.body == body.as_bytes(), "{} bytes of {}", seen.body.len(), body.len());
    }
}

#[test]
fn a_large_response_comes_back_unchanged() {
    let body = "0123456789abcdef".repeat(64 * 1024 * 5);
    let world = world_with(
        "",
        Backend::answering(&format!("HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: {}\r\n\r\n{body}", body.len())),
    );
    let response = world.gateway.connect().get_as(&world.issuer.user("ada"), LIST);
    assert!(response.text() == body, "{} bytes of {}", response.body.len(), body.len());
    assert_eq!(response.only("ETag"), "\"x\"");
}

#[test]
fn a_response_streams_chunk_by_chunk() {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::scripted(move |call: &mut Call| {
        call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        call.send(b"d\r\ndata: first\n\n\r\n");
        held.wait();
        call.send(b"e\r\ndata: second\n\n\r\n0\r\n\r\n");
    });
    let world = world_with("", backend);
    let mut client = world.gateway.connect();
    client.send(&request("GET", LIST, &[("Authorization", &format!("Bearer {}", world.issuer.user("ada")))], b""));
    assert_eq!(client.read_head().status, 200);
    // The upstream goes on only once this has arrived: a gateway that collects the response never gets here.
    assert_eq!(client.read_chunk(), b"data: first\n\n");
    gate.open();
    assert_eq!(client.read_chunk(), b"data: second\n\n");
    assert_eq!(client.read_chunk(), b"");
}

#[test]
fn a_request_body_streams_chunk_by_chunk() {
    let backend = Backend::scripted(|call: &mut Call| {
        while call.read_piece() {}
        call.answer(200, "", "{}");
    });
    let world = world_with("", backend);
    let mut client = world.gateway.connect();
    client.send(world.upload_head("Transfer-Encoding: chunked").as_bytes());
    client.send(b"6\r\n[\"one\"\r\n");
    world.backend.wait("the first chunk, before the second is sent", |seen| seen.body == b"[\"one\"");
    client.send(b"7\r\n,\"two\"]\r\n0\r\n\r\n");
    assert_eq!(client.read_response("POST").status, 200);
    assert_eq!(world.backend.last().body, b"[\"one\",\"two\"]");
}

#[test]
fn a_body_over_the_bound_is_413_and_never_whole_at_the_upstream() {
    let backend = Backend::scripted(|call: &mut Call| {
        call.read_body();
        call.answer(200, "", "{}");
    });
    let world = world_with("[bounds]\nbody = \"64KiB\"", backend);
    let mut declared = world.gateway.connect();
    declared.send(world.upload_head("Content-Length: 65537").as_bytes());
    assert_eq!(declared.read_response("POST").status, 413, "before the body is sent");
    assert!(world.backend.requests().is_empty(), "Content-Length told");
    let mut chunked = world.gateway.connect();
    chunked.send(world.upload_head("Transfer-Encoding: chunked").as_bytes());
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..17 {
        chunked.try_send(chunk.as_bytes());
    }
    assert_eq!(chunked.read_response("POST").status, 413);
    let seen = world.backend.wait("the end of the aborted request", |seen| seen.aborted);
    assert!(!seen.complete && seen.body.len() <= 65536, "{} bytes", seen.body.len());
    let exactly = " ".repeat(65534) + "{}";
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let fits = world.gateway.connect().exchange(
        "POST",
        LIST,
        &[("Authorization", &bearer), ("Content-Type", "application/json")],
        exactly.as_bytes(),
    );
    assert_eq!(fits.status, 200, "a body of the bound itself");
}

#[test]
fn upstreams_that_fail_are_502_or_504() {
    let (issuer, backend) = (Issuer::new("https://pool.test/one"), Backend::scripted(Call::hang));
    let closing = Backend::scripted(Call::close);
    let upstreams = format!(
        "[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[upstreams.closing]\nservers = [\"http://{}\"]",
        closing.address()
    );
    let gateway = Setup::new(backend.address(), &issuer)
        .upstream("response_timeout = \"300ms\"")
        .with(&format!("[api]\nupstream = \"api\"\n{upstreams}"))
        .route("path = \"/dead\"\nupstream = \"dead\"")
        .route("path = \"/closing\"\nupstream = \"closing\"")
        .start();
    for (path, status, code) in
        [("dead", 502, "bad_upstream"), ("closing", 502, "bad_upstream"), ("incidents", 504, "upstream_timeout")]
    {
        let started = Instant::now();
        let response = gateway.connect().get_as(&issuer.user("ada"), &format!("/prod/api/{path}"));
        assert_eq!((response.status, &response.json()["code"]), (status, &json!(code)), "{path}");
        assert!(started.elapsed() < Duration::from_secs(10), "{path}: {:?}", started.elapsed());
    }
    backend.wait("the gateway letting go", |seen| seen.aborted);
}

#[test]
fn a_client_that_leaves_frees_the_upstream() {
    let world = world_with("", Backend::scripted(Call::hang));
    let mut client = world.gateway.connect();
    client.send(&request("GET", LIST, &[("Authorization", &format!("Bearer {}", world.issuer.user("ada")))], b""));
    world.backend.wait_count("/api/v1/incidents", 1);
    drop(client);
    world.backend.wait("the end of the request whose client left", |seen| seen.aborted);
}

#[test]
fn a_post_is_never_sent_twice() {
    let world = world_with(
        "",
        Backend::scripted(|call: &mut Call| {
            call.read_body();
            call.close();
        }),
    );
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let response = world.gateway.connect().exchange(
        "POST",
        LIST,
        &[("Authorization", &bearer), ("Content-Type", "application/json")],
        b"{}",
    );
    assert_eq!((response.status, world.backend.requests().len()), (502, 1));
}

#[test]
fn connections_to_the_upstream_are_used_again() {
    let world = world();
    let mut client = world.gateway.connect();
    for _ in 0..10 {
        assert_eq!(client.get_as(&world.issuer.user("ada"), LIST).status, 200);
    }
    let used = world.backend.requests().iter().map(|seen| seen.connection).max().expect("requests");
    assert!(used < 3, "{} connections for 10 requests in a row", used + 1);
}
