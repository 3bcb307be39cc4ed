//! Heads as servers write them, and what is passed on of their framing.
use super::*;

/// The framing fields that are left, joined, or what is wrong.
fn check(status: u16, fields: &[(&'static str, &str)], expected: Result<&str, &str>) {
    let mut head = ResponseHeader::build(status, None).unwrap();
    for (name, value) in fields {
        head.append_header(*name, *value).unwrap();
    }
    let left = settle(&mut head).map(|()| {
        let named = |name: header::HeaderName| head.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
        named(header::CONTENT_LENGTH).chain(named(header::TRANSFER_ENCODING)).collect::<Vec<_>>().join(" and ")
    });
    assert_eq!(left, expected.map(str::to_owned), "{status} {fields:?}");
}

const LENGTH: &str = "Content-Length";
const CODING: &str = "Transfer-Encoding";

#[test]
fn lengths_that_differ_have_no_reading() {
    let wrong = Err("lengths that differ, or are none");
    check(200, &[(LENGTH, "2"), (LENGTH, "3")], wrong);
    check(200, &[(LENGTH, "2, 3")], wrong);
    check(200, &[(LENGTH, "2"), (LENGTH, "02")], wrong);
    check(200, &[(LENGTH, "-2")], wrong);
    check(200, &[(LENGTH, "+2")], wrong);
    check(200, &[(LENGTH, "0x2")], wrong);
    check(200, &[(LENGTH, "")], wrong);
    check(200, &[(LENGTH, "2,")], wrong);
}

#[test]
fn codings_other_than_chunked_have_no_reading() {
    let wrong = Err("a transfer coding that is not chunked");
    check(200, &[(CODING, "identity")], wrong);
    check(200, &[(CODING, "gzip")], wrong);
    check(200, &[(CODING, "gzip, chunked")], wrong);
    check(200, &[(CODING, "chunked, identity")], wrong);
    check(200, &[(CODING, "chunked"), (CODING, "chunked")], wrong);
    check(200, &[(CODING, "xchunked")], wrong);
    check(200, &[(CODING, "")], wrong);
}

#[test]
fn equal_lengths_are_one() {
    check(200, &[(LENGTH, "2"), (LENGTH, "2")], Ok("2"));
    check(200, &[(LENGTH, "2, 2")], Ok("2"));
    check(200, &[(LENGTH, "2 ,2"), (LENGTH, "2")], Ok("2"));
}

#[test]
fn plain_framing_stays() {
    check(200, &[], Ok(""));
    check(200, &[(LENGTH, "2")], Ok("2"));
    check(304, &[(LENGTH, "2")], Ok("2"));
    check(200, &[(CODING, "chunked")], Ok("chunked"));
    check(200, &[(CODING, "Chunked")], Ok("Chunked"));
}

#[test]
fn what_has_no_body_has_no_framing() {
    for status in [100, 103, 204] {
        check(status, &[(LENGTH, "44"), (CODING, "chunked")], Ok(""));
    }
}
