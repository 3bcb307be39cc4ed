//! Set-up that the tests of all sections share, and what concerns the file as a whole.

use super::{File, WrittenApi, WrittenAuth, WrittenCors, WrittenTokenEndpoint, read};
use crate::config::{Route, report::Report};
use std::{fmt::Debug, path::Path};
use toml::de::DeTable;

const SHIPPED: &str = include_str!("../../../conf/gateway.toml");
const MINIMAL: &str = include_str!("../../../conf/minimal.toml");

/// What is left out of a snippet, so that it alone is judged.
const REST: [(&str, &str); 3] = [
    ("[[listeners]]", "\n[[listeners]]\naddress = \"127.0.0.1:8080\"\n"),
    ("[upstreams.", "\n[upstreams.api]\nservers = [\"http://127.0.0.1:3000\"]\n"),
    ("[[auth.issuers]]", "\n[[auth.issuers]]\nissuer = \"https://issuer.example\"\nclient_ids = \"any\"\n"),
];

/// The file that the text says, and its problems as `LINE:COLUMN: key: what; remedy`.
pub(super) fn read_text(text: &str) -> (File, String) {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let report = Report::new(Path::new("/etc/gateway/gateway.toml"), text, &syntax);
    let file = read(&report, document.get_ref());
    let problems = report.into_problems().0;
    let lines: Vec<_> =
        problems.iter().map(|p| format!("{}:{}: {}: {}; {}", p.line, p.column, p.key, p.what, p.remedy)).collect();
    (file, lines.join("\n"))
}

/// The snippet with what it leaves out.
pub(super) fn complete(snippet: &str) -> String {
    let missing = REST.iter().filter(|(header, _)| !snippet.contains(header)).map(|(_, text)| *text);
    snippet.to_owned() + &missing.collect::<String>()
}

/// The problems of a snippet, one a line; empty: none.
pub(super) fn check(snippet: &str, expected: &str) {
    assert_eq!(read_text(&complete(snippet)).1, expected);
}

/// The problems of a text that is the whole file.
pub(super) fn check_whole(text: &str, expected: &str) {
    assert_eq!(read_text(text).1, expected);
}

/// Reads a snippet that has no problem.
pub(super) fn accepted(snippet: &str) -> File {
    let (file, problems) = read_text(&complete(snippet));
    assert_eq!(problems, "");
    file
}

#[test]
fn an_empty_file_lacks_three_things() {
    check_whole(
        "",
        r#"1:1: listeners: is missing; write [[listeners]] with `address = "0.0.0.0:8080"`
1:1: auth.issuers: is missing; write [[auth.issuers]] with `issuer` and `client_ids`, or [auth.token_endpoint]
1:1: upstreams: is missing; write [upstreams.api] with `servers = ["http://127.0.0.1:3000"]`"#,
    );
}

#[test]
fn an_unknown_table_is_refused_with_the_nearest_one() {
    check(
        r"[limit]
rate = 1",
        "1:2: limit: unknown key; did you mean `limits`?",
    );
}

#[test]
fn an_unknown_key_without_a_near_one_lists_the_known_ones() {
    check(
        r"[server]
workers = 4",
        "2:1: server.workers: unknown key; known here are `threads`, `drain_delay`, `drain_timeout`, `trusted_proxies`, `upgrade_socket`",
    );
}

#[test]
fn an_unknown_key_is_compared_without_regard_to_case() {
    check(
        r"[server]
Threads = 4",
        "2:1: server.Threads: unknown key; did you mean `threads`?",
    );
}

#[test]
fn all_problems_come_in_the_order_of_their_places() {
    check(
        r#"[log]
level = "loud"
formt = "json"
[server]
threads = "four"
drain_dealy = "1s""#,
        r#"2:9: log.level: `loud` is not known; write one of "error", "warn", "info", "debug", "trace"
3:1: log.formt: unknown key; did you mean `format`?
5:11: server.threads: is a text; write a whole number from 0 to 1024
6:1: server.drain_dealy: unknown key; did you mean `drain_delay`?"#,
    );
}

#[test]
fn a_syntax_error_hides_no_other_problem() {
    check(
        r#"[server]
threads = = 1
drain_delay = "1x""#,
        r#"2:11: TOML: extra `=`, expected nothing; correct the line
3:15: server.drain_delay: `1x` is not a duration; write a text such as "30s", in ms, s, m or h"#,
    );
}

#[test]
fn a_line_that_is_not_toml_is_reported_once() {
    check(
        r"[server]
threads = @
threads = 2",
        r"2:11: TOML: string values must be quoted, expected literal string; correct the line
3:1: TOML: duplicate key; correct the line",
    );
}

