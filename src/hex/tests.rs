//! Digits, refusals first.

use super::{decode, encode};

#[test]
fn what_is_not_exactly_so_many_digits_is_not_read() {
    for text in ["", "0", "00f", "00ff0", "00ff00", "+0ff", "0x0f", "0 ff", "00fg", "0é0"] {
        assert_eq!(decode::<2>(text), None, "{text}");
    }
}

#[test]
fn digits_are_read_in_either_case() {
    for text in ["09af", "09AF", "09aF"] {
        assert_eq!(decode::<2>(text), Some([0x09, 0xaf]), "{text}");
    }
    assert_eq!(decode::<0>(""), Some([]));
}

#[test]
fn each_byte_is_two_digits_in_lower_case() {
    assert_eq!(encode(&[0, 9, 0xaf, 0xff]), "0009afff");
    let all: Vec<u8> = (0..=255).collect();
    let bytes: Option<[u8; 256]> = decode(&encode(&all));
    assert_eq!(bytes.map(|bytes| bytes.to_vec()), Some(all));
}
