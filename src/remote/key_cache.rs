//! `jwks_cache_file`: an issuer's last good key set on disk, for a start at which the issuer does not answer.
//!
//! The file is one line of JSON, which says whose set it is, from where, since when, and the hash of the rest; then the document,
//! byte for byte as it was fetched, so that it is judged now as it was then: same bound, same parser.
//!
//! Invariants
//! - Never more than the bound is read, whatever the file is; a pipe does not make anybody wait, and a symbolic link is not followed.
//! - A set of another issuer, or from another URL than the one configured now, is refused: the configuration says where keys come from.
//! - What changed since it was written is refused: a flipped bit in a modulus would still parse, and refuse every token.
//! - It is replaced whole, with mode 0600. Keys are public, but who could write the file could sign as the issuer. For the same
//!   reason only a file of this process' user or of root is believed, and none that others may write; the hash guards against
//!   damage, not against forgery. A group that the process is in may: orchestrators give it the files of a volume so.
//!
//! Not here: when it is read and written (`watched`). An issuer whose set is old is as good as its file: that is what it is for.
use super::files::{Like, Old, write_whole};
use crate::{
    auth::{IssuerSettings, KeySet, KeySetError, KeySource},
    config::files::read_open,
};
use aws_lc_rs::digest::{SHA256, digest};
use rustix::{
    fs::{Mode, OFlags},
    process::{getegid, geteuid, getgroups},
};
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fmt,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

/// Of the first line: an issuer and a URL as a configuration may hold them.
const HEAD_LENGTH: usize = 16 * 1024;

/// Where one issuer's last good set is kept.
#[derive(Debug)]
pub(super) struct KeyCache {
    path: PathBuf,
    issuer: String,
    source: String,
    /// Of the document.
    limit: usize,
}

/// What the file held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeptKeys {
    pub(super) set: KeySet,
    /// When the set was fetched, in seconds since 1970.
    pub(super) fetched_unix_s: u64,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    issuer: String,
    source: String,
    fetched_unix_s: u64,
    /// Of the document, in hex.
    sha256: String,
}

impl KeyCache {
    /// Off where no file is configured, and for keys that are not fetched.
    pub(super) fn new(settings: &IssuerSettings) -> Option<Self> {
        let path = settings.jwks_cache_file.clone()?;
        let source = match &settings.keys {
            KeySource::Url(url) | KeySource::Discovery(url) => url.clone(),
            KeySource::File(_) | KeySource::Own(_) => return None,
        };
        Some(Self { path, issuer: settings.issuer.clone(), source, limit: settings.jwks_size })
    }

    /// The set in the file; nothing where there is no file (yet).
    pub(super) fn read(&self) -> Result<Option<KeptKeys>, CacheError> {
        let file = match rustix::fs::open(&self.path, OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(CacheError::NotAFile),
            Err(error) => return Err(CacheError::Unreadable(error.into())),
        };
        // Of what was opened: the name may lead elsewhere by now.
        let about = file.metadata().map_err(CacheError::Unreadable)?;
        if !about.is_file() {
            return Err(CacheError::NotAFile);
        }
        Process::this().believes(about.uid(), about.gid(), about.mode())?;
        let bound = self.limit.saturating_add(HEAD_LENGTH);
        let text = read_open(&file, u64::try_from(bound).unwrap_or(u64::MAX)).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => CacheError::TooLarge(bound),
            _ => CacheError::Unreadable(error),
        })?;
        self.judge(&text).map(Some)
    }

    fn judge(&self, text: &[u8]) -> Result<KeptKeys, CacheError> {
        let end = text.iter().position(|&byte| byte == b'\n').ok_or(CacheError::Damaged)?;
        let (head, document) = (&text[..end], &text[end + 1..]);
        let head: Head = serde_json::from_slice(head).map_err(|_| CacheError::Damaged)?;
        if head.issuer != self.issuer {
            return Err(CacheError::OtherIssuer);
        }
        if head.source != self.source {
            return Err(CacheError::OtherSource);
        }
        if head.sha256 != hash(document) {
            return Err(CacheError::Damaged);
        }
        if document.len() > self.limit {
            return Err(CacheError::TooLarge(self.limit));
        }
        let (set, _) = KeySet::parse(document).map_err(CacheError::Keys)?;
        Ok(KeptKeys { set, fetched_unix_s: head.fetched_unix_s })
    }

    /// Puts a document that was judged to be good in place of the old one, and tells by what that is known again. Blocks, on some
    /// disks for ever.
    ///
    /// # Errors
    /// The operating system's; the old file is then as it was.
    pub(super) fn write(&self, document: &[u8], fetched_unix_s: u64) -> io::Result<Identity> {
        let (issuer, source) = (self.issuer.clone(), self.source.clone());
        let mut text = serde_json::to_vec(&Head { issuer, source, fetched_unix_s, sha256: hash(document) })?;
        text.push(b'\n');
        text.extend_from_slice(document);
        write_whole(&self.path, &text, Like { owner: None, mode: 0o600, old: Old::Goes }).map(|left| Identity::of(&left))
    }

    /// Whether the file is the one that was left so: nobody removed, restored, changed or opened it to others. Blocks too.
    pub(super) fn is_still(&self, left: &Identity) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|there| Identity::of(&there) == *left)
    }
}

