//! Cases that a rule makes: every byte in a place, every way to write a number, every disguise of a field.

use super::{
    case::{Case, Forwarded, HOST, LIST, LIST_UPSTREAM, Refused, Verdict, begin},
    upstream::is_token,
};

const SMUGGLER: &str = "defparam/smuggler";

/// What smuggler hides in a request that also tells a length: by that length the body is all of this, by chunks it ends early.
const HIDING: &[u8] = b"0\r\n\r\nGET /prod/api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request with these lines before its `Host`, where smuggler has them, and a length behind.
fn disguised(name: String, lines: &[u8], bearer: &str, verdicts: Vec<Verdict>) -> Case {
    let good = begin("POST", bearer);
    let line_end = good.windows(2).position(|window| window == b"\r\n").unwrap_or_default() + 2;
    let length = format!("\r\nContent-Length: {}\r\n\r\n", HIDING.len());
    let fields = &good[line_end..good.len() - 2];
    let bytes = [&good[..line_end], lines, b"\r\n", fields, length.as_bytes(), HIDING].concat();
    Case::new(name, SMUGGLER, bytes, verdicts)
}

/// Names as smuggler's configurations have them, lines as they make them.
pub fn disguises(bearer: &str) -> Vec<Case> {
    let refused = |name: &str, lines: &[u8]| disguised(name.to_owned(), lines, bearer, vec![Verdict::bad()]);
    let mut cases: Vec<Case> = PLAIN_DISGUISES.iter().map(|(name, lines)| refused(name, lines.as_bytes())).collect();
    cases.extend([
        refused("spaceFF", b"Transfer-Encoding:\xffchunked"),
        refused("accentCH", b"Transfer-Encoding: ch\x96nked"),
        refused("accentTE", b"Transf\x82r-Encoding: chunked"),
    ]);
    // A content coding is none of the framing.
    let harmless = vec![Verdict::good("POST", HIDING), Verdict::bad()];
    cases.push(disguised("contentEnc".to_owned(), b"Content-Encoding: chunked", bearer, harmless));
    for byte in (1..=0x20).chain(0x7f..=0xff) {
        cases.extend(around(byte, bearer));
    }
    cases
}

