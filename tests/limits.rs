//! Token buckets as clients meet them: how many are admitted, when to come back, and who is never charged.
//!
//! A bucket refills while a test runs, however fast the machine is. So numbers are checked as the contract says them: over a
//! window of `T` seconds at most `burst + rate × T` are admitted, and at least `burst` where nothing else was taken.
mod support;

use std::{
    thread,
    time::{Duration, Instant},
};
use support::{Backend, Call, Client, Gate, JSON, Response, World};

const LIST: &str = "/prod/api/incidents";
const BULK: &str = "/prod/api/incidents/bulk";

fn world(limits: &str) -> World {
    world_with(limits, Backend::start())
}

fn world_with(limits: &str, backend: Backend) -> World {
    World::behind(backend, |setup| setup.with(&format!("[limits]\n{limits}")))
}

/// Asks until a refusal; how many were admitted before it, and how long that took.
fn drain(client: &mut Client, token: &str) -> (u64, Duration, Response) {
    let started = Instant::now();
    for admitted in 0..100_000 {
        let response = client.get_as(token, LIST);
        if response.status != 200 {
            return (admitted, started.elapsed(), response);
        }
    }
    panic!("nothing was ever refused");
}

fn policy(response: &Response) -> String {
    assert_eq!(response.status, 429, "{response:?} {}", response.text());
    response.json()["policy"].as_str().unwrap_or_default().to_owned()
}

fn import(client: &mut Client, token: &str) -> Response {
    client.exchange("POST", BULK, &[("Authorization", &format!("Bearer {token}")), JSON], b"{\"records\":[]}")
}

/// At least the burst, at most what came back meanwhile on top of it.
fn assert_window(admitted: u64, burst: u64, rate: u64, elapsed: Duration) {
    let refilled = rate * elapsed.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
    assert!((burst..=burst + refilled).contains(&admitted), "{admitted} admitted in {elapsed:?}, burst {burst}, rate {rate}");
}

#[test]
fn a_user_gets_the_burst_and_then_429() {
    let world = world("per_user = { rate = 1, burst = 100 }");
    let (admitted, elapsed, refused) = drain(&mut world.gateway.connect(), &world.issuer.user("ada"));
    assert_window(admitted, 100, 1, elapsed);
    assert_eq!(policy(&refused), "user");
    assert_eq!(world.backend.requests().len() as u64, admitted, "what is refused does not reach the upstream");
    world.gateway.wait_metric("stackflow_gateway_requests_total{outcome=\"limited\",code=\"429\"}", 1.0);
}

#[test]
fn who_waits_as_told_is_admitted() {
    let world = world("per_user = { rate = 1, burst = 3 }");
    let token = world.issuer.user("ada");
    let mut client = world.gateway.connect();
    for _ in 0..2 {
        let (_, _, refused) = drain(&mut client, &token);
        let seconds = refused.number("Retry-After");
        assert_eq!(seconds, 1, "a token comes back every second");
        thread::sleep(Duration::from_secs(seconds));
        assert_eq!(client.get_as(&token, LIST).status, 200);
    }
}

#[test]
fn the_shipped_limit_holds_however_many_connections_race() {
    let world = world("per_address = { rate = 1000, burst = 2000 }");
    let token = world.issuer.user("ada");
    let started = Instant::now();
    let admitted: usize = thread::scope(|scope| {
        let connections: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = world.gateway.connect();
                    (0..30).filter(|_| client.get_as(&token, LIST).status == 200).count()
                })
            })
            .collect();
        connections.into_iter().map(|connection| connection.join().unwrap()).sum()
    });
    let most = 100 + 100 * started.elapsed().as_millis().div_ceil(1000) as usize;
    assert!((100..=most.min(240)).contains(&admitted), "{admitted} of 240 admitted in {:?}", started.elapsed());
}

#[test]
fn users_do_not_share_a_bucket_and_base_paths_do() {
    let world = world("per_user = { rate = 1, burst = 3 }");
    let mut client = world.gateway.connect();
    let (ada, bob) = (world.issuer.user("ada"), world.issuer.user("bob"));
    let spent: Vec<u16> = ["/prod/api/incidents", "/prod/api/v1/incidents", "/prod/api/incidents?limit=1"]
        .iter()
        .map(|target| client.get_as(&ada, target).status)
        .collect();
    assert_eq!(spent, [200; 3]);
    let (more, _, refused) = drain(&mut client, &ada);
    assert!(more < 3, "the alias and the query are the same bucket");
    assert_eq!(policy(&refused), "user");
    // Another token of the same user is the same user.
    let again = world.issuer.token(|claims| claims["jti"] = "another".into());
    assert_eq!(policy(&client.get_as(&again, LIST)), "user");
    assert_eq!(client.get_as(&bob, LIST).number("X-RateLimit-Remaining"), 2);
}

