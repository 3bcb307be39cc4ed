//! The command line: what it prints, what it refuses, with which exit code; and the configurations that are shipped.
mod support;

use serde_json::{Value, json};
use stackflow_gateway::{
    config::{Gateway as Compiled, Route, load},
    demo,
};
use std::{net::SocketAddr, path::Path, process::Output};
use support::{Backend, Gateway, Issuer, NOBODY, SHIPPED_ISSUER, Setup, shipped};

/// Standard error and standard output.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A configuration without a problem, and the file that it names.
fn good() -> (String, [(String, String); 1]) {
    let issuer = Issuer::new("https://pool.test/one");
    let toml = Setup::new("127.0.0.1:1".parse().expect("an address"), &issuer).toml();
    (toml, [("jwks.json".to_owned(), issuer.jwks_json())])
}

#[test]
fn usage_errors_exit_2() {
    for arguments in [
        vec![],
        vec!["run"],
        vec!["run", "--config"],
        vec!["run", "--config", "nowhere.toml"],
        vec!["run", "--config", "gateway.toml", "--fast"],
        vec!["check"],
        vec!["check", "--config", "nowhere.toml"],
        vec!["check", "--config", "gateway.toml", "--format", "xml"],
        vec!["demo", "--address", "localhost"],
        vec!["schema", "gateway.toml"],
        vec!["completions"],
        vec!["completions", "cmd"],
        vec!["api-key"],
        vec!["api-key", "create"],
        vec!["api-key", "create", "--name", "a", "--config", "nowhere.toml"],
        vec!["api-key", "list", "--format", "xml"],
        vec!["api-key", "revoke"],
        vec!["signing-key"],
        vec!["signing-key", "rotate"],
        vec!["signing-key", "rotate", "--config", "nowhere.toml"],
        vec!["fly"],
    ] {
        let output = Gateway::output(&arguments, "", &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!said(&output).is_empty(), "{arguments:?}");
        // What a script pipes on is not a complaint; problems of a configuration are what `check` was asked for.
        assert!(arguments.first() == Some(&"check") || output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn version_and_help_are_answers() {
    let version = Gateway::output(&["--version"], "", &[]);
    assert_eq!(said(&version).trim(), format!("stackflow-gateway {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.status.code(), Some(0));
    for (arguments, words) in [
        (vec!["--help"], vec!["run", "demo", "check", "api-key", "signing-key", "schema", "completions"]),
        (vec!["help"], vec!["run", "demo", "check", "api-key", "signing-key", "schema", "completions"]),
        (vec!["api-key", "--help"], vec!["create", "list", "revoke"]),
        (
            vec!["api-key", "create", "--help"],
            vec!["--name", "--scope", "--expires", "--format", "/etc/stackflow-gateway/gateway.toml", "this once", "reloaded"],
        ),
        (vec!["api-key", "list", "--help"], vec!["--config", "--format"]),
        (vec!["api-key", "revoke", "--help"], vec!["CLIENT_ID|NAME", "token_lifetime", "auth.revocations", "reloaded"]),
        (
            vec!["signing-key", "rotate", "--help"],
            vec!["--config", "--forget-old", "two more token lifetimes", "at once", "60 seconds"],
        ),
        (vec!["run", "--help"], vec!["--config"]),
        (vec!["check", "--help"], vec!["--config", "--format", "json"]),
        (vec!["demo", "--help"], vec!["--address", "127.0.0.1:8080", "--admin", "127.0.0.1:9901"]),
        (vec!["schema", "--help"], vec!["JSON Schema", "2020-12", "check"]),
        (vec!["completions", "--help"], vec!["bash", "zsh", "fish"]),
    ] {
        let output = Gateway::output(&arguments, "", &[]);
        assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true), "{arguments:?}: {output:?}");
        for word in words {
            assert!(said(&output).contains(word), "{word} in the help of {arguments:?}: {}", said(&output));
        }
    }
}

#[test]
fn completions_are_scripts_of_their_shell() {
    for (shell, begins) in [("bash", "_stackflow"), ("zsh", "#compdef stackflow-gateway"), ("fish", "# Print an optspec")] {
        let output = Gateway::output(&["completions", shell], "", &[]);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true), "{shell}: {output:?}");
        assert!(script.starts_with(begins), "{shell}: {}", script.lines().next().unwrap_or_default());
        for word in
            ["run", "check", "demo", "api-key", "revoke", "signing-key", "rotate", "schema", "completions", "config", "format"]
        {
            assert!(script.contains(word), "{word} in the script for {shell}");
        }
    }
    // The one shell that every machine of ours has reads its own without a word.
    let script = Gateway::output(&["completions", "bash"], "", &[]).stdout;
    let script = String::from_utf8(script).expect("text") + "\ncomplete -p stackflow-gateway\n";
    let output = support::run_tool(std::process::Command::new("bash").arg("-s"), &script);
    assert!(said(&output).contains("-F _stackflow"), "{output:?}");
}

/// Name, what of a good configuration is replaced and by what, the key, and what to write instead.
const BAD: [(&str, &str, &str, &str, &str); 16] = [
    ("unknown key", "client_ids", "client_idz", "auth.issuers.client_idz", "did you mean `client_ids`?"),
    ("unknown table", "[admin]", "[admim]", "admim", "did you mean `admin`?"),
    ("wrong type", "address = \"127.0.0.1:0\"", "address = 8080", "admin.address", "write a text in quotes"),
    ("not TOML", "[admin]", "[admin", "TOML", "correct the line"),
    (
        "no upstream",
        "servers = [\"http://127.0.0.1:1\"]",
        "servers = []",
        "upstreams.api.servers",
        "write `servers = [\"http://HOST:PORT\"]`",
    ),
    (
        "no scheme",
        "\"http://127.0.0.1:1\"",
        "\"127.0.0.1:1\"",
        "upstreams.api.servers",
        "write http://HOST[:PORT] or https://HOST[:PORT]",
    ),
    (
        "public admin",
        "[admin]\naddress = \"127.0.0.1:0\"",
        "[admin]\naddress = \"0.0.0.0:9901\"",
        "admin.address",
        "write a loopback, link-local or private address, as in \"127.0.0.1:9901\", or \"unix:/PATH\"",
    ),
    (
        "socket in no folder",
        "[[listeners]]\naddress = \"127.0.0.1:0\"",
        "[[listeners]]\naddress = \"unix:/nonexistent/x.sock\"",
        "listeners.address",
        "make the folder, or write another path",
    ),
    (
        "admin socket in no folder",
        "[admin]\naddress = \"127.0.0.1:0\"",
        "[admin]\naddress = \"unix:/nonexistent/x.sock\"",
        "admin.address",
        "make the folder, or write another path",
    ),
    (
        "socket that is a file",
        "[[listeners]]\naddress = \"127.0.0.1:0\"",
        "[[listeners]]\naddress = \"unix:/etc/hostname\"",
        "listeners.address",
        "write the path of a socket, or one where nothing is",
    ),
    (
        "not there yet",
        "[admin]",
        "[tracing]\notlp = \"http://127.0.0.1:4317\"\n[admin]",
        "tracing",
        "remove it; `traceparent` is passed on",
    ),
    (
        "our own header",
        "[admin]",
        "[response_headers]\nset = { \"X-RateLimit-Limit\" = \"1\" }\n[admin]",
        "response_headers.set.X-RateLimit-Limit",
        "remove it",
    ),
    (
        "no caching rule",
        "[admin]",
        "[response_headers]\nset = { \"Cache-Control\" = \"no-cache\" }\n[admin]",
        "response_headers.set.Cache-Control",
        "remove it",
    ),
    (
        "nor its old name",
        "[admin]",
        "[response_headers]\nset = { \"pragma\" = \"no-cache\" }\n[admin]",
        "response_headers.set.pragma",
        "remove it",
    ),
    (
        "no place",
        "[admin]",
        "[response_headers]\nset = { \"Location\" = \"/\" }\n[admin]",
        "response_headers.set.Location",
        "remove it",
    ),
    ("no time", "[admin]", "[response_headers]\nset = { \"Date\" = \"now\" }\n[admin]", "response_headers.set.Date", "remove it"),
];

#[test]
fn a_bad_configuration_exits_2_and_says_where_and_what_to_write_instead() {
    let (good, jwks) = good();
    for (name, from, to, key, remedy) in BAD {
        let config = good.replacen(from, to, 1);
        assert_ne!(config, good, "{name}");
        for command in ["check", "run"] {
            let output = Gateway::output(&[command, "--config", "gateway.toml"], &config, &jwks);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{command}, {name}: {said}");
            let is_it =
                |line: &&str| is_placed(line) && line.contains(&format!(": {key}: ")) && line.ends_with(&format!("; {remedy}"));
            assert!(said.lines().any(|line| is_it(&line)), "{command}, {name}: FILE:LINE:COLUMN: {key}: …; {remedy} in {said}");
        }
    }
    let output = Gateway::output(&["check", "--config", "gateway.toml"], &good, &jwks);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn an_address_that_the_machine_does_not_have_exits_2_and_says_what_to_write() {
    let (good, jwks) = good();
    // Of a net that is for documentation (RFC 5737).
    let config = good.replacen("[[listeners]]\naddress = \"127.0.0.1:0\"", "[[listeners]]\naddress = \"192.0.2.1:0\"", 1);
    let output = Gateway::output(&["run", "--config", "gateway.toml"], &config, &jwks);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in ["192.0.2.1:0", "write an address of this machine", "0.0.0.0 or [::]"] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn the_demo_says_of_its_arguments_what_is_wrong_with_them() {
    let taken = "127.0.0.1:1";
    for (arguments, words) in [
        (
            ["--admin", "0.0.0.0:1"],
            ["--admin 0.0.0.0:1", "write a loopback, link-local or private address, as in 127.0.0.1:9901"],
        ),
        (
            ["--admin", "8.8.8.8:1"],
            ["--admin 8.8.8.8:1", "write a loopback, link-local or private address, as in 127.0.0.1:9901"],
        ),
        (["--admin", taken], ["--admin 127.0.0.1:1 cannot be bound beside --address 127.0.0.1:1", "write another port"]),
        (["--admin", "127.0.0.1"], ["--admin", "invalid socket address"]),
    ] {
        let output = Gateway::output(&[&["demo", "--address", taken], &arguments[..]].concat(), "", &[]);
        let said = said(&output);
        assert_eq!((output.status.code(), said.contains("demo.toml")), (Some(2), false), "{arguments:?}: {said}");
        for words in words {
            assert!(said.contains(words), "{arguments:?}: {words} in {said}");
        }
    }
}

/// `FILE:LINE:COLUMN: …`.
fn is_placed(line: &str) -> bool {
    let place: Vec<&str> = line.trim_start_matches("error: ").splitn(4, ':').collect();
    place.len() == 4
        && place[0].ends_with("gateway.toml")
        && place[1..3].iter().all(|number| number.parse::<u32>().is_ok_and(|number| number > 0))
}

#[test]
fn every_problem_is_reported_at_once_and_for_machines_too() {
    let (good, jwks) = good();
    let config = good
        .replace("client_ids", "client_idz")
        .replace("[admin]", "[admin]\nhost = \"a\"")
        .replace("limit = \"exempt\"", "limit = \"none\"");
    let line_of = |words: &str| config.lines().position(|line| line.starts_with(words)).expect("a line") + 1;
    let expected = [
        ("admin.host", line_of("host = "), 1),
        ("auth.issuers.client_idz", line_of("client_idz"), 1),
        ("routes.limit", line_of("limit = \"none\""), "limit = ".len() + 1),
    ];
    let text = said(&Gateway::output(&["check", "--config", "gateway.toml"], &config, &jwks));
    let output = Gateway::output(&["check", "--config", "gateway.toml", "--format", "json"], &config, &jwks);
    assert_eq!(output.status.code(), Some(2));
    let problems: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let problems = problems.as_array().expect("an array");
    for (key, line, column) in expected {
        let problem = problems.iter().find(|problem| problem["key"] == key).unwrap_or_else(|| panic!("{key} in {problems:#?}"));
        assert_eq!((&problem["line"], &problem["column"]), (&json!(line), &json!(column)), "{problem}");
        let members: Vec<&str> = problem.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(members, ["column", "file", "key", "line", "remedy", "what"], "{problem}");
        let member = |name: &str| problem[name].as_str().expect("a text");
        assert!(member("file").ends_with("gateway.toml") && !member("remedy").is_empty(), "{problem}");
        let (file, what, remedy) = (member("file"), member("what"), member("remedy"));
        assert!(text.contains(&format!("{file}:{line}:{column}: {key}: {what}; {remedy}\n")), "the same for people: {text}");
    }
    assert_eq!(text.lines().count(), problems.len());
    let output = Gateway::output(&["check", "--config", "gateway.toml", "--format", "json"], &good, &jwks);
    assert_eq!((output.status.code(), serde_json::from_slice::<Value>(&output.stdout).ok()), (Some(0), Some(json!([]))));
}

/// Path, methods and all else that decides what becomes of a request, as text: what is compiled has no equality.
fn rules(gateway: &Compiled) -> Vec<String> {
    let timeout =
        |route: &Route| route.response_timeout.unwrap_or(gateway.upstreams.at(route.upstream).settings.response_timeout);
    let rule = |route: &Route| {
        let (path, Route { methods, auth, scopes, limit, query, body, .. }) = (route.pattern.as_str(), route);
        format!("{path} {methods:?} {auth:?} {scopes:?} {limit:?} {query:?} {body} {:?}", timeout(route))
    };
    let mut rules: Vec<String> = gateway.routes.iter().map(rule).collect();
    rules.sort_unstable();
    rules
}

#[test]
fn the_demo_has_the_routes_and_limits_of_the_shipped_configuration() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = load(&project.join("conf/gateway.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let account = demo::Account::fresh().expect("random numbers");
    let demo = demo::gateway(address(8080), address(9901), address(3000), &account).expect("the demo's configuration is good");
    assert_eq!(rules(&shipped).len(), 9);
    assert_eq!(rules(&demo), rules(&shipped));
    assert_eq!(format!("{:?} {:?}", demo.limits, demo.reset), format!("{:?} {:?}", shipped.limits, shipped.reset));
    assert_eq!(format!("{:?} {:?}", demo.api, demo.bounds), format!("{:?} {:?}", shipped.api, shipped.bounds));
    assert_eq!(format!("{:?}", demo.cors), format!("{:?}", shipped.cors));
}

#[test]
fn the_shipped_configuration_serves_as_it_is() {
    let backend = Backend::start();
    // Keys that cannot be had wherever the test runs.
    let gateway = Gateway::start_with(&shipped(backend.address(), &format!("http://{NOBODY}/jwks.json")), &[]);
    let ping = gateway.connect().get("/ping", &[]);
    assert_eq!((ping.status, &ping.json()["code"]), (503, &json!("keys_unavailable")), "{ping:?}");
    for path in ["/prod/api/v1/incidents", "/prod/api/incidents", "/prod/api/health", "/prod/api/unknown"] {
        let response = gateway.connect().get(path, &[]);
        assert_eq!((response.status, &response.json()["code"]), (401, &json!("missing_token")), "{path}: {response:?}");
    }
    let token = Issuer::new(SHIPPED_ISSUER).token(|claims| claims["client_id"] = json!("570cnagpgoochn29a113du6jnt"));
    let response = gateway.connect().get_as(&token, "/prod/api/incidents");
    assert_eq!((response.status, &response.json()["code"]), (503, &json!("keys_unavailable")), "{response:?}");
    assert!(backend.requests().is_empty());
}
