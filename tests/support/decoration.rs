//! What every response of the gateway carries, whatever its status (contract: "on every final response").
use super::Response;
use std::time::{SystemTime, UNIX_EPOCH};

/// Exposed to pages besides what browsers always expose.
const EXPOSED: [&str; 9] = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
    "X-Request-Id",
    "ETag",
    "Location",
    "Link",
    "WWW-Authenticate",
];

/// Now, in whole seconds since 1970.
pub fn epoch_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs()
}

/// The three rate limit headers once each and consistent, a request id, and `Vary: Origin`.
pub fn assert_decorated(name: &str, response: &Response) {
    let (limit, remaining) = (response.number("X-RateLimit-Limit"), response.number("X-RateLimit-Remaining"));
    assert!(remaining <= limit, "{name}: {remaining} of {limit} remain");
    let (now, reset) = (epoch_seconds(), response.number("X-RateLimit-Reset"));
    // No quota of these tests takes longer than this to fill.
    assert!((now - 2..now + 100_000).contains(&reset), "{name}: reset at {reset}, now {now}");
    let id = response.only("X-Request-Id");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    assert!(!id.is_empty() && id.len() <= 128 && id.bytes().all(plain), "{name}: request id {id:?}");
    let vary = response.list("Vary");
    assert_eq!(vary.iter().filter(|field| field.eq_ignore_ascii_case("origin")).count(), 1, "{name}: Vary {vary:?}");
}

/// Shared with this origin and no other, or with nobody.
pub fn assert_shared_with(name: &str, origin: Option<&str>, response: &Response) {
    assert_eq!(response.header("Access-Control-Allow-Origin"), origin, "{name}");
    let exposed = response.list("Access-Control-Expose-Headers");
    if origin.is_none() {
        let left: Vec<_> =
            response.headers.iter().filter(|(header, _)| header.to_ascii_lowercase().starts_with("access-control-")).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    } else if response.header("Access-Control-Allow-Methods").is_none() {
        // A preflight's answer is read by the browser alone: it needs to expose nothing.
        for header in EXPOSED {
            assert!(exposed.iter().any(|known| known.eq_ignore_ascii_case(header)), "{name}: {header} in {exposed:?}");
        }
    }
}
