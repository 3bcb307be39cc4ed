//! What every response carries, and what of an upstream's gives way.

use super::{ResponseHeaders, foreign};
use crate::{
    cors::RequestOrigin,
    limit::{Numbers, Policy, Quota, Shown, Standing},
    pipeline::test_gateway::gateway,
    time::Now,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const SECOND_NS: u64 = 1_000_000_000;

/// A moment so many nanoseconds into second 1000.
fn at(nanoseconds: u64) -> Now {
    Now { monotonic_ns: nanoseconds, unix_ns: 1000 * SECOND_NS + nanoseconds }
}

/// All fields of a response, decided at second 1000 and written later.
fn written(more: &str, full_in_ns: u64, origin: RequestOrigin, later_ns: u64) -> HeaderMap {
    let quota = Quota::new(100, 100).expect("a quota");
    let shown = Numbers::of_bucket(Policy::User, quota, Standing { limit: 100, remaining: 99, full_in_ns }).into();
    let headers = ResponseHeaders::new(shown, origin, HeaderValue::from_static("id-1"), at(0));
    let mut map = HeaderMap::new();
    headers.write(&gateway(more), at(later_ns), |name, value| {
        map.append(name, value);
    });
    map
}

fn field<'a>(map: &'a HeaderMap, name: &str) -> Option<&'a str> {
    assert!(map.get_all(name).iter().count() < 2, "{name}");
    map.get(name).map(|value| value.to_str().expect("ASCII"))
}

/// `X-RateLimit-Reset` of a bucket that is full so long after the decision, written so long after it.
fn reset(form: &str, full_in_ns: u64, later_ns: u64, expected: &str) {
    let limits = format!("[limits]\nreset = \"{form}\"\n");
    let map = written(&limits, full_in_ns, RequestOrigin::Absent, later_ns);
    assert_eq!(field(&map, "x-ratelimit-reset"), Some(expected), "{form} {full_in_ns} {later_ns}");
}

#[test]
fn the_epoch_of_a_reset_is_rounded_up() {
    reset("epoch", 0, 0, "1000");
    reset("epoch", 1, 0, "1001");
    reset("epoch", SECOND_NS, 0, "1001");
    reset("epoch", SECOND_NS + 1, 0, "1002");
}

#[test]
fn the_epoch_of_a_reset_never_lies_in_the_past() {
    reset("epoch", 0, 1, "1001");
    reset("epoch", SECOND_NS, 29 * SECOND_NS, "1029");
    reset("epoch", 60 * SECOND_NS, 29 * SECOND_NS, "1060");
}

#[test]
fn the_delta_of_a_reset_is_rounded_up_and_counts_from_the_writing() {
    reset("delta", 0, 0, "0");
    reset("delta", 1, 0, "1");
    reset("delta", SECOND_NS, 0, "1");
    reset("delta", SECOND_NS + 1, 0, "2");
    reset("delta", 60 * SECOND_NS, 29 * SECOND_NS, "31");
    reset("delta", SECOND_NS, 29 * SECOND_NS, "0");
}

#[test]
fn the_end_of_the_clock_is_no_wrap() {
    reset("epoch", u64::MAX, 0, "18446744074");
    reset("delta", u64::MAX, 0, "18446743074");
}

#[test]
fn every_response_has_the_bucket_the_id_and_vary() {
    let map = written("", 0, RequestOrigin::Absent, 0);
    assert_eq!(field(&map, "x-ratelimit-limit"), Some("100"));
    assert_eq!(field(&map, "x-ratelimit-remaining"), Some("99"));
    assert_eq!(field(&map, "x-request-id"), Some("id-1"));
    assert_eq!(field(&map, "vary"), Some("Origin"));
    assert_eq!(map.len(), 5);
}

#[test]
fn a_foreign_origin_gets_no_more_than_an_absent_one() {
    assert_eq!(written("", 0, RequestOrigin::Foreign, 0), written("", 0, RequestOrigin::Absent, 0));
}

#[test]
fn an_allowed_origin_may_read_what_the_contract_exposes() {
    let origin = HeaderValue::from_static("https://a.stackflow-tech.com");
    let map = written("", 0, RequestOrigin::Allowed(origin), 0);
    assert_eq!(field(&map, "access-control-allow-origin"), Some("https://a.stackflow-tech.com"));
    let exposed = field(&map, "access-control-expose-headers").expect("they are exposed");
    for name in
        ["X-RateLimit-Limit", "X-RateLimit-Reset", "Retry-After", "X-Request-Id", "ETag", "Location", "Link", "WWW-Authenticate"]
    {
        assert!(exposed.split(", ").any(|own| own == name), "{name}");
    }
    assert_eq!(field(&map, "access-control-allow-credentials"), None);
}

