//! Files that the configuration names. Certificates and keys are made here; nothing else is asked.

use super::check;
use crate::config::{
    compile::tests::{Folder, problems_in},
    file::Attached,
    pem::tests::made as certificate,
    report::{Placed, Report},
    value::WrittenSecret,
};
use crate::secret::Secret;
use rcgen::KeyPair;
use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path};

/// Problems as `key: what`, with files relative to the folder.
fn problems(files: &[(&str, &str)], attached: impl Fn(&dyn Fn(&str) -> Placed<std::path::PathBuf>) -> Attached) -> String {
    let folder = Folder::with(files);
    let report = Report::new(Path::new("gateway.toml"), "", &[]);
    check(&report, &[attached(&|name| Placed { at: 0, value: folder.path(name) })]);
    let shown: Vec<_> =
        report.into_problems().0.into_iter().map(|problem| format!("{}: {}", problem.key, problem.what)).collect();
    shown.join("\n").replace(&format!("{}/", folder.path("").display().to_string().trim_end_matches('/')), "")
}

fn check_pair(files: &[(&str, &str)], expected: &str) {
    let pair =
        |file: &dyn Fn(&str) -> Placed<_>| Attached::Certificate { certificate: file("c.pem"), private_key: file("k.pem") };
    assert_eq!(problems(files, pair), expected);
}

fn check_authorities(text: &str, expected: &str) {
    let authorities =
        |file: &dyn Fn(&str) -> Placed<_>| Attached::Authorities { key: "ca_file".to_owned(), path: file("ca.pem") };
    assert_eq!(problems(&[("ca.pem", text)], authorities), expected);
}

fn check_token(content: &str, expected: &str) {
    let token = |file: &dyn Fn(&str) -> Placed<std::path::PathBuf>| {
        let Placed { at, value } = file("token");
        Attached::AdminToken(Placed { at, value: WrittenSecret::File(value) })
    };
    assert_eq!(problems(&[("token", content)], token), expected);
}

#[test]
fn a_token_that_could_be_guessed_or_sent_in_no_header_is_refused_and_not_shown() {
    let expected = "admin.token: is not 16 or more printable characters without spaces";
    for token in
        ["", "\n", "hunter2", "0123456789abcde", "0123456789 abcdef", "0123456789abcdef\n0123456789abcdef", "0123456789äbcdef"]
    {
        check_token(token, expected);
    }
    check_token("0123456789abcdef\r\n", "");
}

#[test]
fn a_token_that_is_nowhere_is_refused() {
    let file = |file: &dyn Fn(&str) -> Placed<std::path::PathBuf>| {
        let Placed { at, value } = file("token");
        Attached::AdminToken(Placed { at, value: WrittenSecret::File(value) })
    };
    assert_eq!(problems(&[], file), "admin.token: there is no file `token`");
    let variable = WrittenSecret::Variable("STACKFLOW_GATEWAY_NO_SUCH_VARIABLE".to_owned());
    let variable =
        |_: &dyn Fn(&str) -> Placed<std::path::PathBuf>| Attached::AdminToken(Placed { at: 0, value: variable.clone() });
    let expected = "admin.token: there is no environment variable `STACKFLOW_GATEWAY_NO_SUCH_VARIABLE`";
    assert_eq!(problems(&[], variable), expected);
}

#[test]
fn a_token_is_kept_without_the_end_of_its_line() {
    let report = Report::new(Path::new("gateway.toml"), "", &[]);
    let written = WrittenSecret::Plain(Secret::new("0123456789abcdef\n".to_owned()));
    let token = check(&report, &[Attached::AdminToken(Placed { at: 0, value: written })]);
    assert_eq!(token.as_ref().map(Secret::expose), Some("0123456789abcdef"));
}

#[test]
fn both_files_are_looked_at() {
    check_pair(&[], "listeners.tls.certificate: there is no file `c.pem`\nlisteners.tls.private_key: there is no file `k.pem`");
}

#[test]
fn files_without_what_they_should_hold_are_refused() {
    let (certificate, key) = certificate();
    let expected =
        "listeners.tls.certificate: `c.pem` holds no certificate\nlisteners.tls.private_key: `k.pem` holds no private key";
    check_pair(&[("c.pem", ""), ("k.pem", "")], expected);
    check_pair(&[("c.pem", &key), ("k.pem", &certificate)], expected);
}

#[test]
fn a_key_that_cannot_be_used_is_refused_and_not_shown() {
    let (certificate, _) = certificate();
    let key = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
    check_pair(
        &[("c.pem", &certificate), ("k.pem", key)],
        "listeners.tls.private_key: `k.pem` holds a private key that cannot be used",
    );
}

