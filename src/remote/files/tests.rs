//! That a secret's file is whole and private, or not there.

use super::write_private;
use std::os::unix::fs::PermissionsExt;

/// A folder of its own for each test, removed at its end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stackflow-gateway-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_missing_folder_is_an_error_and_leaves_nothing() {
    let folder = Folder::new("missing");
    assert!(write_private(&folder.0.join("no/such/key.pem"), b"key").is_err());
    assert_eq!(std::fs::read_dir(&folder.0).map(Iterator::count).ok(), Some(0));
}

#[test]
fn a_path_without_a_name_is_an_error() {
    assert!(write_private(std::path::Path::new("/"), b"key").is_err());
}

#[test]
fn the_file_is_whole_private_and_alone() {
    let folder = Folder::new("whole");
    let path = folder.0.join("key.pem");
    write_private(&path, b"first").expect("a writable folder");
    write_private(&path, b"second").expect("a writable folder");
    assert_eq!(std::fs::read(&path).ok().as_deref(), Some(&b"second"[..]));
    assert_eq!(std::fs::metadata(&path).map(|metadata| metadata.permissions().mode() & 0o777).ok(), Some(0o600));
    assert_eq!(std::fs::read_dir(&folder.0).map(Iterator::count).ok(), Some(1));
}
