//! The signals that the process obeys.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How the operator asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM: drain, then stop.
    Drain,
    /// SIGQUIT: hand the listeners over, then drain and stop.
    HandOver,
    /// SIGINT: stop.
    Stop,
}

/// The signals that end the process, caught from now on.
pub struct Signals {
    terminate: Signal,
    quit: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them. Must be called inside a runtime.
    ///
    /// # Errors
    /// The operating system's.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Drain,
            _ = self.quit.recv() => Asked::HandOver,
            _ = self.interrupt.recv() => Asked::Stop,
        }
    }
}

/// SIGHUP, caught from now on: reload.
pub struct HangUps(Signal);

impl HangUps {
    /// Catches it. Must be called inside a runtime.
    ///
    /// # Errors
    /// The operating system's.
    pub fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// The next one; several that came since the last call are one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The runtime's end of the signal is gone, and with it the process.
            std::future::pending::<()>().await;
        }
    }
}
