//! `check`: every problem at once, or the word that there is none.

use super::{BAD_USAGE, Format, note, print};
use crate::config::{load, render_json, render_text};
use std::{path::Path, process::ExitCode};

/// Problems go to standard output: they are what was asked for. The exit code is the verdict, whoever reads it: of
/// `check … | head -1` too.
pub fn check(config: &Path, format: Format) -> ExitCode {
    let problems = load(config).err();
    let text = match (&problems, format) {
        (None, Format::Text) => format!("{}: no problems\n", config.display()),
        (None, Format::Json) => "[]\n".to_owned(),
        (Some(problems), Format::Text) => render_text(problems),
        (Some(problems), Format::Json) => render_json(problems),
    };
    if let Err(error) = print(&text) {
        note(&format!("stackflow-gateway: cannot write to standard output: {error}"));
    }
    if problems.is_none() { ExitCode::SUCCESS } else { ExitCode::from(BAD_USAGE) }
}
