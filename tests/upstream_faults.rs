//! Upstreams that misbehave, in a table: whatever they send, the client gets a 502 or 504 before the head went out, sees that a body was
//! cut short after it, or gets the one answer that the bytes mean; and nobody after it gets anything of it.
//!
//! Each fault meets each way through the gateway: without a body, with one that is held, with one that is streamed, with a `Connection`
//! that names a field, each over HTTP/1 and HTTP/2.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod support;

#[path = "upstream_faults/faults.rs"]
mod faults;
#[path = "upstream_faults/ways.rs"]
mod ways;

use faults::{Ending, Fault, Outcome, all};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use support::{Backend, Call, Gate, JSON, World, assert_decorated, request};
use ways::{Answer, Way};

/// `response_timeout` here, and how much longer an answer may take on a busy machine.
const TIMEOUT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(10);

/// One worker, so that all connections to the upstream are in one pool: what one leaves behind the next would find.
fn world(backend: Backend) -> World {
    World::behind(backend, |setup| {
        setup.upstream(&format!("response_timeout = \"{}ms\"", TIMEOUT.as_millis())).with(
            "[bounds]\nbody_timeout = \"1s\"\n[server]\nthreads = 1\n[limits]\nper_user = { rate = 100000, burst = 100000 }",
        )
    })
}

/// An upstream with these faults, each under its number; to anything else it says what was asked for.
fn faulty(faults: Vec<Fault>) -> Backend {
    Backend::scripted(move |call| {
        let number = call.head.target.strip_prefix("/api/v1/fault/").and_then(|number| number.parse::<usize>().ok());
        match number.and_then(|number| faults.get(number)) {
            Some(fault) => fault.play(call),
            None => echo(call),
        }
    })
}

fn echo(call: &mut Call) {
    call.read_body();
    let target = call.head.target.clone();
    match call.head.method.as_str() {
        "HEAD" => call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        _ => call.answer(200, "", &target),
    }
}

/// Good requests in a row get their own answers: nothing of what came before is left on a connection.
fn assert_no_mix_up(world: &World, name: &str) {
    let mut client = world.gateway.connect();
    for turn in 0..3 {
        let (method, body): (&str, &[u8]) = if turn == 1 { ("POST", b"{}") } else { ("GET", b"") };
        let headers: &[(&str, &str)] = if turn == 1 { &[JSON] } else { &[] };
        let answer = world.ask_on(&mut client, method, &format!("/prod/api/good-{turn}"), headers, body);
        assert_eq!((answer.status, answer.text()), (200, format!("/api/v1/good-{turn}")), "after {name}");
    }
}

#[track_caller]
fn judge(name: &str, fault: &Fault, way: Way, answer: &Answer) -> Result<(), String> {
    let outcome = if way == Way::Head { fault.to_head() } else { fault.outcome };
    let right = match outcome {
        Outcome::Fails(status) => answer.failed(status),
        Outcome::Cut => answer.is_cut(),
        Outcome::FailsOrCut => answer.failed(502) || answer.failed(504) || answer.is_cut(),
        Outcome::Passes(status, body) => answer.is_whole(status, body.as_bytes()),
    };
    if !right {
        return Err(format!("{name}: {answer:?}, not {outcome:?}"));
    }
    if let (Outcome::Fails(_), Some(response)) = (outcome, answer.response()) {
        assert_decorated(name, response);
    }
    Ok(())
}

fn check(way: Way) {
    let count = all().len();
    let world = world(faulty(all()));
    let mut failures = Vec::new();
    for (number, fault) in all().into_iter().enumerate().filter(|(_, fault)| fault.fits(way)) {
        let name = format!("{} ({way:?})", fault.name);
        let started = Instant::now();
        let answer = way.ask(&world, &format!("/prod/api/fault/{number}"));
        if let Err(what) = judge(&name, &fault, way, &answer) {
            failures.push(what);
        }
        if started.elapsed() > TIMEOUT * 2 + PATIENCE {
            failures.push(format!("{name}: after {:?}", started.elapsed()));
        }
        assert_no_mix_up(&world, &name);
    }
    assert!(failures.is_empty(), "{} of {count} faults:\n{}", failures.len(), failures.join("\n"));
}