/// Lines of text; a field that a script may take for the framing field is refused like it.
const PLAIN_DISGUISES: [(&str, &str); 28] = [
    ("nameprefix1", " Transfer-Encoding: chunked"),
    ("tabprefix1", "Transfer-Encoding:\tchunked"),
    ("tabprefix2", "Transfer-Encoding\t:\tchunked"),
    ("spacejoin1", "Transfer Encoding: chunked"),
    ("underjoin1", "Transfer_Encoding: chunked"),
    ("smashed", "Transfer Encoding:chunked"),
    ("space1", "Transfer-Encoding : chunked"),
    ("valueprefix1", "Transfer-Encoding:  chunked"),
    ("vertprefix1", "Transfer-Encoding:\u{b}chunked"),
    ("commaCow", "Transfer-Encoding: chunked, cow"),
    ("cowComma", "Transfer-Encoding: cow, chunked"),
    ("linewrapped1", "Transfer-Encoding:\n chunked"),
    ("quoted", "Transfer-Encoding: \"chunked\""),
    ("aposed", "Transfer-Encoding: 'chunked'"),
    ("lazygrep", "Transfer-Encoding: chunk"),
    ("sarcasm", "TrAnSFer-EnCODinG: cHuNkeD"),
    ("yelling", "TRANSFER-ENCODING: CHUNKED"),
    ("0dsuffix", "Transfer-Encoding: chunked\r"),
    ("tabsuffix", "Transfer-Encoding: chunked\t"),
    ("revdualchunk", "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked"),
    ("dualchunk", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("0dspam", "Transfer\r-Encoding: chunked"),
    ("nested", "Transfer-Encoding: cow chunked bar"),
    ("x-rout", "X:X\rTransfer-Encoding: chunked"),
    ("x-nout", "X:X\nTransfer-Encoding: chunked"),
    ("wrapped", "Transfer-Encoding:\r\n chunked"),
    ("identity", "Transfer-Encoding: identity"),
    ("nothing", "Transfer-Encoding:"),
];

/// One byte in every place of the line, alone and in pairs, as the three configurations put it.
fn around(byte: u8, bearer: &str) -> Vec<Case> {
    let put = |place: &str, form: &[&[u8]]| {
        let lines = form.join(&[byte][..]);
        // Where a line feed stands alone the head may have ended for whoever looks for an origin in it.
        let verdicts = if byte == b'\n' { vec![Verdict::bad(), Verdict::bare()] } else { vec![Verdict::bad()] };
        disguised(format!("{place}-{byte:02x}"), &lines, bearer, verdicts)
    };
    let mut cases = vec![
        put("midspace", &[b"Transfer-Encoding:", b"chunked"]),
        put("postspace", &[b"Transfer-Encoding", b": chunked"]),
        put("prespace", &[b"", b"Transfer-Encoding: chunked"]),
        put("endspace", &[b"Transfer-Encoding: chunked", b""]),
        put("endspacex", &[b"Transfer-Encoding: chunked", b"X: X"]),
        put("rxprespace", &[b"X: X\r", b"Transfer-Encoding: chunked"]),
        put("xnprespace", &[b"X: X", b"\nTransfer-Encoding: chunked"]),
        put("endspacerx", &[b"Transfer-Encoding: chunked\r", b"X: X"]),
        put("endspacexn", &[b"Transfer-Encoding: chunked", b"\nX: X"]),
        put("pre-post", &[b"", b"Transfer-Encoding", b": chunked"]),
        put("pre-mid", &[b"", b"Transfer-Encoding:", b"chunked"]),
        put("pre-end", &[b"", b"Transfer-Encoding: chunked", b""]),
        put("post-mid", &[b"Transfer-Encoding", b":", b"chunked"]),
        put("post-end", &[b"Transfer-Encoding", b": chunked", b""]),
        put("mid-end", &[b"Transfer-Encoding:", b"chunked", b""]),
    ];
    // Within a value it is a byte like others where it is one of a value: then the field is X's, and no framing at all.
    let within = &[&b"X: X"[..], b"Transfer-Encoding: chunked"];
    let lines = within.join(&[byte][..]);
    let verdicts = if is_value(byte) { vec![Verdict::good("POST", HIDING), Verdict::bad()] } else { vec![Verdict::bad()] };
    cases.push(disguised(format!("xprespace-{byte:02x}"), &lines, bearer, verdicts));
    cases
}

/// RFC 9110, section 5.5.
fn is_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// A good GET with this line.
fn with_line(name: String, source: &str, line: &[u8], bearer: &str, verdicts: Vec<Verdict>) -> Case {
    Case::new(name, source, [&begin("GET", bearer), line, b"\r\n\r\n"].concat(), verdicts)
}

/// RFC 9112, section 5.1: a name is a token, and nothing stands between it and the colon.
pub fn bytes_in_names(bearer: &str) -> Vec<Case> {
    let case = |place: &str, byte: u8, line: Vec<u8>| {
        let verdicts = if is_token(byte) || byte == b':' { vec![Verdict::good("GET", b"")] } else { vec![Verdict::bad()] };
        with_line(format!("{place} {byte:02x}"), "RFC 9110, section 5.1", &line, bearer, verdicts)
    };
    let inside = (0..=255).map(|byte| case("inside a name", byte, [b"X-In", &[byte][..], b"side: 1"].concat()));
    let around = (0..=255).filter(|byte| *byte != b':').flat_map(|byte| {
        let (first, last) = ([&[byte][..], b"X-First: 1"].concat(), [b"X-Last", &[byte][..], b": 1"].concat());
        [case("before a name", byte, first), case("behind a name", byte, last)]
    });
    inside.chain(around).collect()
}

/// RFC 9110, section 5.5: visible characters, spaces and tabs inside, and bytes over 127; nothing else.
pub fn bytes_in_values(bearer: &str) -> Vec<Case> {
    let values = (0..=255).map(|byte| {
        let value = [b"va", &[byte][..], b"lue"].concat();
        let verdicts = if is_value(byte) {
            let mut forwarded = good();
            forwarded.with.push(("X-Value".to_owned(), value.clone()));
            vec![Verdict::Forwarded(forwarded)]
        } else {
            vec![Verdict::bad()]
        };
        with_line(format!("in a value {byte:02x}"), "RFC 9110, section 5.5", &[b"X-Value: ", &*value].concat(), bearer, verdicts)
    });
    values.collect()
}

fn good() -> Forwarded {
    let (method, target, host) = ("GET".to_owned(), LIST_UPSTREAM.to_owned(), HOST.to_owned());
    Forwarded { method, target, host, ..Forwarded::default() }
}

/// RFC 3986, appendix A, in a path and in a query; what the grammar does not have may be refused or escaped, not reinterpreted.
pub fn bytes_in_targets(bearer: &str) -> Vec<Case> {
    let rest = String::from_utf8_lossy(&begin("GET", bearer)).split_once(" HTTP/1.1").map(|(_, rest)| rest.to_owned());
    let case = |place: &str, before: &str, byte: u8, after: &str, verdicts: Vec<Verdict>| {
        let bytes = [
            b"GET ",
            before.as_bytes(),
            &[byte],
            after.as_bytes(),
            b" HTTP/1.1",
            rest.as_deref().unwrap_or_default().as_bytes(),
            b"\r\n",
        ];
        Case::new(format!("{place} {byte:02x}"), "RFC 9112, section 3.2; RFC 3986", bytes.concat(), verdicts)
    };
    let forwarded = |target: String| Verdict::Forwarded(Forwarded { target, ..good() });
    let mut cases = Vec::new();
    for byte in 0..=255u8 {
        let as_text = char::from(byte);
        let is_pchar = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
        let path = match byte {
            b'?' | b'/' => vec![forwarded(format!("/api/v1/a{as_text}b"))],
            // Between letters; beside dots it is another matter (contract: parameters).
            _ if is_pchar => vec![forwarded(format!("/api/v1/a{as_text}b")), Verdict::bad_path()],
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' => {
                vec![
                    forwarded(format!("/api/v1/a{as_text}b")),
                    forwarded(format!("/api/v1/a%{byte:02X}b")),
                    Verdict::bad(),
                    Verdict::bad_path(),
                ]
            }
            0..=b' ' => vec![Verdict::bad(), Verdict::bare()],
            _ => vec![Verdict::bad_path(), Verdict::bad()],
        };
        cases.push(case("in a path", "/prod/api/v1/a", byte, "b", path));
        let query = match byte {
            0..=b' ' => vec![Verdict::bad(), Verdict::bare()],
            b'#' | 0x7f.. => vec![Verdict::bad(), Verdict::bad_path()],
            _ => vec![forwarded(format!("/api/v1/a?b{as_text}c")), Verdict::bad(), Verdict::bad_path()],
        };
        cases.push(case("in a query", "/prod/api/v1/a?b", byte, "c", query));
    }
    cases
}

