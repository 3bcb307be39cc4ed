//! What is refused by name, where, and what is not.

use super::{Unloadable, compile_next};
use crate::config::{Gateway, ListenerAddress, compile};
use std::path::Path;

/// A file with these listeners and these other tables.
fn text(listeners: &[&str], more: &str) -> String {
    let listeners: Vec<String> = listeners.iter().map(|address| format!("[[listeners]]\naddress = \"{address}\"\n")).collect();
    let listeners = listeners.concat();
    format!(
        "{more}\n{listeners}\n[[auth.issuers]]\nissuer = \"https://issuer.example\"\nclient_ids = \"any\"\n\
         [upstreams.api]\nservers = [\"http://127.0.0.1:3000\"]\n"
    )
}

const TWO: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:8081"];

/// A gateway with two listeners and two threads, one listener's port as the system chose it.
fn running() -> Gateway {
    compile(Path::new("gateway.toml"), &text(&TWO, "[server]\nthreads = 2")).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems, one a line.
fn check(text: &str, expected: &[&str]) {
    let found = match compile_next(Path::new("gateway.toml"), text, &running()) {
        Err(Unloadable::NeedsRestart(problems)) => problems.to_string(),
        Err(Unloadable::Wrong(problems)) => panic!("wrong: {problems}"),
        Ok(_) => String::new(),
    };
    let remedy = "; restart the gateway, or take the change back";
    let lines: Vec<String> = expected.iter().map(|line| format!("gateway.toml:{line}{remedy}")).collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn another_address_is_refused_at_its_place_and_the_one_that_is_missed_by_name() {
    check(
        &text(&["127.0.0.1:8080", "127.0.0.1:9090"], "[server]\nthreads = 2"),
        &[
            "3:1: listeners: `127.0.0.1:8081` is listened on, and a running gateway does not give an address up",
            "6:11: listeners.address: `127.0.0.1:9090` is not listened on, and a running gateway binds no other address",
        ],
    );
}

#[test]
fn one_listener_more_is_refused() {
    check(
        &text(&["127.0.0.1:8080", "127.0.0.1:8081", "unix:/run/x.sock"], "[server]\nthreads = 2"),
        &["8:11: listeners.address: `unix:/run/x.sock` is not listened on, and a running gateway binds no other address"],
    );
}

#[test]
fn other_threads_another_admin_address_and_another_cache_are_refused_together() {
    let more = "[server]\nthreads = 3\n[admin]\naddress = \"127.0.0.1:9902\"\n[auth]\ntoken_cache = 5";
    check(
        &text(&TWO, more),
        &[
            "2:11: server.threads: is 2 in the running gateway, and is fixed at the start",
            "4:11: admin.address: is `127.0.0.1:9901` in the running gateway, which cannot move",
            "6:15: auth.token_cache: is 100000 in the running gateway, and is fixed at the start",
        ],
    );
}

#[test]
fn another_file_of_quotas_is_refused_and_other_limits_are_not() {
    let more = "[server]\nthreads = 2\n[limits]\ndry_run = true\nstate_file = \"quotas\"";
    check(&text(&TWO, more), &["5:14: limits.state_file: is none in the running gateway, and is read at the start"]);
    let more = "[server]\nthreads = 2\n[limits]\ndry_run = true\nietf_headers = true\n[[limits.plans]]\nname = \"a\"\n\
                groups = [\"g\"]\nper_user = { rate = 1, burst = 1 }";
    check(&text(&TWO, more), &[]);
}

#[test]
fn a_file_that_is_wrong_is_that_first() {
    let wrong = text(&["127.0.0.1:9090"], "[server]\nthreads = \"many\"");
    let refused = compile_next(Path::new("gateway.toml"), &wrong, &running());
    assert!(matches!(&refused, Err(Unloadable::Wrong(problems)) if problems.0.len() == 1), "{refused:?}");
}

#[test]
fn the_same_addresses_in_another_order_are_taken_up() {
    check(&text(&["127.0.0.1:8081", "127.0.0.1:8080"], "[server]\nthreads = 2"), &[]);
}

#[test]
fn port_0_stands_for_the_port_that_is_bound() {
    let next = compile_next(Path::new("gateway.toml"), &text(&["127.0.0.1:0", TWO[1]], "[server]\nthreads = 2"), &running());
    let next = next.unwrap_or_else(|refused| panic!("{refused:?}"));
    let addresses: Vec<String> = next.listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(addresses, TWO);
    assert!(matches!(next.admin.address, ListenerAddress::Tcp(address) if address.port() == 9901));
}

#[test]
fn what_a_listener_does_may_change() {
    let redirecting = text(&TWO, "[server]\nthreads = 2").replace("8081\"\n", "8081\"\nhttp2 = false\nredirect_https = true\n");
    check(&redirecting, &[]);
}
