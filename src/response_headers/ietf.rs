//! `RateLimit` and `RateLimit-Policy` after draft-ietf-httpapi-ratelimit-headers-10: lists of structured fields (RFC 9651), an item
//! for each policy that judged the request, but global and bulk, which are shown only when they refuse.
//!
//! - `RateLimit-Policy: "user";q=100;w=1`: the capacity, and the seconds in which that much is given out, rounded up.
//! - `RateLimit: "user";r=99;t=1`: what is left, and the seconds until there is more than that, rounded up; no `t` where nothing is
//!   missing. Of a bucket this is sooner than `X-RateLimit-Reset`, which says when all of it is back.
//!
//! Partition keys (`pk`) are left out: they would only repeat, or betray, who asks.

use crate::{
    limit::{Numbers, Shown},
    time::Now,
};
use http::{HeaderName, HeaderValue};

const SERVICE: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Bytes of one item, at most: the longest name and two parameters of twenty digits.
const ITEM: usize = 64;

/// Calls `put` with both fields. `decided` is the moment of the decision, `now` that of writing.
pub(super) fn write(shown: &Shown, decided_unix_ns: u64, now: Now, put: &mut impl FnMut(HeaderName, HeaderValue)) {
    let all = || std::iter::once(&shown.main).chain(shown.also.iter().flatten());
    put(
        SERVICE,
        list(all(), |item, numbers| {
            parameter(item, ";r=", numbers.standing.remaining);
            if let Some(more_in_ns) = numbers.more_in_ns() {
                let more_at_unix_ns = decided_unix_ns.saturating_add(more_in_ns);
                parameter(item, ";t=", more_at_unix_ns.saturating_sub(now.unix_ns).div_ceil(1_000_000_000));
            }
        }),
    );
    put(
        POLICY,
        list(all(), |item, numbers| {
            parameter(item, ";q=", numbers.capacity());
            match numbers.window_s() {
                Some(seconds) => parameter(item, ";w=", seconds),
                None => item.push_str(";qu=\"concurrent-requests\""),
            }
        }),
    );
}

/// Whether an upstream's field gives way: also those of earlier drafts, which clients would take for the gateway's.
pub(super) fn owns(name: &HeaderName) -> bool {
    *name == SERVICE || name.as_str().starts_with("ratelimit-")
}

fn list<'a>(all: impl Iterator<Item = &'a Numbers>, parameters: impl Fn(&mut String, &Numbers)) -> HeaderValue {
    let mut value = String::with_capacity(3 * ITEM);
    for numbers in all {
        value.push_str(if value.is_empty() { "\"" } else { ", \"" });
        value.push_str(numbers.policy.label());
        value.push('"');
        parameters(&mut value, numbers);
    }
    HeaderValue::try_from(value).expect("BUG: labels, digits and punctuation are visible ASCII")
}

fn parameter(item: &mut String, name: &str, value: u64) {
    item.push_str(name);
    item.push_str(itoa::Buffer::new().format(value));
}
