//! A bounded buffer between those who log and the one thread that writes: a line costs its bytes and an uncontended lock,
//! no system call, no wake-up. When it is full, lines are dropped and counted, never waited for.

use std::{
    io::Write,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Lines wait at most this long to be written.
const WRITE_EVERY: Duration = Duration::from_millis(100);
/// At this many bytes the writer is woken early.
const WAKE_AT: usize = 256 * 1024;

/// The lines that wait to be written.
#[derive(Debug)]
pub struct LogQueue {
    waiting: Mutex<Vec<u8>>,
    capacity: usize,
    wake: Condvar,
    closed: AtomicBool,
    reopen: AtomicBool,
    dropped: AtomicU64,
}

/// Where lines go: called to open (again), then written to.
pub type LogWriter = Box<dyn FnMut() -> std::io::Result<Box<dyn Write + Send>> + Send>;

impl LogQueue {
    /// A queue of at most `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            waiting: Mutex::new(Vec::new()),
            capacity,
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        }
    }

    /// Puts a line in, written by `write`, or counts it as dropped.
    pub fn push(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut waiting = self.lock();
        if waiting.len() >= self.capacity {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = waiting.len();
        write(&mut waiting);
        if before < WAKE_AT && waiting.len() >= WAKE_AT {
            self.wake.notify_one();
        }
    }

    /// Lines dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Has the output opened again before the next line is written (log rotation).
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// No more lines; [`Self::run`] returns once all are written.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Writes until closed; for a thread of its own. An output that fails is opened again with the next lines.
    pub fn run(&self, mut open: LogWriter) {
        let mut output = open().ok();
        let mut lines = Vec::new();
        loop {
            let closed = self.take(&mut lines);
            if self.reopen.swap(false, Ordering::AcqRel) || output.is_none() {
                output = open().ok().or(output);
            }
            if !lines.is_empty() && !write(output.as_mut(), &lines) {
                self.dropped.fetch_add(lines.split(|byte| *byte == b'\n').count() as u64 - 1, Ordering::Relaxed);
                output = None;
            }
            lines.clear();
            if closed {
                return;
            }
        }
    }

    /// Swaps the waiting lines out, waiting a moment for some; tells whether the queue was closed before.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let waiting = self.lock();
        let closed = self.closed.load(Ordering::Acquire);
        let mut waiting = if closed || waiting.len() >= WAKE_AT {
            waiting
        } else {
            self.wake.wait_timeout(waiting, WRITE_EVERY).map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard)
        };
        std::mem::swap(&mut *waiting, lines);
        closed
    }

    /// A writer of a line that panicked has at worst left half a line.
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(output: Option<&mut Box<dyn Write + Send>>, lines: &[u8]) -> bool {
    output.is_some_and(|output| output.write_all(lines).and_then(|()| output.flush()).is_ok())
}

#[cfg(test)]
mod tests;
