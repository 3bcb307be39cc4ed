//! Start, stop, and what is said when it cannot start.
mod support;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};
use support::{
    Backend, Call, Client, DEADLINE, Gate, Gateway, Issuer, JwksServer, KeyServing, SHIPPED_ISSUER, Setup, request, shipped,
};

const LIST: &str = "/prod/api/incidents";

fn issuer() -> Issuer {
    Issuer::new("https://pool.test/one")
}

/// A gateway with one request in flight, held at the upstream by the gate.
fn with_request_in_flight(server: &str) -> (Gateway, Client, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::scripted(move |call: &mut Call| {
        held.wait();
        call.answer(200, "", "{\"late\":true}");
    });
    let issuer = issuer();
    let gateway = Setup::new(backend.address(), &issuer).with(&format!("[server]\n{server}")).start();
    let mut client = gateway.connect();
    client.send(&request("GET", LIST, &[("Authorization", &format!("Bearer {}", issuer.user("ada")))], b""));
    backend.wait_count("/api/v1/incidents", 1);
    (gateway, client, gate)
}

/// Waits until new connections are refused: the listeners are closed.
fn wait_closed(gateway: &Gateway) {
    gateway.poll("closed listeners", || std::net::TcpStream::connect(gateway.address()).is_err().then_some(()));
}

#[test]
fn sigterm_lets_requests_in_flight_finish() {
    let (mut gateway, mut client, gate) = with_request_in_flight("drain_timeout = \"15s\"");
    gateway.signal("TERM");
    wait_closed(&gateway);
    gate.open();
    let response = client.read_response("GET");
    assert_eq!((response.status, response.text().as_str()), (200, "{\"late\":true}"));
    let drained = Instant::now();
    assert_eq!(gateway.wait(Duration::from_secs(20)).code(), Some(0), "{}", gateway.written());
    assert!(
        drained.elapsed() < Duration::from_secs(5),
        "it ends as soon as it is drained, not after drain_timeout: {:?}",
        drained.elapsed()
    );
}

#[test]
fn sigterm_with_nothing_in_flight_stops_soon() {
    let backend = Backend::start();
    let mut gateway = Setup::new(backend.address(), &issuer()).start();
    // An idle connection is no reason to stay.
    let mut idle = gateway.connect();
    assert_eq!(idle.get("/ping", &[]).status, 200);
    let asked = Instant::now();
    assert_eq!(gateway.stop_gracefully().code(), Some(0), "{}", gateway.written());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(idle.is_closed());
}

