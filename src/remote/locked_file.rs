//! A file that several processes read and change: one changes it at a time, and whoever reads it finds the old content or the
//! new, whole.
//!
//! The lock is the operating system's, on the file itself (`flock`): it ends with its process, and leaves nothing behind. A
//! change takes the file's place by a rename, so that whoever waited for the lock looks again whether what it has locked is
//! still the file. Readers take no lock.
//!
//! Mode and owner stay as they are: root may change what belongs to the gateway's user. A new file is for its owner's eyes
//! alone, and belongs to who owns the folder, where the process may give it away.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
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
            let made = new_file(path, &metadata_of_folder(path)?, 0o600);
            made.map(drop).or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
        }
        Self::open(path)
    }

    /// Its content.
    ///
    /// # Errors
    /// The operating system's; `InvalidData` when it is not text.
    pub fn read(&mut self) -> io::Result<String> {
        let mut text = String::new();
        self.file.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Puts other content in its place, and lets go of it.
    ///
    /// # Errors
    /// The operating system's; the old content is still there.
    pub fn replace(self, content: &str) -> io::Result<()> {
        replace(&self.path, content, &self.file.metadata()?)
    }

    /// Puts content in place of the file of that name beside it, which is changed under the same lock.
    ///
    /// # Errors
    /// The operating system's; the old content is still there.
    pub fn replace_beside(&self, path: &Path, content: &str) -> io::Result<()> {
        let own = self.file.metadata()?;
        match fs::metadata(path) {
            Ok(there) => replace(path, content, &there),
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
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => {
            let held = file.metadata()?;
            Ok((there.dev(), there.ino()) == (held.dev(), held.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Beside it first, down to the disk, then renamed, and the folder down to the disk: a crash leaves the old content or the new,
/// and what was written before is there when what came after is.
fn replace(path: &Path, content: &str, like: &Metadata) -> io::Result<()> {
    let mut name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    // Left by a crash: nobody else writes it while the lock is held.
    drop(fs::remove_file(&beside));
    let written = new_file(&beside, like, like.mode() & 0o777).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| drop(fs::remove_file(&beside)))?;
    sync_folder(path)
}

/// Makes a file that is nobody else's before it is given away.
pub(super) fn new_file(path: &Path, like: &Metadata, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        let given = fchown(&file, Some(like.uid()), Some(like.gid()));
        // Who is not root keeps what it makes in a folder of others. What was another's must stay so, or its owner is locked out.
        if let Err(error) = given.or_else(|error| if like.is_dir() { Ok(()) } else { Err(error) }) {
            drop(fs::remove_file(path));
            return Err(error);
        }
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// Of the folder that a file is in.
pub(super) fn metadata_of_folder(path: &Path) -> io::Result<Metadata> {
    fs::metadata(folder(path))
}

/// A rename is on the disk when its folder is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
pub(super) mod tests;
