//! Collects the problems of one file: turns places into lines and columns, and puts them in order.
//!
//! Invariants: a line that is not TOML is reported once and judged no further; while some line is not TOML, nothing is called missing,
//! because it may stand on that line; while the header of a table is not, no key is called unknown, because it may belong to that table.

use super::{Problem, Problems};
use std::{cell::RefCell, path::Path};

/// What is wrong with a value and what to write instead; its place comes from whoever read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// A value and the byte at which it is written (for a default: of the table that lacks it).
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) at: usize,
    pub(crate) value: T,
}

/// The problems found so far.
pub(crate) struct Report<'s> {
    file: &'s Path,
    text: &'s str,
    unreadable_lines: Vec<usize>,
    lost_header: bool,
    found: RefCell<Vec<(usize, Problem)>>,
}

impl<'s> Report<'s> {
    /// `syntax`: what the TOML parser found.
    pub(crate) fn new(file: &'s Path, text: &'s str, syntax: &[toml::de::Error]) -> Self {
        let mut report = Self { file, text, unreadable_lines: Vec::new(), lost_header: false, found: RefCell::default() };
        for error in syntax {
            let at = error.span().map_or(0, |span| span.start);
            let line = report.line_of(at);
            if !report.unreadable_lines.contains(&line) {
                report.add(at, "TOML", Fault::new(error.message(), "correct the line"));
                report.unreadable_lines.push(line);
                report.lost_header |= text.lines().nth(line - 1).is_some_and(|line| line.trim_start().starts_with('['));
            }
        }
        report
    }

    /// A problem at the byte `at` of the configuration.
    pub(crate) fn add(&self, at: usize, key: impl Into<String>, Fault { what, remedy }: Fault) {
        let (line, column) = place_in(self.text, at);
        self.add_elsewhere(at, Problem { file: self.file.to_owned(), line, column, key: key.into(), what, remedy });
    }

    /// A problem in a file that the configuration names at the byte `at`.
    pub(crate) fn add_elsewhere(&self, at: usize, problem: Problem) {
        if !self.unreadable_lines.contains(&self.line_of(at)) {
            self.found.borrow_mut().push((at, problem));
        }
    }

    /// Something that must be there is not.
    pub(crate) fn add_missing(&self, at: usize, key: impl Into<String>, remedy: impl Into<String>) {
        if self.unreadable_lines.is_empty() {
            self.add(at, key, Fault::new("is missing", remedy));
        }
    }

    /// A key that its table does not have.
    pub(crate) fn add_unknown(&self, at: usize, key: impl Into<String>, remedy: impl Into<String>) {
        if !self.lost_header {
            self.add(at, key, Fault::new("unknown key", remedy));
        }
    }

    /// Line of a byte, from 1.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        place_in(self.text, at).0
    }

    /// The file's name, for paths relative to its folder.
    pub(crate) fn file(&self) -> &'s Path {
        self.file
    }

    /// All problems in the order of their places.
    pub(crate) fn into_problems(self) -> Problems {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        Problems(found.into_iter().map(|(_, problem)| problem).collect())
    }
}

/// Line and column of a byte of a text, each from 1; columns count characters.
pub(crate) fn place_in(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
