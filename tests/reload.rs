//! Reload: what changes, what stays, what is refused, and that nobody who asks meanwhile notices.
mod support;

use serde_json::{Value, json};
use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use support::{
    Backend, Call, Certificate, Client, DEADLINE, Directory, Gate, Gateway, HEADERS, Http2, Issuer, JwksServer, KeyServing,
    Setup, World, curl, request, run_tool,
};

const LIST: &str = "/prod/api/incidents";
const LIMITLESS: &str =
    "[limits]\nglobal = { rate = 1000000, burst = 1000000 }\nper_user = { rate = 1000000, burst = 1000000 }\n";

/// A configuration that is not taken up, and what the log says of it.
fn refused(world: &World, config: &str) -> Vec<String> {
    world.gateway.rewrite(config);
    assert!(!world.gateway.reload(), "{config}");
    let last = "stays in force";
    world.gateway.stdout.wait("the end of the refusal", DEADLINE, |line| line.contains(last).then_some(()));
    let errors = world.gateway.stdout.all().into_iter().filter_map(|line| {
        let entry: Value = serde_json::from_str(&line).ok()?;
        (entry["level"] == "error").then(|| entry["message"].as_str().unwrap_or_default().to_owned())
    });
    errors.collect()
}

/// A sum of series, without the prefix.
#[track_caller]
fn assert_metric(world: &World, selector: &str, expected: f64) {
    let found = world.gateway.metric(&format!("stackflow_gateway_{selector}"));
    assert!((found - expected).abs() < 0.5, "{selector} is {found}, not {expected}");
}

/// A response header that says which configuration made the response.
fn marked(setup: Setup, mark: &str) -> Setup {
    setup.with(&format!("[response_headers]\nset = {{ \"X-Mark\" = \"{mark}\" }}"))
}

/// Asks over HTTP/1.1 on one connection until told to stop, at most 5,000 times; how often.
fn keep_asking(client: &mut Client, bearer: &str, stop: &AtomicBool) -> u32 {
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) && asked < 5_000 {
        let response = client.get(LIST, &[("Authorization", bearer)]);
        assert_eq!(response.status, 200, "request {asked}: {response:?}");
        assert!(matches!(response.only("X-Mark"), "even" | "odd"), "{response:?}");
        asked += 1;
    }
    asked
}

/// The same over HTTP/2.
fn keep_asking_h2(mut client: Http2, bearer: &str, stop: &AtomicBool) -> u32 {
    let mut asked = 0;
    // As many answers as fit in the window that a connection begins with.
    while !stop.load(Ordering::Relaxed) && asked < 5_000 {
        let stream = asked * 2 + 1;
        let fields =
            [(":method", "GET"), (":scheme", "http"), (":path", LIST), (":authority", "api.test"), ("authorization", bearer)];
        client.send_head(stream, &fields, true);
        let answer = client.wait(HEADERS);
        // RFC 7541, appendix A: entry 8 of the static table is `:status: 200`.
        assert_eq!((answer.stream, answer.payload.first()), (stream, Some(&0x88)), "request {asked}");
        asked += 1;
    }
    asked
}

#[test]
fn no_request_fails_over_20_reloads_on_kept_connections() {
    let world = World::with(|setup| marked(setup, "even").with(LIMITLESS));
    let stop = AtomicBool::new(false);
    let counts: Vec<u32> = thread::scope(|scope| {
        let http1 = (0..2).map(|_| scope.spawn(|| keep_asking(&mut world.gateway.connect(), &world.bearer, &stop)));
        let mut threads: Vec<_> = http1.collect();
        threads.push(scope.spawn(|| keep_asking_h2(Http2::connect(world.gateway.address()), &world.bearer, &stop)));
        for number in 0..20 {
            let mark = if number % 2 == 0 { "odd" } else { "even" };
            world.take_up(|setup| marked(setup, mark).with(LIMITLESS).route("path = \"/more\"\nmethods = [\"GET\"]"));
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("no request failed")).collect()
    });
    assert!(counts.iter().all(|count| *count > 20), "under load: {counts:?}");
    assert_metric(&world, "config_reload_total{result=\"ok\"}", 20.0);
    let total: u32 = counts.iter().sum();
    // Counters of a route go on over all configurations.
    world.gateway.wait_metric("stackflow_gateway_requests_total{route=\"/incidents\",code=\"200\"}", f64::from(total));
    assert_metric(&world, "upstream_failures_total", 0.0);
    // Pools stay. (Without them each of three clients would need another connection after each reload.)
    let connections: std::collections::BTreeSet<_> = world.backend.requests().iter().map(|seen| seen.connection).collect();
    assert!(connections.len() < 20, "{connections:?}");
}

