//! Rotations and what loading makes of them, on real files; crashes between the writes as states of the files.

use super::{super::locked_file::tests::Folder, *};
use crate::{
    config::{load, token_files},
    token::SigningAlgorithm,
};
use serde_json::Value;
use std::{os::unix::fs::PermissionsExt, path::PathBuf};

const NOW_S: u64 = 1_800_000_000;
/// Two lifetimes of 10 s, no leeway, and the second that was begun.
const AFTER_S: u64 = 21;

fn at(unix_s: u64) -> Now {
    Now { monotonic_ns: 0, unix_ns: unix_s * 1_000_000_000 }
}

/// A folder with a gateway's files, but for its signing key.
struct Site(Folder);

impl Site {
    fn new() -> Self {
        let folder = Folder::new();
        let text = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[upstreams.api]\nservers = [\"http://127.0.0.1:1\"]\n\
                    [auth]\nleeway = \"0s\"\n[auth.token_endpoint]\nalgorithm = \"ES256\"\ntoken_lifetime = \"10s\"\n";
        fs::write(folder.path("gateway.toml"), text).expect("a file");
        fs::write(folder.path("api-keys.toml"), "").expect("a file");
        Self(folder)
    }

    fn config(&self) -> PathBuf {
        self.0.path("gateway.toml")
    }

    fn key(&self) -> PathBuf {
        self.0.path("signing-key.pem")
    }

    fn retired(&self) -> PathBuf {
        self.0.path("signing-key.pem.retired.json")
    }

    fn load(&self) -> Gateway {
        load(&self.config()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// A process that starts, or reloads, at that second.
    fn start(&self, unix_s: u64) -> Gateway {
        let mut gateway = self.load();
        settle_signing_keys(&mut gateway, at(unix_s)).unwrap_or_else(|error| panic!("{error}"));
        gateway
    }

    fn rotate(&self, unix_s: u64) -> Rotation {
        self.try_rotate(false, unix_s).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_rotate(&self, forget_old: bool, unix_s: u64) -> Result<Rotation, RotateError> {
        let files = token_files(&self.config()).unwrap_or_else(|problems| panic!("{problems}"));
        rotate_signing_key(&files, forget_old, at(unix_s))
    }

    /// `exp` of each retired key in the file.
    fn ends(&self) -> Vec<Option<u64>> {
        let text = fs::read_to_string(self.retired()).expect("retired keys");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        document["keys"].as_array().expect("keys").iter().map(|key| key["exp"].as_u64()).collect()
    }
}

fn signs_as(gateway: &Gateway) -> String {
    gateway.auth.token_endpoint.as_ref().expect("an endpoint").signs_as().kid().to_owned()
}

/// The kids that are published then; as many are accepted, once the gateway was told the time.
fn published(gateway: &Gateway, unix_s: u64) -> Vec<String> {
    let endpoint = gateway.auth.token_endpoint.as_ref().expect("an endpoint");
    let document: Value = serde_json::from_slice(endpoint.jwks(at(unix_s))).expect("JSON");
    let kids: Vec<String> =
        document["keys"].as_array().expect("keys").iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect();
    gateway.accept_own_keys(at(unix_s));
    assert_eq!(gateway.auth.authenticator.issuers().last().map(|own| own.keys.len()), Some(kids.len()));
    kids
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn a_file_that_is_no_key_is_not_rotated_away() {
    let site = Site::new();
    fs::write(site.key(), "hunter2").expect("a file");
    let error = site.try_rotate(false, NOW_S).expect_err("no key");
    assert!(
        matches!(&error, RotateError::BadFile(what) if what.contains("signing-key.pem") && !what.contains("hunter2")),
        "{error}"
    );
    assert_eq!(fs::read_to_string(site.key()).expect("it is there"), "hunter2");
}

#[test]
fn retired_keys_that_cannot_be_read_stop_a_rotation() {
    let site = Site::new();
    let first = signs_as(&site.start(NOW_S));
    fs::write(site.retired(), "{}").expect("a file");
    assert!(matches!(site.try_rotate(false, NOW_S), Err(RotateError::BadFile(_))));
    fs::remove_file(site.retired()).expect("it is there");
    assert_eq!(signs_as(&site.start(NOW_S)), first);
}

#[test]
fn what_stands_in_the_way_of_a_rotation_can_be_forgotten() {
    let site = Site::new();
    drop(site.start(NOW_S));
    drop(site.rotate(NOW_S));
    let one = fs::read_to_string(site.retired()).expect("text");
    let one = one.trim().trim_start_matches("{\n  \"keys\": [").trim_end_matches("]\n}").trim_end();
    let list = |count: usize| format!("{{\n  \"keys\": [{}\n  ]\n}}\n", vec![one; count].join(","));
    let most = usize::try_from(MOST_RETIRED).expect("a size");
    let full = (1..10_000).find(|count| list(count + 1).len() > most).expect("a number");
    let before = fs::read(site.key()).expect("the key");
    for (text, words) in [
        ("{".to_owned(), "is not a list of retired keys"),
        (list(full), "has no room for one more key: reload"),
        (list(full + 1), "is larger than 256KiB"),
    ] {
        fs::write(site.retired(), &text).expect("a file");
        let Err(RotateError::BadFile(what)) = site.try_rotate(false, NOW_S) else { panic!("{words}") };
        assert!(what.contains(words) && what.contains("--forget-old") && what.contains("retired.json"), "{what}");
        assert_eq!((fs::read(site.key()).ok().as_ref(), fs::read_to_string(site.retired()).ok()), (Some(&before), Some(text)));
    }
    assert!(site.try_rotate(true, NOW_S).is_ok());
}

#[test]
fn the_first_start_makes_a_key_and_the_next_finds_it() {
    let site = Site::new();
    let first = signs_as(&site.start(NOW_S));
    assert_eq!((mode(&site.key()), signs_as(&site.start(NOW_S)) == first), (0o600, true));
    assert_eq!(site.0.names(), ["api-keys.toml", "gateway.toml", "signing-key.pem"]);
}

#[test]
fn two_first_starts_at_once_sign_with_one_key() {
    let site = Site::new();
    let (mut one, mut two) = (site.load(), site.load());
    assert_ne!(signs_as(&one), signs_as(&two));
    for gateway in [&mut one, &mut two] {
        settle_signing_keys(gateway, at(NOW_S)).expect("its folder is there");
    }
    assert_eq!(signs_as(&one), signs_as(&two));
    assert_eq!(published(&two, NOW_S), [signs_as(&one)]);
}

#[test]
fn a_rotation_without_a_key_makes_the_first() {
    let site = Site::new();
    let rotation = site.rotate(NOW_S);
    assert!(rotation.old.is_none() && !site.retired().exists());
    assert_eq!((signs_as(&site.start(NOW_S)).as_str(), mode(&site.key())), (rotation.new.kid(), 0o600));
}

#[test]
fn a_new_key_is_not_as_open_as_the_old_one_was() {
    for (old, new) in
        [(0o600, 0o600), (0o644, 0o600), (0o666, 0o600), (0o660, 0o600), (0o641, 0o600), (0o400, 0o600), (0o640, 0o640)]
    {
        let site = Site::new();
        drop(site.start(NOW_S));
        fs::set_permissions(site.key(), fs::Permissions::from_mode(old)).expect("its own file");
        drop(site.rotate(NOW_S));
        assert_eq!(mode(&site.key()), new, "{old:o}");
    }
}

#[test]
fn the_old_key_is_published_until_its_last_token_is_over() {
    let site = Site::new();
    let old = signs_as(&site.start(NOW_S));
    let rotation = site.rotate(NOW_S);
    assert_eq!(
        (rotation.old.as_ref().map(PublicKey::kid), site.ends(), mode(&site.retired())),
        (Some(old.as_str()), vec![None], 0o600)
    );
    let loaded = site.start(NOW_S + 100);
    let new = rotation.new.kid().to_owned();
    assert_eq!((signs_as(&loaded), site.ends()), (new.clone(), vec![Some(NOW_S + 100 + AFTER_S)]));
    assert_eq!(published(&loaded, NOW_S + 100 + AFTER_S - 1), [new.clone(), old]);
    assert_eq!(published(&loaded, NOW_S + 100 + AFTER_S), [new], "without a reload");
}

#[test]
fn restarts_and_other_gateways_do_not_prolong_it() {
    let site = Site::new();
    drop(site.start(NOW_S));
    drop(site.rotate(NOW_S));
    for passed in 0..AFTER_S {
        assert_eq!(published(&site.start(NOW_S + passed), NOW_S + passed).len(), 2, "{passed} s later");
        assert_eq!(site.ends(), [Some(NOW_S + AFTER_S)]);
    }
    assert_eq!(published(&site.start(NOW_S + AFTER_S), NOW_S + AFTER_S).len(), 1);
    drop(site.rotate(NOW_S + AFTER_S));
    assert_eq!(site.ends(), [None], "what is over is removed at the next write");
}

#[test]
fn a_gateway_that_loaded_before_a_rotation_dates_nothing_of_it() {
    let site = Site::new();
    drop(site.start(NOW_S));
    drop(site.rotate(NOW_S));
    let mut slow = site.load();
    let (second, third) = (site.rotate(NOW_S), site.rotate(NOW_S));
    settle_signing_keys(&mut slow, at(NOW_S + 5)).expect("files");
    assert_eq!(signs_as(&slow), second.old.expect("a key before").kid());
    assert_eq!(site.ends(), [Some(NOW_S + 5 + AFTER_S), None, None]);
    assert_eq!(published(&slow, NOW_S + 5 + AFTER_S).len(), 2, "its own and the later one");
    let loaded = site.start(NOW_S + 6);
    assert_eq!((signs_as(&loaded).as_str(), published(&loaded, NOW_S + 6).len()), (third.new.kid(), 4));
}

#[test]
fn a_crash_between_the_two_writes_leaves_the_old_key_signing() {
    let site = Site::new();
    let old = signs_as(&site.start(NOW_S));
    let pem = fs::read_to_string(site.key()).expect("the key");
    drop(site.rotate(NOW_S));
    // As if the second write had not come.
    fs::write(site.key(), pem).expect("a file");
    let gateway = site.start(NOW_S + 100);
    assert_eq!((signs_as(&gateway), site.ends()), (old.clone(), vec![None]));
    assert_eq!(published(&gateway, NOW_S + 100), [old.as_str()]);
    let again = site.rotate(NOW_S + 200);
    assert_eq!((again.old.as_ref().map(PublicKey::kid), site.ends()), (Some(old.as_str()), vec![None]));
    assert_eq!(published(&site.start(NOW_S + 300), NOW_S + 300).len(), 2);
}

#[test]
fn several_rotations_before_a_reload_lose_no_key() {
    let site = Site::new();
    let running = site.start(NOW_S);
    for _ in 0..3 {
        drop(site.rotate(NOW_S));
    }
    let loaded = site.start(NOW_S + 1);
    let kids = published(&loaded, NOW_S + 1);
    assert!(kids.len() == 4 && kids.contains(&signs_as(&running)), "{kids:?}");
    assert_eq!(site.ends(), [Some(NOW_S + 1 + AFTER_S); 3]);
}

#[test]
fn a_key_that_leaked_is_forgotten_with_those_before_it() {
    let site = Site::new();
    drop(site.start(NOW_S));
    drop(site.rotate(NOW_S));
    let rotation = site.try_rotate(true, NOW_S).unwrap_or_else(|error| panic!("{error}"));
    assert!(!site.retired().exists());
    assert_eq!(published(&site.start(NOW_S), NOW_S), [rotation.new.kid()]);
    drop(site.try_rotate(true, NOW_S).unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn the_algorithm_can_change_with_a_rotation() {
    let site = Site::new();
    drop(site.start(NOW_S));
    let text = fs::read_to_string(site.config()).expect("text").replace("ES256", "RS256");
    fs::write(site.config(), text).expect("a file");
    assert!(load(&site.config()).is_err());
    assert_eq!(site.rotate(NOW_S).new.algorithm(), SigningAlgorithm::Rs256);
    assert_eq!(published(&site.start(NOW_S), NOW_S).len(), 2);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let site = Site::new();
    let mut gateway = site.load();
    let new = gateway.new_signing_key.as_mut().expect("a new key");
    new.path = site.0.path("no/signing-key.pem");
    let error = settle_signing_keys(&mut gateway, at(NOW_S)).expect_err("there is no such folder");
    assert!(
        error.to_string().starts_with("cannot write the new signing key to ") && error.to_string().contains("no/signing-key.pem")
    );
}

#[test]
fn the_new_key_is_written_only_once_the_old_one_is_kept() {
    let site = Site::new();
    drop(site.start(NOW_S));
    let before = fs::read(site.key()).expect("the key");
    // There is nothing to read, and a link is not written over.
    std::os::unix::fs::symlink(site.0.path("nowhere"), site.retired()).expect("a link");
    assert!(site.try_rotate(false, NOW_S).is_err());
    assert_eq!(fs::read(site.key()).ok(), Some(before));
}