const IETF: &str = "[limits]\nietf_headers = true\n";

/// A bucket of 100, of which one request was taken, and a quota of five a day, of which one is left for an hour.
fn ietf(full_in_ns: u64, later_ns: u64, service: &str, policy: &str) {
    let map = written(IETF, full_in_ns, RequestOrigin::Absent, later_ns);
    assert_eq!((field(&map, "ratelimit"), field(&map, "ratelimit-policy")), (Some(service), Some(policy)));
}

#[test]
fn the_ietf_fields_tell_what_is_left_and_when_there_is_more() {
    let policy = "\"user\";q=100;w=1";
    ietf(10_000_000, 0, "\"user\";r=99;t=1", policy);
    // The delay counts from the writing, and is over after it.
    ietf(3 * SECOND_NS, 0, "\"user\";r=99;t=3", policy);
    ietf(3 * SECOND_NS, SECOND_NS, "\"user\";r=99;t=2", policy);
    ietf(3 * SECOND_NS, 60 * SECOND_NS, "\"user\";r=99;t=0", policy);
    // The other three fields stay.
    assert_eq!(field(&written(IETF, 0, RequestOrigin::Absent, 0), "x-ratelimit-remaining"), Some("99"));
    assert_eq!(field(&written("", 0, RequestOrigin::Absent, 0), "ratelimit"), None);
}

#[test]
fn each_policy_is_an_item_of_the_ietf_fields() {
    let quota = |rate, burst| Quota::new(rate, burst).expect("a quota");
    let bucket = |policy, rate, burst, remaining, full_in_ns| {
        Numbers::of_bucket(policy, quota(rate, burst), Standing { limit: burst, remaining, full_in_ns })
    };
    let also = [Some(bucket(Policy::Route, 10, 25, 0, 2_500_000_000)), None, Some(bucket(Policy::Global, 1, 3, 3, 0))];
    let shown = Shown { main: bucket(Policy::User, 100, 100, 100, 0), also };
    let mut fields = Vec::new();
    ResponseHeaders::new(shown, RequestOrigin::Absent, HeaderValue::from_static("id-1"), at(0)).write(
        &gateway(IETF),
        at(0),
        |name, value| fields.push((name, value)),
    );
    let value = |name: &str| fields.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.to_str().ok());
    assert_eq!(value("ratelimit"), Some("\"user\";r=100, \"route\";r=0;t=1, \"global\";r=3"));
    assert_eq!(value("ratelimit-policy"), Some("\"user\";q=100;w=1, \"route\";q=25;w=3, \"global\";q=3;w=3"));
}

#[test]
fn pages_may_read_the_ietf_fields_where_they_are_sent() {
    let exposed = |more: &str| {
        let origin = RequestOrigin::Allowed(HeaderValue::from_static("https://a.stackflow-tech.com"));
        field(&written(more, 0, origin, 0), "access-control-expose-headers").map(str::to_owned).expect("they are exposed")
    };
    assert!(exposed(IETF).contains("RateLimit, RateLimit-Policy, ") && !exposed("").contains(" RateLimit"));
}

#[test]
fn configured_fields_are_set() {
    let more = "[response_headers]\nset = { \"Strict-Transport-Security\" = \"max-age=1\", \"X-A\" = \"b\" }\n";
    let map = written(more, 0, RequestOrigin::Absent, 0);
    assert_eq!(field(&map, "strict-transport-security"), Some("max-age=1"));
    assert_eq!(field(&map, "x-a"), Some("b"));
}

#[test]
fn what_an_upstream_says_of_limits_and_cors_gives_way_and_the_rest_stays() {
    let names = [
        "access-control-allow-origin",
        "access-control-made-up",
        "x-ratelimit-limit",
        "x-ratelimit-made-up",
        "server",
        "x-powered-by",
        "content-type",
        "ratelimit-limit",
        "vary",
        "etag",
    ];
    let map: HeaderMap = names.into_iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect();
    let gateway = gateway("[response_headers]\nremove = [\"Server\", \"X-Powered-By\"]\n");
    let removed: Vec<_> = foreign(&map, &gateway).map(|name| name.as_str().to_owned()).collect();
    let kept: Vec<_> = names.into_iter().filter(|name| !removed.iter().any(|gone| gone == name)).collect();
    assert_eq!(kept, ["content-type", "ratelimit-limit", "vary", "etag"]);
}

#[test]
fn an_upstreams_ietf_fields_give_way_where_the_gateway_sends_them() {
    let names = ["ratelimit", "ratelimit-policy", "ratelimit-reset", "ratelimited"];
    let map: HeaderMap = names.into_iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect();
    assert_eq!(foreign(&map, &gateway(IETF)).count(), 3);
    assert_eq!(foreign(&map, &gateway("")).count(), 0);
}