#[test]
fn a_certificate_that_cannot_be_read_is_refused() {
    let (_, key) = certificate();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let pair =
        |file: &dyn Fn(&str) -> Placed<_>| Attached::Certificate { certificate: file("c.pem"), private_key: file("k.pem") };
    let shown = problems(&[("c.pem", broken), ("k.pem", &key)], pair);
    assert!(shown.starts_with("listeners.tls.certificate: cannot be used: "), "{shown}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (certificate, _) = certificate();
    let other = KeyPair::generate().unwrap_or_else(|error| panic!("{error}")).serialize_pem();
    let expected = "listeners.tls.private_key: is not the key of the first certificate of the chain";
    check_pair(&[("c.pem", &certificate), ("k.pem", &other)], expected);
}

#[test]
fn a_certificate_and_its_key_are_well() {
    let (certificate, key) = certificate();
    check_pair(&[("c.pem", &certificate), ("k.pem", &key)], "");
}

#[test]
fn authorities_are_certificates() {
    check_authorities("", "ca_file: `ca.pem` holds no certificate");
    check_authorities(&certificate().0, "");
}

fn check_log(file: &str, expected: &str) {
    let log = |path: &dyn Fn(&str) -> Placed<_>| Attached::Log { path: path(file) };
    assert_eq!(problems(&[("old.log", "one\n")], log), expected);
}

#[test]
fn a_log_needs_a_folder_and_is_none() {
    check_log("logs/gateway.log", "log.output: cannot be made: there is no folder `logs`");
    check_log("old.log/gateway.log", "log.output: `old.log/gateway.log` cannot be read: Not a directory (os error 20)");
    check_log("..", "log.output: `..` is a folder");
}

#[test]
fn a_log_that_is_there_or_can_be_made_is_well_and_left_as_it_is() {
    check_log("old.log", "");
    check_log("new.log", "");
    let folder = Folder::with(&[("old.log", "one\n")]);
    for name in ["old.log", "new.log"] {
        super::log(&folder.path(name)).expect(name);
    }
    assert_eq!(std::fs::read_to_string(folder.path("old.log")).ok().as_deref(), Some("one\n"));
    assert!(!folder.path("new.log").exists());
}

#[test]
fn a_log_may_be_no_regular_file() {
    assert_eq!(super::log(Path::new("/dev/null")), Ok(()));
}

#[test]
fn a_key_set_is_a_jwks_document_with_a_usable_key() {
    let key_set = |text: &str| problems(&[("jwks.json", text)], |file| Attached::KeySet { path: file("jwks.json"), limit: 64 });
    assert!(key_set("[]").starts_with("auth.issuers.jwks_file: `jwks.json` is not a key set"));
    assert_eq!(key_set("{\"keys\":[]}"), "auth.issuers.jwks_file: `jwks.json` holds no key that can verify");
}

#[test]
fn a_key_set_that_no_running_gateway_would_read_is_refused() {
    let large = " ".repeat(1025);
    let shown = problems(&[("jwks.json", &large)], |file| Attached::KeySet { path: file("jwks.json"), limit: 1024 });
    assert_eq!(shown, "auth.issuers.jwks_file: `jwks.json` is larger than 1KiB");
}

fn check_cache(file: &str, expected: &str) {
    let cache = |path: &dyn Fn(&str) -> Placed<_>| Attached::KeyCache { path: path(file) };
    assert_eq!(problems(&[("damaged", "?")], cache), expected);
}

#[test]
fn a_key_cache_needs_a_folder_and_is_none() {
    check_cache("keys/cache", "auth.issuers.jwks_cache_file: cannot be made: there is no folder `keys`");
    check_cache("..", "auth.issuers.jwks_cache_file: `..` is not a regular file");
}

#[test]
fn the_state_of_limits_needs_a_folder_and_is_none() {
    let state = |name: &str, expected: &str| {
        assert_eq!(problems(&[], |file| Attached::LimitState { path: file(name) }), expected, "{name}");
    };
    state("var/quotas", "limits.state_file: cannot be made: there is no folder `var`");
    state("..", "limits.state_file: `..` is not a regular file");
    state("quotas", "");
}

#[test]
fn a_key_cache_may_be_missing_and_may_hold_anything() {
    check_cache("cache", "");
    check_cache("damaged", "");
}

#[test]
fn a_key_cache_is_no_link() {
    let folder = Folder::with(&[("damaged", "?")]);
    std::os::unix::fs::symlink(folder.path("damaged"), folder.path("link")).expect("a link");
    std::os::unix::fs::symlink(folder.path("nowhere"), folder.path("dangling")).expect("a link");
    for name in ["link", "dangling"] {
        let fault = super::own_file(&folder.path(name)).expect_err(name);
        assert!(fault.what.ends_with("is a symbolic link"), "{fault:?}");
    }
}

#[test]
fn a_file_that_decides_who_is_let_in_is_not_everybodys_to_write() {
    let issuer = "[[auth.issuers]]\nissuer = \"https://issuer.example\"\nclient_ids = \"any\"\n";
    let tables =
        format!("[auth]\nrevocations = \"revocations.toml\"\n[auth.token_endpoint]\n{issuer}jwks_file = \"jwks.json\"\n");
    let names = ["signing-key.pem", "signing-key.pem.retired.json", "api-keys.toml", "revocations.toml", "jwks.json"];
    let folder = Folder::with(&names.map(|name| (name, "")));
    let said = |mode: u32| {
        for name in names {
            std::fs::set_permissions(folder.path(name), Permissions::from_mode(mode)).expect("our file");
        }
        let said = problems_in(&folder, &tables);
        names.map(|name| said.contains(&format!("{name}` may be written by every user of this machine; take that right away")))
    };
    assert_eq!((said(0o666), said(0o602), said(0o664)), ([true; 5], [true; 5], [false; 5]));
}

fn check_socket(file: &str, expected: &str) {
    let socket = |path: &dyn Fn(&str) -> Placed<_>| Attached::Socket { key: "listeners.address".to_owned(), path: path(file) };
    assert_eq!(problems(&[("there", "")], socket), expected);
}

#[test]
fn a_socket_needs_a_folder_and_takes_the_place_of_no_file() {
    check_socket("none/api.sock", "listeners.address: cannot be made: there is no folder `none`");
    check_socket("there", "listeners.address: `there` is there, and no socket");
    check_socket(".", "listeners.address: `.` is there, and no socket");
    check_socket("api.sock", "");
}

#[test]
fn a_socket_that_is_there_may_be_that_of_the_gateway_that_runs() {
    let folder = Folder::with(&[]);
    let path = folder.path("api.sock");
    let _listens = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    assert_eq!(super::socket(&path), Ok(()));
}
