//! What is kept of a refused head, and that it is a good one itself.

use super::*;
use crate::proxy::guard::head::{BodyFraming, read};

fn check(refused: &str, expected: &str) {
    let head = stand_in(refused.as_bytes()).unwrap_or_else(|| panic!("nothing for {refused:?}"));
    assert_eq!(String::from_utf8_lossy(&head), format!("{expected}\r\n\r\n"), "{refused:?}");
}

#[test]
fn where_no_request_line_is_there_is_none() {
    for refused in
        ["", "\r\n", "GET", "GET /", "GET / HTTPS/1.1", "\x16\x03\x01\x02", "SSH-2.0-x\r\n", " / HTTP/1.1\r\n", "GET /a\r\n"]
    {
        assert_eq!(stand_in(refused.as_bytes()), None, "{refused:?}");
    }
}

#[test]
fn method_and_target_are_kept_where_they_are_good() {
    check("HEAD /a?b HTTP/1.1\r\n", "HEAD /a?b HTTP/1.1\r\nConnection: close");
    check("DELETE /a HTTP/9.9\n", "DELETE /a HTTP/1.1\r\nConnection: close");
    check("CONNECT a:443 HTTP/1.1\r\n", "GET / HTTP/1.1\r\nConnection: close");
    check("g /a\tb HTTP/1.1\r\n", "GET / HTTP/1.1\r\nConnection: close");
    check("GET /a b HTTP/1.1\r\n", "GET / HTTP/1.1\r\nConnection: close");
    check("GET  /a HTTP/1.1\r\n", "GET / HTTP/1.1\r\nConnection: close");
    check("GET /a#b HTTP/1.1\r\n", "GET / HTTP/1.1\r\nConnection: close");
    check("GET http://a/ HTTP/1.1\r\n", "GET / HTTP/1.1\r\nConnection: close");
}

#[test]
fn of_the_fields_the_first_good_ones_are_kept() {
    check(
        "GET / HTTP/1.1\r\nOrigin: https://a.example\r\norigin: https://b.example\r\nContent-Length: x\r\n\r\nAccept: late",
        "GET / HTTP/1.1\r\nConnection: close\r\nOrigin: https://a.example",
    );
    check(
        "GET / HTTP/1.1\nHost: a b\nAccept: a\0b\nX-Request-Id : x\nAuthorization: Bearer x\nTransfer-Encoding: chunked\nHost: a\n",
        "GET / HTTP/1.1\r\nConnection: close\r\nHost: a",
    );
}

#[test]
fn what_stands_in_has_no_body_and_is_well_formed() {
    let fields = "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nOrigin: o\r\nAccept: x\r\nUser-Agent: y\r\n";
    let head = stand_in(format!("POST /a HTTP/1.1\r\n{fields}").as_bytes()).expect("a stand-in");
    let read = read(&head).expect("well formed").expect("whole");
    assert_eq!((read.length, read.body, read.rewritten), (head.len(), BodyFraming::Length(0), None));
}
