//! Whether the client of a connection could send more of a body, as those see it who wait for one.
//!
//! A client whose window is used up waits for the gateway, not the gateway for it (RFC 9113, section 5.2): the time of that is
//! left out of what its bodies are judged by. The window of one stream is no matter: whoever waits for a body has read all that
//! came of it, and its window is renewed once half of it is used. That of the connection may be held by other streams, which
//! wait for their servers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// In [`Inflow::time`]: the clock stands.
const STANDS: u64 = 1 << 63;

/// Shared by a connection, which writes it, and the bodies on it.
#[derive(Debug, Default)]
pub struct Inflow {
    /// One cell, since its halves must agree: how far the client's clock is behind, or, where it stands, what it shows.
    time: AtomicU64,
    within_data: AtomicBool,
}

impl Inflow {
    /// The time that the client had to send something; differences mean something, not the number.
    pub fn client_time(&self, now: u64) -> u64 {
        match self.time.load(Ordering::Relaxed) {
            stands if stands & STANDS != 0 => stands & !STANDS,
            behind => now.saturating_sub(behind),
        }
    }

    /// The window of the connection has room for a frame from now on, or none.
    pub fn has_room(&self, room: bool, now: u64) {
        let stands = self.time.load(Ordering::Relaxed) & STANDS != 0;
        if stands == room {
            let shown = self.client_time(now);
            self.time.store(if room { now.saturating_sub(shown) } else { shown | STANDS }, Ordering::Relaxed);
        }
    }

    /// A frame of DATA is under way: nothing else can come before its end, for which the connection has a bound of its own.
    pub fn is_within_data(&self) -> bool {
        self.within_data.load(Ordering::Relaxed)
    }

    /// One begins, or ends.
    pub fn set_within_data(&self, within: bool) {
        self.within_data.store(within, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
