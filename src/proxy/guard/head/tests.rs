//! What is refused, what passes, and what passes in another form.

use super::*;

/// A head of a request line and fields around `Host: api.example`.
fn head(line: &str, fields: &str) -> String {
    format!("{line}\r\nHost: api.example\r\n{fields}\r\n")
}

fn refused(head: &str, expected: HeadFault) {
    assert_eq!(read(head.as_bytes()), Err(expected), "{head:?}");
}

fn refused_line(line: &str, expected: HeadFault) {
    refused(&head(line, ""), expected);
}

fn refused_fields(fields: &str, expected: HeadFault) {
    refused(&head("POST /a HTTP/1.1", fields), expected);
}

fn passes(head: &str) -> Head {
    let read = read(head.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?} for {head:?}"));
    read.unwrap_or_else(|| panic!("more is waited for after {head:?}"))
}

fn framed(fields: &str, expected: BodyFraming) {
    let head = head("POST /a HTTP/1.1", fields);
    assert_eq!(passes(&head), Head { length: head.len(), body: expected, rewritten: None }, "{head:?}");
}

fn becomes(line: &str, expected: &str) {
    let rewritten = passes(&head(line, "Accept: */*\r\n")).rewritten.expect("another form");
    assert_eq!(String::from_utf8_lossy(&rewritten), head(expected, "Accept: */*\r\n"), "{line}");
}

#[test]
fn what_is_no_request_line_is_refused() {
    for line in [
        "",
        "GET",
        "GET /",
        "GET / HTTP",
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/3",
        "GET / HTTP/11.1",
        "GET / HTTP/1.10",
        "GET / HTTP/1.1 ",
        "GET / http/1.1",
        "GET / HTTP/1,1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        " GET / HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET: / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        refused_line(line, REQUEST_LINE);
    }
}

#[test]
fn what_is_no_target_is_refused() {
    for target in [
        "",
        " /",
        "/ ",
        "/a b",
        "/a\tb",
        "/a#b",
        "/\u{e9}",
        "/a?\u{e9}",
        "*",
        "a",
        "api.example",
        "api.example:80",
        "//",
        "http:/a",
        "http//api.example/",
        "ftp://api.example/",
        "javascript:alert(1)",
        "/a\u{7f}",
    ] {
        if target != "//" {
            refused_line(&format!("GET {target} HTTP/1.1"), TARGET);
        }
    }
    passes(&head("OPTIONS * HTTP/1.1", ""));
}

#[test]
fn a_tunnel_is_not_opened() {
    refused_line("CONNECT api.example:443 HTTP/1.1", HeadFault::Connect);
    refused_line("CONNECT / HTTP/1.1", HeadFault::Connect);
}

#[test]
fn a_target_with_another_host_than_the_field_is_refused() {
    for host in ["evil.example", "api.example.", "api.example:80", "user@api.example", "", "api.example#", "api.example@evil"] {
        let line = format!("GET http://{host}/a HTTP/1.1");
        let expected = if host.contains('#') { TARGET } else { AUTHORITY };
        refused_line(&line, expected);
    }
}

#[test]
fn an_absolute_form_becomes_an_origin_form() {
    becomes("GET http://api.example/a?b=c HTTP/1.1", "GET /a?b=c HTTP/1.1");
    becomes("GET HTTPS://API.example/a HTTP/1.1", "GET /a HTTP/1.1");
    becomes("GET http://api.example HTTP/1.1", "GET / HTTP/1.1");
    becomes("GET http://api.example?a HTTP/1.0", "GET /?a HTTP/1.0");
    becomes("\r\nGET /a HTTP/1.1", "GET /a HTTP/1.1");
}

#[test]
fn a_host_that_is_none_is_refused() {
    refused("GET / HTTP/1.1\r\n\r\n", HOST);
    refused("GET / HTTP/1.0\r\n\r\n", HOST);
    for host in [
        "", "a b", "a,b", "a/b", "a?b", "a#b", "user@a", "a:", "a:b", "a:65536", "a:080", "a:80:80", ":80", "[::1", "::1",
        "[::1]x", "[::g]", "[]", "[v1.x]", "a\\b", "a%00", "\u{e9}", "a;b", "a\"",
    ] {
        refused(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), HOST);
    }
    refused_fields("Host: api.example\r\n", HOST);
    refused_fields("hOST: other.example\r\n", HOST);
}

#[test]
fn a_host_is_a_name_or_an_address() {
    for host in ["a", "A.b-c_d~e", "a:1", "a:65535", "127.0.0.1:80", "[::1]", "[2001:db8::1]:8080", "  a\t "] {
        passes(&format!("GET / HTTP/1.1\r\nHost:{host}\r\n\r\n"));
    }
}

#[test]
fn what_is_no_field_is_refused() {
    for line in [
        "X",
        ": x",
        "X : x",
        "X\t: x",
        " X: x",
        "\tx",
        " folded",
        "X\u{e9}: x",
        "X(: x",
        "X\"y: z",
        "X/y: z",
        "X;y: z",
        "X=y",
        "X[0]: y",
        "X Y: z",
        "X@y: z",
        "{X}: y",
    ] {
        refused_fields(&format!("{line}\r\n"), FIELD);
    }
}

