//! What `[upstreams]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check, check_whole};

#[test]
fn there_is_an_upstream() {
    check_whole(
        r#"upstreams = {}
[[listeners]]
address = "127.0.0.1:8080"
[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any""#,
        r#"1:13: upstreams: has no upstream; write [upstreams.api] with `servers = ["http://127.0.0.1:3000"]`"#,
    );
}

#[test]
fn an_upstream_has_servers() {
    check(
        r"[upstreams.api]
retries = 1",
        r#"1:1: upstreams.api.servers: is missing; write `servers = ["http://HOST:PORT"]`"#,
    );
}

#[test]
fn an_upstream_has_at_least_one_server() {
    check(
        r"[upstreams.api]
servers = []",
        r#"2:11: upstreams.api.servers: is empty; write `servers = ["http://HOST:PORT"]`"#,
    );
}

#[test]
fn a_server_has_a_scheme() {
    check(
        r#"[upstreams.api]
servers = ["127.0.0.1:3000"]"#,
        "2:12: upstreams.api.servers: is not an http or https URL; write http://HOST[:PORT] or https://HOST[:PORT]",
    );
}

#[test]
fn a_server_has_no_path() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:3000/api"]"#,
        "2:12: upstreams.api.servers: has something after the host and port; remove it; paths are made with `api.upstream_base_path`",
    );
}

#[test]
fn a_server_has_no_password() {
    check(
        r#"[upstreams.api]
servers = ["http://user:hunter2@127.0.0.1"]"#,
        "2:12: upstreams.api.servers: has a user name or password; remove it; it would be readable in logs",
    );
}

#[test]
fn a_server_has_a_port_that_exists() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:70000"]"#,
        "2:12: upstreams.api.servers: has no valid port; write a port from 1 to 65535",
    );
}

#[test]
fn a_server_is_listed_once() {
    check(
        r#"[upstreams.api]
servers = ["http://a", "http://A:80"]"#,
        "2:24: upstreams.api.servers: is there twice; write each server once",
    );
}

#[test]
fn an_answer_takes_some_time() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:3000"]
response_timeout = "0s""#,
        r#"3:20: upstreams.api.response_timeout: `0s` is out of range; write "1ms" to "1h""#,
    );
}

#[test]
fn attempts_are_bounded() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:3000"]
retries = 50"#,
        "3:11: upstreams.api.retries: 50 is out of range; write a whole number from 0 to 10",
    );
}

#[test]
fn other_protocols_and_choices_are_not_in_this_version() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:3000"]
protocol = "h2c"
balance = "hash""#,
        r#"3:12: upstreams.api.protocol: `h2c` is not in this version; write "http"
4:11: upstreams.api.balance: `hash` is not in this version; write "round_robin""#,
    );
}

#[test]
fn service_records_are_not_in_this_version() {
    check(
        r#"[upstreams.api]
servers = ["srv+http://_api._tcp.example"]"#,
        "2:12: upstreams.api.servers: `srv+http://` is not in this version; list the servers as http:// or https://; a name that resolves to several addresses is one server",
    );
}

#[test]
fn an_unknown_protocol_is_unknown() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:3000"]
protocol = "gopher""#,
        r#"3:12: upstreams.api.protocol: `gopher` is not known; write "http""#,
    );
}

#[test]
fn health_and_trust_of_servers_are_not_in_this_version() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:3000"]
health_check = { path = "/health" }
tls = { client_key = "k" }
circuit_breaker = { minimum = 1 }"#,
        r"3:1: upstreams.api.health_check: not in this version; remove it; a server that cannot be reached is passed over by `retries`
4:1: upstreams.api.tls: not in this version; remove it; https servers are verified against the system's trust
5:1: upstreams.api.circuit_breaker: not in this version; remove it",
    );
}

#[test]
fn an_unknown_key_is_shown_with_the_upstreams_name() {
    check(
        r#"[upstreams.api]
servers = ["http://127.0.0.1:3000"]
retrys = 1"#,
        "3:1: upstreams.api.retrys: unknown key; did you mean `retries`?",
    );
}

#[test]
fn upstreams_are_named_and_not_listed() {
    check("[[upstreams]]\nservers = [] # [upstreams.", "1:1: upstreams: is a list; write a table of names, as in { NAME = … }");
}

#[test]
fn a_server_has_the_port_of_its_scheme_unless_written() {
    let servers =
        &accepted("[upstreams.api]\nservers = [\"http://a\", \"https://B.example\", \"http://[::1]:3000\"]").upstreams[0].servers;
    let shown: Vec<_> = servers.iter().map(|server| (server.tls, server.host.as_str(), server.port)).collect();
    assert_eq!(shown, [(false, "a", 80), (true, "b.example", 443), (false, "::1", 3000)]);
}

#[test]
fn upstreams_have_the_documented_defaults() {
    let upstream = &accepted("").upstreams[0];
    assert_eq!((upstream.name.as_str(), upstream.preserve_host, upstream.retries), ("api", true, 1));
    let times = [upstream.connect_timeout, upstream.response_timeout];
    assert_eq!(times.map(|time| time.as_secs()), [2, 29]);
}

#[test]
fn what_is_the_only_choice_may_be_written() {
    accepted("[upstreams.api]\nservers = [\"http://a\"]\nprotocol = \"http\"\nbalance = \"round_robin\"");
}
