//! `jwks_cache_file`: a start without the issuer, and everything that must not come of it.
use super::*;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use support::{DEADLINE, Directory};

/// A pool and a folder that outlives its gateways.
struct Kept {
    pool: Pool,
    folder: Directory,
}

impl Kept {
    /// A gateway has run once, and its keys lie in the file.
    fn new() -> Self {
        let kept = Self { pool: Pool::new(), folder: Directory::new() };
        let gateway = kept.setup("").start();
        gateway.poll("the file", || kept.file().exists().then_some(()));
        kept
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys.cache")
    }

    fn setup(&self, lines: &str) -> Setup {
        self.pool.setup(&cache_at(&self.file(), lines))
    }

    fn token(&self) -> String {
        self.pool.issuer.user("ada")
    }
}

fn cache_at(file: &Path, lines: &str) -> String {
    format!("jwks_cache_file = \"{}\"\n{lines}", file.display())
}

#[test]
fn a_gateway_starts_while_its_issuer_is_dead() {
    let kept = Kept::new();
    kept.pool.server.switch(KeyServing::Dead);
    let gateway = kept.setup("refresh_cooldown = \"1s\"").start();
    assert_eq!(status(&gateway, &kept.token()), 200);
    gateway.wait_metric(&refreshes("restored"), 1.0);
    let ready = gateway.admin_get("/readyz").text();
    assert!(ready.contains(&format!("issuer {NAME}: 1 keys of jwks_cache_file; last error: no answer")), "{ready}");
    // The issuer comes back, with another key: what was fetched wins.
    let new = rotated("new-key");
    kept.pool.server.switch(KeyServing::Good(new.jwks_json()));
    gateway.wait_metric(&refreshes("updated"), 1.0);
    assert_eq!((status(&gateway, &kept.token()), status(&gateway, &new.user("ada"))), (401, 200));
    assert!(!gateway.admin_get("/readyz").text().contains("jwks_cache_file"));
}

#[test]
fn a_gateway_starts_while_its_issuer_hangs_and_does_not_wait_for_it() {
    let kept = Kept::new();
    kept.pool.server.switch(KeyServing::Hanging);
    // Ready long before a fetch is given up: waiting for readiness has a shorter deadline.
    let gateway = kept.setup("fetch_timeout = \"60s\"").start();
    assert_eq!(status(&gateway, &kept.token()), 200);
}

#[test]
fn a_key_that_was_removed_does_not_come_back_while_the_issuer_answers() {
    let kept = Kept::new();
    let new = rotated("new-key");
    kept.pool.server.switch(KeyServing::Good(new.jwks_json()));
    let gateway = kept.setup("").start();
    assert_eq!((status(&gateway, &kept.token()), status(&gateway, &new.user("ada"))), (401, 200));
    assert!(gateway.metric(&refreshes("restored")) < 0.5);
    gateway.poll("the new set in the file", || {
        fs::read_to_string(kept.file()).is_ok_and(|text| text.contains("new-key") && !text.contains("test-key")).then_some(())
    });
}

/// The file is not used, the log says why, the gateway serves without it and writes a good one over it.
fn check_passed_over(kept: &Kept, why: &str) {
    kept.pool.server.switch(KeyServing::Dead);
    let gateway = kept.setup("refresh_cooldown = \"1s\"").start_unready();
    gateway.stdout.wait(why, DEADLINE, |line| {
        (line.contains(NAME) && line.contains("jwks_cache_file is not used") && line.contains(why)).then_some(())
    });
    assert_eq!(status(&gateway, &kept.token()), 503, "{why}");
    kept.pool.server.switch(KeyServing::Good(kept.pool.issuer.jwks_json()));
    gateway.wait_ready();
    assert_eq!(status(&gateway, &kept.token()), 200, "{why}");
    gateway.poll("a good file", || fs::read_to_string(kept.file()).is_ok_and(|text| text.contains("test-key")).then_some(()));
}

