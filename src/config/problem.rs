//! What is wrong with a configuration.
use std::{fmt, path::PathBuf};

/// One problem: its place, what is wrong, what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Problem { pub file: PathBuf, pub line: usize, pub column: usize, pub key: String, pub what: String, pub remedy: String }

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}: {}; {}", self.file.display(), self.line, self.column, self.key, self.what, self.remedy)
    }
}

/// All problems of a file, in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);
