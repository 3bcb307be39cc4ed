//! `schema`: what it prints is a schema, by which the configurations that are shipped are valid and wrong ones are not; and it has no key
//! that the complete configuration does not show.
mod support;

use serde_json::{Map, Value, json};
use stackflow_gateway::config::compile;
use std::{collections::BTreeMap, fs, path::Path};
use support::{Gateway, python, run_tool};

const DEMO: &str = include_str!("../src/demo/demo.toml");

fn schema() -> Value {
    let output = Gateway::output(&["schema"], "", &[]);
    assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn shipped(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)).expect(name)
}

/// What the validator says of the schema and of each file.
fn validated(schema: &Value, files: &BTreeMap<&str, String>) -> Value {
    let document = |(name, text): (&&str, &String)| {
        let document: toml::Table = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        ((*name).to_owned(), serde_json::to_value(document).expect("JSON"))
    };
    let files: Map<String, Value> = files.iter().map(document).collect();
    let output = run_tool(&mut python("schema.py"), &json!({ "schema": schema, "files": files }).to_string());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn what_is_shipped_is_valid_and_the_schema_is_one() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let files = BTreeMap::from([
        ("gateway.toml", shipped("gateway.toml")),
        ("minimal.toml", shipped("minimal.toml")),
        ("the demo", DEMO.to_owned()),
        ("rarely used", RARE.to_owned()),
    ]);
    let said = validated(&schema, &files);
    assert_eq!(
        said,
        json!({ "schema": null, "files": { "gateway.toml": [], "minimal.toml": [], "the demo": [], "rarely used": [] } })
    );
}

/// Each form that a key can have and that the shipped files do not show.
const RARE: &str = r#"
[[listeners]]
address = "unix:/run/api.sock"
[[listeners]]
address = "0.0.0.0:443"
tls = [{ certificate = "a.pem", private_key = "a-key.pem" }, { certificate = "b.pem", private_key = "b-key.pem", client_ca = "ca.pem" }]
proxy_protocol = "required"
[admin]
token = { env = "ADMIN_TOKEN" }
hosts = ["gateway-1.internal"]
[upstreams.a]
servers = ["https://a.internal"]
[upstreams.b]
servers = ["http://10.0.0.1"]
[[auth.issuers]]
issuer = "https://issuer.example"
profile = "rfc9068"
audiences = "any"
[auth.token_endpoint]
failures = { rate = 2, burst = 3 }
[limits]
state_file = "state"
[[limits.plans]]
name = "gold"
groups = ["partners"]
quota = { requests = 5, period = "month" }
[response_headers]
set = { "X-Frame-Options" = "DENY" }
remove = ["Server"]
[[routes]]
path = "/a"
limit = { rate = 1, burst = 2 }
query = { q = { max_length = 5 }, n = { type = "integer" } }
[log]
sample_ok = 1
output = "log.json"
"#;

/// Name, a line of conf/minimal.toml and what stands in its place.
const WRONG: [(&str, &str, &str); 26] = [
    ("an unknown key", "client_ids", "client_idz"),
    ("an unknown table", "[[listeners]]", "[serverr]\n[[listeners]]"),
    ("an unknown key in a table", "[[listeners]]", "[limits]\nglobal = { rate = 1, burst = 1, period = 2 }\n[[listeners]]"),
    ("a key that is not in this version", "[[listeners]]", "[limits.cluster]\nredis = \"redis://127.0.0.1\"\n[[listeners]]"),
    ("a word that is not in this version", "[upstreams.api]", "[upstreams.api]\nprotocol = \"lambda\""),
    ("no listener", "[[listeners]]\naddress = \"0.0.0.0:8080\"", ""),
    ("an empty list of listeners", "[[listeners]]\naddress = \"0.0.0.0:8080\"", "listeners = []"),
    ("a listener without an address", "address = \"0.0.0.0:8080\"", "http2 = true"),
    ("a number for an address", "\"0.0.0.0:8080\"", "8080"),
    ("a text for a boolean", "[upstreams.api]", "[upstreams.api]\npreserve_host = \"yes\""),
    ("a text for a list", "[\"http://127.0.0.1:3000\"]", "\"http://127.0.0.1:3000\""),
    ("no server", "[\"http://127.0.0.1:3000\"]", "[]"),
    ("a number for a text in a list", "[\"http://127.0.0.1:3000\"]", "[3000]"),
    ("nobody's client", "[\"570cnagpgoochn29a113du6jnt\"]", "[]"),
    ("a word that is none", "[\"570cnagpgoochn29a113du6jnt\"]", "\"all\""),
    ("any among others", "[\"570cnagpgoochn29a113du6jnt\"]", "[\"any\"]"),
    ("an issuer without a name", "issuer = \"https", "ca_file = \"https"),
    ("an issuer for nobody", "client_ids = [\"570cnagpgoochn29a113du6jnt\"]", ""),
    ("an algorithm that is none", "client_ids", "algorithms = [\"HS256\"]\nclient_ids"),
    ("a number too large", "[[listeners]]", "[server]\nthreads = 1025\n[[listeners]]"),
    ("a number below", "[[listeners]]", "[limits]\nper_user = { rate = 0, burst = 1 }\n[[listeners]]"),
    ("a share above one", "[[listeners]]", "[log]\nsample_ok = 1.5\n[[listeners]]"),
    ("a duration without a unit", "[upstreams.api]", "[upstreams.api]\nconnect_timeout = \"2\""),
    ("a size with a unit that means two things", "[[listeners]]", "[bounds]\nbody = \"10MB\"\n[[listeners]]"),
    ("a secret in two places", "[[listeners]]", "[admin]\ntoken = { env = \"A\", file = \"a\" }\n[[listeners]]"),
    ("a route without a path", "[[listeners]]", "[[routes]]\nmethods = [\"GET\"]\n[[listeners]]"),
];