#[test]
fn the_address_limit_is_for_those_who_do_not_authenticate() {
    let world = world("per_address = { rate = 1, burst = 10 }");
    let (ada, bob) = (world.issuer.user("ada"), world.issuer.user("bob"));
    let mut client = world.gateway.connect();
    // A token that proves good gives its reservation back, so it costs the address nothing.
    assert_eq!(client.get_as(&ada, LIST).status, 200);
    let started = Instant::now();
    let kinds: [(&str, Vec<(&str, &str)>); 4] = [
        (LIST, vec![]),
        (LIST, vec![("Authorization", "Bearer a.b.c")]),
        ("/elsewhere", vec![]),
        (LIST, vec![("Authorization", "Basic YTpi")]),
    ];
    let mut asked = 0;
    let refused = loop {
        let (target, headers) = &kinds[asked % kinds.len()];
        let response = client.get(target, headers);
        if response.status == 429 {
            break response;
        }
        asked += 1;
    };
    assert_window(asked as u64, 10, 1, started.elapsed());
    assert_eq!(policy(&refused), "address");
    assert_eq!(refused.number("X-RateLimit-Limit"), 10);
    assert!(refused.number("Retry-After") >= 1);
    let preflight = [("Origin", "https://app.stackflow-tech.com"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(policy(&client.exchange("OPTIONS", LIST, &preflight, b"")), "address");
    // A token verified before passes untouched; one never seen waits outside, or guessing tokens would be free.
    assert_eq!(client.get_as(&ada, LIST).status, 200);
    assert_eq!(policy(&client.get_as(&bob, LIST)), "address");
    assert_eq!(client.get("/ping", &[]).status, 200, "load balancers are never limited");
}

#[test]
fn bulk_requests_cost_their_user_nothing() {
    let world = world("per_user = { rate = 1, burst = 2 }");
    let token = world.issuer.user("ada");
    let mut client = world.gateway.connect();
    for _ in 0..10 {
        let response = import(&mut client, &token);
        assert_eq!((response.status, response.number("X-RateLimit-Remaining")), (200, 2), "{response:?}");
    }
    // The exemption is for exactly that route and method: its job's status is not exempt.
    let status = client.get_as(&token, "/prod/api/incidents/bulk/jobs/7");
    assert_eq!(status.number("X-RateLimit-Remaining"), 1);
    let (_, _, refused) = drain(&mut client, &token);
    assert_eq!(policy(&refused), "user");
    assert_eq!(import(&mut client, &token).status, 200, "still exempt when the user has nothing left");
}

#[test]
fn bulk_requests_are_bounded_in_flight() {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::scripted(move |call: &mut Call| {
        call.read_body();
        held.wait();
        call.answer(200, "", "{}");
    });
    let world = world_with("bulk_in_flight = 2", backend);
    let (ada, bob) = (world.issuer.user("ada"), world.issuer.user("bob"));
    thread::scope(|scope| {
        let running: Vec<_> = (1..=2)
            .map(|count| {
                let request = scope.spawn(|| import(&mut world.gateway.connect(), &ada).status);
                world.backend.wait_count("/api/v1/incidents/bulk", count);
                request
            })
            .collect();
        let refused = import(&mut world.gateway.connect(), &ada);
        assert_eq!(policy(&refused), "bulk");
        assert_eq!(refused.only("Retry-After"), "1");
        let other = scope.spawn(|| import(&mut world.gateway.connect(), &bob).status);
        world.backend.wait_count("/api/v1/incidents/bulk", 3);
        gate.open();
        assert_eq!(other.join().unwrap(), 200, "one user's imports do not stand in another's way");
        for request in running {
            assert_eq!(request.join().unwrap(), 200);
        }
    });
    // Places come back with the end of the exchange, which is after its last byte.
    world.gateway.poll("a free place", || (import(&mut world.gateway.connect(), &ada).status == 200).then_some(()));
}

#[test]
fn the_global_limit_is_for_everybody_together() {
    let world = world("global = { rate = 1, burst = 4 }\nper_user = { rate = 1, burst = 100 }");
    let mut client = world.gateway.connect();
    let users: Vec<String> = ["ada", "bob", "cyd"].map(|name| world.issuer.user(name)).into();
    let started = Instant::now();
    let mut admitted = 0;
    let refused = loop {
        let response = client.get_as(&users[admitted % 2], LIST);
        if response.status != 200 {
            break response;
        }
        admitted += 1;
    };
    assert_window(admitted as u64, 4, 1, started.elapsed());
    assert_eq!(policy(&refused), "global");
    assert_eq!(refused.number("X-RateLimit-Limit"), 4, "the refusing policy's numbers");
    // What the global policy refuses costs its user nothing: 405 shows the bucket and charges nothing.
    assert_eq!(policy(&client.get_as(&users[2], LIST)), "global");
    let bearer = format!("Bearer {}", users[2]);
    let shown = client.exchange("DELETE", LIST, &[("Authorization", &bearer)], b"");
    assert_eq!((shown.status, shown.number("X-RateLimit-Remaining")), (405, 100));
    assert_eq!(policy(&import(&mut client, &users[1])), "global", "bulk is not exempt from it");
}

#[test]
fn what_a_user_is_refused_costs_the_others_nothing() {
    let world = world("global = { rate = 1, burst = 40 }\nper_user = { rate = 1, burst = 5 }");
    let mut client = world.gateway.connect();
    let ada = world.issuer.user("ada");
    let started = Instant::now();
    let admitted: u32 = (0..200).map(|_| u32::from(client.get_as(&ada, LIST).status == 200)).sum();
    assert_window(admitted.into(), 5, 1, started.elapsed());
    let left = world.gateway.metric("stackflow_gateway_limit_tokens{policy=\"global\"}");
    assert!(left >= 40.0 - f64::from(admitted), "{left} tokens left of 40 after {admitted} admitted");
    assert_eq!(client.get_as(&world.issuer.user("bob"), LIST).status, 200);
}

#[test]
fn reset_can_be_shown_as_seconds_from_now() {
    let world = world("per_user = { rate = 1, burst = 100 }\nreset = \"delta\"");
    let mut client = world.gateway.connect();
    let response = client.get_as(&world.issuer.user("ada"), LIST);
    assert_eq!(response.only("X-RateLimit-Reset"), "1", "one token is missing, one comes back a second");
}
