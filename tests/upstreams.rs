//! Which server a request goes to, and what becomes of it when that server fails.
mod support;

use serde_json::json;
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};
use support::{Authority, Backend, Call, Gate, JSON, NOBODY, Response, World, assert_decorated, request, tls_upstream};

const LIST: &str = "/prod/api/incidents";

/// Reads the request and closes the connection without a word.
fn leaves(call: &mut Call) {
    call.read_body();
    call.close();
}

/// Another upstream of these servers, for the path of its name.
fn with_upstream(name: &str, lines: &str) -> World {
    World::with(|setup| {
        setup
            .with(&format!("[api]\nupstream = \"api\"\n[upstreams.{name}]\n{lines}"))
            .route(&format!("path = \"/{name}\"\nupstream = \"{name}\""))
    })
}

#[track_caller]
fn assert_failed(name: &str, response: &Response, status: u16, code: &str) {
    assert_eq!((response.status, &response.json()["code"]), (status, &json!(code)), "{name}: {response:?}");
    assert_decorated(name, response);
}

#[test]
fn upstreams_that_fail_are_502_or_504() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 2\r\n\r\n{{}}", "a".repeat(33 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\n{{}}", "X-Many: 1\r\n".repeat(101));
    let fits = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 2\r\n\r\n{{}}", "a".repeat(30 * 1024));
    let backend = Backend::scripted(move |call| {
        match call.head.target.as_str() {
            "/api/v1/hanging" => return call.hang(),
            "/api/v1/closing" => {}
            "/api/v1/not-http" => call.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            "/api/v1/half-a-head" => call.send(b"HTTP/1.1 200 OK\r\nContent-Le"),
            "/api/v1/long-head" => call.send(long.as_bytes()),
            "/api/v1/many-headers" => call.send(many.as_bytes()),
            _ => call.send(fits.as_bytes()),
        }
        call.close();
    });
    let world = World::behind(backend, |setup| {
        setup
            .upstream("response_timeout = \"300ms\"")
            .with(&format!("[api]\nupstream = \"api\"\n[upstreams.dead]\nservers = [\"http://{NOBODY}\"]"))
            .route("path = \"/dead\"\nupstream = \"dead\"")
    });
    for (path, status, code) in [
        ("dead", 502, "bad_upstream"),
        ("closing", 502, "bad_upstream"),
        ("not-http", 502, "bad_upstream"),
        ("half-a-head", 502, "bad_upstream"),
        ("long-head", 502, "bad_upstream"),
        ("many-headers", 502, "bad_upstream"),
        ("hanging", 504, "upstream_timeout"),
    ] {
        let started = Instant::now();
        assert_failed(path, &world.get(&format!("/prod/api/{path}")), status, code);
        assert!(started.elapsed() < Duration::from_secs(10), "{path}: {:?}", started.elapsed());
    }
    world.backend.wait("the gateway letting go", |seen| seen.aborted);
    let within = world.get("/prod/api/within-its-bounds");
    assert_eq!((within.status, within.only("X-Long").len()), (200, 30 * 1024));
}

/// RFC 9110, section 6.2: what a server speaks is between it and the gateway.
#[test]
fn an_answer_in_an_old_version_is_passed_on_in_ours() {
    let world = World::behind(Backend::answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), |setup| setup);
    let mut stream = std::net::TcpStream::connect(world.gateway.address()).unwrap();
    stream.set_read_timeout(Some(support::DEADLINE)).unwrap();
    let token = world.issuer.user("ada");
    let head = format!("GET {LIST} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\r\n");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
}

