//! What a client's frames may cost: budgets by kind of frame, and how long the gateway waits for what was begun.
//!
//! The framework answers or ignores SETTINGS, PING, PRIORITY, `WINDOW_UPDATE` and `RST_STREAM` for as long as they come, and waits
//! for ever for the rest of a frame. Each kind has a budget that refills with time and with useful work, so that a busy client
//! earns what it needs; whoever overdraws is told to calm down (RFC 9113, section 10.5). DATA with content has none: it is the
//! work, and windows bound it. Empty DATA, CONTINUATION and header lists are bounded by the framework, and how slowly a body may
//! come is for those to say who wait for it. Time is handed in; nothing here reads or writes a connection.

use super::{
    frames::{
        CONTINUATION, DATA, Event, FrameReader, HEADERS, Head, PING, PREFACE, PRIORITY, PRIORITY_UPDATE, PUSH_PROMISE,
        RST_STREAM, SETTINGS, WINDOW_UPDATE,
    },
    inflow::Inflow,
};
use crate::proxy::guard::pace::LEAST_RATE;
use std::{mem, sync::Arc, time::Duration};

/// Why the gateway ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Too many frames of one kind.
    Flood(Kind),
    /// What was begun (the first frame, a frame, a header block) was not ended in time.
    Unfinished,
    /// It takes nothing of what is written to it.
    Unread,
}

/// What budgets are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Settings,
    Ping,
    Priority,
    WindowUpdate,
    /// `RST_STREAM` by the client: "rapid reset" (CVE-2023-44487).
    Reset,
    /// `RST_STREAM` that the client made the gateway send: "made you reset" (CVE-2025-8671).
    Provoked,
    /// Types that are unknown, or that a client has no use for.
    Other,
}

/// A budget: so many at once, so many more a second, and for useful work.
struct Allowance {
    burst: u64,
    per_second: u64,
    /// For each request that comes.
    per_request: u64,
    /// For each DATA frame that is sent.
    per_data: u64,
    /// For each answer that is sent to its end.
    per_answer: u64,
}

impl Kind {
    /// For the log.
    pub fn what(self) -> &'static str {
        match self {
            Self::Settings => "too many SETTINGS",
            Self::Ping => "too many PING",
            Self::Priority => "too many PRIORITY",
            Self::WindowUpdate => "too many WINDOW_UPDATE",
            Self::Reset => "too many RST_STREAM",
            Self::Provoked => "too many streams with errors",
            Self::Other => "too many frames of other types",
        }
    }

    /// Beside what others allow: Envoy 1,000 control frames that wait, 100 PRIORITY a stream, 10 `WINDOW_UPDATE` a DATA frame sent;
    /// nghttp2 1,000 resets and 33 a second; the framework 1,024 resets that were provoked in a connection's life.
    const fn allowance(self) -> Allowance {
        match self {
            // One at the beginning, another now and then; each is answered and applied to every stream.
            Self::Settings => Allowance { burst: 32, per_second: 1, per_request: 0, per_data: 0, per_answer: 0 },
            // gRPC measures a connection with a PING for as often as data comes, and keeps it alive with one every few seconds.
            Self::Ping => Allowance { burst: 100, per_second: 10, per_request: 1, per_data: 1, per_answer: 1 },
            // Firefox opens with five or six, browsers send one or two with each request.
            Self::Priority => Allowance { burst: 100, per_second: 10, per_request: 10, per_data: 0, per_answer: 0 },
            // Two for each DATA frame that is read, the stream's and the connection's; some in advance for each stream.
            Self::WindowUpdate => Allowance { burst: 1000, per_second: 100, per_request: 10, per_data: 10, per_answer: 0 },
            // All streams of a connection, twice; then as often as answers are waited for.
            Self::Reset => Allowance { burst: 200, per_second: 20, per_request: 0, per_data: 0, per_answer: 1 },
            // A client that opens more streams than it may before it has read the settings is refused that many.
            Self::Provoked => Allowance { burst: 100, per_second: 10, per_request: 0, per_data: 0, per_answer: 0 },
            // Browsers sprinkle frames of reserved types to keep others tolerant (RFC 8701).
            Self::Other => Allowance { burst: 100, per_second: 10, per_request: 2, per_data: 0, per_answer: 0 },
        }
    }

    const ALL: [Self; 7] =
        [Self::Settings, Self::Ping, Self::Priority, Self::WindowUpdate, Self::Reset, Self::Provoked, Self::Other];
}

