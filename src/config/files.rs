//! Files that a configuration names, read: regular ones alone, and never more than a bound.
//!
//! To open a pipe waits for its writer, who may never come, and some devices never end: neither may hold up a start, a reload or
//! `check`. The configuration itself may come from a pipe, as of a shell's `<(…)`, but is bounded too.

use super::value::show_size;
use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Read},
    path::Path,
};

/// Of keys and secrets, in bytes.
pub const SMALL: u64 = 1024 * 1024;
/// Of lists (a few hundred thousand accounts or revocations), certificates and the configuration, in bytes.
pub const LARGE: u64 = 64 * 1024 * 1024;

/// The folder that a file is in.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The content of a regular file of at most that many bytes.
///
/// # Errors
/// The operating system's; `InvalidInput` for what is no regular file, `FileTooLarge` above the bound.
pub fn read_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if regular(path)?.len() > most {
        return Err(too_large(most));
    }
    read_any(path, most)
}

/// The same as text.
///
/// # Errors
/// The same, and `InvalidData` for what is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    read_bytes(path, most).and_then(as_text)
}

/// That it can be opened without waiting for anybody.
///
/// # Errors
/// The operating system's; `InvalidInput` for what is no regular file.
pub fn regular(path: &Path) -> io::Result<Metadata> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if found.is_file() { Ok(found) } else { Err(io::Error::new(ErrorKind::InvalidInput, "is not a regular file")) }
}

/// The content of whatever it is as text.
pub(super) fn read_any_text(path: &Path, most: u64) -> io::Result<String> {
    read_any(path, most).and_then(as_text)
}

/// Whatever its size is said to be.
fn read_any(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_open(&File::open(path)?, most)
}

/// The content of what is open already.
///
/// # Errors
/// The operating system's; `FileTooLarge` above the bound.
pub fn read_open(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= most) { Ok(content) } else { Err(too_large(most)) }
}

/// # Errors
/// `InvalidData` for what is not UTF-8.
pub fn as_text(content: Vec<u8>) -> io::Result<String> {
    String::from_utf8(content).map_err(|_| ErrorKind::InvalidData.into())
}

fn too_large(most: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("is larger than {}", show_size(most)))
}

#[cfg(test)]
mod tests;
