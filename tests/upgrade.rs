//! A process takes the listeners of the one that runs: no connection meets a closed door, what is in flight is finished, and whatever
//! goes wrong leaves the one that runs as it was. And, with reloads and a stop between, no request fails.
mod support;

use serde_json::Value;
use std::{os::unix::net::UnixListener, process::Command, thread, time::Duration};
use support::{Backend, Call, DEADLINE, Gate, Gateway, Helper, Issuer, LIST, NOBODY, Setup, World, node, request, run_tool};

const SOCKET: &str = "[server]\nthreads = 2\nupgrade_socket = \"upgrade.sock\"\ndrain_timeout = \"15s\"";

fn upgradable(setup: Setup) -> Setup {
    setup.with(SOCKET)
}

/// Waits until the log says this.
fn wait_logged(gateway: &Gateway, words: &str) {
    gateway.poll(words, || gateway.written().contains(words).then_some(()));
}

#[test]
fn connections_go_to_the_process_that_takes_over() {
    let mut world = World::with(upgradable);
    let old = world.gateway.process_id();
    let successor = world.gateway.successor();
    let new = successor.id();
    let mut idle = world.gateway.connect();
    assert_eq!(world.ask_on(&mut idle, "GET", LIST, &[], b"").status, 200);
    assert!(world.gateway.hand_over_to(successor).success(), "the old one ends when nothing is left to do");
    assert!(old != new && world.gateway.process_id() == new);
    assert!(idle.is_closed());
    assert_eq!(world.get(LIST).status, 200);
    assert_eq!(world.gateway.admin_get("/readyz").status, 200);
    assert!(!world.gateway.path("upgrade.sock").exists());
    // It can do the same again, and stops like any other.
    assert!(world.gateway.hand_over_to(world.gateway.successor()).success());
    assert_eq!(world.get(LIST).status, 200);
    assert!(world.gateway.stop_gracefully().success());
}

#[test]
fn what_is_in_flight_is_finished_by_the_process_that_began_it() {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::scripted(move |call: &mut Call| {
        if call.head.target.ends_with("/slow") {
            held.wait();
        }
        call.answer(200, "", &call.head.target.clone());
    });
    let mut world = World::behind(backend, |setup| upgradable(setup).route("path = \"/slow\""));
    let mut slow = world.gateway.connect();
    slow.send(&request("GET", "/prod/api/slow", &[world.auth()], b""));
    world.backend.wait_count("/api/v1/slow", 1);
    let mut successor = world.gateway.successor();
    let lines = successor.stderr();
    world.gateway.signal("QUIT");
    lines.wait("the new process listens", DEADLINE, |line| line.starts_with("admin listening on ").then_some(()));
    assert_eq!(world.get(LIST).text(), "/api/v1/incidents", "by the new one");
    gate.open();
    let response = slow.read_response("GET");
    assert_eq!((response.status, response.text().as_str()), (200, "/api/v1/slow"));
    assert!(world.gateway.wait(DEADLINE).success(), "{}", world.gateway.written());
}

#[test]
fn a_unix_socket_and_the_admin_listener_go_along() {
    let listeners = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"unix:{PATH}\"\n";
    let folder = support::Directory::new();
    let path = folder.path().join("api.sock");
    let listeners = listeners.replace("{PATH}", path.to_str().unwrap_or_default());
    let mut world = World::with(|setup| upgradable(setup).listeners(&listeners));
    let ask = || {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "10", "--unix-socket"]).arg(&path).arg("http://api.test/ping");
        let output = run_tool(&mut curl, "");
        assert!(output.status.success(), "{output:?}");
    };
    ask();
    assert!(world.gateway.hand_over_to(world.gateway.successor()).success());
    ask();
}

#[test]
fn quotas_are_handed_over_with_their_lock() {
    let plan = "[limits]\nstate_file = \"quotas\"\n[[limits.plans]]\nname = \"metered\"\nclient_ids = [\"test-client\"]\n\
                quota = { requests = 5, period = \"month\" }";
    let mut world = World::with(|setup| upgradable(setup).with(plan));
    let admitted = |world: &World, times: usize| (0..times).filter(|_| world.get(LIST).status == 200).count();
    assert_eq!(admitted(&world, 3), 3);
    assert!(world.gateway.hand_over_to(world.gateway.successor()).success());
    assert_eq!(admitted(&world, 4), 2, "what was used stays used");
    // The lock is the new one's now, and a third process cannot have it.
    let third = world.gateway.run_beside(&["run", "--config", "gateway.toml"]);
    let said = String::from_utf8_lossy(&third.stderr).into_owned();
    assert!(!third.status.success() && said.contains("in use"), "{said}");
    world.gateway.restart();
    assert_eq!(admitted(&world, 1), 0);
}

#[test]
fn with_nobody_to_take_over_it_goes_on() {
    let mut world = World::with(upgradable);
    let mut idle = world.gateway.connect();
    assert_eq!(world.ask_on(&mut idle, "GET", LIST, &[], b"").status, 200);
    world.gateway.signal("QUIT");
    wait_logged(&world.gateway, "not handed over, still serving");
    assert_eq!(world.ask_on(&mut idle, "GET", LIST, &[], b"").status, 200);
    assert_eq!(world.gateway.admin_get("/readyz").status, 200);
    // Nothing of the try is left: the next one is as good as the first.
    assert!(world.gateway.hand_over_to(world.gateway.successor()).success());
    assert_eq!(world.get(LIST).status, 200);
}

