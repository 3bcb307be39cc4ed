//! `api-key`: an account's life from its making to its end, on the command line and at the gateway.
mod support;

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};
use support::{Backend, Gateway, Issuer, Response, Setup, run_tool};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const CONFIG: [&str; 2] = ["--config", "gateway.toml"];

/// A gateway with a token endpoint and no account; its file is not there either, but for the start.
fn gateway(backend: &Backend) -> Gateway {
    let gateway = Setup::bare(&backend.address().to_string())
        .with("[auth.token_endpoint]\nalgorithm = \"ES256\"\napi_keys = \"keys.toml\"")
        .file("keys.toml", "")
        .start();
    fs::remove_file(gateway.path("keys.toml")).expect("it is there");
    gateway
}

fn api_key(gateway: &Gateway, arguments: &[&str]) -> Output {
    gateway.run_beside(&[&["api-key"], arguments, &CONFIG[..]].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What a command answers in JSON.
fn answer(gateway: &Gateway, arguments: &[&str]) -> Value {
    let output = api_key(gateway, &[arguments, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn ask_for_token(gateway: &Gateway, account: &Value) -> Response {
    let member = |name: &str| account[name].as_str().expect("a text").to_owned();
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", member("client_id"), member("client_secret"));
    gateway.connect().exchange("POST", "/oauth2/token", &[FORM], form.as_bytes())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// A command that must come to nothing: its exit code and its words on standard error.
#[track_caller]
fn refused(output: &Output, code: i32, words: &str) {
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(code), true), "{output:?}");
    assert!(said.contains(words), "{words} in {said}");
}

#[test]
fn what_cannot_be_done_says_why_and_changes_nothing() {
    let gateway = gateway(&Backend::start());
    let create = |more: &[&str]| api_key(&gateway, &[&["create"], more].concat());
    refused(&create(&[]), 2, "--name");
    refused(&create(&["--name", ""]), 2, "the name is empty");
    refused(&create(&["--name", "a\nb"]), 2, "the name has control characters");
    refused(&create(&["--name", "a", "--scope", "a b"]), 2, "is no scope");
    let no_moment = "stackflow-gateway: --expires: \"soon\" is no moment: write it like 2030-01-31";
    refused(&create(&["--name", "a", "--expires", "soon"]), 2, no_moment);
    let past = "stackflow-gateway: --expires: 2001-01-01T00:00:00Z is in the past: write a later date";
    refused(&create(&["--name", "a", "--expires", "2001-01-01"]), 2, past);
    refused(&api_key(&gateway, &["revoke"]), 2, "CLIENT_ID|NAME");
    refused(&api_key(&gateway, &["revoke", "a"]), 2, "there are no accounts yet");
    assert!(!gateway.path("keys.toml").exists(), "nothing was made");

    drop(answer(&gateway, &["create", "--name", "a"]));
    let before = fs::read_to_string(gateway.path("keys.toml")).expect("text");
    refused(&create(&["--name", "a"]), 2, "is called a already");
    refused(
        &api_key(&gateway, &["revoke", "b"]),
        2,
        "no account has the name or client_id \"b\": see `stackflow-gateway api-key list`",
    );
    assert_eq!(fs::read_to_string(gateway.path("keys.toml")).expect("text"), before);

    fs::write(gateway.path("keys.toml"), "[[service_accounts]]\nname = 1\n").expect("a file");
    for arguments in [&["create", "--name", "b"][..], &["list"], &["revoke", "a"]] {
        refused(&api_key(&gateway, arguments), 2, "keys.toml:2:8: service_accounts.name: is a whole number; write a text");
        refused(&api_key(&gateway, arguments), 2, "keys.toml:1:1: service_accounts.secret_sha256: is missing; write ");
    }
    fs::write(gateway.path("keys.toml"), [0xff]).expect("a file");
    for arguments in [&["create", "--name", "b"][..], &["list"], &["revoke", "a"]] {
        refused(&api_key(&gateway, arguments), 2, "keys.toml:1:1: service_accounts: is not UTF-8; write ");
    }
}

#[test]
fn a_pipe_is_no_file_of_accounts_and_is_not_waited_for() {
    let gateway = gateway(&Backend::start());
    run_tool(Command::new("mkfifo").arg(gateway.path("keys.toml")), "");
    for arguments in [&["create", "--name", "b"][..], &["list"], &["revoke", "a"]] {
        refused(&api_key(&gateway, arguments), 2, "keys.toml:1:1: service_accounts: is not a regular file; write ");
    }
}

/// A command that cannot write its answer, because the disk is full or because nobody reads: its words on standard error.
#[track_caller]
fn unheard(gateway: &Gateway, arguments: &[&str], code: i32) -> [String; 2] {
    let run = |stdout: Stdio| {
        let output = gateway.run_beside_into(arguments, stdout);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains("cannot write to standard output: ") && !said.contains("panicked"), "{arguments:?}: {said}");
        said
    };
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    [run(full.into()), run(writer.into())]
}

#[test]
fn an_account_whose_secret_nobody_has_is_not_made() {
    let gateway = gateway(&Backend::start());
    let create = |name| [&["api-key", "create", "--name", name], &CONFIG[..]].concat();
    for said in unheard(&gateway, &create("a"), 1) {
        assert!(said.contains("; the account was not made") && !said.contains("not shown again"), "{said}");
    }
    assert_eq!(fs::read_to_string(gateway.path("keys.toml")).ok().as_deref(), Some(""));
    let kept = "# Ours.\nservice_accounts = [\n]\n";
    fs::write(gateway.path("keys.toml"), kept).expect("a file");
    unheard(&gateway, &create("a"), 1);
    assert_eq!(fs::read_to_string(gateway.path("keys.toml")).ok().as_deref(), Some(kept), "byte for byte");
    assert_eq!(answer(&gateway, &["create", "--name", "a"])["name"], "a");
}

#[test]
fn who_is_not_heard_says_what_was_done_all_the_same() {
    let gateway = gateway(&Backend::start());
    for name in ["a", "b"] {
        drop(answer(&gateway, &["create", "--name", name]));
    }
    unheard(&gateway, &[&["api-key", "list"], &CONFIG[..]].concat(), 1);
    unheard(&gateway, &[&["check"], &CONFIG[..]].concat(), 0);
    unheard(&gateway, &["completions", "bash"], 1);
    let key = || fs::read(gateway.path("signing-key.pem")).expect("the key");
    let before = key();
    for said in unheard(&gateway, &[&["signing-key", "rotate"], &CONFIG[..]].concat(), 1) {
        assert!(said.contains("; the key is rotated all the same"), "{said}");
    }
    assert_ne!(key(), before);
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").expect("a device"));
    for name in ["a", "b"] {
        let output = gateway.run_beside_into(&[&["api-key", "revoke", name], &CONFIG[..]].concat(), full());
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("; the account is revoked all the same"), "{said}");
    }
    assert_eq!(answer(&gateway, &["list"]), Value::Array(Vec::new()));
    fs::write(gateway.path("keys.toml"), "?").expect("a file");
    unheard(&gateway, &[&["check"], &CONFIG[..]].concat(), 2);
}

#[test]
fn a_comma_in_a_scope_is_taken_and_pointed_at() {
    let gateway = gateway(&Backend::start());
    let create = |name, scope| api_key(&gateway, &["create", "--name", name, "--scope", scope]);
    let comma = create("a", "read,write");
    assert_eq!(comma.status.code(), Some(0), "RFC 6749 has it so");
    assert!(text(&comma.stderr).contains("read,write is one scope") && text(&comma.stderr).contains("--scope once for each"));
    assert!(!text(&create("b", "read").stderr).contains("one scope"));
}

#[test]
fn a_configuration_that_says_nothing_of_accounts_is_refused() {
    let issuer = Issuer::new("https://pool.test/one");
    let toml = Setup::new("127.0.0.1:1".parse().expect("an address"), &issuer).toml();
    for arguments in [&["create", "--name", "a"][..], &["list"], &["revoke", "a"]] {
        let arguments = [&["api-key"], arguments, &CONFIG[..]].concat();
        refused(
            &Gateway::output(&arguments, &toml, &[]),
            2,
            "gateway.toml:1:1: auth.token_endpoint: is missing; add the line `[auth.token_endpoint]`",
        );
        refused(&Gateway::output(&arguments, "[auth", &[]), 2, "gateway.toml:1:");
    }
    let elsewhere = ["api-key", "list", "--config", "nowhere.toml"];
    refused(
        &Gateway::output(&elsewhere, &toml, &[]),
        2,
        "nowhere.toml:1:1: configuration: there is no file `nowhere.toml`; write it, or name another one with `--config FILE`",
    );
    let no_folder = format!("{toml}\n[auth.token_endpoint]\napi_keys = \"no/keys.toml\"\n");
    let arguments = [&["api-key", "create", "--name", "a"], &CONFIG[..]].concat();
    refused(&Gateway::output(&arguments, &no_folder, &[]), 1, "no/keys.toml");
}

#[test]
fn an_account_lives_from_its_making_to_its_end() {
    let backend = Backend::start();
    let gateway = gateway(&backend);
    refused_by_check(&gateway);
    let account = answer(&gateway, &["create", "--name", "nightly reports", "--scope", "read", "--scope", "read"]);
    assert_eq!(gateway.run_beside(&["check", "--config", "gateway.toml"]).status.code(), Some(0));
    assert_eq!(mode(&gateway.path("keys.toml")), 0o600);
    let (client_id, secret) =
        (account["client_id"].as_str().expect("an id"), account["client_secret"].as_str().expect("a secret"));
    assert!(secret.strip_prefix("sfgw_").is_some_and(|random| random.len() == 43), "256 bits: {secret}");
    let file = fs::read_to_string(gateway.path("keys.toml")).expect("text");
    assert!(file.contains(client_id) && !file.contains(secret) && !file.contains(&secret[5..]), "{file}");
    assert_eq!(ask_for_token(&gateway, &account).status, 401, "not before it is taken up");

    gateway.take_up();
    let granted = ask_for_token(&gateway, &account);
    assert_eq!((granted.status, &granted.json()["scope"]), (200, &Value::from("read")), "{granted:?}");
    let token = granted.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(gateway.connect().get_as(&token, "/prod/api/incidents").status, 200);
    assert_eq!(backend.last().head.only("X-Auth-Client-Id"), client_id);

    let revoked = api_key(&gateway, &["revoke", "nightly reports"]);
    let said = text(&revoked.stderr);
    assert_eq!(text(&revoked.stdout), format!("revoked nightly reports ({client_id})\n"));
    for words in ["systemctl reload", "kill -HUP", "at most 900 s", "auth.revocations", &format!("client_id = \"{client_id}\"")] {
        assert!(said.contains(words), "{words} in {said}");
    }
    gateway.take_up();
    assert_eq!(ask_for_token(&gateway, &account).status, 401);
    assert_eq!(gateway.connect().get_as(&token, "/prod/api/incidents").status, 200, "as it was said");
    assert!(!gateway.written().contains(secret));
}

fn refused_by_check(gateway: &Gateway) {
    let output = gateway.run_beside(&["check", "--config", "gateway.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("api-key create"), "{output:?}");
}

#[test]
fn accounts_are_listed_without_secrets() {
    let gateway = gateway(&Backend::start());
    assert_eq!(answer(&gateway, &["list"]), Value::Array(Vec::new()), "no file, no accounts");
    let one = answer(&gateway, &["create", "--name", "one", "--scope", "read", "--scope", "write"]);
    let two = answer(&gateway, &["create", "--name", "two", "--expires", "2999-01-31"]);
    let listed = answer(&gateway, &["list"]);
    for (listed, made) in listed.as_array().expect("a list").iter().zip([&one, &two]) {
        let mut made = made.clone();
        made.as_object_mut().expect("an object").remove("client_secret");
        assert_eq!(listed, &made);
    }
    let shown = text(&api_key(&gateway, &["list"]).stdout);
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "CLIENT_ID", "EXPIRES", "SCOPES"]);
    assert_eq!(lines[1], ["one", one["client_id"].as_str().expect("an id"), "never", "read", "write"]);
    assert_eq!(lines[2], ["two", two["client_id"].as_str().expect("an id"), "2999-01-31T00:00:00Z", "none"]);
}

#[test]
fn what_people_read_is_one_fact_a_line() {
    let gateway = gateway(&Backend::start());
    let output = api_key(&gateway, &["create", "--name", "one", "--scope", "read"]);
    let shown = text(&output.stdout);
    let names: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["name", "client_id", "client_secret", "scopes", "expires"]);
    let said = text(&output.stderr);
    assert!(said.contains("not shown again") && said.contains("systemctl reload"), "{said}");
}

#[test]
fn what_people_wrote_stays_as_they_wrote_it() {
    let gateway = gateway(&Backend::start());
    let path = gateway.path("keys.toml");
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let kept =
        format!("# Ours.\n\n[[service_accounts]]\nclient_id = 'x' # old\nname = \"x\"\nsecret_sha256 = \"{hash}\"\n\n# End.\n");
    fs::write(&path, &kept).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let owner = fs::metadata(&path).map(|file| (file.uid(), file.gid())).expect("a file");
    let made = answer(&gateway, &["create", "--name", "one"]);
    let file = fs::read_to_string(&path).expect("text");
    assert!(file.starts_with(&kept), "{file}");
    assert_eq!((mode(&path), fs::metadata(&path).map(|file| (file.uid(), file.gid())).expect("a file")), (0o640, owner));
    drop(answer(&gateway, &["revoke", made["client_id"].as_str().expect("an id")]));
    let file = fs::read_to_string(&path).expect("text");
    assert_eq!(file.trim_end(), kept.trim_end());
}

#[test]
fn many_at_once_lose_nothing() {
    let gateway = gateway(&Backend::start());
    thread::scope(|scope| {
        for number in 0..8 {
            let gateway = &gateway;
            let _thread = scope.spawn(move || drop(answer(gateway, &["create", "--name", &format!("account {number}")])));
        }
    });
    let listed = answer(&gateway, &["list"]);
    let mut names: Vec<_> = listed.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, (0..8).map(|number| format!("account {number}")).collect::<Vec<_>>());
}

#[test]
fn an_account_ends_with_its_expiry() {
    let gateway = gateway(&Backend::start());
    let account = answer(&gateway, &["create", "--name", "one", "--expires", "2999-01-31T00:00:00+01:00"]);
    let path = gateway.path("keys.toml");
    let file = fs::read_to_string(&path).expect("text");
    assert!(file.contains("expires = 2999-01-31T00:00:00+01:00"), "{file}");
    gateway.take_up();
    assert_eq!(ask_for_token(&gateway, &account).status, 200);
    fs::write(&path, file.replace("2999", "2001")).expect("a file");
    gateway.take_up();
    assert_eq!(ask_for_token(&gateway, &account).status, 401);
    assert!(text(&api_key(&gateway, &["list"]).stdout).contains("2001-01-31T00:00:00+01:00 (over)"));
}
