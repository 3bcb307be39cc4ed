//! What is wrong with a configuration: a place, a sentence and a remedy, in a form for people and one for tools.
//!
//! Invariant: no problem shows a secret. Whoever makes one puts in names, numbers and paths, never a URL (it may carry a password) and
//! never text from a file of keys.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One problem: its place, what is wrong, what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it is in: the configuration, or a file that the configuration names.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The key with the tables around it, as in `limits.global.rate`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

impl Problem {
    /// One of a file as a whole.
    pub(crate) fn of_file(file: &Path, key: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 1, column: 1, key: key.to_owned(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, key, what, remedy } = self;
        write!(formatter, "{}:{line}:{column}: {key}: {what}; {remedy}", file.display())
    }
}

/// All problems of a file, in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// One line a problem, each ended by a newline.
impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| writeln!(formatter, "{problem}"))
    }
}

impl std::error::Error for Problems {}

/// One line a problem, each ended by a newline.
#[must_use]
pub fn render_text(problems: &Problems) -> String {
    problems.to_string()
}

/// A JSON array of objects with `file`, `line`, `column`, `key`, `what` and `remedy`; `[]` when there is no problem.
#[must_use]
pub fn render_json(problems: &Problems) -> String {
    format!("{:#}\n", problems.to_json())
}

impl Problems {
    /// An array of objects, as [`render_json`] writes it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let objects = self.0.iter().map(|problem| {
            serde_json::json!({
                "file": problem.file.to_string_lossy(),
                "line": problem.line,
                "column": problem.column,
                "key": problem.key,
                "what": problem.what,
                "remedy": problem.remedy,
            })
        });
        objects.collect()
    }
}

#[cfg(test)]
mod tests;
