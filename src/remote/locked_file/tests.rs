//! Files changed by one at a time, whole, and by nobody else's leave.

use super::*;
use std::{
    fs::Permissions,
    os::unix::fs::{PermissionsExt, symlink},
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of its own, removed with it.
pub(in crate::remote) struct Folder(PathBuf);

impl Folder {
    pub(in crate::remote) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("stackflow-gateway-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    pub(in crate::remote) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(in crate::remote) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a folder").filter_map(Result::ok);
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").mode() & 0o777
}

#[test]
fn a_file_that_is_not_there_is_not_locked() {
    let folder = Folder::new();
    let error = LockedFile::open(&folder.path("a")).expect_err("nothing is there");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(LockedFile::open_or_create(&folder.path("no/a")).is_err());
    assert!(folder.names().is_empty());
}

#[test]
fn no_more_is_read_than_any_such_file_holds() {
    let folder = Folder::new();
    File::create(folder.path("a")).and_then(|file| file.set_len(LARGE + 1)).expect("a hole takes no room");
    let error = LockedFile::open(&folder.path("a")).and_then(|locked| locked.read()).expect_err("it is too long");
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn a_new_file_is_for_its_owner_alone() {
    let folder = Folder::new();
    let locked = LockedFile::open_or_create(&folder.path("a")).expect("a new file");
    assert_eq!(locked.read().expect("it is empty"), "");
    locked.replace("one").expect("it is ours");
    assert_eq!((fs::read_to_string(folder.path("a")).expect("text"), mode(&folder.path("a"))), ("one".to_owned(), 0o600));
    assert_eq!(folder.names(), ["a"], "nothing is left beside it");
}

#[test]
fn the_mode_of_a_file_is_kept_and_that_of_its_neighbour_is_its_own() {
    let folder = Folder::new();
    fs::write(folder.path("a"), "one").expect("a file");
    fs::set_permissions(folder.path("a"), Permissions::from_mode(0o640)).expect("it is ours");
    let locked = LockedFile::open(&folder.path("a")).expect("a file");
    locked.replace_beside(&folder.path("b"), "new").expect("a neighbour");
    fs::set_permissions(folder.path("b"), Permissions::from_mode(0o644)).expect("it is ours");
    locked.replace_beside(&folder.path("b"), "newer").expect("a neighbour");
    locked.replace("two").expect("it is ours");
    assert_eq!((mode(&folder.path("a")), mode(&folder.path("b"))), (0o640, 0o644));
    assert_eq!(fs::read_to_string(folder.path("b")).expect("text"), "newer");
}

#[test]
fn what_a_crash_left_does_no_harm() {
    let folder = Folder::new();
    fs::write(folder.path("a"), "one").expect("a file");
    fs::write(folder.path("a.new"), "half").expect("a file");
    LockedFile::open(&folder.path("a")).and_then(|locked| locked.replace("two")).expect("it is ours");
    assert_eq!(fs::read_to_string(folder.path("a")).expect("text"), "two");
    assert_eq!(fs::read_to_string(folder.path("a.new")).expect("it may be anybody's"), "half");
}

#[test]
fn a_link_stays_a_link() {
    let folder = Folder::new();
    fs::write(folder.path("a"), "one").expect("a file");
    symlink("a", folder.path("link")).expect("a link");
    LockedFile::open(&folder.path("link")).and_then(|locked| locked.replace("two")).expect("it is ours");
    assert!(fs::symlink_metadata(folder.path("link")).expect("it is there").is_symlink());
    assert_eq!(fs::read_to_string(folder.path("a")).expect("text"), "two");
    symlink("b", folder.path("beside")).expect("a link");
    fs::write(folder.path("b"), "one").expect("a file");
    let locked = LockedFile::open(&folder.path("link")).expect("it is ours");
    locked.replace_beside(&folder.path("beside"), "two").expect("a neighbour");
    assert!(fs::symlink_metadata(folder.path("beside")).expect("it is there").is_symlink());
    assert_eq!(fs::read_to_string(folder.path("b")).expect("text"), "two");
}

#[test]
fn no_change_is_lost_between_two_at_once() {
    let folder = Folder::new();
    let path = folder.path("a");
    fs::write(&path, "").expect("a file");
    thread::scope(|scope| {
        for letter in ["a", "b", "c", "d"] {
            let path = &path;
            let _thread = scope.spawn(move || {
                for _ in 0..5 {
                    let locked = LockedFile::open(path).expect("its turn");
                    let text = locked.read().expect("text");
                    locked.replace(&(text + letter)).expect("it is ours");
                }
            });
        }
    });
    let text = fs::read_to_string(&path).expect("text");
    assert_eq!(["a", "b", "c", "d"].map(|letter| text.matches(letter).count()), [5; 4], "{text}");
}