impl Verdict {
    /// A 400 for a target whose head is well-formed: the connection is kept.
    fn bad_path() -> Self {
        match Self::bad() {
            Self::Refused(refused) => Self::Refused(Refused { closed: false, ..refused }),
            other @ Self::Forwarded(_) => other,
        }
    }

    fn wrong_method() -> Self {
        Self::Refused(Refused { status: 405, code: Some("method_not_allowed".to_owned()), closed: false })
    }

    fn bare() -> Self {
        Self::Refused(Refused { status: 400, code: None, closed: true })
    }
}

/// RFC 9112, section 3: one space, one space, the version; RFC 9110, section 9.1: a method is a token, and unknown ones are 405.
pub fn bytes_in_request_lines(bearer: &str) -> Vec<Case> {
    let rest =
        String::from_utf8_lossy(&begin("GET", bearer)).split_once("\r\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let case = |place: &str, byte: u8, line: Vec<u8>, verdicts: Vec<Verdict>| {
        let bytes = [&*line, b"\r\n", rest.as_bytes(), b"\r\n"].concat();
        Case::new(format!("{place} {byte:02x}"), "RFC 9112, section 3", bytes, verdicts)
    };
    let mut cases = Vec::new();
    for byte in 0..=255u8 {
        let method = if is_token(byte) { vec![Verdict::wrong_method()] } else { vec![Verdict::bad(), Verdict::bare()] };
        cases.push(case("in a method", byte, [b"GE", &[byte][..], b"T ", LIST.as_bytes(), b" HTTP/1.1"].concat(), method));
        let odd = vec![Verdict::bad(), Verdict::bare()];
        cases.push(case("behind a version", byte, [b"GET ", LIST.as_bytes(), b" HTTP/1.1", &[byte]].concat(), odd.clone()));
        if byte != b' ' {
            cases.push(case(
                "for the second space",
                byte,
                [b"GET ", LIST.as_bytes(), &[byte], b"HTTP/1.1"].concat(),
                odd.clone(),
            ));
        }
        if byte != b'1' {
            cases.push(case(
                "as a major version",
                byte,
                [b"GET ", LIST.as_bytes(), b" HTTP/", &[byte], b".1"].concat(),
                odd.clone(),
            ));
        }
        if !matches!(byte, b'0' | b'1') {
            cases.push(case("as a minor version", byte, [b"GET ", LIST.as_bytes(), b" HTTP/1.", &[byte]].concat(), odd));
        }
    }
    cases
}

