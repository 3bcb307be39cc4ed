//! What this version refuses; a line goes when its behaviour comes.

use super::{NOT_YET, refused_key, refused_value};

#[test]
fn these_are_not_in_this_version() {
    let listed: Vec<_> = NOT_YET
        .iter()
        .map(|entry| entry.value.map_or(entry.key.to_owned(), |value| format!("{} = {value}", entry.key)))
        .collect();
    let expected = [
        "limits.cluster",
        "upstreams.*.protocol = h2c",
        "upstreams.*.protocol = lambda",
        "upstreams.*.balance = least_requests",
        "upstreams.*.balance = hash",
        "upstreams.*.servers = srv+http://",
        "upstreams.*.health_check",
        "upstreams.*.read_timeout",
        "upstreams.*.tls",
        "upstreams.*.circuit_breaker",
        "tracing",
    ];
    assert_eq!(listed, expected);
}

#[test]
fn a_refused_value_does_not_refuse_its_key() {
    assert_eq!(refused_key("upstreams.*.balance"), None);
    assert_eq!(refused_value("upstreams.*.balance", "round_robin"), None);
    assert_eq!(refused_value("tracing", "true"), None);
}