#[test]
fn control_characters_are_refused_wherever_they_are() {
    for control in (0..=0x1f_u8).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\n')) {
        let control = char::from(control);
        refused_fields(&format!("X: a{control}b\r\n"), CONTROL);
        refused_fields(&format!("X: {control}\r\n"), CONTROL);
        refused_fields(&format!("X: {control}{}\r\n", "long".repeat(50)), CONTROL);
    }
    refused_fields("X: a\rTransfer-Encoding: chunked\r\n", CONTROL);
    refused_fields("X: a\r\r\n", CONTROL);
    passes(&head("GET / HTTP/1.1", "X: a\tb \u{e9} \u{20ac}\r\nY:\r\n"));
}

#[test]
fn a_line_without_its_return_is_refused_at_once() {
    for head in ["\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: z\r\n\r\n"] {
        refused(head, BARE_LF);
        assert_eq!(Scan::default().is_complete(head.as_bytes()), Err(BARE_LF));
    }
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", BARE_LF);
}

#[test]
fn lengths_that_differ_between_readers_are_refused() {
    for length in [
        "",
        "+1",
        "-1",
        "1.0",
        "1e1",
        "0x1",
        "0b1",
        "1 1",
        "1,1",
        "1, 1",
        "1;1",
        "\"1\"",
        "01",
        "00",
        "010",
        " 1 2",
        "1_0",
        "9999999999999999999",
        "18446744073709551616",
        "\u{661}",
        "1 ,",
        "a",
        "1a",
    ] {
        refused_fields(&format!("Content-Length: {length}\r\n"), LENGTH);
    }
    for fields in [
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\ncontent-length: 2\r\n",
        "Content_Length: 1\r\n",
        "content_length: 1\r\nContent-Length: 2\r\n",
    ] {
        refused_fields(fields, LENGTH);
    }
}

#[test]
fn codings_other_than_one_chunked_are_refused() {
    for coding in [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, identity",
        "chunked,",
        ",chunked",
        "\"chunked\"",
        "chunked;q=1",
        "x chunked",
        "xchunked",
        "chunkedx",
        "chunk",
        "ch\u{212a}unked",
        "chunked\u{a0}",
        "'chunked'",
    ] {
        refused_fields(&format!("Transfer-Encoding: {coding}\r\n"), CODING);
    }
    refused_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CODING);
    refused_fields("Transfer_Encoding: chunked\r\n", CODING);
    refused_fields("Transfer-Encoding : chunked\r\n", FIELD);
    refused_fields("Transfer-Encoding:\r\n chunked\r\n", CODING);
    refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", CODING);
}

#[test]
fn a_body_with_a_length_and_a_coding_is_refused() {
    refused_fields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", BOTH);
    refused_fields("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", BOTH);
}

#[test]
fn a_body_is_framed_by_what_its_head_says() {
    framed("", BodyFraming::Length(0));
    framed("Content-Length: 0\r\n", BodyFraming::Length(0));
    framed("content-length:\t12 \r\n", BodyFraming::Length(12));
    framed("CONTENT-LENGTH: 999999999999999999\r\n", BodyFraming::Length(999_999_999_999_999_999));
    framed("Transfer-Encoding: chunked\r\n", BodyFraming::Chunked);
    framed("transfer-encoding:  Chunked\t\r\n", BodyFraming::Chunked);
    // Names that only resemble them.
    framed("Content-Lengths: x\r\nXransfer-Encoding: y\r\nContentXLength: z\r\n", BodyFraming::Length(0));
}

#[test]
fn more_fields_than_the_framework_reads_are_too_many() {
    let fields = |count: usize| "a:b\r\n".repeat(count - 1);
    passes(&head("GET / HTTP/1.1", &fields(MOST_FIELDS)));
    refused(&head("GET / HTTP/1.1", &fields(MOST_FIELDS + 1)), HeadFault::FieldsTooLarge);
}

#[test]
fn only_the_head_is_taken() {
    let head = head("POST /a HTTP/1.1", "Content-Length: 3\r\n");
    assert_eq!(passes(&format!("{head}abcGET / HTTP/1.1\r\n\r\n")).length, head.len());
    let after_empty_line = format!("\r\n{head}");
    assert_eq!(passes(&after_empty_line).length, after_empty_line.len());
    refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST_LINE);
}

#[test]
fn a_head_is_waited_for_until_its_end() {
    let head = head("\r\nGET /a HTTP/1.1", "Accept: */*\r\n");
    let mut scan = Scan::default();
    for end in 0..head.len() {
        assert_eq!(read(&head.as_bytes()[..end]), Ok(None), "{end}");
        assert_eq!(scan.is_complete(&head.as_bytes()[..end]), Ok(false), "{end}");
    }
    assert_eq!(scan.is_complete(head.as_bytes()), Ok(true));
    passes(&head);
}