/// Tokens left after one request of `ada`.
fn left(world: &World) -> u64 {
    let response = world.get(LIST);
    assert_eq!(response.status, 200, "{response:?}");
    response.number("X-RateLimit-Remaining")
}

/// One token comes back each second, of so many.
fn burst(number: u32) -> impl Fn(Setup) -> Setup {
    move |setup| setup.with(&format!("[limits]\nper_user = {{ rate = 1, burst = {number} }}\n"))
}

#[test]
fn balances_survive() {
    let world = World::with(burst(1000));
    for _ in 0..50 {
        left(&world);
    }
    let before = left(&world);
    world.take_up(burst(1000));
    let after = left(&world);
    assert!(after < before + 10 && after < 960, "{before} before, {after} after");
    // What was taken counts in the smaller bucket, and in the larger one.
    world.take_up(burst(100));
    let response = world.get(LIST);
    assert_eq!((response.status, response.number("X-RateLimit-Limit")), (200, 100));
    assert!(response.number("X-RateLimit-Remaining") < 60, "no fresh burst: {response:?}");
    world.take_up(burst(2000));
    let more = left(&world);
    assert!(more > 1900 && more < 1960, "{more}");
}

#[test]
fn a_verified_token_under_a_removed_issuer_is_refused_at_the_next_request() {
    let other = Issuer::new("https://pool.test/two");
    let table = format!("issuer = \"{}\"\njwks_file = \"two.json\"\nclient_ids = [\"{}\"]", other.name, other.client_id);
    let world = World::with(|setup| setup.issuer(&table).file("two.json", &other.jwks_json()));
    let bearer = format!("Bearer {}", other.user("bob"));
    let mut client = world.gateway.connect();
    let mut ask = || client.get(LIST, &[("Authorization", &bearer)]).status;
    assert_eq!((ask(), ask()), (200, 200));
    world.take_up(|setup| setup);
    assert_eq!(ask(), 401);
    assert_eq!(world.get(LIST).status, 200, "the other issuer's tokens are good on");
    world.take_up(|setup| setup.issuer(&table));
    assert_eq!(ask(), 200, "and the issuer comes back with its keys");
}

#[test]
fn changed_client_ids_act_at_once_and_unchanged_issuers_keep_their_verified_tokens() {
    let world = World::start();
    assert_eq!(world.get(LIST).status, 200);
    world.take_up(|setup| setup.route("path = \"/more\""));
    assert_eq!(world.get(LIST).status, 200);
    world.gateway.wait_metric("stackflow_gateway_auth_total{result=\"verified\"}", 1.0);
    world.gateway.wait_metric("stackflow_gateway_auth_total{result=\"cached\"}", 1.0);
    let strict = world.changed(|setup| setup).replace("\"test-client\"", "\"another-client\"");
    world.gateway.rewrite(&strict);
    assert!(world.gateway.reload());
    assert_eq!(world.get(LIST).status, 401);
    world.take_up(|setup| setup);
    assert_eq!(world.get(LIST).status, 200);
}

