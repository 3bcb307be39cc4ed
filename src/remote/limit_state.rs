//! `limits.state_file`: quotas over restarts. Read once at start; written whole, beside the requests, once a second when something
//! has changed, and at the end.
//!
//! Invariants
//! - One process has it at a time: of two that write it, each would undo what the other counted. The lock (`flock`) is on a file
//!   beside, `NAME.lock`, because each write gives the name to another file; the system lets go of it when the process ends, however
//!   it ends. That file is empty, and stays: to remove it would take it from who is about to lock it.
//! - A crash leaves the old file or the new one, whole: at most the last second is lost.
//! - A file that is damaged is put aside as `NAME.damaged` and said to be: everybody begins with a full quota then, and what could
//!   be saved of it by hand is not written over. One that cannot be read ends the start: it would be written over.
//! - A write that fails is said once, and tried again each second.
//! - The process that takes over gets the lock itself, open, so that at no moment nobody has it; whoever gave it writes no more.
//!
//! What the bytes mean is not decided here.

use super::{
    files::{Like, Old, write_whole},
    locked_file::is_at,
};
use crate::{
    config::files::read_bytes,
    limit::{Damage, Kept, LimitState},
    time::Now,
};
use rustix::fs::{Mode, OFlags};
use std::{
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// As many bytes as the counters of 200 million users take, twice what `max_users` may be.
const LONGEST: u64 = 4_800_000_100;

/// What was found at start.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// No file: the first start.
    Nothing,
    /// Quotas as they were kept.
    Kept(Kept),
    /// Not as it was written; where it lies now.
    Damaged(Damage, PathBuf),
}

/// The file, from start to end; nobody else's meanwhile.
#[derive(Debug)]
pub struct LimitStateFile {
    path: PathBuf,
    /// None where the file system has no locks.
    lock: Option<File>,
    /// Another process writes it.
    given: AtomicBool,
    /// Whether the last write failed. One writes at a time: an older snapshot never replaces a newer one.
    failing: Mutex<bool>,
}

impl LimitStateFile {
    /// Takes it for this process. Nothing is written yet.
    ///
    /// # Errors
    /// `WouldBlock` when another process has it; otherwise the operating system's.
    pub fn take(path: PathBuf) -> io::Result<Self> {
        let lock = lock(&path)?;
        Ok(Self::with(path, lock))
    }

    /// Goes on with a lock that another process gave away, however that one calls the file; none if it is another file's.
    ///
    /// # Errors
    /// The operating system's.
    pub fn inherit(path: &Path, lock: File) -> io::Result<Option<Self>> {
        let is_of_this = is_at(&lock, &lock_of(path)?)?;
        Ok(is_of_this.then(|| Self::with(path.to_owned(), Some(lock))))
    }

    fn with(path: PathBuf, lock: Option<File>) -> Self {
        Self { path, lock, given: AtomicBool::new(false), failing: Mutex::new(false) }
    }

    /// Reads the file, and puts it aside when it is damaged.
    ///
    /// # Errors
    /// The operating system's; it is there, and cannot be read or put aside.
    pub fn read(&self) -> io::Result<Found> {
        let bytes = match read_bytes(&self.path, LONGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        match Kept::decode(&bytes) {
            Ok(kept) => Ok(Found::Kept(kept)),
            Err(damage) => {
                let aside = beside(&self.path)?;
                fs::rename(&self.path, &aside)?;
                Ok(Found::Damaged(damage, aside))
            }
        }
    }

    /// Writes what has changed, if anything has and the file is still this process's. Blocks, on some disks for long.
    pub fn write(&self, limits: &LimitState, now: Now) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.given.load(Ordering::Acquire) {
            self.write_changes(&mut failing, limits, now);
        }
    }

    /// Writes a last time; the lock for who goes on, where there are locks. Nothing is written after it. Blocks as [`Self::write`] does.
    ///
    /// # Errors
    /// Out of file descriptors: nothing is given.
    pub fn give(&self, limits: &LimitState, now: Now) -> io::Result<Option<File>> {
        let lock = self.lock.as_ref().map(File::try_clone).transpose()?;
        // Before the write: one that hangs must not undo a later `take_back`.
        self.given.store(true, Ordering::Release);
        self.write_changes(&mut self.failing.lock().unwrap_or_else(PoisonError::into_inner), limits, now);
        Ok(lock)
    }

    /// Nobody took it: it is written again.
    pub fn take_back(&self) {
        self.given.store(false, Ordering::Release);
    }

    fn write_changes(&self, failing: &mut bool, limits: &LimitState, now: Now) {
        let Some(snapshot) = limits.quota_snapshot(now) else { return };
        let result = write_whole(&self.path, &snapshot, Like { owner: None, mode: 0o600, old: Old::Goes }).map(drop);
        match &result {
            Ok(()) if *failing => log::info!(target: "limits", "{} is written again", self.path.display()),
            Ok(()) => {}
            Err(error) => {
                limits.quota_snapshot_lost();
                if !*failing {
                    log::error!(target: "limits", "quotas are not kept: {} cannot be written: {error}", self.path.display());
                }
            }
        }
        *failing = result.is_err();
    }
}

/// Locks `NAME.lock`. A link in its place is not followed: a stranger who can make one must not choose what we lock.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(lock_of(path)?, flags, Mode::RUSR | Mode::WUSR)?);
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// `NAME.lock`.
fn lock_of(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.to_owned();
    name.push(".lock");
    Ok(path.with_file_name(name))
}

/// `NAME.damaged`, and a number behind it where there is one already: none is lost.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let numbered = |number: u32| {
        let mut name = name.to_owned();
        name.push(if number == 0 { ".damaged".to_owned() } else { format!(".damaged.{number}") });
        path.with_file_name(name)
    };
    (0..1000).map(numbered).find(|path| !path.exists()).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => formatter.write_str("no quotas are kept yet: all begin full"),
            Self::Kept(kept) => write!(formatter, "{} counters of quotas are kept", kept.len()),
            Self::Damaged(damage, aside) => write!(
                formatter,
                "the state file was damaged ({damage}); it is now {}, and all quotas begin full again",
                aside.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