#[test]
fn nothing_is_called_missing_while_a_line_cannot_be_read() {
    check_whole(
        r#"[[listeners]
address = "127.0.0.1:8080"
"#,
        "1:13: TOML: unclosed array table, expected `]`; correct the line",
    );
}

#[test]
fn a_repeated_key_is_reported_at_the_second() {
    check(
        r"[server]
threads = 1
threads = 2",
        "3:1: TOML: duplicate key; correct the line",
    );
}

#[test]
fn a_table_written_as_something_else_is_refused() {
    check(
        r#"server = 3
limits = []
log = "stdout""#,
        r"1:10: server: is a whole number; write a table, as in { … }
2:10: limits: is a list; write a table, as in { … }
3:7: log: is a text; write a table, as in { … }",
    );
}

#[test]
fn columns_count_characters_and_not_bytes() {
    check(
        r#"log = { "ß" = 1, level = "ä" }"#,
        r#"1:9: log.ß: unknown key; known here are `output`, `format`, `level`, `access`, `subject`, `sample_ok`
1:26: log.level: `ä` is not known; write one of "error", "warn", "info", "debug", "trace""#,
    );
}

#[test]
fn tracing_is_not_in_this_version() {
    check(
        r#"[tracing]
otlp = "http://127.0.0.1:4317""#,
        "1:2: tracing: not in this version; remove it; `traceparent` is passed on",
    );
}

