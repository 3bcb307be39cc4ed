//! From what was written to a [`Gateway`].
use super::{Gateway, Problem, Problems};
use std::path::Path;

/// Reads and compiles a file.
///
/// # Errors
/// Every problem at once.
pub fn load(path: &Path) -> Result<Gateway, Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problems(vec![Problem { file: path.to_owned(), line: 1, column: 1, key: "file".to_owned(), what: error.to_string(), remedy: "name a readable file".to_owned() }])
    })?;
    compile(path, &text)
}

/// Compiles a text; relative paths in it are relative to the folder of `file`.
///
/// # Errors
/// Every problem at once.
pub fn compile(file: &Path, text: &str) -> Result<Gateway, Problems> { let _ = (file, text); todo!() }
