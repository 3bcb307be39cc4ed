//! The README keeps what it says: excerpts, commands, links, codes, and the lines to paste.
mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use support::{Backend, Directory, Gateway, Issuer, run_tool};

const README: &str = include_str!("../README.md");
const MINIMAL: &str = include_str!("../conf/minimal.toml");
const GATEWAY: &str = include_str!("../conf/gateway.toml");
const REPLY: &str = include_str!("../src/reply.rs");
const NOT_YET: &str = include_str!("../src/config/not_yet.rs");

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What stands between fences of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

/// The README outside of fences.
fn prose() -> String {
    README.split("```").step_by(2).collect()
}

/// All that is set as code: lines of blocks to paste, and what stands between backticks.
fn code() -> Vec<String> {
    let prose = prose();
    let spans = prose.split('`').skip(1).step_by(2).map(str::to_owned);
    blocks("sh").into_iter().flat_map(str::lines).map(str::to_owned).chain(spans).collect()
}

/// The lines to paste that stand under this heading.
fn lines_under(heading: &str) -> Vec<&'static str> {
    let section = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading} is a heading")).1;
    let section = section.split("\n##").next().unwrap_or_default();
    section.split("```sh\n").skip(1).flat_map(|rest| rest.split("```").next().unwrap_or_default().lines()).collect()
}

#[test]
fn excerpts_are_what_stands_in_the_files() {
    let excerpts = blocks("toml");
    assert!(excerpts.contains(&MINIMAL), "conf/minimal.toml is shown whole");
    for excerpt in &excerpts {
        assert!(*excerpt == MINIMAL || GATEWAY.contains(excerpt), "not in conf/gateway.toml:\n{excerpt}");
    }
    assert!(excerpts.len() > 3, "{excerpts:#?}");
}

#[test]
fn every_command_and_flag_exists() {
    let help = |arguments: &[&str]| {
        let output = Gateway::output(arguments, "", &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut seen = BTreeSet::new();
    for line in code() {
        let line = line.replace("cargo run --release --", "stackflow-gateway");
        let Some((_, call)) = line.split_once("stackflow-gateway ") else { continue };
        let mut words = call.split_whitespace().peekable();
        let mut command = vec![words.next().expect("a command")];
        if ["api-key", "signing-key"].contains(&command[0]) {
            command.extend(words.next_if(|word| !word.starts_with("--")));
        }
        let help = help(&[&command[..], &["--help"]].concat());
        for flag in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")), "{command:?} {flag}:\n{help}");
        }
        seen.insert(command.join(" "));
    }
    let every = [
        "run",
        "demo",
        "check",
        "api-key create",
        "api-key list",
        "api-key revoke",
        "signing-key rotate",
        "schema",
        "completions",
    ];
    let every: BTreeSet<String> = every.map(str::to_owned).into();
    assert_eq!(seen, every, "all commands are shown");
}

#[test]
fn every_link_leads_somewhere() {
    let prose = prose();
    let targets: Vec<&str> = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(targets.len() > 10, "{targets:?}");
    let headings: Vec<String> = README
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    for target in targets.into_iter().filter(|target| !target.starts_with("https://")) {
        match target.strip_prefix('#') {
            Some(anchor) => assert!(headings.iter().any(|heading| heading == anchor), "{target}"),
            None => assert!(project(target).exists(), "{target}"),
        }
    }
}

/// The rows of the table of errors: status, code and message.
fn documented_rejections() -> BTreeSet<(u16, String, String)> {
    let rows = README.lines().filter(|line| line.starts_with("| ")).filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let status = cells.next()?.parse().ok()?;
        Some((status, cells.next()?.trim_matches('`').to_owned(), cells.next()?.to_owned()))
    });
    rows.collect()
}

/// The rows of the code: `(StatusCode::NAME, "code", "message")`.
fn rejections() -> BTreeSet<(u16, String, String)> {
    let table = REPLY.split_once("pub fn row").and_then(|(_, rest)| rest.split_once("pub fn outcome")).expect("the table").0;
    let rows = table.split("StatusCode::").skip(1).map(|row| {
        let mut texts = row.split('"');
        let name = texts.next().expect("a name").trim_end_matches([',', ' ']);
        let code = texts.next().expect("a code");
        (status_of(name), code.to_owned(), texts.nth(1).expect("a message").to_owned())
    });
    rows.collect()
}

fn status_of(name: &str) -> u16 {
    let named = |status: &u16| {
        let reason = http::StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
        reason.is_some_and(|reason| reason.to_uppercase().replace(' ', "_") == name)
    };
    (300..600).find(named).unwrap_or_else(|| panic!("{name} is a status"))
}

#[test]
fn the_table_of_errors_is_the_codes() {
    assert_eq!(documented_rejections(), rejections());
}

#[test]
fn what_is_not_in_this_version_is_said() {
    let section = README.split_once("## Not in this version").expect("the list").1.split("\n## ").next().unwrap_or_default();
    let entries = NOT_YET.split_once("const NOT_YET").expect("the list").1.split_once("];").expect("its end").0;
    // Each entry is `key("table.key", …` or `value("table.key", …`.
    let keys: Vec<&str> = entries
        .split(['(', '['])
        .filter_map(|entry| entry.trim_start().strip_prefix('"')?.split('"').next()?.rsplit('.').next())
        .collect();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(section.contains(&format!("`{key}`")), "{key} is not in the list");
    }
}

