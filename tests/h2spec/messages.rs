//! Requests that are malformed: RFC 7540, section 8.

use crate::cases::{Case, Expect, PATH, case, data, fields, open, open_post, whole, with};
use crate::support::http2::{END_HEADERS, PROTOCOL_ERROR, PUSH_PROMISE, block, frame};

const REFUSED: Expect = Expect::StreamError(&[PROTOCOL_ERROR]);

/// A GET with another field.
fn and(name: &'static str, field: (&'static str, &'static str)) -> Case {
    case(name, &[whole(1, &with("GET", &[field]))], REFUSED)
}

/// A request of these fields alone.
fn of(name: &'static str, fields: &[(&str, &str)]) -> Case {
    case(name, &[whole(1, &block(fields))], REFUSED)
}

pub fn cases() -> Vec<Case> {
    let trailers = |fields: &[(&str, &str)]| open(1, &block(fields));
    let promise = [&3u32.to_be_bytes()[..], &with("GET", &[])].concat();
    let (method, scheme, path, authority) = ((":method", "GET"), (":scheme", "http"), (":path", PATH), (":authority", "a.test"));
    let length_of_one = open(1, &with("POST", &[("content-length", "1")]));
    vec![
        case(
            "http2/8.1/1 trailers without END_STREAM",
            &[open_post(1), data(1, b"test", false), trailers(&[("x-test", "ok")])],
            REFUSED,
        ),
        and("http2/8.1.2/1 upper case", ("X-TEST", "ok")),
        and("http2/8.1.2.1/1 unknown pseudo-header", (":test", "ok")),
        and("http2/8.1.2.1/2 pseudo-header of responses", (":status", "200")),
        case(
            "http2/8.1.2.1/3 pseudo-header in trailers",
            &[open_post(1), data(1, b"test", false), trailers(&[(":method", "POST")])],
            REFUSED,
        ),
        of("http2/8.1.2.1/4 pseudo-header after another field", &[&[("x-test", "ok")][..], &fields("GET")].concat()),
        and("http2/8.1.2.2/1 connection", ("connection", "keep-alive")),
        case(
            "http2/8.1.2.2/2 te other than trailers",
            &[whole(1, &with("GET", &[("trailers", "test"), ("te", "trailers, deflate")]))],
            REFUSED,
        ),
        of("http2/8.1.2.3/1 empty :path", &[method, scheme, (":path", ""), authority]),
        of("http2/8.1.2.3/2 no :method", &[path, authority]),
        of("http2/8.1.2.3/3 no :scheme", &[method, path, authority]),
        of("http2/8.1.2.3/4 no :path", &[method, scheme, authority]),
        and("http2/8.1.2.3/5 :method twice", method),
        and("http2/8.1.2.3/6 :scheme twice", scheme),
        and("http2/8.1.2.3/7 :path twice", path),
        case("http2/8.1.2.6/1 length other than DATA", &[length_of_one.clone(), data(1, b"test", true)], REFUSED),
        case(
            "http2/8.1.2.6/2 length other than several DATA",
            &[length_of_one, data(1, b"test", false), data(1, b"test", true)],
            REFUSED,
        ),
        case(
            "http2/8.2/1 PUSH_PROMISE",
            &[frame(PUSH_PROMISE, END_HEADERS, 1, &promise)],
            Expect::ConnectionError(&[PROTOCOL_ERROR]),
        ),
    ]
}