/// RFC 9112, section 6.3: digits, told once.
pub fn lengths(bearer: &str) -> Vec<Case> {
    let strange = [
        "+2",
        "-2",
        "-0",
        "+0",
        " +2",
        "2.0",
        "2.",
        "2e0",
        "0x2",
        "0X2",
        "x2",
        "2x",
        "2_0",
        "0_2",
        "2 2",
        "2\t2",
        "2,2",
        "2, 2",
        "2, 3",
        ",2",
        "2,",
        "2;2",
        "\"2\"",
        "'2'",
        "(2)",
        "two",
        "NaN",
        "",
        " ",
        "\u{b}2",
        "2\u{c}",
        "2\0",
        "\u{a0}2",
        "２",
        "²",
        "18446744073709551616",
        "18446744073709551618",
        "36893488147419103234",
        "99999999999999999999999999999999",
        "-18446744073709551614",
        "4294967298-",
        "2 Transfer-Encoding: chunked",
    ];
    let case = |value: &str, verdicts: Vec<Verdict>| {
        let bytes = [&begin("POST", bearer), format!("Content-Length: {value}\r\n\r\n{{}}").as_bytes()].concat();
        Case::new(format!("a length of {value:?}"), "RFC 9110, section 8.6", bytes, verdicts)
    };
    let refused = strange.iter().map(|value| case(value, vec![Verdict::bad()]));
    // White space around a value is none of it; a leading zero is the grammar's, and octal to some (http-garden, server 32).
    let plain = [" 2", "2 ", "\t2\t", "  2  "].iter().map(|value| case(value, vec![Verdict::good("POST", b"{}")]));
    let zeros = ["02", "002", "0000000000000000000000000002"]
        .iter()
        .map(|value| case(value, vec![Verdict::good("POST", b"{}"), Verdict::bad()]));
    let too_large = ["99999999", "9223372036854775807", "18446744073709551615"].iter().map(|value| {
        let refused = Refused { status: 413, code: Some("body_too_large".to_owned()), closed: true };
        case(value, vec![Verdict::Refused(refused), Verdict::bad()])
    });
    refused.chain(plain).chain(zeros).chain(too_large).collect()
}