#[test]
fn a_file_that_is_not_what_was_written_is_passed_over() {
    let kept = Kept::new();
    let good = fs::read_to_string(kept.file()).expect("the file");
    let huge = " ".repeat(4 << 20);
    for (text, why) in [
        ("", "not as it was written"),
        (&good[..good.len() - 1], "not as it was written"),
        (&good.replacen("\"e\":\"AQAB\"", "\"e\":\"AQAD\"", 1), "not as it was written"),
        (kept.pool.issuer.jwks_json().as_str(), "not as it was written"),
        (&good.replacen(NAME, "https://pool.test/two", 1), "of another issuer"),
        (&good.replacen("/keys.json", "/other.json", 1), "from another URL"),
        (&huge, "larger than"),
    ] {
        assert_ne!(text, good, "{why}");
        fs::write(kept.file(), text).expect("the file");
        check_passed_over(&kept, why);
    }
}

#[test]
fn a_file_that_everybody_may_write_is_passed_over() {
    let kept = Kept::new();
    assert_eq!(fs::metadata(kept.file()).expect("the file").permissions().mode() & 0o777, 0o600);
    fs::set_permissions(kept.file(), fs::Permissions::from_mode(0o666)).expect("our file");
    check_passed_over(&kept, "every user may write it");
}

#[test]
fn a_file_that_is_gone_is_there_again_though_no_key_changed() {
    let kept = Kept::new();
    let gateway = kept.setup("refresh = \"1s\"\nrefresh_cooldown = \"1s\"").start();
    for _ in 0..2 {
        gateway.poll("the file", || kept.file().exists().then_some(()));
        fs::remove_file(kept.file()).expect("our file");
    }
    gateway.poll("the file", || kept.file().exists().then_some(()));
}

#[test]
fn where_the_file_cannot_be_written_serving_goes_on() {
    let (pool, folder) = (Pool::new(), Directory::new());
    pool.server.switch(KeyServing::Dead);
    let cache = cache_at(&folder.path().join("keys.cache"), "refresh = \"1s\"\nrefresh_cooldown = \"1s\"");
    let gateway = pool.setup(&cache).start_unready();
    fs::remove_dir(folder.path()).expect("our folder");
    pool.server.switch(KeyServing::Good(pool.issuer.jwks_json()));
    gateway.stdout.wait("the reason", DEADLINE, |line| {
        (line.contains(NAME) && line.contains("jwks_cache_file could not be written: No such file")).then_some(())
    });
    assert_eq!(status(&gateway, &pool.issuer.user("ada")), 200);
    gateway.poll("its count", || (gateway.metric(&refreshes("unsaved")) > 0.5).then_some(()));
    // It is tried again, and not only when the keys change.
    fs::create_dir(folder.path()).expect("our folder");
    gateway.poll("the file", || folder.path().join("keys.cache").exists().then_some(()));
}

#[test]
fn check_says_what_is_wrong_with_the_place() {
    let pool = Pool::new();
    let check = |lines: &str| {
        let output = Gateway::output(&["check", "--config", "gateway.toml"], &pool.setup(lines).toml(), &[]);
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, said) = check("jwks_cache_file = \"none/keys.cache\"");
    assert_eq!(code, Some(2));
    assert!(said.contains("auth.issuers.jwks_cache_file: cannot be made: there is no folder `none`"), "{said}");
    let (code, said) = check("jwks_cache_file = \"gateway.toml\"");
    assert_eq!(code, Some(2), "the configuration itself would be written over");
    assert!(said.contains("named for something else too"), "{said}");
    assert_eq!(check("jwks_cache_file = \"keys.cache\"").0, Some(0));
}

#[test]
fn the_gateways_own_secrets_are_not_written_over() {
    let pool = Pool::new();
    for (path, named) in [
        ("./signing-key.pem", "auth.token_endpoint.signing_key"),
        ("signing-key.pem.retired.json", "its retired keys"),
        ("api-keys.toml", "auth.token_endpoint.api_keys"),
    ] {
        let setup = pool.setup(&format!("jwks_cache_file = \"{path}\"")).with("[auth.token_endpoint]");
        for command in ["check", "run"] {
            let files = [("api-keys.toml".to_owned(), String::new())];
            let output = Gateway::output(&[command, "--config", "gateway.toml"], &setup.toml(), &files);
            let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            assert!(said.contains(&format!("is named for something else too (`{named}`)")), "{command}: {said}");
        }
    }
}
