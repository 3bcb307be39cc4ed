//! Which bytes are a header, and what it says.

use super::{Fault, MOST, Verdict, crc32c::crc32c, read};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// From `192.0.2.1:40000` to `198.51.100.2:443`, after the length.
const IPV4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 0x01, 0xbb];

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

/// From `[2001:db8::1]:40000` to `[2001:db8::2]:443`, after the length.
fn ipv6() -> Vec<u8> {
    let address = |last| [&[0x20, 0x01, 0x0d, 0xb8], &[0; 11][..], &[last]].concat();
    [address(1), address(2), vec![0x9c, 0x40, 0x01, 0xbb]].concat()
}

/// A field of version 2.
fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).expect("short").to_be_bytes(), value].concat()
}

/// A header with its checksum between two other fields.
fn with_checksum() -> Vec<u8> {
    let block = [IPV4, &field(0x02, b"api.test"), &field(0x03, &[0; 4]), &field(0x04, b"")].concat();
    let mut header = v2(0x21, 0x11, &block);
    let at = header.len() - 7;
    let checksum = crc32c([&header, &[], &[]]);
    header[at..at + 4].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn text(verdict: Verdict, whole: usize) -> String {
    match verdict {
        Verdict::Incomplete => "incomplete".to_owned(),
        Verdict::Absent => "absent".to_owned(),
        Verdict::Malformed(Fault(what)) => what.to_owned(),
        Verdict::Header { length, source } => {
            assert_eq!(length, whole, "the length of the header");
            source.map_or("no source".to_owned(), |source| source.to_string())
        }
    }
}

/// The verdict on these bytes, whatever follows them and however they are cut.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    let input = input.as_ref();
    assert_eq!(text(read(input), input.len()), expected, "{}", input.escape_ascii());
    if expected != "incomplete" {
        let followed = [input, b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n"].concat();
        assert_eq!(read(&followed), read(input), "what follows changes nothing");
    }
    decided_once(input);
}

/// From the shortest beginning that decides on, the verdict is the same.
#[track_caller]
fn decided_once(input: &[u8]) {
    let mut verdict = Verdict::Incomplete;
    for end in 0..=input.len() {
        let now = read(&input[..end]);
        assert!(verdict == Verdict::Incomplete || now == verdict, "{verdict:?} became {now:?}: {}", input.escape_ascii());
        verdict = now;
        if let Verdict::Header { length, .. } = now {
            assert!(length <= end && length <= MOST, "{length} of {end}");
        }
    }
    assert!(verdict != Verdict::Incomplete || input.len() < MOST, "{}", input.escape_ascii());
}

#[test]
fn a_line_has_one_space_between_its_words() {
    check("PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "an unknown family");
    check("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n", "not two addresses and two ports");
    check("PROXY TCP4 192.0.2.1 198.51.100.2 1  2\r\n", "not two addresses and two ports");
    check("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n", "not two addresses and two ports");
    check("PROXY\tTCP4 192.0.2.1 198.51.100.2 1 2\r\n", "absent");
    check("PROXY TCP4\t192.0.2.1 198.51.100.2 1 2\r\n", "an unknown family");
}

#[test]
fn a_line_has_all_its_words_and_no_other() {
    check("PROXY \r\n", "an unknown family");
    check("PROXY TCP4\r\n", "not two addresses and two ports");
    check("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", "not two addresses and two ports");
    check("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n", "not two addresses and two ports");
    check("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", "an unknown family");
    check("PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n", "an unknown family");
    check("PROXY UNKNOWN1\r\n", "an unknown family");
    check("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "absent");
}

#[test]
fn an_address_is_one_of_its_family() {
    check("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "no address of the family");
    check("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", "no address of the family");
    check("PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n", "no address of the family");
    check("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n", "no address of the family");
    check("PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n", "no address of the family");
    check("PROXY TCP4 0xc0.0.2.1 198.51.100.2 1 2\r\n", "no address of the family");
    check("PROXY TCP4 3221225985 198.51.100.2 1 2\r\n", "no address of the family");
    check("PROXY TCP4 localhost 198.51.100.2 1 2\r\n", "no address of the family");
    check("PROXY TCP4 192.0.2.1:1 198.51.100.2 1 2\r\n", "no address of the family");
    check("PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n", "no address of the family");
    check("PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n", "no address of the family");
    check("PROXY TCP6 2001:db8:::1 2001:db8::2 1 2\r\n", "no address of the family");
    check("PROXY TCP6 20010:db8::1 2001:db8::2 1 2\r\n", "no address of the family");
    check(b"PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n", "no address of the family");
    check(b"PROXY TCP4 192.0.2.\xff 198.51.100.2 1 2\r\n", "a line that is no text");
}

#[test]
fn a_port_is_digits_without_leading_zeros() {
    for port in ["00", "01", "+1", "-1", "65536", "99999999999999999999", "0x1", "1.0", "http"] {
        check(format!("PROXY TCP4 192.0.2.1 198.51.100.2 {port} 2\r\n"), "no port");
        check(format!("PROXY TCP4 192.0.2.1 198.51.100.2 1 {port}\r\n"), "no port");
    }
}

#[test]
fn a_line_ends_with_cr_lf_after_107_bytes_at_most() {
    check("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n", "a line that ends without CR");
    check("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\r\n", "no port");
    check("PROXY UNKNOWN\n", "a line that ends without CR");
    let unknown = |length: usize| format!("PROXY UNKNOWN {:x<1$}\r\n", "", length - 16);
    check(unknown(107), "no source");
    check(&unknown(108)[..107], "a line without end");
    check(&unknown(107)[..106], "incomplete");
}

#[test]
fn a_line_names_the_source() {
    check("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n", "192.0.2.1:40000");
    check("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535");
    check("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0");
    check("PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\n", "[2001:db8::1]:40000");
    check("PROXY TCP6 2001:0DB8:0:0:0:0:0:1 :: 1 2\r\n", "[2001:db8::1]:1");
    check("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n", "[::ffff:192.0.2.1]:1");
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    check(format!("PROXY TCP6 {full} {full} 65535 65535\r\n"), &format!("[{full}]:65535"));
}

#[test]
fn a_proxy_that_knows_no_source_says_so() {
    check("PROXY UNKNOWN\r\n", "no source");
    check("PROXY UNKNOWN \r\n", "no source");
    check("PROXY UNKNOWN 192.0.2.1 nonsense  0001\r\n", "no source");
}

#[test]
fn version_and_command_are_known() {
    for command in [0x00, 0x01, 0x10, 0x11, 0x22, 0x2f, 0x31, 0xff] {
        check(v2(command, 0x11, IPV4), "an unknown version or command");
    }
}

#[test]
fn family_and_transport_are_known() {
    for family in [0x03, 0x10, 0x13, 0x1f, 0x20, 0x23, 0x30, 0x33, 0x41, 0xff] {
        check(v2(0x21, family, &[0; 216]), "an unknown family or transport");
    }
}

#[test]
fn the_length_covers_the_addresses() {
    check(v2(0x21, 0x11, &IPV4[..11]), "a part that is cut short");
    check(v2(0x21, 0x11, &[]), "a part that is cut short");
    check(v2(0x21, 0x21, &ipv6()[..35]), "a part that is cut short");
    check(v2(0x21, 0x31, &[0; 215]), "a part that is cut short");
}

#[test]
fn a_header_has_4096_bytes_at_most() {
    let filled = |length: usize| v2(0x21, 0x11, &[IPV4, &field(0x04, &vec![0; length - 16 - 12 - 3])].concat());
    check(filled(4096), "192.0.2.1:40000");
    check(&filled(4096)[..4095], "incomplete");
    assert_eq!(read(&filled(4097)[..16]), Verdict::Malformed(Fault("a header that is too long")), "nothing of it is waited for");
}

#[test]
fn fields_end_where_the_header_ends() {
    for (fields, fault) in [
        (&[0x02][..], "a part that is cut short"),
        (&[0x02, 0], "a part that is cut short"),
        (&[0x02, 0, 1], "a field that is cut short"),
        (&[0x02, 0xff, 0xff, 1], "a field that is cut short"),
        (&[0x04, 0, 1, 7, 0x04], "a part that is cut short"),
    ] {
        check(v2(0x21, 0x11, &[IPV4, fields].concat()), fault);
        check(v2(0x21, 0x21, &[&ipv6(), fields].concat()), fault);
        check(v2(0x21, 0x31, &[&[0; 216], fields].concat()), fault);
    }
}

#[test]
fn a_checksum_holds() {
    assert_eq!(crc32c([b"12345", b"", b"6789"]), 0xe306_9283);
    check(with_checksum(), "192.0.2.1:40000");
    let unnoticed = |at: &usize| {
        let mut changed = with_checksum();
        changed[*at] ^= 1;
        matches!(read(&changed), Verdict::Header { .. })
    };
    let of_its_own_type = with_checksum().len() - 10;
    assert_eq!((14..with_checksum().len()).filter(unnoticed).collect::<Vec<_>>(), [of_its_own_type]);
    check(v2(0x21, 0x11, &[IPV4, &field(0x03, &[0; 4])].concat()), "a wrong checksum");
    check(v2(0x21, 0x11, &[IPV4, &field(0x03, &[0; 3])].concat()), "a checksum that is none");
    check(v2(0x21, 0x11, &[IPV4, &field(0x03, &[])].concat()), "a checksum that is none");
}

#[test]
fn a_binary_header_names_the_source() {
    // Captured: HAProxy 2.6 with `send-proxy-v2` and `proxy-v2-options crc32c,unique-id`.
    let captured = b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x16\x7f\0\0\x05\x7f\0\0\x01\xd7\xcb\xcd\x7f\x03\0\x04\xe4\x5e\x8a\x95\x05\0\0";
    check(captured, "127.0.0.5:55243");
    check(v2(0x21, 0x11, IPV4), "192.0.2.1:40000");
    check(v2(0x21, 0x21, &ipv6()), "[2001:db8::1]:40000");
    check(v2(0x21, 0x11, &[IPV4, &field(0x01, b"h2"), &field(0xea, b"\x01vpce-1")].concat()), "192.0.2.1:40000");
}

#[test]
fn what_comes_from_no_stream_has_no_source() {
    check(v2(0x21, 0x00, &[]), "no source");
    check(v2(0x21, 0x00, IPV4), "no source");
    check(v2(0x21, 0x01, &[1, 2, 3]), "no source");
    check(v2(0x21, 0x12, IPV4), "no source");
    check(v2(0x21, 0x22, &ipv6()), "no source");
    check(v2(0x21, 0x31, &[b'/'; 216]), "no source");
    check(v2(0x21, 0x32, &[b'/'; 216]), "no source");
}

#[test]
fn what_a_proxy_sends_for_itself_is_passed_over_whatever_it_holds() {
    check(v2(0x20, 0x00, &[]), "no source");
    check(v2(0x20, 0x11, IPV4), "no source");
    check(v2(0x20, 0xff, &[1, 2, 3]), "no source");
}

#[test]
fn what_begins_otherwise_is_no_header() {
    for input in
        ["G", "GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST", "PUT", "PROPFIND", "PROXY\r\n", "\n", " "]
    {
        check(input, "absent");
    }
    check(b"\x16\x03\x01\x02\x00", "absent");
    check(b"\r\n\r\n\0\r\nQUIT\r\n", "absent");
    check(b"\r\nGET / HTTP/1.1\r\n", "absent");
}

#[test]
fn a_beginning_is_waited_for() {
    for input in ["", "P", "PROXY", "PROXY ", "PROXY TCP4 192.0.2.1", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r"] {
        check(input, "incomplete");
    }
    for end in 0..28 {
        check(&v2(0x21, 0x11, IPV4)[..end], "incomplete");
    }
}

#[test]
fn whatever_comes_the_verdict_does_not_depend_on_how_it_is_cut() {
    let seeds = [
        b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\nGET / HTTP/1.1\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\nGET / HTTP/1.1\r\n".to_vec(),
        b"PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n".to_vec(),
        [v2(0x21, 0x21, &ipv6()), v2(0x21, 0x11, IPV4)].concat(),
        [with_checksum(), b"\x16\x03\x01".to_vec()].concat(),
        v2(0x20, 0, &[]),
    ];
    // xorshift: always the same sequence.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("small")
    };
    let mut headers = 0;
    for run in 0..20_000 {
        let mut input = seeds[run % seeds.len()].clone();
        for _ in 0..=random(3) {
            let at = random(input.len());
            match random(3) {
                0 => input[at] = random(256).to_le_bytes()[0],
                1 => input.insert(at, b" \r\n0:.P\0"[random(8)]),
                _ => drop(input.remove(at)),
            }
        }
        decided_once(&input);
        headers += usize::from(matches!(read(&input), Verdict::Header { .. }));
    }
    assert!((500..19_000).contains(&headers), "neither all nor none are headers: {headers}");
}