macro_rules! of_way {
    ($($test:ident: $way:ident,)*) => {$(
        #[test]
        fn $test() {
            check(Way::$way);
        }
    )*};
}

of_way! {
    no_fault_is_passed_on_to_who_gets: Get,
    no_fault_is_passed_on_to_who_asks_for_a_head: Head,
    no_fault_is_passed_on_to_who_sends_a_small_body: Small,
    no_fault_is_passed_on_to_who_sends_a_large_body: Large,
    no_fault_is_passed_on_to_who_sends_in_chunks: Chunks,
    no_fault_is_passed_on_to_who_names_fields_of_the_connection: Nominating,
    no_fault_is_passed_on_over_http_2: Http2Get,
    no_fault_is_passed_on_to_a_large_body_of_http_2: Http2Large,
}

/// What a server says unasked between two requests is nobody's answer.
#[test]
fn what_comes_after_an_answer_answers_nobody() {
    for way in [Way::Get, Way::Small, Way::Large, Way::Nominating] {
        let gate = Gate::default();
        let held = gate.clone();
        let said = Gate::default();
        let tell = said.clone();
        let backend = Backend::scripted(move |call: &mut Call| {
            echo(call);
            if call.head.target == "/api/v1/talkative" {
                held.wait();
                call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTOLEN");
                tell.open();
            }
        });
        let world = world(backend);
        assert!(way.ask(&world, "/prod/api/talkative").is_whole(200, b"/api/v1/talkative"), "{way:?}");
        gate.open();
        said.wait();
        assert_no_mix_up(&world, &format!("{way:?}"));
    }
}

/// A kept connection that the server ends just when it is used again: RFC 9110, section 9.2.2.
#[test]
fn a_stale_connection_is_tried_again_only_where_that_does_no_harm() {
    for (way, asked, status) in [
        (Way::Get, 2, 200),
        (Way::Head, 2, 200),
        (Way::Nominating, 2, 200),
        (Way::Http2Get, 2, 200),
        (Way::Small, 1, 502),
        (Way::Large, 1, 502),
        (Way::Chunks, 1, 502),
        (Way::Http2Large, 1, 502),
    ] {
        let turns = AtomicUsize::new(0);
        let backend = Backend::scripted(move |call: &mut Call| match call.head.target.as_str() {
            "/api/v1/then" if turns.fetch_add(1, Ordering::SeqCst) == 0 => {
                call.read_body();
                call.close();
            }
            _ => echo(call),
        });
        let world = world(backend);
        assert!(way.ask(&world, "/prod/api/first").is_whole(200, b"/api/v1/first"), "{way:?}");
        let answer = way.ask(&world, "/prod/api/then");
        let seen = world.backend.requests();
        assert_eq!((answer.status(), seen.len()), (Some(status), 1 + asked), "{way:?}: {answer:?}");
        assert_eq!(seen[0].connection, seen[1].connection, "{way:?}: the connection was used again");
        assert_no_mix_up(&world, &format!("{way:?}"));
    }
}

/// The answer to a body that nobody wants to read comes before its end, and is the client's.
#[test]
fn an_answer_before_the_end_of_the_body_reaches_the_client() {
    let backend = Backend::scripted(|call| match call.head.target.as_str() {
        "/api/v1/refused" => {
            call.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
            // Not the end of the connection, which would take the answer with it.
            call.read_body();
            call.close();
        }
        _ => echo(call),
    });
    let world = world(backend);
    for way in [Way::Large, Way::Chunks, Way::Http2Large] {
        let answer = way.ask(&world, "/prod/api/refused");
        assert!(answer.is_whole(413, b"{}"), "{way:?}: {answer:?}");
        assert_no_mix_up(&world, &format!("{way:?}"));
    }
}

