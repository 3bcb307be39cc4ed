//! Heads that begin a WebSocket and those that nearly do; answers that agree and those that nearly do.

use super::{check_agreement, is_opening};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, request::Parts};

/// Key and answer of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"))
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        map.append(name, value);
    }
    map
}

/// A good opening, with `change`: fields in place of all of that name, none for an empty value.
fn opening(change: &[(&str, &str)]) -> Parts {
    let mut head = http::Request::new(()).into_parts().0;
    let good = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-key", KEY), ("sec-websocket-version", "13")];
    let kept = good.iter().filter(|(name, _)| change.iter().all(|(changed, _)| changed != name));
    let changed = change.iter().filter(|(_, value)| !value.is_empty());
    head.headers = fields(&kept.chain(changed).copied().collect::<Vec<_>>());
    head
}

#[track_caller]
fn check_opening(change: &[(&str, &str)], expected: bool) {
    assert_eq!(is_opening(&opening(change), false), expected, "{change:?}");
}

#[test]
fn what_is_no_opening_of_version_13_is_refused() {
    for change in [
        ("upgrade", ""),
        ("upgrade", "h2c"),
        ("upgrade", "websocket, h2c"),
        ("upgrade", "h2c, websocket"),
        ("upgrade", "websocket/13"),
        ("upgrade", "websockets"),
        ("upgrade", "\"websocket\""),
        ("connection", ""),
        ("connection", "keep-alive"),
        ("connection", "upgraded"),
        ("connection", "\"upgrade\""),
        ("connection", "upgrade;q=1"),
        ("sec-websocket-key", ""),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZTEx"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25_ZQ=="),
        ("sec-websocket-version", ""),
        ("sec-websocket-version", "8"),
        ("sec-websocket-version", "13, 8"),
        ("sec-websocket-version", "013"),
    ] {
        check_opening(&[change], false);
    }
}

#[test]
fn fields_that_come_twice_are_refused() {
    for twice in [("upgrade", "websocket"), ("sec-websocket-key", KEY), ("sec-websocket-version", "13")] {
        check_opening(&[twice, twice], false);
    }
}

#[test]
fn another_method_or_version_or_a_body_is_refused() {
    let with = |change: fn(&mut Parts)| {
        let mut head = opening(&[]);
        change(&mut head);
        head
    };
    assert!(!is_opening(&with(|head| head.method = Method::POST), false));
    assert!(!is_opening(&with(|head| head.method = Method::HEAD), false));
    assert!(!is_opening(&with(|head| head.version = Version::HTTP_10), false));
    assert!(!is_opening(&with(|head| head.version = Version::HTTP_2), false));
    assert!(!is_opening(&opening(&[]), true));
}

#[test]
fn what_clients_write_opens() {
    check_opening(&[], true);
    check_opening(&[("upgrade", "WebSocket")], true);
    check_opening(&[("connection", "keep-alive, Upgrade")], true);
    check_opening(&[("connection", "keep-alive"), ("connection", "UPGRADE")], true);
    check_opening(&[("sec-websocket-protocol", "chat, superchat"), ("sec-websocket-extensions", "permessage-deflate")], true);
}

#[track_caller]
fn check_answer(answer: &[(&str, &str)], expected: bool) {
    let agreed = check_agreement(&opening(&[]).headers, &fields(answer));
    assert_eq!(agreed.is_ok(), expected, "{answer:?}: {agreed:?}");
}

#[test]
fn a_101_that_does_not_know_the_key_or_the_protocol_is_no_agreement() {
    let (upgrade, connection) = (("upgrade", "websocket"), ("connection", "Upgrade"));
    let accept = ("sec-websocket-accept", ACCEPT);
    for answer in [
        &[][..],
        &[upgrade, connection],
        &[upgrade, accept],
        &[connection, accept],
        &[("upgrade", "h2c"), connection, accept],
        &[("upgrade", "websocket, h2c"), connection, accept],
        &[upgrade, connection, ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")],
        &[upgrade, connection, ("sec-websocket-accept", "S3PPLMBITXAQ9KYGZZHZRBK+XOO=")],
        &[upgrade, connection, ("sec-websocket-accept", KEY)],
        &[upgrade, connection, accept, accept],
        &[upgrade, upgrade, connection, accept],
    ] {
        check_answer(answer, false);
    }
}

#[test]
fn the_answer_to_the_key_is_an_agreement() {
    check_answer(&[("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", ACCEPT)], true);
    check_answer(&[("upgrade", "WebSocket"), ("connection", "keep-alive, upgrade"), ("sec-websocket-accept", ACCEPT)], true);
}
