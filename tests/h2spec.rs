//! The cases of h2spec 2.6 (<https://github.com/summerwind/h2spec>), each as the frames that it sends and what must come of them.
//!
//! Its numbering is kept: `generic/` is what every server must take, `http2/` is by section of RFC 7540, `hpack/` by section of
//! RFC 7541. Its verdicts are kept too: where it takes a connection error for a stream error, or a closed connection for either,
//! so does this.
#![allow(clippy::unwrap_used, reason = "tests: a panic is how they fail")]

#[path = "h2spec/cases.rs"]
mod cases;
#[path = "h2spec/generic.rs"]
mod generic;
#[path = "h2spec/hpack.rs"]
mod hpack;
#[path = "h2spec/messages.rs"]
mod messages;
#[path = "h2spec/protocol.rs"]
mod protocol;
mod support;

use cases::{Case, Expect, Step};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};
use support::{
    Authority, Backend, Gateway, Http2, Issuer, Next, Setup,
    http2::{ACK, DATA, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, settings},
};

/// What fails, and why that is so.
const FAILING: [&str; 0] = [];
/// Where the connection is closed with another code than the RFC names: the framework says `PROTOCOL_ERROR` for whatever it cannot
/// read, and nothing to a client that does not begin with the preface, which the gateway takes for another protocol.
const BY_CLOSING: [&str; 22] = [
    "hpack/2.3.3/1 indexed field 70",
    "hpack/2.3.3/2 literal with name 70",
    "hpack/4.2/1 table size update at the end",
    "hpack/5.2/1 Huffman padding over 7 bits",
    "hpack/5.2/2 Huffman padding of zeros",
    "hpack/5.2/3 Huffman with EOS",
    "hpack/6.1/1 indexed field 0",
    "hpack/6.3/1 table size update over the setting",
    "http2/3.5/2 no preface",
    "http2/4.3/1 invalid block",
    "http2/5.1/12 closed: HEADERS",
    "http2/5.1/5 half-closed: DATA",
    "http2/5.1/6 half-closed: HEADERS",
    "http2/5.1/9 reset: HEADERS",
    "http2/6.1/2 DATA on a half-closed stream",
    "http2/6.3/2 PRIORITY of 4 bytes",
    "http2/6.4/3 RST_STREAM of 3 bytes",
    "http2/6.5.2/2 INITIAL_WINDOW_SIZE of 2^31",
    "http2/6.5/1 ACK with payload",
    "http2/6.7/4 PING of 6 bytes",
    "http2/6.9.2/3 INITIAL_WINDOW_SIZE over 2^31-1",
    "http2/6.9/3 WINDOW_UPDATE of 3 bytes",
];
/// For an answer that does not come; others come at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Cases at a time.
const TOGETHER: usize = 8;

fn gateway(listeners: Option<&str>, files: &[(&str, &str)]) -> (Gateway, Backend) {
    let backend = Backend::start();
    let issuer = Issuer::new("https://issuer.example.com");
    let open =
        format!("path = \"{}\"\nauth = \"none\"\nmethods = [\"GET\", \"POST\"]", cases::PATH.trim_start_matches("/prod/api"));
    let mut setup = Setup::new(backend.address(), &issuer).route(&open).with("[api]\nrequire_json = false");
    if let Some(listeners) = listeners {
        setup = setup.listeners(listeners);
    }
    for (name, content) in files {
        setup = setup.file(name, content);
    }
    (setup.start(), backend)
}

/// How a case ended.
enum Verdict {
    Passed,
    /// The connection was closed, which h2spec takes for an error of any code; what was said before.
    ByClosing(String),
    /// What came instead.
    Failed(String),
}