/// By what a file is known again without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device_and_inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    mode: u32,
    owner: (u32, u32),
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self {
            device_and_inode: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            mode: file.mode(),
            owner: (file.uid(), file.gid()),
        }
    }
}

/// Who this process is to the operating system.
struct Process {
    user: u32,
    groups: Vec<u32>,
}

impl Process {
    fn this() -> Self {
        let own = std::iter::once(getegid().as_raw());
        // Where they cannot be told, the process is in no other group.
        let others = getgroups().unwrap_or_default().into_iter().map(rustix::process::Gid::as_raw);
        Self { user: geteuid().as_raw(), groups: own.chain(others).collect() }
    }

    /// Whether nobody but this process' user, its groups and root can have written a file.
    fn believes(&self, user: u32, group: u32, mode: u32) -> Result<(), CacheError> {
        if user != self.user && user != 0 {
            return Err(CacheError::Foreign);
        }
        if mode & 0o002 != 0 {
            return Err(CacheError::Writable);
        }
        if mode & 0o020 != 0 && !self.groups.contains(&group) {
            return Err(CacheError::GroupWritable);
        }
        Ok(())
    }
}

fn hash(document: &[u8]) -> String {
    crate::hex::encode(digest(&SHA256, document).as_ref())
}

/// Why the file's keys are not used.
#[derive(Debug)]
pub(super) enum CacheError {
    /// The operating system refuses.
    Unreadable(io::Error),
    /// A folder, a pipe, a device, a symbolic link.
    NotAFile,
    /// Of another user.
    Foreign,
    /// A group may write it that the process is not in.
    GroupWritable,
    /// Every user may write it.
    Writable,
    /// It, or the document in it, is longer than that many bytes.
    TooLarge(usize),
    /// Not as it was written.
    Damaged,
    /// Of another issuer.
    OtherIssuer,
    /// From another URL.
    OtherSource,
    /// What it holds is not a key set.
    Keys(KeySetError),
}

impl fmt::Display for CacheError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => formatter.write_str("it cannot be read"),
            Self::NotAFile => formatter.write_str("it is not a regular file"),
            Self::Foreign => formatter.write_str("it belongs neither to the gateway's user nor to root"),
            Self::GroupWritable => formatter.write_str("a group may write it that the gateway's user is not in"),
            Self::Writable => formatter.write_str("every user may write it"),
            Self::TooLarge(limit) => write!(formatter, "it is larger than {limit} bytes"),
            Self::Damaged => formatter.write_str("it is not as it was written"),
            Self::OtherIssuer => formatter.write_str("it is of another issuer"),
            Self::OtherSource => formatter.write_str("it is from another URL"),
            Self::Keys(error) => error.fmt(formatter),
        }
    }
}

impl Error for CacheError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::NotAFile
            | Self::Foreign
            | Self::GroupWritable
            | Self::Writable
            | Self::TooLarge(_)
            | Self::Damaged
            | Self::OtherIssuer
            | Self::OtherSource
            | Self::Keys(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