/// Bytes of SETTINGS that are as one frame: 64 values, where clients send ten at most. Each value takes time.
const MANY_SETTINGS: u32 = 384;

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the first byte of a frame or header block to its end; from the preface to the end of the first frame.
    pub header: Duration,
    /// Between two pieces of a body; a frame of it may come at the least rate after that.
    pub body: Duration,
    /// For a client that does not read.
    pub write: Duration,
}

/// RFC 9113, section 6.9.2: the window of a connection before anything is said about it; the gateway says nothing.
const FIRST_WINDOW: i64 = 65_535;
/// Below this a client may rather wait than send a small frame: the default size of a frame. A window that the gateway has read
/// empty is always larger, because it is renewed once half of it, which is 32 KiB, is used.
const ROOM: i64 = 16 * 1024;

/// One connection's frames.
#[derive(Debug)]
pub struct FrameWatch {
    times: Times,
    received: FrameReader,
    sent: FrameReader,
    budgets: [Budget; Kind::ALL.len()],
    /// What the client may send of all bodies.
    window: i64,
    inflow: Arc<Inflow>,
    /// A header block is open.
    in_block: bool,
    /// The highest stream that a request came on: one of another stream is no request.
    last_stream: u32,
    /// Since when the end of something is waited for, and for how long; DATA has a bound of its own.
    unfinished: Option<(u64, u64)>,
    /// When some of it came last.
    moved: u64,
    /// Since when the client takes nothing.
    unread_since: Option<u64>,
    /// Streams that were reset because the client broke the protocol, since somebody asked.
    provoked: u64,
}

impl FrameWatch {
    /// A connection that begins now.
    pub fn new(times: Times, inflow: Arc<Inflow>, now: u64) -> Self {
        Self {
            times,
            received: FrameReader::new(PREFACE),
            sent: FrameReader::new(0),
            budgets: Kind::ALL.map(|kind| Budget::full(&kind.allowance(), now)),
            window: FIRST_WINDOW,
            inflow,
            in_block: false,
            last_stream: 0,
            // RFC 9113, section 3.4: SETTINGS follow the preface.
            unfinished: Some((now, nanoseconds(times.header))),
            moved: now,
            unread_since: None,
            provoked: 0,
        }
    }

    /// Judges what the client has sent.
    ///
    /// # Errors
    /// The connection is to be ended; nothing more is to be judged.
    pub fn receive(&mut self, mut bytes: &[u8], now: u64) -> Result<(), End> {
        self.moved = now;
        while let Some(event) = self.received.next(&mut bytes) {
            match event {
                Event::Begun(head) => self.begin(head, now),
                Event::Content(..) => {}
                Event::Ended(head, _) => self.finish(head, now)?,
            }
        }
        // The first bytes of a head, of which nothing is known yet.
        if !self.received.is_between_frames() && self.unfinished.is_none() {
            self.unfinished = Some((now, nanoseconds(self.times.header)));
        }
        Ok(())
    }

