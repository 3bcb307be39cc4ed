//! Files that the gateway writes: whole or not at all, and for nobody else's eyes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Writes a new file with mode 0600: beside it first, then renamed, so that a crash leaves the old content or the new. Two that
/// write the same file at once do not meet: the later one's content stays.
///
/// # Errors
/// The operating system's; nothing is left behind.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    // Told apart by process and by call.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut beside = name.to_owned();
    beside.push(format!(".{}-{}.new", std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed)));
    let beside = path.with_file_name(beside);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| drop(fs::remove_file(&beside)))?;
    // The new name is on the disk only once the folder is; where a folder cannot be synced, the file is there all the same.
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests;
