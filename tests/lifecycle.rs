//! Start, stop, and what is said when it cannot start.
mod support;

use std::{
    fs,
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};
use support::{Backend, Call, Client, Gate, Gateway, Issuer, Setup, request};

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
    gateway.stop_gracefully();
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
fn sigint_stops_at_once() {
    let (mut gateway, _client, _gate) = with_request_in_flight("drain_timeout = \"15s\"");
    let asked = Instant::now();
    gateway.signal("INT");
    let status = gateway.wait(Duration::from_secs(10));
    assert!(asked.elapsed() < Duration::from_secs(2), "with a request in flight: {:?}", asked.elapsed());
    // Ended by the signal or by its own exit: both are how programs answer Ctrl-C.
    assert!(status.signal() == Some(2) || status.code().is_some(), "{status}");
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
fn a_bad_configuration_exits_2_and_says_where() {
    let jwks = [("jwks.json".to_owned(), issuer().jwks_json())];
    let good = Setup::new("127.0.0.1:1".parse().expect("an address"), &issuer()).toml();
    for (name, from, to, words) in [
        ("unknown key", "client_ids", "client_idz", "client_ids"),
        ("wrong type", "address = \"127.0.0.1:0\"", "address = 8080", "address"),
        ("not TOML", "[admin]", "[admin", "gateway.toml:1:"),
        ("no upstream", "servers = [\"http://127.0.0.1:1\"]", "servers = []", "servers"),
        ("no scheme", "\"http://127.0.0.1:1\"", "\"127.0.0.1:1\"", "http://"),
        ("not there yet", "[admin]", "[tracing]\notlp = \"http://127.0.0.1:4317\"\n[admin]", "not in this version"),
    ] {
        let config = good.replacen(from, to, 1);
        assert_ne!(config, good, "{name}");
        for command in ["check", "run"] {
            let output = Gateway::output(&[command, "--config", "gateway.toml"], &config, &jwks);
            let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(2), "{command}, {name}: {said}");
            assert!(said.contains(words), "{command}, {name}: {said}");
            let placed = said.lines().any(|line| {
                let place: Vec<&str> = line.trim_start_matches("error: ").splitn(4, ':').collect();
                place.len() == 4
                    && place[0].ends_with("gateway.toml")
                    && place[1..3].iter().all(|number| number.parse::<u32>().is_ok())
            });
            assert!(placed, "{command}, {name}: FILE:LINE:COLUMN in {said}");
        }
    }
    let output = Gateway::output(&["check", "--config", "gateway.toml"], &good, &jwks);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_problem_is_reported_at_once_and_for_machines_too() {
    let good = Setup::new("127.0.0.1:1".parse().expect("an address"), &issuer()).toml();
    let config = good
        .replace("client_ids", "client_idz")
        .replace("[admin]", "[admin]\nhost = \"a\"")
        .replace("limit = \"exempt\"", "limit = \"none\"");
    let output =
        Gateway::output(&["check", "--config", "gateway.toml"], &config, &[("jwks.json".to_owned(), issuer().jwks_json())]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    for words in ["client_idz", "host", "exempt"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let output = Gateway::output(&["check", "--config", "gateway.toml", "--format", "json"], &config, &[]);
    assert_eq!(output.status.code(), Some(2));
    let problems: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert!(problems.to_string().contains("\"line\""), "{problems}");
}

#[test]
fn usage_errors_exit_2() {
    for arguments in [
        vec![],
        vec!["run"],
        vec!["run", "--config", "nowhere.toml"],
        vec!["fly"],
        vec!["check", "--config", "gateway.toml", "--format", "xml"],
    ] {
        let output = Gateway::output(&arguments, "", &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let version = Gateway::output(&["--version"], "", &[]);
    assert_eq!(version.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_idle_gateway_stays_under_40_mb() {
    let backend = Backend::start();
    let gateway = Setup::new(backend.address(), &issuer()).start();
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    assert!(resident.is_some_and(|kilobytes| kilobytes < 40 * 1024), "{resident:?} kB");
}
