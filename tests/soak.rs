//! Load through the gateway while its upstream fails in every other way: no request is lost, none is answered twice, and none with
//! another's answer.
//!
//! Each request has a target of its own, which the upstream repeats. A few seconds, or `SOAK_SECONDS` (`tests/run.sh soak`).
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

#[path = "soak/http2.rs"]
mod http2;
mod support;

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use support::{Backend, Call, DEADLINE, JSON, World, request};

/// Of HTTP/1, each with a connection, and of HTTP/2, each with one for several requests at a time.
const CLIENTS: usize = 12;
const HTTP2_CLIENTS: usize = 4;
const LARGE: usize = 80_000;

/// What the upstream does to one request of sixteen each; to all others it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Leaves,
    LeavesInItsHead,
    LeavesInItsBody,
    Garbage,
    SaysMore,
    Hangs,
    AnswersAndLeaves,
}

fn fault(number: usize) -> Fault {
    match number % 16 {
        1 => Fault::Leaves,
        3 => Fault::LeavesInItsHead,
        5 => Fault::LeavesInItsBody,
        7 => Fault::Garbage,
        9 => Fault::SaysMore,
        // Each takes its time.
        11 if number % 64 == 11 => Fault::Hangs,
        13 => Fault::AnswersAndLeaves,
        _ => Fault::None,
    }
}

/// `/api/v1/r-CLIENT-NUMBER`
fn number(target: &str) -> usize {
    target.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn serve(call: &mut Call) {
    call.read_body();
    call.forget();
    let target = call.head.target.clone();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len());
    match fault(number(&target)) {
        Fault::None => call.send(answer.as_bytes()),
        Fault::Leaves => call.close(),
        Fault::LeavesInItsHead => {
            call.send(b"HTTP/1.1 200 OK\r\nContent-Le");
            call.close();
        }
        Fault::LeavesInItsBody => {
            call.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{target}").as_bytes());
            call.close();
        }
        Fault::Garbage => {
            call.send(b"\0\0\0 no HTTP\r\n\r\n");
            call.close();
        }
        Fault::SaysMore => {
            call.send(format!("{answer}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTOLEN").as_bytes());
        }
        Fault::Hangs => call.hang(),
        Fault::AnswersAndLeaves => {
            call.send(answer.as_bytes());
            call.close();
        }
    }
}

/// What a client was told; `None`: the connection was closed in the middle of it, which it can see.
type Told = Option<(u16, Vec<u8>)>;

struct Client<'a> {
    world: &'a World,
    stream: Option<BufReader<TcpStream>>,
}

impl Client<'_> {
    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Told {
        let headers: &[_] = if body.is_empty() { &[self.world.auth()] } else { &[self.world.auth(), JSON] };
        let bytes = request(method, target, headers, body);
        let mut stream = self.stream.take().unwrap_or_else(|| BufReader::new(self.connect()));
        // The gateway may have answered before it has read everything.
        let _ = stream.get_mut().write_all(&bytes);
        let (status, body, closes) = read(&mut stream)?;
        self.stream = (!closes).then_some(stream);
        Some((status, body))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.world.gateway.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

/// One answer, all of which have a length.
fn read(stream: &mut BufReader<TcpStream>) -> Option<(u16, Vec<u8>, bool)> {
    let (mut status, mut length, mut closes) = (None, 0, false);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer in its time");
        let line = line.strip_suffix("\r\n")?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            None => status = line.get(9..12).and_then(|status| status.parse().ok()),
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("connection", value)) => closes = value == "close",
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((status?, body, closes))
}

/// How many of each kind.
#[derive(Debug, Default)]
struct Tally {
    sent: AtomicUsize,
    passed: AtomicUsize,
    failed: AtomicUsize,
    cut: AtomicUsize,
}

