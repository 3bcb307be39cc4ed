//! A file that several processes read and change: one changes it at a time, and whoever reads it finds the old content or the
//! new, whole.
//!
//! The lock is the operating system's, on the file itself (`flock`): it ends with its process, and leaves nothing behind. A
//! change takes the file's place by a rename, so that whoever waited for the lock looks again whether what it has locked is
//! still the file. Readers take no lock.
//!
//! Symbolic links, mode and owner stay as they are: root may change what belongs to the gateway's user. Only a secret that is open to
//! others does not stay so. A new file is for its owner's eyes alone, and belongs to who owns the folder, where the process may give it
//! away.

use super::files::{Like, Old, metadata_of_folder, new_file, write_whole};
use crate::config::files::{LARGE, as_text, read_open};
use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Another process holds a lock for milliseconds; one that is stopped must not stop this one too.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A file that nobody else changes meanwhile.
#[derive(Debug)]
pub struct LockedFile {
    /// Behind symbolic links: they stay.
    path: PathBuf,
    file: File,
}

impl LockedFile {
    /// Locks a file that is there.
    ///
    /// # Errors
    /// The operating system's; `WouldBlock` when another process does not let go of it.
    pub fn open(path: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            let path = fs::canonicalize(path)?;
            let file = open(&path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path)? => return Ok(Self { path, file }),
                // Replaced while we waited for it.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::WouldBlock, "another process is changing it: try again"))
    }

    /// The same; where there is no file, an empty one is made.
    ///
    /// # Errors
    /// The operating system's; `WouldBlock` when another process does not let go of it.
    pub fn open_or_create(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            let made = new_file(path, Some(&metadata_of_folder(path)?), 0o600);
            made.map(drop).or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
        }
        Self::open(path)
    }

    /// Its content.
    ///
    /// # Errors
    /// The operating system's; `InvalidData` when it is not text, `FileTooLarge` when it is longer than any that a configuration may
    /// name.
    pub fn read(&self) -> io::Result<String> {
        read_open(&self.file, LARGE).and_then(as_text)
    }

    /// Puts other content in its place, and lets go of it.
    ///
    /// # Errors
    /// The operating system's; the old content is still there.
    pub fn replace(self, content: &str) -> io::Result<()> {
        replace(&self.path, content, &self.file.metadata()?)
    }

    /// The same with a secret. Whoever could read the old one shall not read the new one too, because the file was copied without care:
    /// it is for its owner alone, or, where that is all that others may, for a group's reading. That is no carelessness, but how a
    /// key of root's is given to the gateway's user.
    ///
    /// # Errors
    /// The operating system's; the old content is still there.
    pub fn replace_secret(self, content: &str) -> io::Result<()> {
        let own = self.file.metadata()?;
        let mode = if own.mode() & 0o077 == 0o040 { 0o640 } else { 0o600 };
        write_whole(&self.path, content.as_bytes(), Like { owner: Some(&own), mode, old: Old::Goes }).map(drop)
    }

    /// Puts content in place of the file of that name beside it, which is changed under the same lock.
    ///
    /// # Errors
    /// The operating system's; the old content is still there.
    pub fn replace_beside(&self, path: &Path, content: &str) -> io::Result<()> {
        let own = self.file.metadata()?;
        match fs::canonicalize(path) {
            Ok(path) => replace(&path, content, &fs::metadata(&path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path, content, &own),
            Err(error) => Err(error),
        }
    }
}

/// Locks over a network file system need the right to write; where that is missing, the right to read must do.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    file.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Err(error) } else { File::open(path) })
}

/// Whether an open file is the one that has this name now.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => {
            let held = file.metadata()?;
            Ok((there.dev(), there.ino()) == (held.dev(), held.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, content: &str, like: &Metadata) -> io::Result<()> {
    let like = Like { owner: Some(like), mode: like.mode() & 0o777, old: Old::Goes };
    write_whole(path, content.as_bytes(), like).map(drop)
}

#[cfg(test)]
pub(super) mod tests;