#[test]
fn every_key_that_is_not_in_this_version_is_refused_at_its_place() {
    for entry in crate::config::not_yet::NOT_YET.iter().filter(|entry| entry.value.is_none()) {
        let (table, key) = entry.key.rsplit_once('.').unwrap_or(("", entry.key));
        let (header, shown) = match table {
            "" => (String::new(), String::new()),
            "listeners" => ("[[listeners]]\naddress = \"127.0.0.1:1\"".to_owned(), "listeners.".to_owned()),
            "routes" => ("[[routes]]\npath = \"/x\"".to_owned(), "routes.".to_owned()),
            "auth.issuers" => {
                ("[[auth.issuers]]\nissuer = \"https://i\"\nclient_ids = \"any\"".to_owned(), "auth.issuers.".to_owned())
            }
            "upstreams.*" => ("[upstreams.api]\nservers = [\"http://a\"]".to_owned(), "upstreams.api.".to_owned()),
            other => (format!("[{other}]"), format!("{other}.")),
        };
        let line = header.lines().count() + 1;
        let expected = format!("{line}:1: {shown}{key}: not in this version; {}", entry.remedy);
        check(&format!("{header}{}{key} = \"x\"\n", if header.is_empty() { "" } else { "\n" }), &expected);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader_and_problems_stay_in_order(cut in 0usize..12_000, length in 0usize..40, put in "[\\[\\]{}=\"'#,.\n a-zäß0-9]{0,12}") {
        let shipped = SHIPPED;
        let floor = |at: usize| (0..=at.min(shipped.len())).rev().find(|at| shipped.is_char_boundary(*at)).unwrap_or(0);
        let text = [&shipped[..floor(cut)], &put, &shipped[floor(cut + length)..]].concat();
        let (document, syntax) = DeTable::parse_recoverable(&text);
        let report = Report::new(Path::new("gateway.toml"), &text, &syntax);
        read(&report, document.get_ref());
        let places: Vec<_> = report.into_problems().0.iter().map(|problem| (problem.line, problem.column)).collect();
        proptest::prop_assert!(places.is_sorted());
        proptest::prop_assert!(!places.is_empty() || syntax.is_empty());
    }
}

#[test]
fn the_shipped_files_have_no_problem() {
    check_whole(SHIPPED, "");
    check_whole(MINIMAL, "");
}

#[test]
fn what_the_shipped_files_show_as_comments_has_no_problem_either() {
    let (file, problems) = read_text(&uncommented());
    assert_eq!(problems, "");
    assert_eq!((file.listeners.len(), file.attached.len()), (2, 5));
    assert!(file.limits.terms(None, &["partners".to_owned()]).quota.is_some());
    assert!(file.auth.token_endpoint.is_some());
    assert_eq!(file.response_headers.set.len() + file.response_headers.remove.len(), 2);
}

/// The shipped file with what it shows as comments, as far as that can stand beside the rest.
fn uncommented() -> String {
    let shown = SHIPPED.lines().map(|line| match line.strip_prefix('#') {
        // Indented: of another file, or a command.
        Some(comment) if comment.starts_with("    ") => "",
        // `# [table]` and `# key = value`, or `#key = value`; prose has no ` = ` after one word.
        Some(comment) => shown_line(comment.trim_start_matches("# ").trim_start()).unwrap_or_default(),
        None => line,
    });
    shown.collect::<Vec<_>>().join("\n").replace("jwks_file =", "#").replace("ca_file =", "#").replace("audiences =", "#")
}

fn shown_line(comment: &str) -> Option<&str> {
    let key = comment.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    (key || comment.starts_with('[')).then_some(comment)
}

#[test]
fn what_the_shipped_file_writes_out_is_the_default() {
    let shipped = read_text(SHIPPED).0;
    let default = read_text(MINIMAL).0;
    assert_eq!(shipped.server, default.server);
    assert_eq!(shipped.listeners, default.listeners);
    assert_eq!(shipped.admin, default.admin);
    assert_eq!(api_values(&shipped.api), api_values(&default.api));
    assert_eq!(shipped.bounds, default.bounds);
    assert_eq!(auth_values(&shipped.auth), auth_values(&default.auth));
    assert_eq!(cors_values(&shipped.cors), cors_values(&default.cors));
    assert_eq!(shipped.response_headers, default.response_headers);
    assert_eq!(shipped.upstreams, default.upstreams);
    assert_eq!(shipped.log, default.log);
    let limits = |file: File| format!("{:?}", (file.limits, file.reset, file.ietf_headers, file.limit_state));
    assert_eq!(limits(shipped), limits(default));
}

fn api_values(api: &WrittenApi) -> impl PartialEq + Debug {
    let WrittenApi { base_paths, upstream_base_path, require_json, unknown_paths, upstream, ping_path } = api;
    let base_paths: Vec<_> = base_paths.iter().map(|path| path.value.clone()).collect();
    (base_paths, upstream_base_path.value.clone(), *require_json, *unknown_paths, *upstream, ping_path.value.clone())
}

/// Without the token endpoint, which one of the files has.
fn auth_values(auth: &WrittenAuth) -> impl PartialEq + Debug {
    let WrittenAuth {
        leeway,
        forward_authorization,
        token_size,
        token_cache,
        revocations,
        issuers,
        identity_headers,
        token_endpoint: _,
    } = auth;
    let revocations = revocations.as_ref().map(|placed| placed.value.clone());
    let issuers = format!("{issuers:?}");
    (*leeway, *forward_authorization, *token_size, *token_cache, revocations, issuers, identity_headers.clone())
}

fn cors_values(cors: &WrittenCors) -> impl PartialEq + Debug {
    let WrittenCors { allowed_origins, allowed_headers, allow_credentials, max_age } = cors;
    let origins: Vec<_> = allowed_origins.iter().map(|origin| origin.value.clone()).collect();
    (origins, allowed_headers.clone(), *allow_credentials, *max_age)
}

#[test]
fn what_the_shipped_file_writes_out_of_a_route_is_the_default() {
    let file = read_text(SHIPPED).0;
    let written = &file.routes[0].route;
    let bare = accepted("[[routes]]\npath = \"/incidents\"").routes.remove(0).route;
    let settings = |route: &Route| (route.auth, route.scopes.clone(), route.limit, route.body, route.upstream);
    assert_eq!(settings(written), settings(&bare));
    assert_eq!((written.response_timeout, bare.response_timeout), (Some(file.upstreams[0].response_timeout), None));
}

#[test]
fn what_the_shipped_file_shows_of_the_token_endpoint_is_the_default() {
    let values = |text: &str| {
        let WrittenTokenEndpoint {
            path,
            issuer,
            jwks_path,
            signing_key,
            algorithm,
            audience,
            api_keys,
            token_lifetime,
            failures,
        } = read_text(text).0.auth.token_endpoint.expect("a token endpoint");
        let paths = (path.value, jwks_path.value, signing_key.value, api_keys.value);
        (paths, issuer.value, algorithm, audience, token_lifetime, failures)
    };
    assert_eq!(values(&uncommented()), values(&format!("{MINIMAL}\n[auth.token_endpoint]\n")));
}

#[test]
fn the_shipped_file_has_the_endpoints_of_the_api() {
    let file = read_text(SHIPPED).0;
    let routes: Vec<_> =
        file.routes.iter().map(|w| format!("{} {}", w.route.pattern.as_str(), w.route.allow.to_str().unwrap_or("?"))).collect();
    let expected = [
        "/incidents GET, HEAD, POST",
        "/incidents/{id} GET, HEAD, PATCH",
        "/incidents/bulk POST",
        "/changes GET, HEAD, POST",
        "/cmdb/cis GET, HEAD",
        "/cmdb/cis/bulk POST",
        "/knowledge/articles GET, HEAD",
        "/ai/query POST",
        "/health GET, HEAD",
    ];
    assert_eq!(routes, expected);
}