#[test]
fn sigterm_waits_no_longer_than_drain_timeout() {
    let (mut gateway, _client, _gate) = with_request_in_flight("drain_timeout = \"1s\"");
    let asked = Instant::now();
    assert_eq!(gateway.stop_gracefully().code(), Some(0), "{}", gateway.written());
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[test]
fn drain_delay_says_not_ready_while_it_still_serves() {
    let backend = Backend::start();
    let issuer = issuer();
    let mut gateway = Setup::new(backend.address(), &issuer).with("[server]\ndrain_delay = \"3s\"").start();
    let mut client = gateway.connect();
    assert_eq!(client.get("/ping", &[]).status, 200);
    gateway.signal("TERM");
    gateway.poll("not ready", || (gateway.connect().get("/ping", &[]).status == 503).then_some(()));
    let response = client.get_as(&issuer.user("ada"), LIST);
    assert_eq!(response.status, 200, "still serving");
    assert!(
        response.list("Connection").iter().any(|value| value.eq_ignore_ascii_case("close")),
        "and told to go elsewhere: {response:?}"
    );
    assert_eq!(gateway.admin_get("/readyz").status, 503);
    assert_eq!(gateway.wait(Duration::from_secs(20)).code(), Some(0));
}

#[test]
fn the_admin_listener_answers_while_draining() {
    let (mut gateway, mut client, gate) = with_request_in_flight("drain_timeout = \"15s\"");
    gateway.signal("TERM");
    wait_closed(&gateway);
    assert_eq!(gateway.admin_get("/livez").status, 200, "it must not be restarted for that");
    let readiness = gateway.admin_get("/readyz");
    assert!(readiness.status == 503 && readiness.text().contains("draining"), "{readiness:?}");
    gateway.wait_metric("stackflow_gateway_requests_in_flight", 1.0);
    gate.open();
    assert_eq!(client.read_response("GET").status, 200);
    assert_eq!(gateway.wait(Duration::from_secs(20)).code(), Some(0), "{}", gateway.written());
}

/// SIGINT, and the process has ended well within this time.
fn assert_stops_at_once(gateway: &mut Gateway, name: &str) {
    let asked = Instant::now();
    gateway.signal("INT");
    let status = gateway.wait(Duration::from_secs(10));
    assert!(asked.elapsed() < Duration::from_secs(2), "{name}: {:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0), "{name}: {status}");
}

#[test]
fn sigint_stops_at_once() {
    let (mut gateway, _client, _gate) = with_request_in_flight("drain_timeout = \"15s\"");
    assert_stops_at_once(&mut gateway, "with a request in flight");
    let (mut gateway, _client, _gate) = with_request_in_flight("drain_timeout = \"15s\"");
    gateway.signal("TERM");
    wait_closed(&gateway);
    assert_stops_at_once(&mut gateway, "while it drains");
}

#[test]
fn sigint_stops_at_once_though_nobody_reads_the_log() {
    let backend = Backend::start();
    let mut gateway = Setup::new(backend.address(), &issuer()).start_unread();
    // More than a pipe holds, which is 64 KiB, so that a write waits for a reader.
    let mut client = gateway.connect();
    let agent = "a".repeat(900);
    for _ in 0..200 {
        assert_eq!(client.get(LIST, &[("User-Agent", &agent)]).status, 401);
    }
    gateway.wait_metric("stackflow_gateway_requests_total", 200.0);
    assert_stops_at_once(&mut gateway, "with a full pipe");
}

#[test]
fn a_port_in_use_is_said_plainly() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = Setup::new("127.0.0.1:1".parse().expect("an address"), &issuer()).toml();
    let jwks = [("jwks.json".to_owned(), issuer().jwks_json())];
    for place in ["[[listeners]]", "[admin]"] {
        let free = format!("{place}\naddress = \"127.0.0.1:0\"");
        let config = config.replace(&free, &free.replace("127.0.0.1:0", &address));
        assert!(config.contains(&address));
        let started = Instant::now();
        let output = Gateway::output(&["run", "--config", "gateway.toml"], &config, &jwks);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{place}: {stderr}");
        assert!(stderr.contains(&address) && stderr.to_lowercase().contains("in use"), "{place}: {stderr}");
        assert!(!stderr.contains("panicked"), "{place}: {stderr}");
        assert!(started.elapsed() < Duration::from_secs(10), "{place}: {:?}", started.elapsed());
    }
}

#[test]
fn an_idle_gateway_with_the_shipped_configuration_stays_under_40_mb() {
    let backend = Backend::start();
    let keys = JwksServer::start(KeyServing::Good(Issuer::new(SHIPPED_ISSUER).jwks_json()));
    let gateway = Gateway::start(&shipped(backend.address(), &keys.url()));
    let resident = gateway.status("VmRSS");
    // The system's unit is 1,024 bytes, a megabyte a million.
    assert!(resident * 1024 < 40_000_000, "{resident} KiB");
}

#[test]
fn how_many_connections_there_may_be_is_said_at_the_start_whatever_is_logged() {
    let said = |bounds: &str| {
        let backend = Backend::start();
        let quiet = format!("[log]\nlevel = \"error\"\naccess = false\n[bounds]\n{bounds}");
        let gateway = Setup::new(backend.address(), &issuer()).with(&quiet).start();
        gateway.stderr.wait("how many", DEADLINE, |line| {
            let (all, address) = line.strip_prefix("at most ")?.strip_suffix(" of one address")?.split_once(" connections, ")?;
            Some((all.parse::<usize>().ok()?, address.parse::<usize>().ok()?))
        })
    };
    assert_eq!(said("connections = 7"), (7, 4));
    assert_eq!(said("connections = 7\nconnections_per_address = 2"), (7, 2));
    let (all, address) = said("connections = 0");
    assert!(all > 100 && address == all.div_ceil(2), "what the limit of file descriptors allows: {all}, {address}");
}