#[test]
fn no_request_is_lost_answered_twice_or_with_anothers_answer() {
    let seconds = env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(4);
    let world = World::behind(Backend::scripted(serve), |setup| {
        setup
            .upstream("response_timeout = \"500ms\"\nretries = 3")
            .with("[bounds]\nbody_timeout = \"1s\"\n[limits]\nper_user = { rate = 1000000, burst = 1000000 }\nglobal = { rate = 1000000, burst = 1000000 }")
    });
    let (tally, wrong) = (Tally::default(), Mutex::new(Vec::new()));
    let end = Instant::now() + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for client in 0..CLIENTS + HTTP2_CLIENTS {
            let (world, tally, wrong) = (&world, &tally, &wrong);
            scope.spawn(move || {
                let found =
                    if client < CLIENTS { one_at_a_time(world, client, end, tally) } else { many(world, client, end, tally) };
                wrong.lock().unwrap().extend(found);
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {tally:?}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    let sent = tally.sent.load(Ordering::Relaxed);
    assert!(sent > CLIENTS * 16, "every fault has come: {tally:?}");
    assert_none_twice(&world);
    // Each is counted once, whatever became of it.
    world.gateway.wait_metric("stackflow_gateway_requests_total", f64::from(u32::try_from(sent).unwrap()));
    println!("{tally:?} in {seconds} s");
}

/// A client of HTTP/1, and what was wrong with its answers.
fn one_at_a_time(world: &World, client: usize, end: Instant, tally: &Tally) -> Vec<String> {
    let mut connection = Client { world, stream: None };
    let turns = (0..).take_while(|_| Instant::now() < end);
    let told = turns.map(|turn| {
        let target = format!("/prod/api/r-{client}-{turn}");
        (turn, connection.ask(method_of(turn), &target, &vec![b' '; body_of(turn)]))
    });
    told.filter_map(|(turn, told)| judge(client, turn, &told, tally).err()).collect()
}

/// A client of HTTP/2, and what was wrong with its answers.
fn many(world: &World, client: usize, end: Instant, tally: &Tally) -> Vec<String> {
    let (mut connection, mut wrong) = (http2::Client::new(world), Vec::new());
    for first in (0..).step_by(http2::TOGETHER).take_while(|_| Instant::now() < end) {
        let turns: Vec<_> = (first..first + http2::TOGETHER).collect();
        match connection.ask(client, &turns) {
            Ok(told) => wrong.extend(turns.iter().zip(told).filter_map(|(turn, told)| judge(client, *turn, &told, tally).err())),
            Err(what) => {
                wrong.push(what);
                break;
            }
        }
    }
    wrong
}

fn method_of(turn: usize) -> &'static str {
    match turn % 7 {
        0 | 2 | 4 => "GET",
        3 => "PUT",
        _ => "POST",
    }
}

/// Bytes of its body.
fn body_of(turn: usize) -> usize {
    match turn % 7 {
        0 | 2 | 4 => 0,
        1 | 5 => 30,
        3 => 300,
        _ => LARGE,
    }
}

/// What is wrong with an answer.
fn judge(client: usize, turn: usize, told: &Told, tally: &Tally) -> Result<(), String> {
    tally.sent.fetch_add(1, Ordering::Relaxed);
    let own =
        told.as_ref().is_some_and(|(status, body)| *status == 200 && *body == format!("/api/v1/r-{client}-{turn}").as_bytes());
    let failed = told.as_ref().is_some_and(|(status, body)| matches!(status, 502 | 504) && body.starts_with(b"{\"message\":"));
    let counter = if own {
        &tally.passed
    } else if failed {
        &tally.failed
    } else {
        &tally.cut
    };
    counter.fetch_add(1, Ordering::Relaxed);
    let right = match fault(turn) {
        // What must not be sent twice fails where its connection had just been closed.
        Fault::None | Fault::SaysMore | Fault::AnswersAndLeaves => own || (failed && body_of(turn) > 0),
        Fault::Leaves | Fault::LeavesInItsHead | Fault::Garbage | Fault::Hangs => failed,
        Fault::LeavesInItsBody => failed || told.is_none(),
    };
    let method = method_of(turn);
    if right { Ok(()) } else { Err(format!("{method} {client}-{turn}, {:?}: {told:?}", fault(turn))) }
}

/// A body that was sent has been sent to one server, once.
fn assert_none_twice(world: &World) {
    let mut times: HashMap<String, usize> = HashMap::new();
    for seen in world.backend.requests() {
        assert!(!seen.head.target.is_empty(), "no request: {:?}", seen.head);
        if !seen.body.is_empty() {
            *times.entry(seen.head.target).or_default() += 1;
        }
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