/// A gateway from the README's configuration, with a user's token: as it stands, but for ports, and for keys that can be had
/// without the issuer.
fn gateway_of_the_readme(backend: &Backend, more: &str, files: Vec<(String, String)>) -> (Gateway, String) {
    let quoted = |key: &str| {
        let value = MINIMAL.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
        value.trim_matches(|part: char| !part.is_ascii_alphanumeric()).to_owned()
    };
    let mut issuer = Issuer::new(&quoted("issuer = "));
    issuer.client_id = quoted("client_ids = ");
    let config = MINIMAL
        .replace("0.0.0.0:8080", "127.0.0.1:0")
        .replace("127.0.0.1:3000", &backend.address().to_string())
        .replace("client_ids = ", "jwks_file = \"jwks.json\"\nclient_ids = ");
    let config = format!("{config}\n[admin]\naddress = \"127.0.0.1:0\"\n{more}");
    let mut files = files;
    files.push(("jwks.json".to_owned(), issuer.jwks_json()));
    let gateway = Gateway::start_with(&config, &files);
    gateway.wait_ready();
    let token = issuer.user("ada");
    (gateway, token)
}

/// The line for this gateway's ports, run by bash after the lines of `before`.
fn paste(gateway: &Gateway, directory: &Directory, before: &str, line: &str) -> String {
    let line =
        line.replace("127.0.0.1:8080", &gateway.address().to_string()).replace("127.0.0.1:9901", &gateway.admin.to_string());
    let output = run_tool(Command::new("bash").arg("-es").current_dir(directory.path()), &format!("{before}\n{line}\n"));
    String::from_utf8(output.stdout).expect("text")
}

/// The status that a line's comment promises.
fn promised(line: &str) -> &str {
    line.rsplit_once("  # ").unwrap_or_else(|| panic!("{line} says how the answer begins")).1
}

#[test]
fn the_lines_of_the_five_steps_answer_as_they_say() {
    let backend = Backend::start();
    let (gateway, token) = gateway_of_the_readme(&backend, "", Vec::new());
    let directory = Directory::new();
    let lines: Vec<&str> =
        lines_under("## Put it in front of an API").into_iter().filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 7, "{lines:#?}");
    for line in lines {
        let shown = paste(&gateway, &directory, &format!("export TOKEN={token}"), line);
        assert!(shown.starts_with(&format!("HTTP/1.1 {} ", promised(line))), "{line}\n{shown}");
    }
    assert_eq!(backend.last().head.target, "/api/v1/incidents", "what the README says of the base paths");
}

#[test]
fn a_service_account_is_made_and_used_as_shown() {
    let lines = lines_under("### Tokens for service accounts");
    let (manage, ask): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| !line.contains("http://"));
    assert_eq!((manage.len(), ask.len()), (4, 2), "{manage:#?} {ask:#?}");
    let directory = Directory::new();
    fs::write(directory.path().join("gateway.toml"), format!("{MINIMAL}\n[auth.token_endpoint]\n")).expect("a file");
    let run = |line: &str| {
        let line = line.replace("stackflow-gateway", env!("CARGO_BIN_EXE_stackflow-gateway"));
        let output = run_tool(Command::new("bash").arg("-es").current_dir(directory.path()), &line);
        String::from_utf8(output.stdout).expect("text")
    };
    let made = run(manage[0]);
    let fact = |name: &str| made.lines().find_map(|line| line.strip_prefix(name)).expect("a fact").trim().to_owned();
    let accounts = fs::read_to_string(directory.path().join("api-keys.toml")).expect("the file that the line makes");
    let backend = Backend::start();
    let files = vec![("api-keys.toml".to_owned(), accounts)];
    let (gateway, _) = gateway_of_the_readme(&backend, "[auth.token_endpoint]\n", files);
    let ask_for_token = ask[0].replace("127.0.0.1:8080", &gateway.address().to_string());
    let before = format!("export CLIENT_ID={} CLIENT_SECRET={}\n{ask_for_token}", fact("client_id"), fact("client_secret"));
    let shown = paste(&gateway, &directory, &before, ask[1]);
    assert!(shown.starts_with(&format!("HTTP/1.1 {} ", promised(ask[1]))), "{shown}");
    assert_eq!(backend.last().head.only("X-Auth-Client-Id"), fact("client_id"));
    assert!(run(manage[1]).contains(&fact("client_id")));
    run(manage[2]);
    assert!(!run(manage[1]).contains(&fact("client_id")));
    assert!(run(manage[3]).contains("new key"));
}

/// An answer with what differs from one to the next blanked: times, ids.
fn blanked(answer: &str) -> Vec<String> {
    let changing = ["date: ", "x-ratelimit-reset: ", "x-request-id: "];
    let blank = |line: &str| {
        let changes = changing.iter().find(|name| line.to_ascii_lowercase().starts_with(*name));
        let line = changes.map_or(line, |name| &line[..name.len()]);
        line.split("\"request_id\":").next().unwrap_or_default().trim_end().to_owned()
    };
    answer.trim().lines().map(blank).collect()
}

#[test]
fn an_answer_looks_as_shown() {
    let backend = Backend::start();
    let (gateway, _) = gateway_of_the_readme(&backend, "", Vec::new());
    let shown = blocks("http");
    let answer = paste(&gateway, &Directory::new(), "", "curl -s -i http://127.0.0.1:8080/prod/api/v1/incidents");
    assert_eq!(shown.into_iter().map(blanked).collect::<Vec<_>>(), [blanked(&answer)]);
}
