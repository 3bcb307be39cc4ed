//! The `log` crate's back end: the same queue and the same form as the access log.

use super::Clock;
use crate::{config::LogFormat, observe::LogQueue};
use log::{LevelFilter, Metadata, Record};
use std::{io::Write, sync::Arc};

/// What the gateway names the parts of itself that log.
const OWN: [&str; 6] = ["gateway", "keys", "limits", "listeners", "names", "upstream"];

struct Logger {
    queue: Arc<LogQueue>,
    format: LogFormat,
    clock: Clock,
    level: LevelFilter,
}

/// Has everything logged from now on written to `queue`. Only the first call of a process has an effect.
pub fn install(queue: Arc<LogQueue>, format: LogFormat, level: LevelFilter, clock: Clock) {
    if log::set_boxed_logger(Box::new(Logger { queue, format, clock, level })).is_ok() {
        log::set_max_level(level);
    }
}

impl log::Log for Logger {
    /// Only the gateway's own words. The framework and its libraries write whole request heads, with their tokens, at debug
    /// level, and each broken connection as an error: a port scan would fill the disk.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level && OWN.contains(&metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let time = self.clock.now().unix_ns;
        let level = record.level().as_str().to_ascii_lowercase();
        self.queue.push(|out| match self.format {
            LogFormat::Json => {
                out.extend_from_slice(b"{\"time\":\"");
                crate::observe::write_time(time, out);
                let _ = write!(out, "\",\"level\":\"{level}\",\"target\":\"{}\",\"message\":", record.target());
                crate::observe::write_json_text(&message, out);
                out.extend_from_slice(b"}\n");
            }
            LogFormat::Text => {
                crate::observe::write_time(time, out);
                let _ = writeln!(out, " {level} {}: {}", record.target(), message.escape_debug());
            }
        });
    }

    fn flush(&self) {}
}
