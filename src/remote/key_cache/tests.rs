//! What is read back is what was written, or nothing.
use super::*;
use crate::{
    auth::{
        Profile,
        test_keys::{self, P256, RSA},
    },
    remote::test_server::ScratchFile,
};
use std::{
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

const LIMIT: usize = 4096;

fn cache_at(path: &std::path::Path) -> KeyCache {
    KeyCache {
        path: path.to_owned(),
        issuer: "https://issuer.example".to_owned(),
        source: "https://issuer.example/keys".to_owned(),
        limit: LIMIT,
    }
}

fn document() -> String {
    test_keys::jwks(&[("a", &P256), ("b", &RSA)])
}

/// A good file's content.
fn good() -> Vec<u8> {
    let file = ScratchFile::new("cache");
    cache_at(file.path()).write(document().as_bytes(), 1000).expect("a writable folder");
    std::fs::read(file.path()).expect("the file")
}

/// What a file with this content is refused for.
fn check(content: &[u8], expected: &str) {
    let file = ScratchFile::new("cache");
    std::fs::write(file.path(), content).expect("a file");
    let error = cache_at(file.path()).read().expect_err(expected).to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn every_flipped_bit_is_seen() {
    let (cache, good) = (cache_at(std::path::Path::new("")), good());
    for bit in 0..good.len() * 8 {
        let mut text = good.clone();
        text[bit / 8] ^= 1 << (bit % 8);
        // The time alone is not covered: it is shown, and decides nothing.
        let unseen = cache.judge(&text).is_ok_and(|kept| kept.fetched_unix_s == 1000);
        assert!(!unseen, "bit {bit}");
    }
}

#[test]
fn every_cut_is_seen() {
    let (cache, good) = (cache_at(std::path::Path::new("")), good());
    for length in 0..good.len() {
        assert!(cache.judge(&good[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn what_is_something_else_is_refused() {
    check(b"", "not as it was written");
    check(b"\n", "not as it was written");
    check(document().as_bytes(), "not as it was written");
    check(&[good(), b" ".to_vec()].concat(), "not as it was written");
    check(&vec![b' '; 1 << 20], "larger than 20480 bytes");
}

/// A file of this issuer, with a fitting hash, that holds `document`.
fn check_document(document: &[u8], expected: &str) {
    let file = ScratchFile::new("cache");
    let cache = cache_at(file.path());
    cache.write(document, 1000).expect("a writable folder");
    let error = cache.read().expect_err(expected).to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_document_is_judged_as_a_fetched_one() {
    check_document(b"", "not a key set");
    check_document(b"{\"keys\":[]}", "no key in the set can be used");
    check_document(&[document().as_bytes(), &[b' '; LIMIT]].concat(), "larger than 4096 bytes");
}

#[test]
fn another_issuers_or_urls_set_is_refused() {
    let file = ScratchFile::new("cache");
    cache_at(file.path()).write(document().as_bytes(), 1000).expect("a writable folder");
    let issuer = KeyCache { issuer: "https://issuer.example/".to_owned(), ..cache_at(file.path()) };
    assert!(matches!(issuer.read(), Err(CacheError::OtherIssuer)));
    let source = KeyCache { source: "https://issuer.example/other".to_owned(), ..cache_at(file.path()) };
    assert!(matches!(source.read(), Err(CacheError::OtherSource)));
}

/// What a process of user 7 in the groups 70 and 71 thinks of a file.
fn check_belief(user: u32, group: u32, mode: u32, expected: &str) {
    let process = Process { user: 7, groups: vec![70, 71] };
    let refused = process.believes(user, group, mode).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(refused, expected, "{user} {group} {mode:o}");
}

#[test]
fn a_file_that_others_can_have_written_is_not_believed() {
    let (foreign, all) = ("it belongs neither to the gateway's user nor to root", "every user may write it");
    let group = "a group may write it that the gateway's user is not in";
    check_belief(8, 70, 0o600, foreign);
    check_belief(8, 70, 0o444, foreign);
    for user in [7, 0] {
        check_belief(user, 70, 0o602, all);
        check_belief(user, 70, 0o666, all);
        check_belief(user, 72, 0o660, group);
        check_belief(user, 0, 0o620, group);
        check_belief(user, 72, 0o644, "");
        // Volumes of containers are often shared with a group.
        check_belief(user, 70, 0o660, "");
        check_belief(user, 71, 0o664, "");
    }
}

#[test]
fn what_is_believed_is_asked_of_the_file() {
    let file = ScratchFile::new("cache");
    let cache = cache_at(file.path());
    cache.write(document().as_bytes(), 1000).expect("a writable folder");
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o646)).expect("our file");
    assert!(matches!(cache.read(), Err(CacheError::Writable)));
    // Written into a folder whose group it takes, it is made the process' own again.
    let own = Process::this().groups.first().copied();
    std::os::unix::fs::chown(file.path(), None, own).expect("our group");
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o660)).expect("our file");
    assert!(cache.read().is_ok());
    // Only root can give it away.
    if std::os::unix::fs::chown(file.path(), Some(65_534), None).is_ok() {
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).expect("our file");
        assert!(matches!(cache.read(), Err(CacheError::Foreign)));
    }
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let pipe = ScratchFile::new("pipe");
    assert!(Command::new("mkfifo").arg(pipe.path()).status().expect("mkfifo").success());
    assert!(matches!(cache_at(pipe.path()).read(), Err(CacheError::NotAFile)), "and nobody waits for its writer");
    assert!(matches!(cache_at(&std::env::temp_dir()).read(), Err(CacheError::NotAFile)));
    let below_a_file = ScratchFile::containing("file", "");
    assert!(matches!(cache_at(&below_a_file.path().join("cache")).read(), Err(CacheError::Unreadable(_))));
}

#[test]
fn a_link_is_neither_read_nor_written_through() {
    let (file, link) = (ScratchFile::new("cache"), ScratchFile::new("link"));
    cache_at(file.path()).write(document().as_bytes(), 1000).expect("a writable folder");
    symlink(file.path(), link.path()).expect("a link");
    assert!(matches!(cache_at(link.path()).read(), Err(CacheError::NotAFile)));
    assert!(cache_at(link.path()).write(b"other", 1000).is_err());
    assert!(cache_at(file.path()).read().is_ok());
}

#[test]
fn a_file_is_known_again_until_somebody_touches_it() {
    let file = ScratchFile::new("cache");
    let cache = cache_at(file.path());
    let left = cache.write(document().as_bytes(), 1000).expect("a writable folder");
    assert!(cache.is_still(&left));
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).expect("our file");
    assert!(!cache.is_still(&left), "other rights");
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).expect("our file");
    assert!(cache.is_still(&left));
    let text = fs::read(file.path()).expect("our file");
    fs::write(file.path(), &text).expect("our file");
    assert!(!cache.is_still(&left), "written again");
    let left = cache.write(document().as_bytes(), 1000).expect("a writable folder");
    fs::remove_file(file.path()).expect("our file");
    assert!(!cache.is_still(&left), "gone");
}

#[test]
fn where_no_file_is_there_is_nothing_to_say() {
    assert!(matches!(cache_at(ScratchFile::new("cache").path()).read(), Ok(None)));
}

#[test]
fn what_was_written_is_read_back() {
    let kept = cache_at(std::path::Path::new("")).judge(&good()).expect("good");
    assert_eq!(kept, KeptKeys { set: test_keys::key_set(&[("a", &P256), ("b", &RSA)]), fetched_unix_s: 1000 });
}

#[test]
fn keys_that_are_not_fetched_are_not_kept() {
    let settings = IssuerSettings { jwks_cache_file: Some("cache".into()), ..test_keys::settings(Profile::Generic) };
    assert!(KeyCache::new(&settings).is_none(), "from a file");
    let url = IssuerSettings { keys: KeySource::Url("https://issuer.example/keys".to_owned()), ..settings };
    assert!(KeyCache::new(&url).is_some());
    assert!(KeyCache::new(&IssuerSettings { jwks_cache_file: None, ..url }).is_none());
}
