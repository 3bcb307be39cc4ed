//! The PROXY protocol: whose connection it is when a proxy in front says so, and what becomes of one that says it badly.
mod support;

#[path = "proxy_protocol/front.rs"]
mod front;

use front::{Front, ipv4, ipv6, v1, v2};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};
use support::{Certificate, Client, DEADLINE, Gateway, World, curl, request};

const LIST: &str = "/prod/api/incidents";
const REFUSED: &str = "stackflow_gateway_proxy_protocol_refused_total";
const TRUSTED: &str = "[server]\ntrusted_proxies = [\"127.0.0.1/32\"]\n";

/// A plain listener in this mode; this machine is a trusted proxy.
fn world(mode: &str, tables: &str) -> World {
    let listener = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"{mode}\"\n");
    World::with(|setup| setup.listeners(&listener).with(TRUSTED).with(tables))
}

/// A connection that begins with these bytes.
fn begin(gateway: &Gateway, bytes: &[u8]) -> Client {
    let mut client = gateway.connect();
    client.send(bytes);
    client
}

/// `ada` asks on this connection, and the upstream and the log know this address for hers.
#[track_caller]
fn serves(world: &World, client: &mut Client, name: &str, address: &str) {
    let id = format!("serves-{}", world.backend.requests().len());
    let response = world.ask_on(client, "GET", LIST, &[("X-Request-Id", &id), ("X-Forwarded-For", "203.0.113.99")], b"");
    assert_eq!(response.status, 200, "{name}: {response:?}");
    let forwarded = if address == "127.0.0.1" { "203.0.113.99, 127.0.0.1" } else { address };
    assert_eq!(world.backend.last().head.only("X-Forwarded-For"), forwarded, "{name}");
    let logged = if address == "127.0.0.1" { "203.0.113.99" } else { address };
    assert_eq!(world.gateway.access_log(&id)["client_address"], logged, "{name}");
}

/// Sends this, and the connection is closed without an answer.
#[track_caller]
fn closes(gateway: &Gateway, name: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(gateway.address()).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time that is not zero");
    // It may be closed before all is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    let is_over = end.as_ref().map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |_| true);
    assert!(is_over && answer.is_empty(), "{name}: {end:?}, {}", answer.escape_ascii());
}

#[test]
fn a_required_header_that_is_missing_or_malformed_closes_the_connection() {
    let world = world("required", "");
    for (count, (name, bytes)) in (1..).zip([
        ("a request", request("GET", LIST, &[world.auth()], b"")),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
    ]) {
        closes(&world.gateway, name, &bytes);
        world.gateway.wait_metric(&format!("{REFUSED}{{reason=\"missing\"}}"), f64::from(count));
    }
    refuses_malformed(&world);
    assert!(world.backend.requests().is_empty());
}

#[test]
fn an_optional_header_that_is_malformed_closes_the_connection() {
    let world = world("optional", "");
    refuses_malformed(&world);
    assert!(world.backend.requests().is_empty());
}