/// What its reader may read differently than the gateway is not passed on; what has one meaning is passed on in one spelling.
#[test]
fn framing_that_is_in_doubt_is_502_and_the_rest_is_made_plain() {
    let backend = Backend::scripted(|call| {
        let framing = match call.head.target.as_str() {
            "/api/v1/differing" => "200 OK\r\nContent-Length: 2\r\nContent-Length: 3",
            "/api/v1/identity" => "200 OK\r\nTransfer-Encoding: identity",
            "/api/v1/compressed" => "200 OK\r\nTransfer-Encoding: gzip, chunked",
            "/api/v1/equal" => "200 OK\r\nContent-Length: 2, 2",
            _ => "204 No Content\r\nContent-Length: 2",
        };
        call.send(format!("HTTP/1.1 {framing}\r\n\r\n{{}}").as_bytes());
        call.close();
    });
    let world = World::behind(backend, |setup| setup);
    for path in ["differing", "identity", "compressed"] {
        assert_failed(path, &world.get(&format!("/prod/api/{path}")), 502, "bad_upstream");
        // A body goes the same way, whichever way that is.
        let big = vec![b' '; 100_000];
        let response = world.ask_on(&mut world.gateway.connect(), "POST", &format!("/prod/api/{path}"), &[JSON], &big);
        assert_failed(path, &response, 502, "bad_upstream");
    }
    // A server that has answered, though not well, is not asked a second time.
    for path in ["identity", "compressed"] {
        let target = format!("/api/v1/{path}");
        assert_eq!(world.backend.requests().iter().filter(|seen| seen.head.target == target).count(), 2, "{path}");
    }
    let equal = world.get("/prod/api/equal");
    assert_eq!((equal.status, equal.all("Content-Length"), equal.body.as_slice()), (200, vec!["2"], &b"{}"[..]));
    let nothing = world.get("/prod/api/nothing");
    assert_eq!((nothing.status, nothing.all("Content-Length").len(), nothing.body.len()), (204, 0, 0));
}