    /// Notes what was sent to the client.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn send(&mut self, mut bytes: &[u8], now: u64) -> Result<(), End> {
        self.unread_since = None;
        while let Some(event) = self.sent.next(&mut bytes) {
            if let Event::Ended(head, first) = event {
                self.note_sent(head, first, now)?;
            }
        }
        Ok(())
    }

    /// The client does not take what is to be sent.
    pub fn wait_to_send(&mut self, now: u64) {
        self.unread_since.get_or_insert(now);
    }

    /// It took all.
    pub fn has_sent(&mut self) {
        self.unread_since = None;
    }

    /// Something is waited for: it must be looked at from time to time. Without it a connection costs no timer.
    pub fn is_waiting(&self) -> bool {
        self.unfinished.is_some() || self.unread_since.is_some()
    }

    /// What was waited for too long.
    pub fn overdue(&self, now: u64) -> Option<End> {
        let passed = |since: u64, bound: u64| now.saturating_sub(since) > bound;
        if self.unread_since.is_some_and(|since| passed(since, nanoseconds(self.times.write))) {
            return Some(End::Unread);
        }
        let late = |(since, bound)| passed(since, bound) || passed(self.moved, nanoseconds(self.times.body));
        self.unfinished.is_some_and(late).then_some(End::Unfinished)
    }

    /// How many streams were reset for the client's fault since this was last asked.
    pub fn take_provoked(&mut self) -> u64 {
        mem::take(&mut self.provoked)
    }

    fn begin(&mut self, head: Head, now: u64) {
        let since = self.unfinished.map_or(now, |(since, _)| since);
        let bound = if head.kind == DATA {
            self.inflow.set_within_data(true);
            self.window -= i64::from(head.length);
            self.inflow.has_room(self.window >= ROOM, now);
            // The least rate of a body; a frame that belongs to none is bounded too.
            nanoseconds(self.times.body).saturating_add(u64::from(head.length) * (1_000_000_000 / LEAST_RATE))
        } else {
            nanoseconds(self.times.header)
        };
        self.unfinished = Some((since, bound));
    }

    fn finish(&mut self, head: Head, now: u64) -> Result<(), End> {
        self.in_block = head.leaves_block_open();
        if !self.in_block {
            self.unfinished = None;
        }
        match head.kind {
            HEADERS if head.stream > self.last_stream => {
                self.last_stream = head.stream;
                self.earn(|allowance| allowance.per_request);
                Ok(())
            }
            DATA => {
                self.inflow.set_within_data(false);
                Ok(())
            }
            HEADERS | CONTINUATION | PUSH_PROMISE => Ok(()),
            RST_STREAM => self.charge(Kind::Reset, now),
            SETTINGS => (0..=head.length / MANY_SETTINGS).try_for_each(|_| self.charge(Kind::Settings, now)),
            PING => self.charge(Kind::Ping, now),
            PRIORITY | PRIORITY_UPDATE => self.charge(Kind::Priority, now),
            WINDOW_UPDATE => self.charge(Kind::WindowUpdate, now),
            _ => self.charge(Kind::Other, now),
        }
    }

    fn note_sent(&mut self, head: Head, first: u32, now: u64) -> Result<(), End> {
        match head.kind {
            DATA => self.earn(|allowance| allowance.per_data),
            WINDOW_UPDATE if head.stream == 0 => {
                self.window += i64::from(first & 0x7fff_ffff);
                self.inflow.has_room(self.window >= ROOM, now);
            }
            RST_STREAM if is_provoked(first) => {
                self.provoked += 1;
                self.charge(Kind::Provoked, now)?;
            }
            _ => {}
        }
        if head.ends_stream() {
            self.earn(|allowance| allowance.per_answer);
        }
        Ok(())
    }

    fn charge(&mut self, kind: Kind, now: u64) -> Result<(), End> {
        let budget = &mut self.budgets[kind as usize];
        if budget.take(&kind.allowance(), now) { Ok(()) } else { Err(End::Flood(kind)) }
    }

    fn earn(&mut self, of: impl Fn(&Allowance) -> u64) {
        for (budget, kind) in self.budgets.iter_mut().zip(Kind::ALL) {
            let allowance = kind.allowance();
            budget.add(of(&allowance), &allowance);
        }
    }
}

/// Whether a reset is the client's fault (RFC 9113, section 7): `PROTOCOL_ERROR`, `FLOW_CONTROL_ERROR`, `STREAM_CLOSED`,
/// `FRAME_SIZE_ERROR`, `REFUSED_STREAM`. An upstream that breaks off, or a body that nobody wants, is not.
fn is_provoked(code: u32) -> bool {
    matches!(code, 1 | 3 | 5 | 6 | 7)
}

/// What is left, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: u64,
    filled_ns: u64,
}

impl Budget {
    fn full(allowance: &Allowance, now: u64) -> Self {
        Self { left: allowance.burst * 1000, filled_ns: now }
    }

    fn take(&mut self, allowance: &Allowance, now: u64) -> bool {
        // A thousandth each millisecond and unit of the rate; what is less than one is kept for later.
        let earned = now.saturating_sub(self.filled_ns).saturating_mul(allowance.per_second) / 1_000_000;
        if earned > 0 {
            self.filled_ns = now;
            self.left = self.left.saturating_add(earned).min(allowance.burst * 1000);
        }
        let enough = self.left >= 1000;
        self.left = self.left.saturating_sub(1000);
        enough
    }

    fn add(&mut self, count: u64, allowance: &Allowance) {
        self.left = (self.left + count * 1000).min(allowance.burst * 1000);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
