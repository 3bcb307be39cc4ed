//! What attackers tried, and what must not come of it again.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};
use support::{Backend, Call, Client, Gateway, Issuer, Response, Setup, request, run_tool};

const LIST: &str = "/prod/api/incidents";
const JSON: (&str, &str) = ("Content-Type", "application/json");

struct World {
    gateway: Gateway,
    backend: Backend,
    issuer: Issuer,
}

fn world_with(backend: Backend, change: impl FnOnce(Setup) -> Setup) -> World {
    let issuer = Issuer::new("https://issuer.example.com");
    let gateway = change(Setup::new(backend.address(), &issuer)).start();
    World { gateway, backend, issuer }
}

fn world(backend: Backend) -> World {
    world_with(backend, |setup| setup)
}

impl World {
    fn bearer(&self) -> String {
        format!("Bearer {}", self.issuer.user("ada"))
    }

    /// curl over HTTP/2 by prior knowledge: the status.
    fn over_http2(&self, target: &str, arguments: &[&str]) -> String {
        let url = format!("http://{}{target}", self.gateway.address());
        let bearer = format!("Authorization: {}", self.bearer());
        let mut curl = Command::new("curl");
        curl.args(["-s", "--http2-prior-knowledge", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-H", &bearer]);
        String::from_utf8(run_tool(curl.args(arguments).arg(url), "").stdout).unwrap()
    }
}

fn code(response: &Response) -> (u16, String) {
    (response.status, response.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn waiting_for_keys_does_not_give_a_user_a_second_burst() {
    let issuer = Issuer::new("https://issuer.example.com");
    let backend = Backend::start();
    let keys = issuer.jwks_json();
    let slow = Backend::scripted(move |call: &mut Call| {
        thread::sleep(Duration::from_secs(3));
        call.answer(200, "", &keys);
    });
    let gateway = Setup::bare(&backend.address().to_string())
        .issuer(&format!(
            "issuer = \"{}\"\njwks_url = \"http://{}/keys\"\nclient_ids = [\"{}\"]",
            issuer.name,
            slow.address(),
            issuer.client_id
        ))
        .with("[limits]\nper_user = { rate = 10, burst = 40 }")
        .start_unready();
    let token = issuer.user("ada");
    let ask = || gateway.connect().get_as(&token, LIST).status == 200;
    // All of these wait for the keys and are let through in the same moment.
    let waited: usize = thread::scope(|scope| {
        let asking: Vec<_> = (0..40).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|request| usize::from(request.join().unwrap())).sum()
    });
    let after = Instant::now();
    let more = (0..40).filter(|_| ask()).count();
    // A second for the moments in which the waiting requests were answered.
    let refilled = 10 * (after.elapsed().as_millis().div_ceil(1000) as usize + 1);
    assert!(waited + more <= 40 + refilled, "{waited} admitted after the wait, {more} more in {:?}", after.elapsed());
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced_by_one() {
    let backend = Backend::start();
    let issuer = Issuer::new("https://issuer.example.com");
    let directory = support::Directory::new();
    let precious = directory.path().join("precious");
    fs::write(&precious, "data").unwrap();
    let config = Setup::new(backend.address(), &issuer)
        .listeners(&format!("[[listeners]]\naddress = \"unix:{}\"\n", precious.display()))
        .toml();
    let mut run = Command::new("timeout");
    run.args(["3", env!("CARGO_BIN_EXE_stackflow-gateway"), "run", "--config", "gateway.toml"]).current_dir(directory.path());
    fs::write(directory.path().join("gateway.toml"), config).unwrap();
    fs::write(directory.path().join("jwks.json"), issuer.jwks_json()).unwrap();
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "data");
}

#[test]
fn a_request_that_comes_early_does_not_end_the_one_before_it() {
    let world = world(Backend::scripted(|call: &mut Call| {
        call.read_body();
        thread::sleep(Duration::from_millis(300));
        call.answer(200, "", "{}");
    }));
    let bearer = world.bearer();
    let headers = [("Authorization", bearer.as_str()), JSON];
    let mut client = world.gateway.connect();
    client.send(&request("POST", LIST, &headers, b"{}"));
    world.backend.wait_count("/api/v1/incidents", 1);
    client.send(&request("GET", LIST, &headers[..1], b""));
    assert_eq!(client.read_response("POST").status, 200);
    assert_eq!(client.read_response("GET").status, 200);
    // The same behind a body that takes several reads.
    client.send(&[request("POST", LIST, &headers, &vec![b' '; 60_000]), request("GET", LIST, &headers[..1], b"")].concat());
    assert_eq!(client.read_response("POST").status, 200);
    assert_eq!(client.read_response("GET").status, 200);
}

#[test]
fn an_unread_body_is_never_taken_for_a_request() {
    let world = world(Backend::start());
    let bearer = world.bearer();
    let hidden = request("GET", LIST, &[("Authorization", &bearer)], b"");
    for early in [LIST, "/ping", "/elsewhere"] {
        let mut client = world.gateway.connect();
        let refused = client.exchange("POST", early, &[], &hidden).status;
        assert!([401, 404, 405].contains(&refused), "{early}: {refused}");
        assert_eq!(client.get("/ping", &[]).status, 200, "{early}: the next request is the next that was sent");
    }
    assert!(world.backend.requests().is_empty());
}

#[test]
fn a_length_is_told_once_and_in_digits() {
    let world = world(Backend::start());
    let bearer = world.bearer();
    for lengths in ["Content-Length: 2, 2", "Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2,2"] {
        let mut client = world.gateway.connect();
        let head = format!("POST {LIST} HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\nContent-Type: text/plain\r\n{lengths}");
        client.send(format!("{head}\r\n\r\nhi").as_bytes());
        assert_eq!(client.read_response("POST").status, 400, "{lengths}");
        assert!(client.is_closed(), "{lengths}: nobody knows what follows");
    }
    assert!(world.backend.requests().is_empty(), "nothing ambiguous goes on");
}

#[test]
fn a_body_over_http_2_is_one_without_a_length_too() {
    let world = world(Backend::start());
    let text = ["-H", "Content-Type: text/plain", "-H", "Content-Length:", "-d", "hello"];
    assert_eq!(world.over_http2(LIST, &[&["-X", "GET"], &text[..]].concat()), "415");
    assert_eq!(world.over_http2("/prod/api/x", &[&["-X", "DELETE"], &text[..]].concat()), "415");
    assert_eq!(world.over_http2("/prod/api/x", &["-X", "POST"]), "200", "a POST without a body is no body that is not JSON");
}

#[test]
fn cookies_of_http_2_reach_the_upstream_as_one_field() {
    let world = world(Backend::start());
    assert_eq!(world.over_http2(LIST, &["-H", "Cookie: a=1", "-H", "Cookie: b=2"]), "200");
    assert_eq!(world.backend.last().head.only("Cookie"), "a=1; b=2");
}

#[test]
fn an_upstream_cannot_switch_protocols_unasked() {
    let world = world(Backend::answering("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw"));
    let response = world.gateway.connect().get_as(&world.issuer.user("ada"), LIST);
    assert_eq!(code(&response), (502, "bad_upstream".to_owned()));
    assert_eq!(world.over_http2(LIST, &[]), "502", "the client did nothing wrong");
}

#[test]
fn a_response_head_over_its_bounds_is_a_502() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok", "a".repeat(40_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "X: a\r\n".repeat(120));
    for response in [long, many] {
        let world = world(Backend::answering(&response));
        let response = world.gateway.connect().get_as(&world.issuer.user("ada"), LIST);
        assert_eq!(code(&response), (502, "bad_upstream".to_owned()));
        assert_eq!(world.backend.requests().len(), 1, "asking again would not help");
    }
}

#[test]
fn what_the_upstream_says_of_its_connection_stays_there() {
    let world = world(Backend::answering(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop, X-RateLimit-Limit, Content-Length\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: close\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
    ));
    let response = world.gateway.connect().get_as(&world.issuer.user("ada"), LIST);
    for gone in ["X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade"] {
        assert!(response.all(gone).is_empty(), "{gone}: {response:?}");
    }
    assert_eq!((response.number("X-RateLimit-Limit"), response.body.as_slice()), (100, &b"ok"[..]));
}

#[test]
fn several_authorization_headers_are_refused_on_open_routes_too() {
    let world = world_with(Backend::start(), |setup| setup.route("path = \"/open\"\nauth = \"none\""));
    let several = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")];
    assert_eq!(code(&world.gateway.connect().get("/prod/api/open", &several)), (400, "invalid_request".to_owned()));
    assert_eq!(world.gateway.connect().get("/prod/api/open", &several[..1]).status, 200);
}

#[test]
fn connection_cannot_take_the_trace_away() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let world = world(Backend::start());
    let bearer = world.bearer();
    let headers = [("Authorization", bearer.as_str()), ("Traceparent", TRACE), ("Connection", "traceparent, authorization")];
    assert_eq!(world.gateway.connect().get(LIST, &headers).status, 200);
    assert_eq!(world.backend.last().head.only("Traceparent"), TRACE);
    assert_eq!(world.backend.last().head.only("Authorization"), bearer);
}

#[test]
fn a_slow_body_is_408_over_http_2_and_at_the_token_endpoint_too() {
    let world = world_with(Backend::start(), |setup| {
        setup
            .with("[auth.token_endpoint]\nissuer = \"https://gateway.example.com\"\napi_keys = \"keys.toml\"")
            .file("keys.toml", "")
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = Client::connect(world.gateway.address());
            client.send(b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\ng");
            // `bounds.body_timeout` is 30 seconds.
            client.wait_for_answers(Duration::from_secs(60));
            assert_eq!(code(&client.read_response("POST")), (408, "request_timeout".to_owned()));
        });
        scope.spawn(|| {
            let mut stream = TcpStream::connect(world.gateway.address()).unwrap();
            stream.write_all(&stalled_http2_request(&world.bearer())).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let (mut seen, mut part) = (Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&seen).contains("request_timeout") {
                let read = stream.read(&mut part).expect("an answer");
                assert!(read > 0, "closed without an answer");
                seen.extend(&part[..read]);
            }
        });
    });
}