#[test]
fn a_revoked_token_that_was_verified_is_refused_at_the_next_request() {
    let with_file = |setup: Setup| setup.with("[auth]\nrevocations = \"revoked.toml\"");
    let world = World::with(|setup| with_file(setup).file("revoked.toml", ""));
    let eve = format!("Bearer {}", world.issuer.user("eve"));
    let mut client = world.gateway.connect();
    let mut ask = || client.get(LIST, &[("Authorization", &eve)]).status;
    assert_eq!((ask(), ask(), world.get(LIST).status), (200, 200, 200));
    fs::write(world.gateway.path("revoked.toml"), "[[revoked]]\nsubject = \"eve\"\n").unwrap();
    assert!(world.gateway.reload());
    assert_eq!((ask(), ask(), world.get(LIST).status), (401, 401, 200));
    fs::write(world.gateway.path("revoked.toml"), "[[revoked]]\nsubjekt = \"eve\"\n").unwrap();
    assert!(!world.gateway.reload(), "a mistake in it lets nobody in again");
    assert_eq!(ask(), 401);
    fs::write(world.gateway.path("revoked.toml"), "").unwrap();
    assert!(world.gateway.reload());
    assert_eq!(ask(), 200);
}

#[test]
fn an_issuer_that_is_down_during_a_reload_keeps_its_keys() {
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/one"));
    let server = JwksServer::start(KeyServing::Good(issuer.jwks_json()));
    let config = |client_ids: &str| {
        let table = format!("issuer = \"{}\"\njwks_url = \"{}\"\nclient_ids = {client_ids}", issuer.name, server.url());
        Setup::bare(&backend.address().to_string()).issuer(&table).toml()
    };
    let gateway = Gateway::start(&config("\"any\""));
    let ask = |subject: &str| gateway.connect().get_as(&issuer.user(subject), LIST).status;
    assert_eq!(ask("ada"), 200);
    server.switch(KeyServing::Hanging);
    // The same settings, then others: tokens never seen before are verified with the keys that were known.
    for (subject, client_ids) in [("bob", "\"any\""), ("eve", "[\"test-client\"]")] {
        gateway.rewrite(&config(client_ids));
        assert!(gateway.reload());
        assert_eq!(ask(subject), 200);
        assert_eq!(gateway.admin_get("/readyz").status, 200, "{subject}");
    }
}

#[test]
fn a_bad_file_changes_nothing_and_all_that_is_wrong_is_said_as_check_says_it() {
    let world = World::with(|setup| marked(setup, "first"));
    let bad = world.changed(|setup| {
        marked(setup, "second")
            .with("[api]\npng_path = \"/x\"\n[limits]\nglobal = { rate = 0, burst = 1 }")
            .route("path = \"no-slash\"")
    });
    let errors = refused(&world, &bad);
    let output =
        Gateway::output(&["check", "--config", "gateway.toml"], &bad, &[("jwks.json".to_owned(), world.issuer.jwks_json())]);
    let checked = String::from_utf8(output.stderr).expect("text") + &String::from_utf8(output.stdout).expect("text");
    let problems: Vec<&str> = checked.lines().filter(|line| line.starts_with("gateway.toml:")).collect();
    assert!(problems.len() >= 3, "{checked}");
    for problem in &problems {
        assert!(errors.iter().any(|error| error == problem), "{problem} is not among {errors:#?}");
    }
    assert_eq!(world.get(LIST).only("X-Mark"), "first");
    assert_metric(&world, "config_reload_total{result=\"failed\"}", 1.0);
    fs::remove_file(world.gateway.path("jwks.json")).unwrap();
    assert!(!world.gateway.reload(), "a file that it names is gone");
    assert_eq!(world.get(LIST).status, 200, "its keys are known on");
    fs::remove_file(world.gateway.path("gateway.toml")).unwrap();
    assert!(!world.gateway.reload(), "the file itself is gone");
    assert_eq!(world.get(LIST).only("X-Mark"), "first");
    fs::write(world.gateway.path("jwks.json"), world.issuer.jwks_json()).unwrap();
    world.take_up(|setup| marked(setup, "second"));
    assert_eq!(world.get(LIST).only("X-Mark"), "second");
}

