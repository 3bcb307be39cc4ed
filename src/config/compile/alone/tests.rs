//! What the gateway writes and what it would be written over. Names are compared; what the files hold is judged elsewhere.

use super::super::tests::{Folder, problems_in};
use std::{fs, os::unix::fs::symlink};

const ISSUER: &str = "[[auth.issuers]]\nissuer = \"https://issuer.example\"\nclient_ids = \"any\"\n";
const ENDPOINT: &str = "[auth]\nrevocations = \"revocations.toml\"\n[auth.token_endpoint]\n";

/// A folder with a folder `sub` in it, and a link `link` to it.
fn folder() -> Folder {
    let folder = Folder::with(&[("api-keys.toml", ""), ("revocations.toml", ""), ("gateway.toml", "")]);
    fs::create_dir(folder.path("sub")).expect("a folder");
    symlink(folder.path("sub"), folder.path("link")).expect("a link");
    folder
}

/// What is said of the cache file at `path` in such a folder, with these tables around; nothing for a place of its own.
fn check_in(folder: &Folder, tables: &str, path: &str, other: &str) {
    let said = problems_in(folder, &format!("{tables}{ISSUER}jwks_cache_file = \"{path}\"\n"));
    let found: Vec<&str> = said.lines().filter(|line| line.contains("named for something else")).collect();
    if other.is_empty() {
        assert!(found.is_empty(), "{path}: {said}");
    } else {
        assert!(
            found.iter().any(|line| line.contains("jwks_cache_file") && line.contains(&format!("(`{other}`)"))),
            "{path}: {said}"
        );
    }
}

fn check(tables: &str, path: &str, other: &str) {
    check_in(&folder(), tables, path, other);
}

#[test]
fn secrets_of_the_token_endpoint_are_not_written_over_though_they_have_their_default_names() {
    check(ENDPOINT, "signing-key.pem", "auth.token_endpoint.signing_key");
    check(ENDPOINT, "signing-key.pem.retired.json", "its retired keys");
    check(ENDPOINT, "api-keys.toml", "auth.token_endpoint.api_keys");
    check(ENDPOINT, "revocations.toml", "auth.revocations");
    check(ENDPOINT, "gateway.toml", "the configuration");
    let named = "[auth.token_endpoint]\nsigning_key = \"sub/own.pem\"\napi_keys = \"sub/keys.toml\"\n";
    check(named, "sub/own.pem", "auth.token_endpoint.signing_key");
    check(named, "sub/own.pem.retired.json", "its retired keys");
    check(named, "sub/keys.toml", "auth.token_endpoint.api_keys");
    check(named, "signing-key.pem", "");
    check("", "signing-key.pem", "");
}

#[test]
fn other_spellings_of_a_place_are_the_same_place() {
    for path in ["./signing-key.pem", "sub/../signing-key.pem", "link/../signing-key.pem", "sub//.././signing-key.pem"] {
        check(ENDPOINT, path, "auth.token_endpoint.signing_key");
    }
    check("[auth.token_endpoint]\nsigning_key = \"sub/own.pem\"\n", "link/own.pem", "auth.token_endpoint.signing_key");
    check("[auth.token_endpoint]\nsigning_key = \"link/own.pem\"\n", "sub/own.pem", "auth.token_endpoint.signing_key");
    let folder = folder();
    symlink(folder.path("sub/cache"), folder.path("key.pem")).expect("a link");
    fs::write(folder.path("sub/cache"), "").expect("a file");
    check_in(&folder, "[auth.token_endpoint]\nsigning_key = \"key.pem\"\n", "sub/cache", "auth.token_endpoint.signing_key");
}

#[test]
fn sockets_logs_tokens_and_other_key_sets_are_not_written_over() {
    let folder = folder();
    let socket = folder.path("admin.sock").display().to_string();
    check_in(&folder, &format!("[admin]\naddress = \"unix:{socket}\"\n"), "admin.sock", "admin.address");
    check_in(&folder, &format!("[[listeners]]\naddress = \"unix:{socket}\"\n"), "admin.sock", "listeners.address");
    check("[log]\noutput = \"gateway.log\"\n", "sub/../gateway.log", "log.output");
    check("[limits]\nstate_file = \"quotas\"\n", "quotas", "limits.state_file");
    check("[admin]\ntoken = { file = \"token\" }\n", "token", "admin.token");
    let second = "[[auth.issuers]]\nissuer = \"https://second.example\"\nclient_ids = \"any\"\n";
    check(&format!("{second}jwks_cache_file = \"sub/cache\"\n"), "link/cache", "auth.issuers.jwks_cache_file");
    check(&format!("{second}jwks_file = \"jwks.json\"\n"), "jwks.json", "auth.issuers.jwks_file");
    check(&format!("{second}ca_file = \"ca.pem\"\n"), "ca.pem", "certificates of authorities");
    check(&format!("{ENDPOINT}{second}jwks_cache_file = \"sub/cache\"\n"), "cache", "");
}

#[test]
fn the_log_is_not_written_into_another_file_and_may_go_nowhere() {
    let said = |text: &str| problems_in(&folder(), text).contains("log.output: `");
    assert!(said(&format!("[log]\noutput = \"sub/../signing-key.pem\"\n{ENDPOINT}")));
    assert!(!said("[log]\noutput = \"/dev/null\"\n[auth]\nrevocations = \"/dev/null\"\n[auth.token_endpoint]\n"));
    assert!(!said(&format!("[log]\noutput = \"gateway.log\"\n{ENDPOINT}")));
}
