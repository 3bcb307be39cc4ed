//! What a client's frames may cost: budgets by kind of frame, and how long the gateway waits for what was begun.
//!
//! The framework answers or ignores SETTINGS, PING, PRIORITY, `WINDOW_UPDATE` and `RST_STREAM` for as long as they come, and waits
//! for ever for the rest of a frame. Each kind has a budget that refills with time and with useful work, so that a busy client
//! earns what it needs; whoever overdraws is told to calm down (RFC 9113, section 10.5). DATA with content has none: it is the
//! work, and windows bound it. Empty DATA, CONTINUATION and header lists are bounded by the framework. Time is handed in; nothing
//! here reads or writes a connection.

use super::{
    bodies::Bodies,
    frames::{
        CONTINUATION, DATA, Event, FrameReader, HEADERS, Head, PING, PREFACE, PRIORITY, PRIORITY_UPDATE, PUSH_PROMISE,
        RST_STREAM, SETTINGS, WINDOW_UPDATE,
    },
};
use crate::proxy::guard::pace::LEAST_RATE;
use std::time::Duration;

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

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the first byte of a frame or header block to its end; from the preface to the end of the first frame.
    pub header: Duration,
    /// Between two pieces of a body.
    pub body: Duration,
    /// For a client that does not read.
    pub write: Duration,
}

/// What a tick finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// This stream's body does not come; others can go on.
    Body(u32),
    /// The connection is to be ended.
    Connection(End),
}

/// One connection's frames.
#[derive(Debug)]
pub struct FrameWatch {
    times: Times,
    received: FrameReader,
    sent: FrameReader,
    budgets: [Budget; Kind::ALL.len()],
    bodies: Bodies,
    /// A header block is open.
    in_block: bool,
    /// The highest stream that a request came on: one of another stream is no request.
    last_stream: u32,
    /// Since when the end of something is waited for; DATA has its own bound.
    unfinished: Option<(u64, u64)>,
    /// Since when the client takes nothing.
    unread_since: Option<u64>,
    ticked_ns: u64,
}

impl FrameWatch {
    /// A connection that begins now and may have so many streams at a time.
    pub fn new(times: Times, streams: u32, now: u64) -> Self {
        // Those that will be refused are followed until then.
        let capacity = 2 * streams as usize;
        Self {
            times,
            received: FrameReader::new(PREFACE),
            sent: FrameReader::new(0),
            budgets: Kind::ALL.map(|kind| Budget::full(&kind.allowance(), now)),
            bodies: Bodies::new(times.body, capacity),
            in_block: false,
            last_stream: 0,
            // RFC 9113, section 3.4: SETTINGS follow the preface.
            unfinished: Some((now, nanoseconds(times.header))),
            unread_since: None,
            ticked_ns: now,
        }
    }

    /// Judges what the client has sent.
    ///
    /// # Errors
    /// The connection is to be ended; nothing more is to be judged.
    pub fn receive(&mut self, mut bytes: &[u8], now: u64) -> Result<(), End> {
        while let Some(event) = self.received.next(&mut bytes) {
            match event {
                Event::Begun(head) => self.begin(head, now),
                Event::Content(head, count) if head.kind == DATA => self.bodies.content(head.stream, count),
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

    /// Something is waited for: ticks are needed. Without it a connection costs no timer.
    pub fn is_waiting(&self) -> bool {
        self.unfinished.is_some() || self.unread_since.is_some() || !self.bodies.is_empty()
    }

    /// Nothing of the client's is under way: a frame could be put in here.
    pub fn is_between_frames(&self) -> bool {
        self.received.is_between_frames() && !self.in_block
    }

    /// Ticks begin: what was before them was not waited for.
    pub fn begin_ticks(&mut self, now: u64) {
        self.ticked_ns = now;
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: u64) {
        self.bodies.tick(now.saturating_sub(self.ticked_ns));
        self.ticked_ns = now;
    }

    /// Takes something that was waited for too long.
    pub fn take_overdue(&mut self, now: u64) -> Option<Overdue> {
        let passed = |since: u64, bound: u64| now.saturating_sub(since) > bound;
        if self.unread_since.is_some_and(|since| passed(since, nanoseconds(self.times.write))) {
            return Some(Overdue::Connection(End::Unread));
        }
        if self.unfinished.is_some_and(|(since, bound)| passed(since, bound)) {
            return Some(Overdue::Connection(End::Unfinished));
        }
        let stream = self.bodies.take_stalled()?;
        // Within a frame nothing else can come either.
        Some(if self.is_between_frames() { Overdue::Body(stream) } else { Overdue::Connection(End::Unfinished) })
    }

    fn begin(&mut self, head: Head, now: u64) {
        let since = self.unfinished.map_or(now, |(since, _)| since);
        let bound = if head.kind == DATA {
            self.bodies.spend(head.stream, head.length);
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
                if !head.ends_stream() {
                    self.bodies.begin(head.stream);
                }
                Ok(())
            }
            DATA | HEADERS if head.ends_stream() => {
                self.bodies.end(head.stream);
                Ok(())
            }
            DATA | HEADERS | CONTINUATION | PUSH_PROMISE => Ok(()),
            RST_STREAM => {
                self.bodies.end(head.stream);
                self.charge(Kind::Reset, now)
            }
            SETTINGS => self.charge(Kind::Settings, now),
            PING => self.charge(Kind::Ping, now),
            PRIORITY | PRIORITY_UPDATE => self.charge(Kind::Priority, now),
            WINDOW_UPDATE => self.charge(Kind::WindowUpdate, now),
            _ => self.charge(Kind::Other, now),
        }
    }

    fn note_sent(&mut self, head: Head, first: u32, now: u64) -> Result<(), End> {
        match head.kind {
            DATA => self.earn(|allowance| allowance.per_data),
            WINDOW_UPDATE => self.bodies.renew(head.stream, first & 0x7fff_ffff),
            RST_STREAM => {
                self.bodies.end(head.stream);
                if is_provoked(first) {
                    self.charge(Kind::Provoked, now)?;
                }
            }
            _ => {}
        }
        // A body is owed until it ends, also after its answer: the framework reads on, and holds its server's connection.
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