/// RFC 9112, section 7.1: hexadecimal digits, and at once the end of the line.
pub fn chunk_sizes(bearer: &str) -> Vec<Case> {
    let body =
        |size: &[u8]| [&begin("POST", bearer)[..], b"Transfer-Encoding: chunked\r\n\r\n", size, b"\r\n{}\r\n0\r\n\r\n"].concat();
    let case = |size: &[u8], verdicts: Vec<Verdict>| {
        Case::new(format!("a chunk size of {}", size.escape_ascii()), "RFC 9112, section 7.1", body(size), verdicts)
    };
    let strange = [
        "+2",
        "-2",
        "-0x2",
        "0x2",
        "0X2",
        "x2",
        "2_",
        "0_2",
        "2.",
        "2.0",
        "\"2\"",
        "",
        "two",
        "2 2",
        "2,2",
        "10000000000000002",
        "100000000000000000000000000000002",
        "FFFFFFFFFFFFFFFE",
        "FFFFFFFFFFFFFFFFE",
        "-FFFFFFFFFFFFFFFE",
    ];
    let mut cases: Vec<Case> = strange.iter().map(|size| case(size.as_bytes(), vec![Verdict::bad()])).collect();
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_hexdigit()) {
        cases.push(case(&[byte, b'2'], vec![Verdict::bad()]));
        // An extension begins with a semicolon; an empty one is none.
        let verdicts = if matches!(byte, b' ' | b'\t' | b';') {
            vec![Verdict::good("POST", b"{}"), Verdict::bad()]
        } else {
            vec![Verdict::bad()]
        };
        cases.push(case(&[b'2', byte], verdicts));
    }
    // A size that is a number, and no body that may be.
    let too_large = Refused { status: 413, code: Some("body_too_large".to_owned()), closed: true };
    cases.push(case(b"8000000000000002", vec![Verdict::Refused(too_large), Verdict::bad()]));
    for size in ["2", "02", "002"] {
        cases.push(case(size.as_bytes(), vec![Verdict::good("POST", b"{}")]));
    }
    // Leading zeros without end are an endless size.
    cases.push(case(&[&[b'0'; 5000][..], b"2"].concat(), vec![Verdict::bad()]));
    cases
}

/// One of each kind, for what takes long.
pub fn sample(bearer: &str) -> Vec<Case> {
    let chunked = |rest: &[u8]| [&begin("POST", bearer)[..], b"Transfer-Encoding: chunked\r\n\r\n", rest].concat();
    let with = |lines: &[u8]| [&begin("POST", bearer)[..], lines].concat();
    let good = |body: &[u8]| vec![Verdict::good("POST", body)];
    let bad = vec![Verdict::bad()];
    let cases = [
        ("a length", with(b"Content-Length: 4\r\n\r\n[10]"), good(b"[10]")),
        ("chunks", chunked(b"1\r\n[\r\n00a\r\n1,2,3,4,56\r\n1\r\n]\r\n0\r\n\r\n"), good(b"[1,2,3,4,56]")),
        ("no body", [&begin("GET", bearer)[..], b"\r\n"].concat(), vec![Verdict::good("GET", b"")]),
        (
            "a trailer",
            chunked(b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
            vec![Verdict::good("POST", b"{}"), Verdict::bad()],
        ),
        ("length and chunks", with(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), bad.clone()),
        ("a folded line", with(b"X: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}"), bad.clone()),
        ("a bare CR", with(b"X: 1\rY: 2\r\nContent-Length: 2\r\n\r\n{}"), bad.clone()),
        ("a bad size", chunked(b"2\r\n{}\r\n0x0\r\n\r\n"), bad),
    ];
    cases.map(|(name, bytes, verdicts)| Case::new(name.to_owned(), "this project", bytes, verdicts)).into()
}