#[test]
fn a_route_can_wait_shorter_than_its_upstream() {
    let world =
        World::behind(Backend::scripted(Call::hang), |setup| setup.route("path = \"/impatient\"\nresponse_timeout = \"300ms\""));
    let started = Instant::now();
    assert_failed("impatient", &world.get("/prod/api/impatient"), 504, "upstream_timeout");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_name_that_leads_nowhere_is_503_and_keeps_the_connection() {
    let world = with_upstream("lost", "servers = [\"http://nothing.invalid\"]");
    let mut client = world.gateway.connect();
    for _ in 0..2 {
        let response = world.ask_on(&mut client, "GET", "/prod/api/lost", &[], b"");
        assert_failed("lost", &response, 503, "no_upstream");
        assert!(response.number("Retry-After") >= 1, "{response:?}");
        assert!(response.all("Connection").iter().all(|value| !value.eq_ignore_ascii_case("close")), "{response:?}");
    }
    assert_eq!(world.ask_on(&mut client, "POST", "/prod/api/lost", &[JSON], b"{}").status, 503);
    assert_eq!(world.ask_on(&mut client, "GET", LIST, &[], b"").status, 200, "the same connection");
    world.gateway.wait_metric("stackflow_gateway_upstream_failures_total{upstream=\"lost\",kind=\"no_address\"}", 3.0);
}

#[test]
fn a_name_is_looked_up() {
    let by_name = Backend::start();
    let world =
        with_upstream("named", &format!("servers = [\"http://localhost:{}\"]\npreserve_host = false", by_name.address().port()));
    // The look-up begins with the process; until it is done there is no server.
    world.gateway.poll("the name's address", || (world.get("/prod/api/named").status == 200).then_some(()));
    assert_eq!(by_name.last().head.only("Host"), format!("localhost:{}", by_name.address().port()));
}

#[test]
fn servers_take_turns() {
    let servers: Vec<Backend> = (0..3).map(|_| Backend::start()).collect();
    let list: Vec<String> = servers.iter().map(|server| format!("\"http://{}\"", server.address())).collect();
    let world = with_upstream("many", &format!("servers = [{}]", list.join(", ")));
    for _ in 0..9 {
        assert_eq!(world.get("/prod/api/many").status, 200);
    }
    assert_eq!(servers.iter().map(|server| server.requests().len()).collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn one_dead_server_of_two_is_never_noticed() {
    let alive = Backend::start();
    let lines = format!("servers = [\"http://{NOBODY}\", \"http://{}\"]\nretries = 1", alive.address());
    let world = with_upstream("half", &lines);
    let ask = &|method: &str| {
        let (headers, body): (&[_], &[u8]) = if method == "POST" { (&[JSON], b"{}") } else { (&[], b"") };
        world.ask(method, "/prod/api/half", headers, body).status
    };
    let statuses: Vec<u16> = thread::scope(|scope| {
        let askers: Vec<_> = ["GET", "POST", "GET", "DELETE"]
            .map(|method| scope.spawn(move || (0..20).map(|_| ask(method)).collect::<Vec<u16>>()))
            .into();
        askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 80]);
    assert_eq!(alive.requests().len(), 80, "each request once");
}

#[test]
fn what_may_be_repeated_is_asked_again_and_nothing_else() {
    for (method, body, asked, status) in [
        ("GET", "", 2, 200),
        ("HEAD", "", 2, 200),
        ("DELETE", "", 2, 200),
        ("PUT", "", 2, 200),
        ("PUT", "{}", 1, 502),
        ("POST", "", 1, 502),
        ("POST", "{}", 1, 502),
        ("PATCH", "{}", 1, 502),
    ] {
        let (unlucky, lucky) = (Backend::scripted(leaves), Backend::start());
        let servers = format!("servers = [\"http://{}\", \"http://{}\"]\nretries = 1", unlucky.address(), lucky.address());
        let world = with_upstream("pair", &servers);
        let response = world.ask(method, "/prod/api/pair", if body.is_empty() { &[] } else { &[JSON] }, body.as_bytes());
        assert_eq!((response.status, unlucky.requests().len() + lucky.requests().len()), (status, asked), "{method} {body:?}");
        let retries = f64::from(u32::try_from(asked).expect("small") - 1);
        world.gateway.wait_metric("stackflow_gateway_upstream_retries_total{upstream=\"pair\"}", retries);
        let entry = world.gateway.access_log(response.only("X-Request-Id"));
        assert_eq!(entry["retries"], json!(asked - 1), "{method} {body:?}: {entry}");
    }
}

#[test]
fn retries_can_be_switched_off_and_have_an_end() {
    for (retries, asked) in [(0, 1), (1, 2), (3, 4)] {
        let world = World::behind(Backend::scripted(leaves), |setup| setup.upstream(&format!("retries = {retries}")));
        assert_failed("leaves", &world.get(LIST), 502, "bad_upstream");
        assert_eq!(world.backend.requests().len(), asked, "retries = {retries}");
    }
}

#[test]
fn a_server_that_has_begun_to_answer_is_not_asked_again() {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::scripted(move |call: &mut Call| {
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        held.wait();
        call.close();
    });
    let world = World::behind(backend, |setup| setup);
    let mut client = world.gateway.connect();
    client.send(&request("GET", LIST, &[world.auth()], b""));
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk(), b"half");
    gate.open();
    assert!(client.is_closed(), "the rest never comes, and the client can tell");
    assert_eq!(world.backend.requests().len(), 1);
}

#[test]
fn a_server_that_leaves_in_the_middle_of_its_answer_is_not_passed_on_as_silence() {
    let leaving = Backend::scripted(|call: &mut Call| {
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        call.close();
    });
    let world = World::behind(leaving, |setup| setup);
    for turn in 0..20 {
        let mut client = world.gateway.connect();
        client.send(&request("GET", LIST, &[world.auth()], b""));
        let mut answer = Vec::new();
        while let Some(byte) = client.read_byte() {
            answer.push(byte);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // The head that came, cut short where the answer was, or the gateway's own words. A client that reads nothing at all takes
        // the connection for one that had gone stale before its request, and many then send that again: a POST would be done twice.
        assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 502 "), "turn {turn}: {answer:?}");
    }
}

#[test]
fn a_dead_upstream_is_502_for_a_client_that_expects_to_continue() {
    let world = with_upstream("dead", &format!("servers = [\"http://{NOBODY}\"]"));
    let large = " ".repeat(100_000) + "{}";
    for (name, framing, body) in [
        ("small", "Content-Length: 2".to_owned(), "{}".to_owned()),
        ("large", format!("Content-Length: {}", large.len()), large.clone()),
        ("chunked", "Transfer-Encoding: chunked".to_owned(), "2\r\n{}\r\n0\r\n\r\n".to_owned()),
    ] {
        let mut client = world.gateway.connect();
        let head = format!(
            "POST /prod/api/dead HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Type: application/json",
            world.bearer
        );
        client.send(format!("{head}\r\nExpect: 100-continue\r\n{framing}\r\n\r\n").as_bytes());
        let mut response = client.read_head();
        if response.status == 100 {
            client.try_send(body.as_bytes());
            response = client.read_response("POST");
            assert_failed(name, &response, 502, "bad_upstream");
        }
        // Without a 100 the final answer came at once: as good, and the body need not be sent.
        assert_eq!(response.status, 502, "{name}: {response:?}");
        assert_decorated(name, &response);
    }
}

#[test]
fn https_servers_are_verified_against_the_systems_trust() {
    let authority = Authority::new("the system's");
    let (localhost, address, other) =
        (authority.certificate("localhost"), authority.certificate("127.0.0.1"), authority.certificate("other.test"));
    let stranger = Authority::new("unknown").certificate("localhost");
    let server = |host: &str, certificate| format!("servers = [\"https://{host}:{}\"]", tls_upstream(certificate).port());
    let upstreams = [
        ("name", server("localhost", &localhost)),
        ("address", server("127.0.0.1", &address)),
        ("wrong-name", server("localhost", &other)),
        ("wrong-address", server("127.0.0.1", &localhost)),
        ("stranger", server("localhost", &stranger)),
    ];
    let world = World::with(|setup| {
        let setup = setup.with("[api]\nupstream = \"api\"").file("trust.pem", &authority.pem());
        upstreams.iter().fold(setup.environment("SSL_CERT_FILE", "{DIRECTORY}/trust.pem"), |setup, (name, lines)| {
            setup.with(&format!("[upstreams.{name}]\n{lines}")).route(&format!("path = \"/{name}\"\nupstream = \"{name}\""))
        })
    });
    world.gateway.poll("the name's address", || (world.get("/prod/api/name").status != 503).then_some(()));
    let good = world.get("/prod/api/name");
    assert_eq!((good.status, good.text().as_str()), (200, "localhost"), "and it is asked for by name: {good:?}");
    assert_eq!(world.get("/prod/api/address").status, 200);
    for refused in ["wrong-name", "wrong-address", "stranger"] {
        assert_failed(refused, &world.get(&format!("/prod/api/{refused}")), 502, "bad_upstream");
    }
    // Without anybody who vouches for it, no name helps.
    let distrusting = with_upstream("secret", &upstreams[1].1);
    assert_failed("distrusting", &distrusting.get("/prod/api/secret"), 502, "bad_upstream");
}

#[test]
fn a_client_that_leaves_frees_the_upstream() {
    let world = World::behind(Backend::scripted(Call::hang), |setup| setup);
    let mut client = world.gateway.connect();
    client.send(&request("GET", LIST, &[world.auth()], b""));
    world.backend.wait_count("/api/v1/incidents", 1);
    drop(client);
    world.backend.wait("the end of the request whose client left", |seen| seen.aborted);
}

#[test]
fn connections_to_the_upstream_are_used_again() {
    let world = World::start();
    let mut client = world.gateway.connect();
    for _ in 0..10 {
        assert_eq!(world.ask_on(&mut client, "GET", LIST, &[], b"").status, 200);
    }
    let used: BTreeSet<usize> = world.backend.requests().iter().map(|seen| seen.connection).collect();
    assert!(used.len() < 4, "{} connections for 10 requests in a row", used.len());
}
