//! What a case consists of, and the frames that many of them share.

use crate::support::Frame;
use crate::support::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE, block, frame,
};

/// Forwarded for everybody; its answer has a body.
pub const PATH: &str = "/prod/api/open";

/// One case.
pub struct Case {
    pub name: &'static str,
    /// Whether preface and SETTINGS were exchanged before.
    pub greets: bool,
    pub steps: Vec<Step>,
    pub expect: Expect,
}

/// What the client does.
pub enum Step {
    Send(Vec<u8>),
    Await(&'static str, fn(&Frame) -> bool),
}

/// What must come of it. Errors are named by their codes.
#[derive(Clone, Copy)]
pub enum Expect {
    /// GOAWAY, or the connection is closed.
    ConnectionError(&'static [u32]),
    /// `RST_STREAM` or GOAWAY, or the connection is closed.
    StreamError(&'static [u32]),
    Closed,
    PongOrClosed([u8; 8]),
    /// HEADERS on this stream.
    Answer(u32),
    Data,
    /// The first DATA has so many bytes.
    DataOf(usize),
    Pong([u8; 8]),
    Ping,
    SettingsAck,
    Goaway(&'static [u32]),
    Reset(u32, &'static [u32]),
    SettingsFirst,
}

/// A case that greets and then sends these frames.
pub fn case(name: &'static str, frames: &[Vec<u8>], expect: Expect) -> Case {
    Case { name, greets: true, steps: vec![Step::Send(frames.concat())], expect }
}

/// A case in steps.
pub fn steps(name: &'static str, steps: Vec<Step>, expect: Expect) -> Case {
    Case { name, greets: true, steps, expect }
}

/// Waits until SETTINGS were acknowledged.
pub fn acknowledged() -> Step {
    Step::Await("SETTINGS with ACK", |frame| frame.kind == 4 && frame.flags & 1 != 0)
}

/// Waits until a stream has ended.
pub fn answered() -> Step {
    Step::Await("the end of an answer", |frame| frame.ends_stream() || (frame.kind == RST_STREAM && frame.code() == Some(0)))
}

/// The fields of an ordinary request.
pub fn fields(method: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![(":method", method), (":scheme", "http"), (":path", PATH), (":authority", "api.test")]
}

/// An ordinary request with more fields, as a block.
pub fn with(method: &'static str, more: &[(&'static str, &'static str)]) -> Vec<u8> {
    block(&[fields(method), more.to_vec()].concat())
}

/// So many fields of 4,000 bytes.
pub fn dummy(count: usize) -> Vec<u8> {
    let value = "x".repeat(4000);
    let names: Vec<_> = (0..count).map(|number| format!("x-dummy{number}")).collect();
    block(&names.iter().map(|name| (name.as_str(), value.as_str())).collect::<Vec<_>>())
}

/// HEADERS that end their block and the stream.
pub fn whole(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

/// HEADERS that end their block; a body follows.
pub fn open(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block)
}

/// HEADERS of which a CONTINUATION follows; `end`: no body will.
pub fn part(stream: u32, block: &[u8], end: bool) -> Vec<u8> {
    frame(HEADERS, u8::from(end), stream, block)
}

pub fn get(stream: u32) -> Vec<u8> {
    whole(stream, &with("GET", &[]))
}

/// A GET that leaves its stream open.
pub fn open_get(stream: u32) -> Vec<u8> {
    open(stream, &with("GET", &[]))
}

pub fn open_post(stream: u32) -> Vec<u8> {
    open(stream, &with("POST", &[]))
}

pub fn data(stream: u32, payload: &[u8], end: bool) -> Vec<u8> {
    frame(DATA, u8::from(end), stream, payload)
}

pub fn continuation(stream: u32, block: &[u8], end: bool) -> Vec<u8> {
    frame(CONTINUATION, if end { END_HEADERS } else { 0 }, stream, block)
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// PRIORITY: it depends on this stream (with 2^31: alone), with this weight less one.
pub fn priority(stream: u32, on: u32, weight: u8) -> Vec<u8> {
    frame(PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[weight]].concat())
}

pub fn ping(flags: u8, payload: [u8; 8]) -> Vec<u8> {
    frame(PING, flags, 0, &payload)
}

/// What nobody waits for.
pub const NOTHING: [u8; 8] = [0; 8];
pub const MARK: [u8; 8] = *b"h2spec\0\0";
