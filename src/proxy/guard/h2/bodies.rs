//! Which request bodies of a connection the client owes more of, and which of them it keeps back for too long.
//!
//! A client whose window is used up waits for the upstream, not the upstream for it: time counts only while both windows, the
//! stream's and the connection's, have room for a frame (RFC 9113, section 5.2). What counts is sampled: each tick looks at what
//! has come since the one before, so that a frame costs a look-up and no reading of a clock.

use crate::proxy::guard::pace::has_least_rate;
use std::time::Duration;

/// Below this a client may rather wait than send a small frame: the default size of a frame. A window that the gateway has read
/// empty is always larger, because it is renewed once half of it, which is 32 KiB, is used.
const ROOM: i64 = 16 * 1024;
/// RFC 9113, section 6.9.2: both windows before anything is said about them; the gateway says nothing.
const FIRST_WINDOW: i64 = 65_535;

/// The bodies that are under way.
#[derive(Debug)]
pub struct Bodies {
    timeout_ns: u64,
    /// What the client may send at all.
    window: i64,
    open: Vec<Body>,
    capacity: usize,
}

#[derive(Debug)]
struct Body {
    stream: u32,
    window: i64,
    bytes: u64,
    /// It came since the last tick, and was not waited for all that time.
    new: bool,
    /// Something came since the last tick.
    moved: bool,
    /// Nothing came for so long, while the client could have sent.
    quiet_ns: u64,
    /// It was waited for so long in all.
    waited_ns: u64,
}

impl Bodies {
    /// None yet. Streams past `capacity` are not followed: the framework refuses them.
    pub fn new(timeout: Duration, capacity: usize) -> Self {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self { timeout_ns, window: FIRST_WINDOW, open: Vec::new(), capacity }
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// A request came whose body follows.
    pub fn begin(&mut self, stream: u32) {
        if self.open.len() < self.capacity {
            self.open.push(Body { stream, window: FIRST_WINDOW, bytes: 0, new: true, moved: true, quiet_ns: 0, waited_ns: 0 });
        }
    }

    /// It is complete, or nobody wants the rest.
    pub fn end(&mut self, stream: u32) {
        self.open.retain(|body| body.stream != stream);
    }

    /// A DATA frame of this length begins; padding is part of it.
    pub fn spend(&mut self, stream: u32, length: u32) {
        self.window -= i64::from(length);
        if let Some(body) = self.body(stream) {
            body.window -= i64::from(length);
        }
    }

    /// The gateway lets so many more bytes come, in one stream or (0) in all together.
    pub fn renew(&mut self, stream: u32, increment: u32) {
        match stream {
            0 => self.window += i64::from(increment),
            stream => {
                if let Some(body) = self.body(stream) {
                    body.window += i64::from(increment);
                }
            }
        }
    }

    /// So many bytes came.
    pub fn content(&mut self, stream: u32, bytes: u32) {
        if let Some(body) = self.body(stream) {
            body.bytes += u64::from(bytes);
            body.moved = true;
        }
    }

    /// So much time has passed since the last tick.
    pub fn tick(&mut self, elapsed_ns: u64) {
        let connection_has_room = self.window >= ROOM;
        for body in &mut self.open {
            let owed = connection_has_room && body.window >= ROOM;
            body.quiet_ns = if body.moved || !owed { 0 } else { body.quiet_ns.saturating_add(elapsed_ns) };
            body.waited_ns = body.waited_ns.saturating_add(if owed && !body.new { elapsed_ns } else { 0 });
            (body.new, body.moved) = (false, false);
        }
    }

    /// Takes one that is kept back: for longer than the time-out at once, or with less than the least rate after that time.
    pub fn take_stalled(&mut self) -> Option<u32> {
        let timeout_ns = self.timeout_ns;
        let place = self.open.iter().position(|body| body.is_stalled(timeout_ns))?;
        Some(self.open.swap_remove(place).stream)
    }

    fn body(&mut self, stream: u32) -> Option<&mut Body> {
        self.open.iter_mut().find(|body| body.stream == stream)
    }
}

impl Body {
    fn is_stalled(&self, timeout_ns: u64) -> bool {
        self.quiet_ns > timeout_ns || (self.waited_ns > timeout_ns && !has_least_rate(self.bytes, self.waited_ns))
    }
}

#[cfg(test)]
mod tests;