#[test]
fn what_is_wrong_is_not_valid_and_check_refuses_it_too() {
    let minimal = shipped("minimal.toml");
    let mut files = BTreeMap::new();
    for (name, from, to) in WRONG {
        assert_eq!(minimal.matches(from).count(), 1, "{name}: {from}");
        let text = minimal.replace(from, to);
        assert!(compile(Path::new("gateway.toml"), &text).is_err(), "{name}");
        assert!(files.insert(name, text).is_none(), "{name}");
    }
    let said = validated(&schema(), &files);
    for name in files.keys() {
        assert_ne!(said["files"][name], json!([]), "{name}");
    }
}

/// Each key with the tables around it, `*` for chosen names.
fn keys(schema: &Value, around: &str, found: &mut Vec<String>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{around}{key}");
        keys(property, &format!("{name}."), found);
        found.push(name);
    }
    schema["anyOf"].as_array().into_iter().flatten().for_each(|kind| keys(kind, around, found));
    for (inner, around) in [("items", around.to_owned()), ("additionalProperties", format!("{around}*."))] {
        if schema[inner].is_object() {
            keys(&schema[inner], &around, found);
        }
    }
}

/// The text of each table of a file by its header, commented out or not; tables of one name are one.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::from([(String::new(), String::new())]);
    let mut current = String::new();
    for line in text.lines() {
        let header = line.strip_prefix("# ").unwrap_or(line).trim_start_matches('[');
        if let Some((header, _)) = header.split_once(']').filter(|_| line.trim_start_matches("# ").starts_with('[')) {
            current = header.replace("upstreams.api", "upstreams.*");
        }
        let section = sections.entry(current.clone()).or_default();
        section.push_str(line);
        section.push('\n');
    }
    sections
}

/// Whether `text` shows `key` as a key: before `=`, or in a list of them.
fn shows(text: &str, key: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(key).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + key.len()..]);
        !before.ends_with(is_word) && (after.starts_with(" =") || (before.ends_with(", ") && after.starts_with([',', ' '])))
    })
}

#[test]
fn every_key_stands_in_the_complete_configuration() {
    let (schema, mut found) = (schema(), Vec::new());
    keys(&schema, "", &mut found);
    assert!(found.len() > 100, "{}", found.len());
    let text = shipped("gateway.toml");
    let sections = sections(&text);
    let missing: Vec<&String> = found.iter().filter(|key| !stands(&sections, key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// As a table of its own, or as a key of the nearest table around it that has a header.
fn stands(sections: &BTreeMap<String, String>, key: &str) -> bool {
    if sections.keys().any(|header| header == key || header.starts_with(&format!("{key}."))) {
        return true;
    }
    let last = key.rsplit('.').next().unwrap_or(key);
    let mut around = key;
    while let Some((outer, _)) = around.rsplit_once('.') {
        if let Some(text) = sections.get(outer) {
            return shows(text, last);
        }
        around = outer;
    }
    false
}
