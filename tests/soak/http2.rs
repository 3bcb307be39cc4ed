//! Clients of HTTP/2: several requests at a time on one connection, whose answers come in any order.

use super::{Told, body_of, method_of};
use crate::support::{
    DATA, Frame, HEADERS, Http2, Next, RST_STREAM, World,
    http2::{GOAWAY, PREFACE, SETTINGS, WINDOW_UPDATE, frame, settings},
};
use std::{collections::BTreeMap, mem};

/// Requests at a time. Their bodies together are within the half of a window that is left before it is renewed.
pub const TOGETHER: usize = 8;
/// Bytes of the bodies that HTTP/1 streams because of their length; here those of no told length are.
const STREAMED: usize = 5_000;

/// A connection, and where it stands.
pub struct Client<'a> {
    world: &'a World,
    connection: Http2,
    next: u32,
    /// Received since the window was renewed.
    taken: u32,
}

#[derive(Default)]
struct Answer {
    status: Option<u16>,
    body: Vec<u8>,
    ended: bool,
}

impl<'a> Client<'a> {
    pub fn new(world: &'a World) -> Self {
        let mut connection = Http2::silent(world.gateway.address());
        connection.send(&[PREFACE, &settings(&[])].concat());
        Self { world, connection, next: 1, taken: 0 }
    }

    /// Asks for all of these turns' targets at once; what each was told, or what is wrong with the connection.
    pub fn ask(&mut self, name: usize, turns: &[usize]) -> Result<Vec<Told>, String> {
        let mut open = BTreeMap::new();
        let mut bytes = Vec::new();
        for (turn, stream) in turns.iter().zip((self.next..).step_by(2)) {
            self.write_request(stream, name, *turn, &mut bytes);
            open.insert(stream, Answer::default());
        }
        let first = self.next;
        self.next += 2 * u32::try_from(turns.len()).unwrap();
        self.connection.send(&bytes);
        while open.values().any(|answer| !answer.ended) {
            match self.connection.next() {
                Next::Frame(frame) => self.take(&frame, &mut open)?,
                end => return Err(format!("streams from {first} on: {end:?}")),
            }
        }
        Ok(open.into_values().map(|answer| answer.status.map(|status| (status, answer.body))).collect())
    }

    /// Bodies of each kind: with a length, and without one, in one piece and in many.
    fn write_request(&self, stream: u32, name: usize, turn: usize, bytes: &mut Vec<u8>) {
        let body = vec![b' '; body_of(turn).min(STREAMED)];
        let (target, length) = (format!("/prod/api/r-{name}-{turn}"), body.len().to_string());
        let mut fields = vec![("authorization", self.world.bearer.as_str())];
        if !body.is_empty() {
            fields.push(("content-type", "application/json"));
        }
        if !body.is_empty() && body.len() < STREAMED {
            fields.push(("content-length", &length));
        }
        bytes.extend(crate::support::http2::head(stream, method_of(turn), &target, &fields, body.is_empty()));
        let mut parts = body.chunks(700).peekable();
        while let Some(part) = parts.next() {
            bytes.extend(frame(DATA, u8::from(parts.peek().is_none()), stream, part));
        }
    }

    fn take(&mut self, frame: &Frame, open: &mut BTreeMap<u32, Answer>) -> Result<(), String> {
        match frame.kind {
            SETTINGS | WINDOW_UPDATE => return Ok(()),
            GOAWAY => return Err(format!("the connection was ended: {frame:?}")),
            _ => {}
        }
        let Some(answer) = open.get_mut(&frame.stream) else { return Err(format!("nobody asked for {frame:?}")) };
        match frame.kind {
            // After an answer it says that the rest of the body is not wanted.
            RST_STREAM if answer.ended => return Ok(()),
            RST_STREAM => *answer = Answer { ended: true, ..Answer::default() },
            _ if answer.ended => return Err(format!("after the end: {frame:?}")),
            HEADERS if answer.status.is_some() => return Err(format!("answered twice: {frame:?}")),
            // RFC 7541, appendix A: 0x88 is 200. Of others the gateway's own answer says what they are.
            HEADERS => answer.status = Some(if frame.payload[0] == 0x88 { 200 } else { 0 }),
            DATA => answer.body.extend(&frame.payload),
            _ => return Err(format!("unexpected: {frame:?}")),
        }
        if frame.ends_stream() {
            answer.ended = true;
            if answer.status == Some(0) {
                let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                answer.status = told["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            }
        }
        self.renew(u32::try_from(frame.payload.len()).unwrap());
        Ok(())
    }

    fn renew(&mut self, taken: u32) {
        self.taken += taken;
        if self.taken > 16_384 {
            self.connection.send(&frame(WINDOW_UPDATE, 0, 0, &mem::take(&mut self.taken).to_be_bytes()));
        }
    }
}