/// Runs all of these, on connections of their own that `connect` makes.
fn run(cases: &[Case], connect: impl Fn() -> Http2 + Sync) -> Vec<(&'static str, Verdict)> {
    let next = AtomicUsize::new(0);
    let play_some = || {
        let mut verdicts = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut client = connect();
            client.wait_for_answers(PATIENCE);
            verdicts.push((case.name, play(&mut client, case).unwrap_or_else(Verdict::Failed)));
        }
        verdicts
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(play_some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn play(client: &mut Http2, case: &Case) -> Result<Verdict, String> {
    if case.greets {
        client.send(&[PREFACE, &settings(&[])].concat());
        // The server's SETTINGS and that it has taken ours.
        await_frame(client, |frame| frame.kind == SETTINGS && frame.flags & ACK != 0)?;
    }
    for step in &case.steps {
        match step {
            // What was sent before may have ended the connection.
            Step::Send(bytes) => drop(client.try_send(bytes)),
            Step::Await(what, wanted) => {
                await_frame(client, wanted).map_err(|instead| format!("before {what}: {instead}"))?;
            }
        }
    }
    expect(client, &case.expect)
}

fn await_frame(client: &mut Http2, wanted: impl Fn(&support::Frame) -> bool) -> Result<support::Frame, String> {
    let mut before = Vec::new();
    loop {
        match client.next() {
            Next::Frame(frame) if wanted(&frame) => return Ok(frame),
            Next::Frame(frame) => before.push((frame.kind, frame.code())),
            end => return Err(format!("{end:?} after {before:?}")),
        }
    }
}

fn expect(client: &mut Http2, expected: &Expect) -> Result<Verdict, String> {
    let error = |codes: &[u32], kinds: &[u8], frame: &support::Frame| {
        kinds.contains(&frame.kind) && frame.code().is_some_and(|code| codes.contains(&code))
    };
    let pong = |frame: &support::Frame, data: [u8; 8]| frame.kind == PING && frame.flags & ACK != 0 && frame.payload == data;
    let came = match *expected {
        Expect::ConnectionError(codes) => return or_closed(await_frame(client, |frame| error(codes, &[GOAWAY], frame))),
        Expect::StreamError(codes) => return or_closed(await_frame(client, |frame| error(codes, &[GOAWAY, RST_STREAM], frame))),
        Expect::Closed => return or_closed(await_frame(client, |_| false)).map(|_| Verdict::Passed),
        Expect::PongOrClosed(data) => return or_closed(await_frame(client, |frame| pong(frame, data))),
        Expect::Answer(stream) => await_frame(client, |frame| frame.kind == HEADERS && frame.stream == stream),
        Expect::Data => await_frame(client, |frame| frame.kind == DATA),
        Expect::DataOf(length) => await_frame(client, |frame| frame.kind == DATA).and_then(|frame| match frame.payload.len() {
            came if came == length => Ok(frame),
            came => Err(format!("DATA of {came} bytes")),
        }),
        Expect::Pong(data) => await_frame(client, |frame| pong(frame, data)),
        Expect::Ping => await_frame(client, |frame| frame.kind == PING),
        Expect::SettingsAck => await_frame(client, |frame| frame.kind == SETTINGS && frame.flags & ACK != 0),
        Expect::Goaway(codes) => await_frame(client, |frame| error(codes, &[GOAWAY], frame)),
        Expect::Reset(stream, codes) => await_frame(client, |frame| frame.stream == stream && error(codes, &[RST_STREAM], frame)),
        Expect::SettingsFirst => match client.next() {
            Next::Frame(frame) if frame.kind == SETTINGS && frame.flags & ACK == 0 => Ok(frame),
            other => Err(format!("{other:?}")),
        },
    };
    came.map(|_| Verdict::Passed)
}

fn or_closed(came: Result<support::Frame, String>) -> Result<Verdict, String> {
    match came {
        Ok(_) => Ok(Verdict::Passed),
        Err(instead) if instead.starts_with("Closed") => Ok(Verdict::ByClosing(instead)),
        Err(instead) => Err(instead),
    }
}

fn all() -> Vec<Case> {
    [generic::cases(), protocol::cases(), messages::cases(), hpack::cases()].into_iter().flatten().collect()
}

#[test]
fn h2spec_passes_over_plain_text() {
    let cases = all();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!((cases.len(), names.len()), (147, 147), "its 146 cases and the strict one, each once");
    let (gateway, _backend) = gateway(None, &[]);
    let verdicts = run(&cases, || Http2::silent(gateway.address()));
    let passed = verdicts.iter().filter(|(_, verdict)| !matches!(verdict, Verdict::Failed(_))).count();
    println!("{passed} of {} cases passed", cases.len());
    check(verdicts);
}

#[test]
fn h2spec_passes_over_tls() {
    let authority = Authority::new("tests");
    let certificate = authority.certificate("127.0.0.1");
    let tables = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"c.pem\", private_key = \"k.pem\" }\n";
    let files = [("c.pem", certificate.pem.as_str()), ("k.pem", certificate.key_pem.as_str())];
    let (gateway, _backend) = gateway(Some(tables), &files);
    check(run(&all(), || Http2::silent_over_tls(gateway.address(), &authority.pem())));
}

fn check(verdicts: Vec<(&'static str, Verdict)>) {
    let (mut failed, mut by_closing) = (BTreeSet::new(), BTreeSet::new());
    for (name, verdict) in verdicts {
        match verdict {
            Verdict::Passed => {}
            Verdict::ByClosing(before) => {
                println!("{name}: {before}");
                by_closing.insert(name);
            }
            Verdict::Failed(instead) => {
                println!("failed: {name}: {instead}");
                failed.insert(name);
            }
        }
    }
    assert_eq!(failed, BTreeSet::from(FAILING));
    assert_eq!(by_closing, BTreeSet::from(BY_CLOSING));
}
