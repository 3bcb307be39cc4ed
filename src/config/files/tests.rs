//! What is not read: a test that fails here may hang.

use super::{ErrorKind, read_any_text, read_bytes, read_text};
use crate::config::compile::tests::Folder;
use std::{path::Path, process::Command};

fn check(path: &Path, most: u64, expected: ErrorKind, words: &str) {
    let error = read_text(path, most).expect_err(words);
    assert_eq!((error.kind(), error.to_string().contains(words)), (expected, true), "{error}");
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let folder = Folder::with(&[]);
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    check(&pipe, 9, ErrorKind::InvalidInput, "is not a regular file");
    check(Path::new("/dev/zero"), 9, ErrorKind::InvalidInput, "is not a regular file");
    check(&folder.path("."), 9, ErrorKind::IsADirectory, "directory");
    check(&folder.path("none"), 9, ErrorKind::NotFound, "");
}

#[test]
fn what_is_larger_than_the_bound_is_not_read_and_what_never_ends_only_so_far() {
    let folder = Folder::with(&[("nine", "123456789")]);
    check(&folder.path("nine"), 8, ErrorKind::FileTooLarge, "is larger than 8B");
    assert_eq!(
        read_any_text(Path::new("/dev/zero"), 2048).map_err(|error| error.to_string()),
        Err("is larger than 2KiB".to_owned())
    );
    assert_eq!(read_bytes(&folder.path("nine"), 9).ok().as_deref(), Some(&b"123456789"[..]));
}

#[test]
fn what_is_no_text_is_said() {
    let folder = Folder::with(&[]);
    assert!(std::fs::write(folder.path("bytes"), [0xff]).is_ok());
    check(&folder.path("bytes"), 9, ErrorKind::InvalidData, "");
    assert_eq!(read_bytes(&folder.path("bytes"), 9).ok(), Some(vec![0xff]));
}
