//! How the gateway writes a file: whole or not at all.
//!
//! Invariants
//! - Content goes to a new file beside, down to the disk, which then gets its name; last the folder goes down to the disk. A crash
//!   leaves the old content or the new, and what was written before is there when what came after is.
//! - The name beside is random and nobody's yet: containers that share a volume all have the same process id. After a crash it may
//!   stay, private and read by nobody.
//! - A symbolic link is neither replaced nor followed: who keeps a file behind a link wants the link to stay, and a link that a
//!   stranger made must not lead to another file of ours. Callers that accept links resolve them first (`locked_file`).

use crate::config::files::folder;
use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

/// What a file that is written is like.
#[derive(Clone, Copy)]
pub(super) struct Like<'a> {
    /// Whose it is: as this file's or folder's owner; without it, this process' own.
    pub(super) owner: Option<&'a Metadata>,
    pub(super) mode: u32,
    /// Of a file that has the name already.
    pub(super) old: Old,
}

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Old {
    /// The new one takes its place.
    Goes,
    /// It stays, and nothing is written: `AlreadyExists`.
    Stays,
}

/// Writes a file, and tells what it is like as it was left.
///
/// # Errors
/// The operating system's; what was there is still there, and nothing else is left behind.
pub(super) fn write_whole(path: &Path, content: &[u8], like: Like<'_>) -> io::Result<Metadata> {
    if like.old == Old::Goes && fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link"));
    }
    let beside = name_beside(path)?;
    let written = write_new(&beside, content, like).and_then(|left| named(&beside, path, like.old).map(|()| left));
    // Renamed, it is not there any more.
    drop(fs::remove_file(&beside));
    let left = written?;
    sync_folder(path)?;
    Ok(left)
}

fn name_beside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.to_owned();
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    name.push(format!(".{:016x}.new", u64::from_ne_bytes(random)));
    Ok(path.with_file_name(name))
}

fn write_new(path: &Path, content: &[u8], like: Like<'_>) -> io::Result<Metadata> {
    let mut file = new_file(path, like.owner, like.mode)?;
    file.write_all(content)?;
    file.sync_all()?;
    file.metadata()
}

fn named(beside: &Path, path: &Path, old: Old) -> io::Result<()> {
    if old == Old::Goes {
        return fs::rename(beside, path);
    }
    // Unlike a rename, a link never takes the place of what another process made meanwhile.
    match fs::hard_link(beside, path) {
        // A file system without links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && fs::symlink_metadata(path).is_err() => {
            fs::rename(beside, path)
        }
        linked => linked,
    }
}

/// Makes a file that is nobody else's before it is given away.
pub(super) fn new_file(path: &Path, owner: Option<&Metadata>, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let given = owner.map_or(Ok(()), |owner| give(&file, owner));
    given.and_then(|()| file.set_permissions(Permissions::from_mode(mode))).inspect_err(|_| drop(fs::remove_file(path)))?;
    Ok(file)
}

fn give(file: &File, owner: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    match fchown(file, Some(owner.uid()), Some(owner.gid())) {
        // Who is not root keeps what it makes in a folder of others. What was another's must stay so, or its owner is locked out.
        Err(_) if owner.is_dir() => Ok(()),
        given => given,
    }
}

/// Of the folder that a file is in.
pub(super) fn metadata_of_folder(path: &Path) -> io::Result<Metadata> {
    fs::metadata(folder(path))
}

/// A new name is on the disk when its folder is. Some network file systems cannot do that, and have it there at once.
fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(folder(path))?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests;