fn refuses_malformed(world: &World) {
    let mut bad_checksum = v2(0x21, 0x11, &[&ipv4("192.0.2.1")[..], &[3, 0, 4, 1, 2, 3, 4]].concat());
    bad_checksum.extend(request("GET", LIST, &[world.auth()], b""));
    let malformed = [
        ("two spaces", b"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n".to_vec()),
        ("a leading zero", b"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n".to_vec()),
        ("the other family", b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n".to_vec()),
        ("a bare LF", b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n".to_vec()),
        ("no end", [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat()),
        ("another version", v2(0x11, 0x11, &ipv4("192.0.2.1"))),
        ("another family", v2(0x21, 0x41, &ipv4("192.0.2.1"))),
        ("half an address", v2(0x21, 0x21, &ipv4("192.0.2.1"))),
        ("65,535 bytes", [&v2(0x21, 0x11, &[])[..14], b"\xff\xff"].concat()),
        ("a wrong checksum", bad_checksum),
    ];
    for (count, (name, bytes)) in (1..).zip(malformed) {
        closes(&world.gateway, name, &bytes);
        world.gateway.wait_metric(&format!("{REFUSED}{{reason=\"malformed\"}}"), f64::from(count));
    }
}

#[test]
fn a_header_that_does_not_come_in_its_time_closes_the_connection() {
    for mode in ["required", "optional"] {
        let world = world(mode, "[bounds]\nheader_timeout = \"300ms\"");
        closes(&world.gateway, mode, b"PROXY TCP4 192.0.2.1 198.51.100.2 40000");
        let mut stream = TcpStream::connect(world.gateway.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        // Ends by itself after ten seconds at the latest.
        let began = Instant::now();
        let slowly = v1("192.0.2.1").repeat(5);
        let sent = slowly.chunks(1).take_while(|byte| {
            thread::sleep(Duration::from_millis(50));
            stream.write_all(byte).is_ok()
        });
        let count = sent.count();
        assert!(count < slowly.len() && began.elapsed() >= Duration::from_millis(300), "{mode}: {count} bytes");
        assert!(world.gateway.metric(&format!("{REFUSED}{{reason=\"late\"}}")) >= 2.0, "{mode}");
        // Where a header must come, whoever says nothing is late as well; where it may, that is an idle connection.
        if mode == "required" {
            closes(&world.gateway, mode, b"");
        }
    }
}

#[test]
fn what_follows_the_header_is_the_clients_and_no_other_header() {
    let world = world("required", "");
    for header in [v1("192.0.2.1"), v2(0x21, 0x11, &ipv4("192.0.2.1"))] {
        let mut client = begin(&world.gateway, &header);
        let response = client.exchange("GET", LIST, &[world.auth(), ("X-Request-Id", "first")], b"");
        assert_eq!(response.status, 200, "{response:?}");
        let mut client = begin(&world.gateway, &[header, v1("198.51.100.7")].concat());
        client.send(&request("GET", LIST, &[world.auth()], b""));
        assert_eq!(client.read_head().status, 400, "a client's own header is no request");
    }
    assert_eq!(world.backend.requests().len(), 2);
}

#[test]
fn the_source_is_the_client_for_the_upstream_and_the_log() {
    for mode in ["required", "optional"] {
        let world = world(mode, "");
        for (name, header, address) in [
            ("v1, IPv4", v1("192.0.2.1"), "192.0.2.1"),
            ("v1, IPv6", v1("2001:db8::1"), "2001:db8::1"),
            ("v1, a mapped address", v1("::ffff:192.0.2.9"), "192.0.2.9"),
            ("v1, unknown", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
            ("v2, IPv4", v2(0x21, 0x11, &ipv4("192.0.2.2")), "192.0.2.2"),
            ("v2, IPv6", v2(0x21, 0x21, &ipv6("2001:db8::2")), "2001:db8::2"),
            ("v2, local", v2(0x20, 0x00, &[]), "127.0.0.1"),
            ("v2, unspecified", v2(0x21, 0x00, &[]), "127.0.0.1"),
            ("v2, a unix socket", v2(0x21, 0x31, &[b'x'; 216]), "127.0.0.1"),
            ("v2, other fields", v2(0x21, 0x11, &[&ipv4("192.0.2.3")[..], &[2, 0, 1, b'a']].concat()), "192.0.2.3"),
        ] {
            let mut client = begin(&world.gateway, &header);
            serves(&world, &mut client, name, address);
            serves(&world, &mut client, name, address);
            let mut slow = world.gateway.connect();
            header.chunks(1).for_each(|byte| slow.send(byte));
            serves(&world, &mut slow, name, address);
            let mut at_once = begin(&world.gateway, &[&header[..], &request("GET", LIST, &[world.auth()], b"")].concat());
            assert_eq!(at_once.read_response("GET").status, 200, "{mode}, {name}");
        }
    }
}

#[test]
fn an_optional_header_may_be_missing() {
    let world = world("optional", "");
    serves(&world, &mut world.gateway.connect(), "HTTP/1.1", "127.0.0.1");
    // Its first bytes could begin a header until the third.
    let url = format!("http://{}{LIST}", world.gateway.address());
    let auth = format!("Authorization: {}", world.bearer);
    assert_eq!(curl(&["--http2-prior-knowledge", "--header", &auth, &url]).status, 200);
    assert_eq!(world.post(LIST, b"{}").status, 200);
}

#[test]
fn a_listener_without_the_protocol_knows_no_header() {
    let world = world("off", "");
    let mut client = begin(&world.gateway, &v1("192.0.2.1"));
    assert_eq!(client.read_head().status, 400);
}

#[test]
fn a_header_from_somebody_else_is_read_and_not_believed() {
    let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"required\"\n";
    let trusted = "[server]\ntrusted_proxies = [\"192.0.2.0/24\"]\n";
    let world = World::with(|setup| setup.listeners(listener).with(trusted));
    for header in [v1("192.0.2.1"), v2(0x21, 0x11, &ipv4("192.0.2.1")), v1("198.51.100.7")] {
        let mut client = begin(&world.gateway, &header);
        let response = client.exchange("GET", LIST, &[world.auth(), ("X-Forwarded-For", "203.0.113.99")], b"");
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(world.backend.last().head.only("X-Forwarded-For"), "127.0.0.1");
    }
}

#[test]
fn a_proxy_named_by_a_proxy_may_say_who_is_behind_it() {
    let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"required\"\n";
    let trusted = "[server]\ntrusted_proxies = [\"127.0.0.1\", \"192.0.2.0/24\"]\n";
    let world = World::with(|setup| setup.listeners(listener).with(trusted));
    let mut client = begin(&world.gateway, &v1("192.0.2.1"));
    let response =
        client.exchange("GET", LIST, &[world.auth(), ("X-Forwarded-For", "203.0.113.99"), ("X-Request-Id", "chain")], b"");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(world.backend.last().head.only("X-Forwarded-For"), "203.0.113.99, 192.0.2.1");
    assert_eq!(world.gateway.access_log("chain")["client_address"], "203.0.113.99");
}

/// Statuses of this many requests without a token, on connections of their own, from this source.
fn unauthenticated(world: &World, source: &str, count: usize) -> Vec<u16> {
    (0..count).map(|_| begin(&world.gateway, &v1(source)).get(LIST, &[]).status).collect()
}

#[test]
fn each_source_has_its_own_limit_over_all_its_connections() {
    let world = world("required", "[limits]\nper_address = { rate = 1, burst = 5 }");
    let first = unauthenticated(&world, "192.0.2.1", 30);
    assert_eq!(first[..5], [401; 5], "{first:?}");
    assert!(first.contains(&429), "one source over many connections shares one bucket: {first:?}");
    assert_eq!(unauthenticated(&world, "192.0.2.2", 5), [401; 5], "another has a bucket of its own");
    assert_eq!(unauthenticated(&world, "2001:db8::1", 5), [401; 5]);
    let same_network = unauthenticated(&world, "2001:db8::ffff", 30);
    assert!(same_network.contains(&429), "every host owns all of a /64: {same_network:?}");
}

#[test]
fn each_source_has_its_own_bound_on_connections() {
    let world = world("required", "[bounds]\nconnections_per_address = 2");
    let mut open: Vec<Client> = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "198.51.100.1"]
        .map(|source| {
            let mut client = begin(&world.gateway, &v1(source));
            assert_eq!(world.ask_on(&mut client, "GET", LIST, &[], b"").status, 200, "{source}");
            client
        })
        .into();
    closes(&world.gateway, "a third one", &[v1("192.0.2.1"), request("GET", LIST, &[world.auth()], b"")].concat());
    assert!(world.gateway.metric("stackflow_gateway_connections_refused_total") >= 1.0);
    for client in &mut open {
        assert_eq!(world.ask_on(client, "GET", LIST, &[], b"").status, 200, "the established go on");
    }
    drop(open);
    world.gateway.poll("room again", || {
        let mut client = begin(&world.gateway, &v1("192.0.2.1"));
        (client.try_send(&request("GET", LIST, &[world.auth()], b"")) && client.read_byte().is_some()).then_some(())
    });
}

/// A TLS listener behind a front that writes this before what its client sends.
fn over_tls(listener: &str, header: &[u8], versions: [&str; 2]) {
    let certificate = Certificate::self_signed("api.test");
    let world = World::with(|setup| {
        setup.listeners(listener).with(TRUSTED).file("api.pem", &certificate.pem).file("api-key.pem", &certificate.key_pem)
    });
    let front = Front::start(world.gateway.address(), header);
    let ca = world.gateway.path("api.pem").display().to_string();
    let auth = format!("Authorization: {}", world.bearer);
    let port = front.address.port();
    let (resolve, url) = (format!("api.test:{port}:127.0.0.1"), format!("https://api.test:{port}{LIST}"));
    for version in versions {
        let arguments = [version, "--cacert", &ca, "--resolve", &resolve, "--header", &auth, "--write-out", "\n%{http_version}"];
        let response = curl(&[&arguments[..], &[&url]].concat());
        assert_eq!(response.status, 200, "{version}: {response:?}");
        let spoken = if version == "--http2" { "\n2" } else { "\n1.1" };
        assert!(response.text().ends_with(spoken), "{version}: {response:?}");
        let head = world.backend.last().head;
        assert_eq!((head.only("X-Forwarded-For"), head.only("X-Forwarded-Proto")), ("192.0.2.1", "https"), "{version}");
    }
}

#[test]
fn the_header_comes_before_tls_and_both_versions_of_http_go_on_as_before() {
    let listener = |mode: &str| {
        format!(
            "[[listeners]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"{mode}\"\n\
             tls = {{ certificate = \"api.pem\", private_key = \"api-key.pem\" }}\n"
        )
    };
    over_tls(&listener("required"), &v1("192.0.2.1"), ["--http2", "--http1.1"]);
    over_tls(&listener("optional"), &v2(0x21, 0x11, &ipv4("192.0.2.1")), ["--http1.1", "--http2"]);
}

#[test]
fn http2_by_prior_knowledge_follows_a_header() {
    let world = world("required", "");
    let front = Front::start(world.gateway.address(), &v2(0x21, 0x21, &ipv6("2001:db8::7")));
    let auth = format!("Authorization: {}", world.bearer);
    let url = format!("http://{}{LIST}", front.address);
    assert_eq!(curl(&["--http2-prior-knowledge", "--header", &auth, &url]).status, 200);
    assert_eq!(world.backend.last().head.only("X-Forwarded-For"), "2001:db8::7");
}

#[test]
fn a_redirecting_listener_takes_a_header_too() {
    let certificate = Certificate::self_signed("api.test");
    let listeners = "[[listeners]]\naddress = \"127.0.0.1:0\"\nredirect_https = true\nproxy_protocol = \"required\"\n\n\
                     [[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"api.pem\", private_key = \"api-key.pem\" }\n";
    let world = World::with(|setup| {
        setup.listeners(listeners).with(TRUSTED).file("api.pem", &certificate.pem).file("api-key.pem", &certificate.key_pem)
    });
    let response = begin(&world.gateway, &v1("192.0.2.1")).get("/x", &[("Host", "api.test"), ("X-Request-Id", "redirected")]);
    assert_eq!(response.status, 308, "{response:?}");
    assert_eq!(world.gateway.access_log("redirected")["client_address"], "192.0.2.1");
    closes(&world.gateway, "none", &request("GET", "/x", &[], b""));
}

#[test]
fn a_gateway_that_drains_does_not_wait_for_headers() {
    let mut world = world("optional", "[bounds]\nidle_timeout = \"10m\"");
    let mut silent = world.gateway.connect();
    world.gateway.wait_metric("stackflow_gateway_connections", 1.0);
    let began = Instant::now();
    assert!(world.gateway.stop_gracefully().success());
    assert!(began.elapsed() < DEADLINE && silent.is_closed());
}

/// `HAProxy` with this `server` option in front of a gateway that requires a header, and clients at the address that it listens at.
fn behind_haproxy(options: &str, from: &str) {
    let world = world("required", "");
    let address: SocketAddr = format!("{from}:0").parse().expect("an address");
    let front = front::Haproxy::start(world.gateway.address(), address, options);
    let auth = format!("Authorization: {}", world.bearer);
    let client = if from == "127.0.0.1" { "127.0.0.5" } else { "::1" };
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let url = format!("http://{}{LIST}", front.address);
        let (id, header) = (format!("by{version}"), format!("X-Request-Id: by{version}"));
        let arguments = ["--interface", client, version, "--header", &auth, "--header", &header, &url];
        let response = curl(&arguments);
        assert_eq!(response.status, 200, "{options}: {response:?}");
        assert_eq!(world.backend.last().head.only("X-Forwarded-For"), client, "{options}, {version}");
        assert_eq!(world.gateway.access_log(&id)["client_address"], client, "{options}, {version}");
    }
}

#[test]
fn haproxys_headers_are_understood() {
    for options in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn",
    ] {
        behind_haproxy(options, "127.0.0.1");
        behind_haproxy(options, "[::1]");
    }
}
