//! The lines a process writes, collected by a thread, so that a test can wait for one.
use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Every line so far, and whether more can come.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Reads `source` to its end in a thread of its own.
    pub fn collect(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { break };
                writer.push(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned());
            }
            writer.end();
        });
        lines
    }

    /// Every line so far.
    pub fn all(&self) -> Vec<String> {
        self.0.state.lock().unwrap().lines.clone()
    }

    /// The lines so far as one text, for a failure's message.
    pub fn text(&self) -> String {
        self.all().join("\n")
    }

    /// Everything that was written, once nothing more can come.
    pub fn to_end(&self) -> Vec<u8> {
        let mut state = self.0.state.lock().unwrap();
        while !state.ended {
            state = self.0.changed.wait(state).unwrap();
        }
        state.lines.join("\n").into_bytes()
    }

    /// What `find` makes of the first line it wants, now or later.
    pub fn wait<T>(&self, what: &str, deadline: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        self.wait_all(what, deadline, |lines| lines.iter().find_map(|line| find(line)))
    }

    /// What `find` makes of all lines, as soon as it makes something of them.
    pub fn wait_all<T>(&self, what: &str, deadline: Duration, find: impl Fn(&[String]) -> Option<T>) -> T {
        let end = Instant::now() + deadline;
        let mut state = self.0.state.lock().unwrap();
        loop {
            if let Some(found) = find(&state.lines) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !state.ended,
                "{what} was not written; ended: {}; written:\n{}",
                state.ended,
                state.lines.join("\n")
            );
            state = self.0.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn push(&self, line: String) {
        self.0.state.lock().unwrap().lines.push(line);
        self.0.changed.notify_all();
    }

    fn end(&self) {
        self.0.state.lock().unwrap().ended = true;
        self.0.changed.notify_all();
    }
}
