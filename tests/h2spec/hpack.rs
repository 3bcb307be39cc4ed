//! Header blocks that cannot be decoded: RFC 7541 by section.

use crate::cases::{Case, Expect, case, whole, with};
use crate::support::http2::COMPRESSION_ERROR;

const REFUSED: Expect = Expect::ConnectionError(&[COMPRESSION_ERROR]);

fn ending_with(name: &'static str, representation: &[u8]) -> Case {
    case(name, &[whole(1, &[&with("GET", &[])[..], representation].concat())], REFUSED)
}

pub fn cases() -> Vec<Case> {
    // 4,097, one more than the table's size by default.
    let too_large = [&b"\x3f\xe2\x1f"[..], &with("GET", &[])].concat();
    vec![
        ending_with("hpack/2.3.3/1 indexed field 70", b"\xc6"),
        ending_with("hpack/2.3.3/2 literal with name 70", b"\x7f\x07\x00"),
        ending_with("hpack/4.2/1 table size update at the end", b"\x21"),
        // `x-test: test`, the value with eight more bits.
        ending_with("hpack/5.2/1 Huffman padding over 7 bits", b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"),
        ending_with("hpack/5.2/2 Huffman padding of zeros", b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"),
        ending_with("hpack/5.2/3 Huffman with EOS", b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"),
        ending_with("hpack/6.1/1 indexed field 0", b"\x80"),
        case("hpack/6.3/1 table size update over the setting", &[whole(1, &too_large)], REFUSED),
    ]
}
