//! `check`: every problem at once, or the word that there is none.

use super::{BAD_USAGE, Format};
use crate::config::{load, render_json, render_text};
use std::{path::Path, process::ExitCode};

/// Problems go to standard output: they are what was asked for.
pub fn check(config: &Path, format: Format) -> ExitCode {
    let problems = load(config).err();
    match (&problems, format) {
        (None, Format::Text) => println!("{}: no problems", config.display()),
        (None, Format::Json) => println!("[]"),
        (Some(problems), Format::Text) => print!("{}", render_text(problems)),
        (Some(problems), Format::Json) => println!("{}", render_json(problems)),
    }
    if problems.is_none() { ExitCode::SUCCESS } else { ExitCode::from(BAD_USAGE) }
}
