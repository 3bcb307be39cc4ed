//! That a file is whole, as private as it should be, or not there.

use super::{super::locked_file::tests::Folder, *};
use std::{collections::HashSet, os::unix::fs::symlink};

const PRIVATE: Like<'static> = Like { owner: None, mode: 0o600, old: Old::Goes };
const NEW: Like<'static> = Like { old: Old::Stays, ..PRIVATE };

#[test]
fn a_missing_folder_is_an_error_and_leaves_nothing() {
    let folder = Folder::new();
    assert!(write_whole(&folder.path("no/such/key.pem"), b"key", PRIVATE).is_err());
    assert!(folder.names().is_empty());
}

#[test]
fn a_path_without_a_name_is_an_error() {
    assert!(write_whole(Path::new("/"), b"key", PRIVATE).is_err());
}

#[test]
fn the_file_is_whole_private_and_alone_and_told_as_it_is() {
    let folder = Folder::new();
    let path = folder.path("key.pem");
    write_whole(&path, b"first", PRIVATE).expect("a writable folder");
    let left = write_whole(&path, b"second", PRIVATE).expect("a writable folder");
    let there = fs::metadata(&path).expect("a file");
    assert_eq!((fs::read(&path).expect("a file"), there.mode() & 0o777), (b"second".to_vec(), 0o600));
    assert_eq!((left.ino(), left.mtime_nsec(), left.mode(), left.len()), (there.ino(), there.mtime_nsec(), there.mode(), 6));
    assert_eq!(folder.names(), ["key.pem"]);
}

#[test]
fn a_file_that_must_be_new_takes_no_place() {
    let folder = Folder::new();
    let path = folder.path("key.pem");
    write_whole(&path, b"first", NEW).expect("a writable folder");
    let error = write_whole(&path, b"second", NEW).expect_err("there is one");
    assert_eq!((error.kind(), fs::read(&path).expect("a file")), (io::ErrorKind::AlreadyExists, b"first".to_vec()));
    assert_eq!(folder.names(), ["key.pem"], "and leaves nothing");
}

#[test]
fn a_link_is_neither_replaced_nor_followed() {
    let folder = Folder::new();
    fs::write(folder.path("other"), "other").expect("a file");
    for (link, target) in [("link", "other"), ("dangling", "nowhere")] {
        symlink(target, folder.path(link)).expect("a link");
        for like in [PRIVATE, NEW] {
            assert!(write_whole(&folder.path(link), b"key", like).is_err(), "{link}");
        }
    }
    assert_eq!(fs::read_to_string(folder.path("other")).expect("a file"), "other");
    assert_eq!(folder.names(), ["dangling", "link", "other"]);
}

#[test]
fn names_beside_differ_also_between_containers() {
    let names: HashSet<PathBuf> = (0..100).map(|_| name_beside(Path::new("/a/key.pem")).expect("a name")).collect();
    assert_eq!(names.len(), 100);
    assert!(
        names.iter().all(|name| name.parent() == Some(Path::new("/a"))
            && !name.to_string_lossy().contains(&format!(".{}", std::process::id())))
    );
}

#[test]
fn the_old_content_is_never_written_over() {
    let folder = Folder::new();
    let (path, held) = (folder.path("key.pem"), folder.path("held"));
    write_whole(&path, b"first", PRIVATE).expect("a writable folder");
    std::fs::hard_link(&path, &held).expect("a link");
    write_whole(&path, b"second", PRIVATE).expect("a writable folder");
    assert_eq!(std::fs::read(&held).ok().as_deref(), Some(&b"first"[..]), "who had it open reads on");
}
