//! What reaches the upstream, byte for byte, and what comes back from it.
mod support;

use support::{Backend, Call, Gate, Seen, World, request};

const LIST: &str = "/prod/api/incidents";

fn world_with(tables: &str, backend: Backend) -> World {
    World::behind(backend, |setup| setup.with(tables).route("path = \"/open\"\nauth = \"none\""))
}

fn world() -> World {
    world_with("", Backend::start())
}

/// What the upstream sees of a request with these headers besides the token.
fn forward(world: &World, headers: &[(&str, &str)]) -> Seen {
    let response = world.ask("GET", LIST, headers, b"");
    assert_eq!(response.status, 200, "{headers:?}: {response:?}");
    world.backend.last()
}

/// The head of an upload of JSON, framed like this.
fn upload_head(world: &World, framing: &str) -> Vec<u8> {
    let head = format!("POST {LIST} HTTP/1.1\r\nHost: api.test\r\nAuthorization: {}", world.bearer);
    format!("{head}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n").into_bytes()
}

#[test]
fn the_upstream_is_told_who_asks() {
    let world = world();
    world.get(LIST);
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
        ("Authorization", &world.bearer),
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
        let head = forward(&world, &[(name, "root")]).head;
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
    let kept =
        ["X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Scopes", "X-Request-Id", "X-Forwarded-For", "Authorization", "Host", "Via"];
    for named in ["X-Auth-Subject", "x-auth-issuer, X-Request-Id", "Authorization", "Via", "close, X-Auth-Scopes", "traceparent"]
    {
        let head = forward(&world, &[("Connection", named)]).head;
        for name in kept {
            assert!(!head.only(name).is_empty(), "Connection: {named} removed {name}");
        }
        assert!(!head.only("Traceparent").is_empty(), "Connection: {named}");
    }
    // What says where a request goes and whence it comes is no field of one connection: somebody is up to something.
    for named in ["Host", "X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Proto", "a, b, c, d, e, f, g, h, i, j, k"] {
        let sent = world.backend.requests().len();
        let response = world.ask("GET", LIST, &[("Connection", named)], b"");
        assert_eq!((response.status, &response.json()["code"]), (400, &"invalid_request".into()), "Connection: {named}");
        assert_eq!(world.backend.requests().len(), sent, "Connection: {named}");
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
        let seen = forward(&world, &[(name, "/admin")]);
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
    let head = forward(&world, &sent).head;
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
    let head = forward(&world(), &sent).head;
    assert_eq!(head.only("X-Forwarded-For"), "127.0.0.1");
    assert_eq!(head.only("X-Forwarded-Proto"), "http");
    assert_eq!(head.only("X-Forwarded-Host"), "api.test");
    assert_eq!(head.only("X-Forwarded-Prefix"), "/prod/api");
}

#[test]
fn a_trusted_proxys_forwarding_headers_are_kept_and_continued() {
    let world = world_with("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]", Backend::start());
    let head = forward(
        &world,
        &[
            ("X-Forwarded-For", "198.51.100.9, 203.0.113.7"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "public.test"),
            ("X-Forwarded-Prefix", "/stackflow"),
        ],
    )
    .head;
    for (name, value) in [
        ("X-Forwarded-For", "198.51.100.9, 203.0.113.7, 127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "public.test"),
        ("X-Forwarded-Prefix", "/stackflow/prod/api"),
    ] {
        assert_eq!(head.only(name), value, "{name}");
    }
    let entry = world.gateway.access_log(head.only("X-Request-Id"));
    assert_eq!(
        (&entry["client_address"], &entry["scheme"]),
        (&"203.0.113.7".into(), &"https".into()),
        "the last that no trusted proxy wrote"
    );
    // What it does not say is what the connection says.
    let head = forward(&world, &[]).head;
    for (name, value) in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "api.test"),
        ("X-Forwarded-Prefix", "/prod/api"),
    ] {
        assert_eq!(head.only(name), value, "{name}");
    }
    // A chain is believed up to the last hop that is not trusted, and to what is no address at all.
    for (chain, client) in [
        ("203.0.113.7, 127.0.0.9", "203.0.113.7"),
        ("203.0.113.7, unknown", "127.0.0.1"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
    ] {
        let head = forward(&world, &[("X-Forwarded-For", chain)]).head;
        assert_eq!(world.gateway.access_log(head.only("X-Request-Id"))["client_address"], client, "{chain}");
    }
}

#[test]
fn host_and_token_can_be_kept_from_the_upstream() {
    let world = World::with(|setup| {
        setup
            .upstream("preserve_host = false")
            .with("[auth]\nforward_authorization = false\n[auth.identity_headers]\nsubject = \"X-User\"")
    });
    let head = forward(&world, &[("X-User", "root")]).head;
    assert!(head.all("Authorization").is_empty());
    assert_eq!(head.only("Host"), world.backend.address().to_string());
    assert_eq!(head.only("X-User"), "ada");
}

#[test]
fn a_body_that_is_not_json_goes_on_where_that_is_allowed() {
    let world = world_with("[api]\nrequire_json = false", Backend::start());
    for media_type in [Some("text/xml"), Some("application/octet-stream"), None] {
        let headers: Vec<(&str, &str)> = media_type.iter().map(|media_type| ("Content-Type", *media_type)).collect();
        assert_eq!(world.ask("POST", LIST, &headers, b"<a/>").status, 200, "{media_type:?}");
        let seen = world.backend.last();
        assert_eq!((seen.head.all("Content-Type"), seen.body.as_slice()), (media_type.into_iter().collect(), &b"<a/>"[..]));
    }
}

#[test]
fn a_body_is_forwarded_unchanged_however_large() {
    let world = world();
    let large = format!("\"{}\"", "0123456789abcdef".repeat(64 * 1024 * 5));
    for body in ["{}", "{\"a\":1}", large.as_str()] {
        assert_eq!(world.post(LIST, body.as_bytes()).status, 200);
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
    let response = world.get(LIST);
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
    client.send(&request("GET", LIST, &[world.auth()], b""));
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
    client.send(&upload_head(&world, "Transfer-Encoding: chunked"));
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
    declared.send(&upload_head(&world, "Content-Length: 65537"));
    assert_eq!(declared.read_response("POST").status, 413, "before the body is sent");
    assert!(world.backend.requests().is_empty(), "Content-Length told");
    let mut chunked = world.gateway.connect();
    chunked.send(&upload_head(&world, "Transfer-Encoding: chunked"));
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..17 {
        chunked.try_send(chunk.as_bytes());
    }
    assert_eq!(chunked.read_response("POST").status, 413);
    let seen = world.backend.wait("the end of the aborted request", |seen| seen.aborted);
    assert!(!seen.complete && seen.body.len() <= 65536, "{} bytes", seen.body.len());
    let exactly = " ".repeat(65534) + "{}";
    let fits = world.post(LIST, exactly.as_bytes());
    assert_eq!(fits.status, 200, "a body of the bound itself");
}
