//! The `log` crate's back end: the same queue and the same form as the access log, whose output is opened here.

use super::Clock;
use crate::{
    config::{Log, LogFormat, LogOutput},
    observe::{LogQueue, LogWriter},
};
use log::{Metadata, Record};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

/// What the gateway names the parts of itself that log.
const OWN: [&str; 7] = ["gateway", "keys", "limits", "listeners", "names", "upgrade", "upstream"];

struct Logger {
    queue: Arc<LogQueue>,
    as_text: Arc<AtomicBool>,
    clock: Clock,
}

/// What of the log may change while it is written.
#[derive(Debug)]
pub struct LogSettings {
    queue: Arc<LogQueue>,
    as_text: Arc<AtomicBool>,
    output: Arc<Mutex<LogOutput>>,
}

/// Has everything logged from now on written to `queue`. Only the first call of a process has an effect.
pub fn install(queue: &Arc<LogQueue>, log: &Log, clock: Clock) -> LogSettings {
    let as_text = Arc::new(AtomicBool::new(false));
    let logger = Logger { queue: Arc::clone(queue), as_text: Arc::clone(&as_text), clock };
    // Whoever was first stays.
    let _ = log::set_boxed_logger(Box::new(logger));
    let settings = LogSettings { queue: Arc::clone(queue), as_text, output: Arc::new(Mutex::new(log.output.clone())) };
    settings.apply(log);
    settings
}

impl LogSettings {
    /// Follows another configuration; what waits to be written goes to the new output.
    pub fn follow(&self, log: &Log) {
        self.apply(log);
        let changed = *lock(&self.output) != log.output;
        if changed {
            lock(&self.output).clone_from(&log.output);
            self.queue.reopen();
        }
    }

    fn apply(&self, log: &Log) {
        self.as_text.store(log.format == LogFormat::Text, Ordering::Relaxed);
        log::set_max_level(log.level);
    }

    /// Starts the thread that writes; what it gives says that the log is written to its end.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn spawn_writer(&self) -> io::Result<mpsc::Receiver<()>> {
        let (written, log_written) = mpsc::channel();
        let (queue, output) = (Arc::clone(&self.queue), Arc::clone(&self.output));
        let open: LogWriter = Box::new(move || match &*lock(&output) {
            LogOutput::Stdout => Ok(Box::new(io::stdout())),
            LogOutput::File(path) => Ok(Box::new(append(path)?)),
        });
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            queue.run(open);
            // Nobody may be waiting for it.
            let _ = written.send(());
        })?;
        Ok(log_written)
    }
}

/// That the output can be written: later failures are counted as dropped lines; one that is there from the start would leave
/// no line at all.
///
/// # Errors
/// The operating system's.
pub fn try_output(output: &LogOutput) -> Result<(), (&Path, io::Error)> {
    match output {
        LogOutput::Stdout => Ok(()),
        LogOutput::File(path) => append(path).map(drop).map_err(|error| (path.as_path(), error)),
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whoever holds it replaces the whole value.
fn lock(output: &Mutex<LogOutput>) -> MutexGuard<'_, LogOutput> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

impl log::Log for Logger {
    /// Only the gateway's own words. The framework and its libraries write whole request heads, with their tokens, at debug
    /// level, and each broken connection as an error: a port scan would fill the disk.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && OWN.contains(&metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let time = self.clock.now().unix_ns;
        let level = record.level().as_str().to_ascii_lowercase();
        let as_text = self.as_text.load(Ordering::Relaxed);
        self.queue.push(|out| {
            if as_text {
                crate::observe::write_time(time, out);
                let _ = writeln!(out, " {level} {}: {}", record.target(), message.escape_debug());
                return;
            }
            out.extend_from_slice(b"{\"time\":\"");
            crate::observe::write_time(time, out);
            let _ = write!(out, "\",\"level\":\"{level}\",\"target\":\"{}\",\"message\":", record.target());
            crate::observe::write_json_text(&message, out);
            out.extend_from_slice(b"}\n");
        });
    }

    fn flush(&self) {}
}
