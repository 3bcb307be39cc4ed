//! Who may post, refusals first, and what each end of a reload is answered with.

use super::{Refusal, may_post, tell};
use crate::{
    config::{Problem, Problems},
    proxy::{ReloadError, Unavailable},
    secret::Secret,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{net::IpAddr, path::PathBuf, sync::Arc};

const TOKEN: &str = "0123456789abcdef";
const HERE: Option<&str> = Some("127.0.0.1");
const AWAY: Option<&str> = Some("10.0.0.7");
const SOCKET: Option<&str> = None;

/// A POST with these headers from this address, where `token` is configured.
fn check(peer: Option<&str>, token: Option<&str>, headers: &[(&'static str, &'static str)], expected: Result<(), Refusal>) {
    let mut map = HeaderMap::new();
    map.insert("host", HeaderValue::from_static("127.0.0.1:9901"));
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let peer: Option<IpAddr> = peer.map(|peer| peer.parse().expect("an address"));
    let token = token.map(|token| Secret::new(token.to_owned()));
    assert_eq!(may_post(&map, peer, token.as_ref()), expected, "{headers:?}");
}

#[test]
fn pages_of_other_origins_are_refused_wherever_they_are_shown() {
    let foreign = Err(Refusal::ForeignPage);
    for peer in [HERE, AWAY, SOCKET] {
        for token in [None, Some(TOKEN)] {
            check(peer, token, &[("origin", "https://evil.example"), ("authorization", "Bearer 0123456789abcdef")], foreign);
            check(peer, token, &[("origin", "null")], foreign);
            check(peer, token, &[("origin", "http://127.0.0.1:8080")], foreign);
            check(peer, token, &[("origin", "https://127.0.0.1:9901")], foreign);
            check(peer, token, &[("origin", "http://127.0.0.1:9901"), ("origin", "http://evil.example")], foreign);
            check(peer, token, &[("sec-fetch-site", "cross-site")], foreign);
            check(peer, token, &[("sec-fetch-site", "same-site")], foreign);
        }
    }
}

#[test]
fn without_a_token_nobody_from_elsewhere_may() {
    check(AWAY, None, &[], Err(Refusal::NotLocal));
    check(Some("192.168.1.1"), None, &[("authorization", "Bearer 0123456789abcdef")], Err(Refusal::NotLocal));
    check(Some("fe80::1"), None, &[], Err(Refusal::NotLocal));
}

#[test]
fn with_a_token_nobody_may_without_it_not_even_from_here() {
    let refused = Err(Refusal::Token);
    for peer in [HERE, AWAY, SOCKET] {
        check(peer, Some(TOKEN), &[], refused);
        check(peer, Some(TOKEN), &[("authorization", "Bearer 0123456789abcdeg")], refused);
        check(peer, Some(TOKEN), &[("authorization", "Bearer 0123456789abcde")], refused);
        check(peer, Some(TOKEN), &[("authorization", "Bearer 0123456789abcdef0")], refused);
        check(peer, Some(TOKEN), &[("authorization", "Bearer  0123456789abcdef")], refused);
        check(peer, Some(TOKEN), &[("authorization", "Bearer")], refused);
        check(peer, Some(TOKEN), &[("authorization", "Basic 0123456789abcdef")], refused);
        let twice = [("authorization", "Bearer 0123456789abcdef"), ("authorization", "Bearer 0123456789abcdef")];
        check(peer, Some(TOKEN), &twice, refused);
    }
}

#[test]
fn programs_on_this_host_and_pages_of_this_origin_may() {
    check(HERE, None, &[], Ok(()));
    check(SOCKET, None, &[], Ok(()));
    check(Some("::1"), None, &[], Ok(()));
    check(Some("::ffff:127.0.0.1"), None, &[], Ok(()));
    check(HERE, None, &[("origin", "http://127.0.0.1:9901"), ("sec-fetch-site", "same-origin")], Ok(()));
}

#[test]
fn whoever_has_the_token_may_from_anywhere() {
    for peer in [HERE, AWAY, SOCKET] {
        check(peer, Some(TOKEN), &[("authorization", "Bearer 0123456789abcdef")], Ok(()));
        check(peer, Some(TOKEN), &[("authorization", "bearer 0123456789abcdef")], Ok(()));
    }
}

/// The answer to what came of a reload, with 7 in force.
fn answer(reloaded: Result<Result<u64, ReloadError>, Unavailable>, status: u16, expected: &str) {
    let (found, body) = tell(&reloaded.map(Arc::new), 7);
    assert_eq!((found.as_u16(), body.to_string().as_str()), (status, expected));
}

#[test]
fn each_end_of_a_reload_has_its_answer() {
    let problems = || {
        let (key, what, remedy) = ("server.threads".to_owned(), "is wrong".to_owned(), "write another".to_owned());
        Problems(vec![Problem { file: PathBuf::from("g.toml"), line: 1, column: 2, key, what, remedy }])
    };
    let listed = "\"problems\":[{\"column\":2,\"file\":\"g.toml\",\"key\":\"server.threads\",\"line\":1,\"remedy\":\"write another\",\
                  \"what\":\"is wrong\"}]";
    let with_problems = |result: &str| format!("{{\"generation\":7,{listed},\"result\":\"{result}\"}}");
    answer(Ok(Err(ReloadError::Wrong(problems()))), 422, &with_problems("wrong"));
    answer(Ok(Err(ReloadError::NeedsRestart(problems()))), 409, &with_problems("needs_restart"));
    answer(Ok(Err(ReloadError::Draining)), 409, "{\"generation\":7,\"result\":\"unavailable\"}");
    answer(Err(Unavailable::Closed), 409, "{\"generation\":7,\"result\":\"unavailable\"}");
    answer(Err(Unavailable::Busy), 503, "{\"generation\":7,\"result\":\"busy\"}");
    answer(Ok(Ok(7)), 200, "{\"generation\":7,\"result\":\"reloaded\"}");
}