/// The preface, empty settings and the head of a POST that promises nine bytes (RFC 9113; RFC 7541, section 6.2.2).
fn stalled_http2_request(bearer: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", LIST),
        (":authority", "a"),
        ("authorization", bearer),
        JSON,
        ("content-length", "9"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.to_ascii_lowercase().as_str(), value] {
            // A length in seven bits, continued in groups of seven.
            match text.len() {
                short @ ..127 => block.push(u8::try_from(short).unwrap()),
                long => block.extend([
                    127,
                    u8::try_from((long - 127) % 128).unwrap() | 128,
                    u8::try_from((long - 127) / 128).unwrap(),
                ]),
            }
            block.extend(text.as_bytes());
        }
    }
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // HEADERS with END_HEADERS on stream 1.
    let head = [length[1], length[2], length[3], 1, 4, 0, 0, 0, 1];
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &head, &block].concat()
}

#[test]
fn what_is_set_on_every_response_does_not_make_refusals_storable() {
    let said = refused_configuration("[response_headers]\nset = { \"Cache-Control\" = \"public\" }");
    assert!(said.contains("response_headers.set.Cache-Control"), "{said}");
}

#[test]
fn a_log_that_cannot_be_written_is_said_at_start() {
    let said = refused_configuration("[log]\noutput = \"/nowhere/gateway.log\"");
    assert!(said.contains("log.output") && said.contains("/nowhere"), "{said}");
}

/// What `run` says to an otherwise good configuration with these lines.
fn refused_configuration(lines: &str) -> String {
    let issuer = Issuer::new("https://issuer.example.com");
    let config = Setup::bare(support::NOBODY)
        .issuer("issuer = \"https://issuer.example.com\"\njwks_file = \"jwks.json\"\nclient_ids = [\"a\"]")
        .with(lines)
        .toml();
    let output = Gateway::output(&["run", "--config", "gateway.toml"], &config, &[("jwks.json".to_owned(), issuer.jwks_json())]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}