/// So does one of a server that then reads no further, and neither resets nor ends the connection.
#[test]
fn an_answer_of_a_server_that_reads_no_further_reaches_the_client() {
    let backend = Backend::scripted(|call| match call.head.target.as_str() {
        "/api/v1/refused" => {
            call.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}");
            Gate::default().wait_for(Duration::from_secs(5));
            call.close();
        }
        _ => echo(call),
    });
    let world = world(backend);
    let body = vec![b' '; 8 << 20];
    let mut client = world.gateway.connect();
    client.try_send(&request("POST", "/prod/api/refused", &[world.auth(), JSON], &body[..]));
    let response = client.read_response("POST");
    assert_eq!((response.status, response.text().as_str(), response.only("Connection")), (413, "{}", "close"));
    assert_no_mix_up(&world, "an answer before the end");
}

/// A head that never ends, a byte at a time: `response_timeout` is for the whole of it.
#[test]
fn a_head_that_is_dribbled_is_a_504_in_its_time() {
    for way in [Way::Get, Way::Small, Way::Large, Way::Chunks, Way::Nominating, Way::Http2Get, Way::Http2Large] {
        let backend = Backend::scripted(|call| match call.head.target.as_str() {
            "/api/v1/dribbling" => {
                call.read_body();
                call.send(b"HTTP/1.1 200 OK\r\nX: ");
                call.drip(Duration::from_millis(50));
            }
            _ => echo(call),
        });
        let world = world(backend);
        let started = Instant::now();
        let answer = way.ask(&world, "/prod/api/dribbling");
        assert!(answer.failed(504), "{way:?}: {answer:?}");
        assert!(started.elapsed() < TIMEOUT + PATIENCE, "{way:?}: {:?}", started.elapsed());
        world.backend.wait("the gateway letting go", |seen| seen.aborted);
        assert_no_mix_up(&world, &format!("{way:?}"));
    }
}

/// Interim answers one after another: no more than a few are waited for, and none longer than an answer.
#[test]
fn interim_answers_without_end_are_a_502_or_504() {
    for pause in [Duration::ZERO, Duration::from_millis(300)] {
        for way in [Way::Get, Way::Small, Way::Large, Way::Nominating, Way::Http2Get, Way::Http2Large] {
            let backend = Backend::scripted(move |call| match call.head.target.as_str() {
                "/api/v1/interim" => {
                    call.read_body();
                    call.send_again(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", pause);
                }
                _ => echo(call),
            });
            let world = world(backend);
            let started = Instant::now();
            let answer = way.ask(&world, "/prod/api/interim");
            assert!(answer.failed(502) || answer.failed(504), "{way:?}, {pause:?}: {answer:?}");
            assert!(started.elapsed() < TIMEOUT + PATIENCE, "{way:?}, {pause:?}: {:?}", started.elapsed());
            world.backend.wait("the gateway letting go", |seen| seen.aborted);
            assert_no_mix_up(&world, &format!("{way:?}"));
        }
    }
}

/// A head that a client must be told of as soon as it is there, also while the body behind it does not come.
#[test]
fn a_body_that_does_not_come_is_cut_in_its_time() {
    let backend = Backend::scripted(|call| match call.head.target.as_str() {
        "/api/v1/stalling" => {
            call.read_body();
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            call.hang();
        }
        _ => echo(call),
    });
    let world = world(backend);
    for way in [Way::Get, Way::Small, Way::Large, Way::Http2Get, Way::Http2Large] {
        let answer = way.ask(&world, "/prod/api/stalling");
        assert!(answer.is_cut(), "{way:?}: {answer:?}");
        assert_no_mix_up(&world, &format!("{way:?}"));
    }
}

/// How a fault ends is part of it.
impl Fault {
    fn play(&self, call: &mut Call) {
        call.read_body();
        match self.ending {
            Ending::Endless => call.send_much(&self.bytes, 64 << 20),
            Ending::Close => {
                call.send(&self.bytes);
                call.close();
            }
            Ending::Keep => call.send(&self.bytes),
            Ending::Hang => {
                call.send(&self.bytes);
                call.hang();
            }
        }
    }
}
