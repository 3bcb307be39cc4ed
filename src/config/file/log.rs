//! `[log]`.

use super::{Attached, path, section};
use crate::config::{Log, LogFormat, LogOutput, LogSubject, report::Placed, table::Table};
use log::LevelFilter;

const LEVELS: [(&str, LevelFilter); 5] = [
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

/// `[log]`.
pub(super) fn log(root: &Table<'_>, attached: &mut Vec<Attached>) -> Log {
    section(root, "log", |table| {
        let path = path(table);
        let output = |text: &str| if text == "stdout" { Ok(LogOutput::Stdout) } else { path(text).map(LogOutput::File) };
        let subjects = [("plain", LogSubject::Plain), ("hash", LogSubject::Hash), ("off", LogSubject::Off)];
        let Placed { at, value: output } = table.text_or("output", "stdout", output);
        if let LogOutput::File(path) = &output {
            attached.push(Attached::Log { path: Placed { at, value: path.clone() } });
        }
        Log {
            output,
            format: table.word("format", LogFormat::Json, &[("json", LogFormat::Json), ("text", LogFormat::Text)]),
            level: table.word("level", LevelFilter::Info, &LEVELS),
            access: table.boolean("access", true),
            subject: table.word("subject", LogSubject::Plain, &subjects),
            sample_ok: table.share("sample_ok", 1.0),
        }
    })
}

#[cfg(test)]
mod tests;
