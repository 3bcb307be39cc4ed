//! From a text to a gateway, with the files that it names. Every stage behind the configuration takes part.

use super::{Provided, compile, compile_with, load};
use crate::{
    config::{Gateway, Problems},
    secret::Secret,
    token::{ServiceAccounts, SigningAlgorithm, SigningKey},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A folder of this test alone, gone when it is dropped.
pub(in crate::config) struct Folder(PathBuf);

impl Folder {
    /// A folder with these files.
    pub(in crate::config) fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("stackflow-gateway-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap_or_else(|error| panic!("{}: {error}", folder.0.display()));
        for (name, text) in files {
            fs::write(folder.path(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        folder
    }

    /// A file in it.
    pub(in crate::config) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:8080\"\n";
const UPSTREAM: &str = "[upstreams.api]\nservers = [\"http://127.0.0.1:3000\"]\n";
const ISSUER: &str = "[[auth.issuers]]\nissuer = \"https://issuer.example\"\nclient_ids = \"any\"\n";

fn compile_in(folder: &Folder, snippet: &str) -> Result<Gateway, Problems> {
    let issuer = if snippet.contains("[auth.token_endpoint]") || snippet.contains("[[auth.issuers]]") { "" } else { ISSUER };
    let listener = if snippet.contains("[[listeners]]") { "" } else { LISTENER };
    compile(&folder.path("gateway.toml"), &format!("{snippet}\n{listener}{UPSTREAM}{issuer}"))
}

/// The problems of a snippet beside these files, as `FILE:LINE:COLUMN: key: what; remedy` with files relative to the folder.
pub(super) fn check(files: &[(&str, &str)], snippet: &str, expected: &str) {
    let folder = Folder::with(files);
    let problems = compile_in(&folder, snippet).err().unwrap_or_default();
    let shown = problems.to_string().replace(&format!("{}/", folder.0.display()), "");
    assert_eq!(shown.trim_end(), expected);
}

/// The problems of a snippet in that folder, one a line.
pub(super) fn problems_in(folder: &Folder, snippet: &str) -> String {
    compile_in(folder, snippet).err().unwrap_or_default().to_string()
}

fn compiled(folder: &Folder, snippet: &str) -> Gateway {
    compile_in(folder, snippet).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_file_that_is_not_there_is_one_problem() {
    let problems = load(Path::new("/nowhere/gateway.toml")).err().unwrap_or_default();
    let expected = "/nowhere/gateway.toml:1:1: configuration: there is no file `/nowhere/gateway.toml`; write it, or name another one with `--config FILE`\n";
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn problems_of_the_text_and_of_its_files_come_in_one_run() {
    let text = "[log]\nlevel = \"loud\"\n[cors]\nallowed_origins = [\"ftp://a\"]\n[auth.token_endpoint]\n[[routes]]\npath = \"/x\"\nmethds = []";
    let expected = "gateway.toml:2:9: log.level: `loud` is not known; write one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"\n\
        gateway.toml:4:20: cors.allowed_origins: `ftp://a` does not begin with http:// or https://; write the scheme, as in \"https://app.example.com\"\n\
        gateway.toml:5:1: auth.token_endpoint.api_keys: there is no file `api-keys.toml`; make it with `stackflow-gateway api-key create --name NAME --config FILE`\n\
        gateway.toml:8:1: routes.methds: unknown key; did you mean `methods`?";
    check(&[], text, expected);
}

#[test]
fn a_path_that_no_request_can_have_is_refused() {
    let text = "[api]\nbase_paths = [\"/a/../b\"]\nping_path = \"/%70ing\"";
    let problems = compile_in(&Folder::with(&[]), text).err().unwrap_or_default();
    let keys: Vec<_> = problems.0.iter().map(|problem| (problem.line, problem.column, problem.key.as_str())).collect();
    assert_eq!(keys, [(2, 15, "api.base_paths"), (3, 13, "api.ping_path")]);
    assert_eq!(problems.0[1].remedy, "write \"/ping\"");
}

#[test]
fn the_gateways_own_paths_are_distinct() {
    let text = "[api]\nping_path = \"/a\"\n[auth.token_endpoint]\npath = \"/a\"\njwks_path = \"/a\"\napi_keys = \"k.toml\"";
    let expected = "gateway.toml:4:8: auth.token_endpoint.path: `/a` is the path of `api.ping_path`; write another path\n\
        gateway.toml:5:13: auth.token_endpoint.jwks_path: `/a` is the path of `api.ping_path`; write another path";
    check(&[("k.toml", "")], text, expected);
}

#[test]
fn a_route_where_the_gateway_answers_itself_is_refused() {
    let text = "[api]\nbase_paths = [\"/\"]\n[[routes]]\npath = \"/ping\"\n[[routes]]\npath = \"/{name}\"";
    let expected = "gateway.toml:4:8: routes.path: `/ping` is answered by the gateway itself (`api.ping_path`); \
        remove the route, or write another `api.ping_path`";
    check(&[], text, expected);
}

#[test]
fn routes_that_match_the_same_paths_are_refused() {
    let text = "[[routes]]\npath = \"/x/{id}\"\n[[routes]]\npath = \"/x/{name}\"";
    let expected = "gateway.toml:4:8: routes.path: `/x/{name}` matches the same paths as `/x/{id}` in line 1; write one route with all methods, or remove one";
    check(&[], text, expected);
}

#[test]
fn a_pattern_that_cannot_be_matched_is_refused() {
    let text = "[[routes]]\npath = \"incidents\"\n[[routes]]\npath = \"/a/\"\n[[routes]]\npath = \"/{*rest}/x\"";
    let problems = compile_in(&Folder::with(&[]), text).err().unwrap_or_default();
    let whats: Vec<_> = problems.0.iter().map(|problem| problem.what.as_str()).collect();
    let expected =
        ["`incidents` does not begin with a slash", "`/a/` ends with a slash", "`/{*rest}/x` has something after {*rest}"];
    assert_eq!(whats, expected);
}

#[test]
fn a_limit_outside_its_range_is_refused() {
    let text = "[limits]\nglobal = { rate = 0, burst = 1 }\nper_user = { rate = 1, burst = -1 }\nper_address = { rate = 9999999, burst = 1 }";
    let expected = "gateway.toml:2:19: limits.global.rate: 0 is out of range; write a whole number from 1 to 1000000\n\
        gateway.toml:3:32: limits.per_user.burst: -1 is out of range; write a whole number from 1 to 100000000\n\
        gateway.toml:4:24: limits.per_address.rate: 9999999 is out of range; write a whole number from 1 to 1000000";
    check(&[], text, expected);
}

#[test]
fn a_problem_in_the_file_of_accounts_is_reported_there() {
    let folder = Folder::with(&[("k.toml", "# é\n[[service_accounts]]\nname = \"é\" x\n")]);
    let problems = compile_in(&folder, "[auth.token_endpoint]\napi_keys = \"k.toml\"").err().unwrap_or_default();
    let places: Vec<_> = problems.0.iter().map(|p| (p.file.clone(), p.line, p.column, p.key.as_str())).collect();
    assert_eq!(places, [(folder.path("k.toml"), 3, 12, "TOML")], "columns count characters");
}

#[test]
fn a_signing_key_that_is_none_is_refused_and_not_shown() {
    let folder = Folder::with(&[("k.toml", ""), ("s.pem", "hunter2")]);
    let text = "[auth.token_endpoint]\napi_keys = \"k.toml\"\nsigning_key = \"s.pem\"\nalgorithm = \"ES256\"";
    let problems = compile_in(&folder, text).err().unwrap_or_default().to_string();
    assert!(problems.contains(":3:15: auth.token_endpoint.signing_key: ") && !problems.contains("hunter2"), "{problems}");
}

#[test]
fn a_signing_key_cannot_be_made_where_there_is_no_folder() {
    let text = "[auth.token_endpoint]\napi_keys = \"k.toml\"\nsigning_key = \"keys/s.pem\"";
    let expected = "gateway.toml:3:15: auth.token_endpoint.signing_key: cannot be made: there is no folder `keys`; make the folder, or write another path";
    let folder = Folder::with(&[("k.toml", "")]);
    let problems = compile_in(&folder, text).err().unwrap_or_default().to_string();
    assert_eq!(problems.trim_end().replace(&format!("{}/", folder.0.display()), ""), expected);
}

#[test]
fn a_missing_signing_key_is_made_and_not_written() {
    let folder = Folder::with(&[("k.toml", "")]);
    let gateway = compiled(&folder, "[auth.token_endpoint]\napi_keys = \"k.toml\"\nalgorithm = \"ES256\"");
    let Some(new) = gateway.new_signing_key else { panic!("no new key") };
    assert_eq!(new.path, folder.path("signing-key.pem"));
    assert!(new.pem.expose().contains("BEGIN PRIVATE KEY") && !new.path.exists());
    assert_eq!(
        gateway.auth.authenticator.issuers().last().map(|own| own.settings.issuer.as_str()),
        Some("https://gateway.example.internal")
    );
}

#[test]
fn a_signing_key_that_is_there_is_used() {
    let folder = Folder::with(&[("k.toml", "")]);
    let text = "[auth.token_endpoint]\napi_keys = \"k.toml\"\nalgorithm = \"ES256\"";
    let new = compiled(&folder, text).new_signing_key.unwrap_or_else(|| panic!("no new key"));
    fs::write(&new.path, new.pem.expose()).unwrap_or_else(|error| panic!("{error}"));
    assert!(compiled(&folder, text).new_signing_key.is_none());
}

#[test]
fn retired_keys_that_are_none_are_refused() {
    let text = "[auth.token_endpoint]\napi_keys = \"k.toml\"\nsigning_key = \"s.pem\"\nalgorithm = \"ES256\"";
    for (retired, what) in [
        ("{}", "is not a list of retired keys (missing field `keys`"),
        ("{\"keys\":[{\"alg\":\"ES256\",\"kid\":\"a\",\"token_lifetime\":1}]}", "has a key (number 1) that cannot be used; "),
    ] {
        let folder = Folder::with(&[("k.toml", ""), ("s.pem.retired.json", retired)]);
        let problems = compile_in(&folder, text).err().unwrap_or_default().to_string();
        assert!(problems.contains(":3:15: auth.token_endpoint.signing_key: `") && problems.contains(what), "{problems}");
    }
}

#[test]
fn accounts_and_keys_can_be_made_before_all_else_is_in_order() {
    let folder =
        Folder::with(&[("g.toml", "[auth.token_endpoint]\napi_keys = \"k.toml\"\ntoken_lifetime = \"5m\"\n[limits]\nx = 1\n")]);
    let files = super::token_files(&folder.path("g.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((files.api_keys, files.signing_key), (folder.path("k.toml"), folder.path("signing-key.pem")));
    assert_eq!((files.algorithm, files.token_lifetime.as_secs()), (SigningAlgorithm::Rs256, 300));
    for (text, expected) in [
        ("", "auth.token_endpoint: is missing; add the line `[auth.token_endpoint]`"),
        ("[auth", "TOML: "),
        ("[auth.token_endpoint]\nalgorithm = \"none\"\n[x]", "auth.token_endpoint.algorithm: "),
        ("[auth]\ntoken_endpoint = 1", "auth.token_endpoint: "),
    ] {
        let folder = Folder::with(&[("g.toml", text)]);
        let problems = super::token_files(&folder.path("g.toml")).err().unwrap_or_default();
        assert!(problems.0.len() == 1 && problems.to_string().contains(expected), "{problems}");
    }
}

#[test]
fn a_pipe_is_not_waited_for_whatever_it_is_named_for() {
    let folder = Folder::with(&[("k.toml", "")]);
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(folder.path(name)).status();
        assert!(made.is_ok_and(|status| status.success()), "{name}");
    };
    ["pipe", "key.pem.retired.json"].into_iter().for_each(pipe);
    let issuer = "[[auth.issuers]]\nissuer = \"https://issuer.example\"\nclient_ids = \"any\"\n";
    for (key, lines) in [
        ("auth.issuers.jwks_file", format!("{issuer}jwks_file = \"pipe\"")),
        ("auth.issuers.ca_file", format!("{issuer}ca_file = \"pipe\"")),
        ("auth.revocations", "[auth]\nrevocations = \"pipe\"".to_owned()),
        ("auth.token_endpoint.api_keys", "[auth.token_endpoint]\napi_keys = \"pipe\"".to_owned()),
        ("auth.token_endpoint.signing_key", "[auth.token_endpoint]\napi_keys = \"k.toml\"\nsigning_key = \"pipe\"".to_owned()),
        ("auth.token_endpoint.signing_key", "[auth.token_endpoint]\napi_keys = \"k.toml\"\nsigning_key = \"key.pem\"".to_owned()),
        ("admin.token", "[admin]\ntoken = { file = \"pipe\" }".to_owned()),
    ] {
        let problems = compile_in(&folder, &lines).err().unwrap_or_default().0;
        let found: Vec<_> =
            problems.iter().map(|problem| (problem.key.as_str(), problem.what.contains("is not a regular file"))).collect();
        assert_eq!(found, [(key, true)], "{lines}: {problems:?}");
    }
}

#[test]
fn the_limit_of_failures_is_among_the_limits() {
    let folder = Folder::with(&[("k.toml", "")]);
    let gateway = compiled(
        &folder,
        "[auth.token_endpoint]\napi_keys = \"k.toml\"\nalgorithm = \"ES256\"\nfailures = { rate = 3, burst = 9 }",
    );
    assert_eq!((gateway.limits.failures.rate(), gateway.limits.failures.burst()), (3, 9));
}

#[test]
fn what_is_provided_stands_for_the_files() {
    let (signing_key, _) = SigningKey::generate(SigningAlgorithm::Es256).unwrap_or_else(|error| panic!("{error}"));
    let service_accounts = ServiceAccounts::single("demo", &Secret::new("s".to_owned()), Vec::new());
    let folder = Folder::with(&[("signing-key.pem", "not looked at")]);
    let text = format!("{LISTENER}{UPSTREAM}[auth.token_endpoint]\nissuer = \"https://own.example\"\n");
    let provided = Provided { service_accounts, signing_key };
    let gateway = compile_with(&folder.path("g.toml"), &text, provided).unwrap_or_else(|problems| panic!("{problems}"));
    let issuers: Vec<_> = gateway.auth.authenticator.issuers().iter().map(|own| own.settings.issuer.as_str()).collect();
    assert_eq!(issuers, ["https://own.example"]);
    assert!(gateway.auth.token_endpoint.is_some() && gateway.new_signing_key.is_none());
}

#[test]
fn a_log_without_a_folder_is_a_problem_at_its_key() {
    let expected =
        "gateway.toml:2:10: log.output: cannot be made: there is no folder `logs`; make the folder, or write another path";
    check(&[], "[log]\noutput = \"logs/gateway.log\"", expected);
}

#[test]
fn the_root_towards_the_upstream_is_nothing_before_the_path() {
    let gateway = compiled(&Folder::with(&[]), "[api]\nbase_paths = [\"/\"]\nupstream_base_path = \"/\"");
    assert_eq!(gateway.api.upstream_base_path, "");
}

#[test]
fn the_shipped_files_compile() {
    for (name, text) in [
        ("gateway.toml", include_str!("../../../conf/gateway.toml")),
        ("minimal.toml", include_str!("../../../conf/minimal.toml")),
    ] {
        let gateway = compile(Path::new(name), text).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(gateway.new_signing_key.is_none());
    }
}