#[test]
fn a_successor_that_dies_changes_nothing() {
    let plan = "[limits]\nstate_file = \"quotas\"";
    let mut world = World::with(|setup| upgradable(setup).with(plan));
    // Takes the connection and says nothing: what a process does that is killed in between.
    let impostor = UnixListener::bind(world.gateway.path("upgrade.sock")).unwrap_or_else(|error| panic!("{error}"));
    world.gateway.signal("QUIT");
    drop(impostor.accept());
    wait_logged(&world.gateway, "the other process ended");
    assert_eq!(world.get(LIST).status, 200);
    drop(impostor);
    assert!(world.gateway.hand_over_to(world.gateway.successor()).success(), "the abandoned socket is replaced");
    assert_eq!(world.get(LIST).status, 200);
}

/// A successor with this configuration ends with this code and these words, and the one that runs does not notice.
#[track_caller]
fn check_refused(world: &World, config: &str, code: i32, words: &str) {
    world.gateway.rewrite(config);
    let output = world.gateway.run_beside(&["run", "--config", "gateway.toml", "--upgrade"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(code) && said.contains(words), "{:?}: {said}", output.status);
    assert_eq!(world.get(LIST).status, 200);
    assert!(!world.gateway.path("upgrade.sock").exists(), "nothing of it is left");
}

#[test]
fn a_successor_that_could_not_serve_takes_nothing() {
    let world = World::with(upgradable);
    check_refused(&world, "nonsense", 2, "gateway.toml:1:");
    let tls = world.changed(|setup| {
        upgradable(setup).listeners(
            "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"none.pem\", private_key = \"none.pem\" }\n",
        )
    });
    check_refused(&world, &tls, 2, "none.pem");
    let issuer = format!("issuer = \"https://gone.test\"\njwks_url = \"http://{NOBODY}/jwks\"\nclient_ids = \"any\"");
    let keyless = upgradable(Setup::bare(&world.backend.address().to_string())).issuer(&issuer).toml();
    check_refused(&world, &keyless, 1, "no issuer has keys");
}

#[test]
fn one_successor_waits_at_a_time_and_goes_when_it_is_told() {
    let world = World::with(upgradable);
    let mut first = world.gateway.successor();
    world.gateway.poll("the first waits", || world.gateway.path("upgrade.sock").exists().then_some(()));
    let second = world.gateway.run_beside(&["run", "--config", "gateway.toml", "--upgrade"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && said.contains("another process already waits"), "{said}");
    first.signal("TERM");
    assert!(first.wait_within(DEADLINE).success());
    assert!(!world.gateway.path("upgrade.sock").exists());
    assert_eq!(world.get(LIST).status, 200);
}

/// Answers with the target; `events` in twenty pieces, one by one.
fn steady(call: &mut Call) {
    call.read_body();
    call.forget();
    let target = call.head.target.clone();
    if !target.contains("/events-") {
        return call.answer(200, "", &target);
    }
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for number in 0..20 {
        let event = format!("data: {number}\n\n");
        call.send(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        // As a model writes its answer: the stream lasts longer than what happens around it.
        thread::sleep(Duration::from_millis(20));
    }
    call.send(b"0\r\n\r\n");
}

fn start_load(gateway: &Gateway, issuer: &Issuer) -> Helper {
    let url = format!("http://{}", gateway.address());
    Helper::start(node("steady_load.mjs").args([url, issuer.user("ada")]))
}

fn number(seen: &Value, name: &str) -> u64 {
    seen[name].as_u64().unwrap_or_default()
}

/// Waits until the load has been answered another few times: it runs, whatever was just done.
fn wait_answers(gateway: &Gateway, load: &mut Helper) {
    let before = number(&load.ask("seen"), "answered");
    for _ in 0..1000 {
        if number(&load.ask("seen"), "answered") >= before + 50 {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the load is not answered any more; the gateway wrote:\n{}", gateway.written());
}

#[test]
fn no_request_fails_over_twenty_reloads_five_upgrades_and_a_stop() {
    let limits = "[limits]\nper_user = { rate = 1000000, burst = 1000000 }\nglobal = { rate = 1000000, burst = 1000000 }";
    let mut world = World::behind(Backend::scripted(steady), |with| upgradable(with).with(limits));
    let mut load = start_load(&world.gateway, &world.issuer);
    for upgrade in 0..5 {
        for reload in 0..4 {
            let route = format!("path = \"/mark-{upgrade}-{reload}\"\nmethods = [\"GET\"]");
            world.take_up(|setup| upgradable(setup).with(limits).route(&route));
            wait_answers(&world.gateway, &mut load);
        }
        let ended = world.gateway.hand_over_to(world.gateway.successor());
        assert!(ended.success(), "{ended}");
        wait_answers(&world.gateway, &mut load);
    }
    // From here on a connection that is refused is what a load balancer would take elsewhere.
    load.ask("leaving");
    assert!(world.gateway.stop_gracefully().success());
    let seen = load.ask("stop");
    assert_eq!(seen["failed"], Value::Array(Vec::new()), "{seen}");
    assert!(number(&seen, "streamed") >= 20, "{seen}");
    println!("{seen}");
    let mut created: Vec<String> = world.backend.requests().into_iter().map(|seen| seen.head.target).collect();
    created.retain(|target| target.contains("/create-"));
    let all = created.len();
    created.sort_unstable();
    created.dedup();
    assert_eq!(created.len(), all, "what a server has seen is not sent to it again");
}