#[test]
fn what_cannot_change_while_running_is_refused_by_name() {
    let world = World::with(|setup| marked(setup, "first").with("[server]\nthreads = 2"));
    let config = world.changed(|setup| {
        let listeners = "[[listeners]]\naddress = \"127.0.0.2:0\"\n";
        marked(setup, "second").with("[server]\nthreads = 1\n[auth]\ntoken_cache = 7").listeners(listeners)
    });
    let errors = refused(&world, &config).join("\n");
    for key in ["server.threads: ", "auth.token_cache: ", "listeners.address: ", "listeners: "] {
        assert!(errors.contains(key), "{key} is missing in {errors}");
    }
    assert_eq!(errors.matches("; restart the gateway, or take the change back").count(), 4, "{errors}");
    let response = world.get(LIST);
    assert_eq!((response.status, response.only("X-Mark")), (200, "first"));
}

/// What curl says the certificate of the first listener is for.
fn subject(world: &World) -> String {
    let url = format!("https://{}/ping", world.gateway.address());
    let output = run_tool(
        Command::new("curl").args(["--silent", "--insecure", "--write-out", "%{certs}", "--output", "/dev/null", &url]),
        "",
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_new_certificate_is_taken_up_and_one_that_does_not_fit_its_key_is_not() {
    let tables = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"c.pem\", private_key = \"k.pem\" }\n";
    let (one, two) = (Certificate::self_signed("one.test"), Certificate::self_signed("two.test"));
    let world = World::with(|setup| setup.listeners(tables).file("c.pem", &one.pem).file("k.pem", &one.key_pem));
    assert!(subject(&world).contains("one.test"), "{}", subject(&world));
    fs::write(world.gateway.path("c.pem"), &two.pem).unwrap();
    assert!(!world.gateway.reload(), "the key is still the other's");
    assert!(subject(&world).contains("one.test"));
    fs::write(world.gateway.path("k.pem"), &two.key_pem).unwrap();
    assert!(world.gateway.reload(), "{}", world.gateway.written());
    let shown = subject(&world);
    assert!(shown.contains("two.test") && !shown.contains("one.test"), "{shown}");
}

#[test]
fn what_a_listener_does_changes_for_new_connections() {
    let plain = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
    let world = World::with(|setup| setup.listeners(plain));
    let mut kept = world.gateway.connect();
    assert_eq!(world.ask_on(&mut kept, "GET", LIST, &[], b"").status, 200);
    let certificate = Certificate::self_signed("one.test");
    for (name, content) in [("c.pem", &certificate.pem), ("k.pem", &certificate.key_pem)] {
        fs::write(world.gateway.path(name), content).unwrap();
    }
    world.take_up(|setup| setup.listeners(&format!("{plain}tls = {{ certificate = \"c.pem\", private_key = \"k.pem\" }}\n")));
    let url = format!("https://{}/ping", world.gateway.address());
    assert_eq!(curl(&["--insecure", &url]).status, 200);
    assert_eq!(world.ask_on(&mut kept, "GET", LIST, &[], b"").status, 200, "a connection goes on as it began");
    world.take_up(|setup| setup.listeners(&format!("{plain}http2 = false\n")));
    assert_eq!(world.get(LIST).status, 200);
    assert_metric(&world, "tls_certificate_not_after_timestamp_seconds", 0.0);
}

#[test]
fn a_request_in_flight_finishes_with_the_configuration_it_began_with() {
    let gate = Gate::default();
    let held = gate.clone();
    let slow = Backend::scripted(move |call: &mut Call| {
        held.wait();
        call.answer(200, "", "{\"late\":true}");
    });
    let world = World::behind(slow, |setup| marked(setup, "first").route("path = \"/slow\"\nmethods = [\"GET\"]"));
    let mut client = world.gateway.connect();
    client.send(&request("GET", "/prod/api/slow", &[world.auth()], b""));
    world.backend.wait_count("/api/v1/slow", 1);
    // Another upstream, fewer routes, another mark, a removed issuer: every index of the first means something else, or nothing.
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/two"));
    fs::write(world.gateway.path("jwks.json"), issuer.jwks_json()).unwrap();
    let setup = marked(Setup::new(backend.address(), &issuer), "second");
    world.gateway.rewrite(&setup.toml().replace("[upstreams.api]", "[upstreams.other]"));
    assert!(world.gateway.reload(), "{}", world.gateway.written());
    let bearer = format!("Bearer {}", issuer.user("bob"));
    let next = world.gateway.connect().get(LIST, &[("Authorization", &bearer)]);
    assert_eq!((next.status, next.only("X-Mark")), (200, "second"));
    gate.open();
    let response = client.read_response("GET");
    assert_eq!((response.status, response.only("X-Mark"), response.text().as_str()), (200, "first", "{\"late\":true}"));
    let series = |labels: &str| format!("stackflow_gateway_{labels}");
    world.gateway.wait_metric(&series("requests_total{route=\"/slow\",code=\"200\"}"), 1.0);
    world.gateway.wait_metric(&series("upstream_duration_seconds_count{upstream=\"api\"}"), 1.0);
    world.gateway.wait_metric(&series("upstream_duration_seconds_count{upstream=\"other\"}"), 1.0);
    let scrape = world.gateway.metrics();
    for gone in ["upstream_healthy{server", "jwks_keys{issuer=\"https://pool.test/one\""] {
        let lines: Vec<&str> = scrape.lines().filter(|line| line.starts_with(&series(gone))).collect();
        assert!(lines.iter().all(|line| !line.contains("upstream=\"api\"") && !line.contains("/one")), "gauges go: {lines:?}");
    }
    assert!(scrape.contains("upstream=\"api\""), "counters stay");
    // The connection itself is under the new configuration.
    let bearer = format!("Bearer {}", issuer.user("bob"));
    assert_eq!(client.get(LIST, &[("Authorization", &bearer)]).only("X-Mark"), "second");
}

#[test]
fn the_log_follows() {
    let world = World::start();
    world.take_up(|setup| setup.with("[log]\noutput = \"new.log\"\nformat = \"text\"\nlevel = \"debug\""));
    let read = || fs::read_to_string(world.gateway.path("new.log")).unwrap_or_default();
    assert_eq!(world.ask("GET", LIST, &[("X-Request-Id", "moved")], b"").status, 200);
    let text = world.gateway.poll("an entry in the new log", || Some(read()).filter(|text| text.contains("moved")));
    assert!(!text.contains("{\"time\""), "{text}");
    assert!(!world.gateway.stdout.text().contains("moved"));
    fs::create_dir(world.gateway.path("taken")).unwrap();
    world.gateway.rewrite(&world.changed(|setup| setup.with("[log]\noutput = \"taken\"")));
    assert!(!world.gateway.reload());
    world.gateway.poll("what was refused in the log that stays", || read().contains("log.output").then_some(()));
}

#[test]
fn a_server_by_name_is_known_before_it_is_asked() {
    let world = World::start();
    let (backend, port) = (Backend::start(), world.backend.address().port());
    let by_name = |port: u16| {
        world
            .changed(|setup| setup)
            .replace(&format!("127.0.0.1:{}", world.backend.address().port()), &format!("localhost:{port}"))
    };
    world.gateway.rewrite(&by_name(port));
    for _ in 0..3 {
        assert!(world.gateway.reload(), "{}", world.gateway.written());
        assert_eq!(world.get(LIST).status, 200);
    }
    world.gateway.rewrite(&by_name(backend.address().port()));
    assert!(world.gateway.reload());
    assert_eq!((world.get(LIST).status, backend.requests().len()), (200, 1));
    let errors = refused(&world, &by_name(port).replace("localhost", "no-such-name.invalid"));
    assert!(errors.iter().any(|error| error.contains("upstreams.api.servers")), "{errors:?}");
    assert_eq!(world.get(LIST).status, 200);
}

#[test]
fn many_signals_end_with_the_last_file_in_force() {
    let world = World::with(|setup| marked(setup, "0"));
    for number in 1..=50 {
        world.gateway.rewrite(&world.changed(|setup| marked(setup, &number.to_string())));
        world.gateway.signal("HUP");
    }
    world.gateway.poll("the last file", || (world.get("/prod/api/changes").only("X-Mark") == "50").then_some(()));
    // A file that is read while it is written may be refused; the one after it is whole.
    let reloads = world.gateway.metric("stackflow_gateway_config_reload_total");
    assert!((1.0..=50.0).contains(&reloads), "{reloads}");
}

fn open_files(gateway: &Gateway) -> usize {
    fs::read_dir(format!("/proc/{}/fd", gateway.process_id())).expect("a running process").count()
}

#[test]
fn two_hundred_reloads_leave_nothing_behind() {
    let world = World::start();
    let reload = |count: usize| {
        for number in 0..count {
            // Everything that a configuration starts: a task for an issuer that comes and goes, one for names.
            let url = format!(
                "issuer = \"https://gone.test/{}\"\njwks_url = \"http://127.0.0.1:1/jwks\"\nclient_ids = \"any\"",
                number % 2
            );
            world.gateway.rewrite(
                &world
                    .changed(|setup| setup.issuer(&url))
                    .replace("http://127.0.0.1:", "http://localhost:")
                    .replace("http://localhost:1/", "http://127.0.0.1:1/"),
            );
            assert!(world.gateway.reload(), "{}", world.gateway.written());
            assert_eq!(world.get(LIST).status, 200);
        }
    };
    // The allocator keeps some megabytes for each thread that reads files, and takes its time to have done so.
    reload(100);
    let before = (world.gateway.status("VmRSS"), open_files(&world.gateway), world.gateway.status("Threads"));
    reload(200);
    let after = (world.gateway.status("VmRSS"), open_files(&world.gateway), world.gateway.status("Threads"));
    // 40 KiB a reload would be over it, which is less than one configuration takes.
    assert!(after.0 < before.0 + 8192, "memory: {before:?}, then {after:?}");
    assert!(after.1 <= before.1 + 8, "files: {before:?}, then {after:?}");
    assert!(after.2 <= before.2 + 8, "threads: {before:?}, then {after:?}");
}

#[test]
fn systemd_is_told_of_each_reload_and_of_its_end() {
    let directory = Directory::new();
    let place = directory.path().join("notify");
    let socket = UnixDatagram::bind(&place).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let heard = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("a word for systemd");
        String::from_utf8(buffer[..length].to_vec()).expect("text")
    };
    let world = World::with(|setup| setup.environment("NOTIFY_SOCKET", &place.display().to_string()));
    assert_eq!(heard().trim(), "READY=1");
    for config in [world.changed(|setup| setup), "nonsense".to_owned()] {
        world.gateway.rewrite(&config);
        world.gateway.reload();
        let began = heard();
        let since = began.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse::<u64>().ok());
        assert!(began.contains("RELOADING=1") && since.is_some_and(|since| since > 0), "{began}");
        assert_eq!(heard().trim(), "READY=1");
    }
}

#[test]
fn sighup_while_draining_does_nothing() {
    let mut world = World::with(|setup| marked(setup, "first").with("[server]\ndrain_delay = \"4s\""));
    let mut client = world.gateway.connect();
    world.gateway.rewrite(&world.changed(|setup| marked(setup, "second")));
    world.gateway.signal("TERM");
    world.gateway.poll("not ready", || (client_status(&world) == 503).then_some(()));
    world.gateway.signal("HUP");
    let response = world.gateway.admin_ask("POST", "/reload", &[]);
    assert_eq!((response.status, response.json()), (409, json!({ "result": "unavailable", "generation": 1 })));
    assert_eq!(world.ask_on(&mut client, "GET", LIST, &[], b"").only("X-Mark"), "first");
    assert_metric(&world, "config_reload_total", 0.0);
    assert_eq!(world.gateway.wait(Duration::from_secs(20)).code(), Some(0));
}

fn client_status(world: &World) -> u16 {
    world.gateway.connect().get("/ping", &[]).status
}
