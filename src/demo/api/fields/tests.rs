//! What the sample API takes as a field's value.

use super::*;

#[test]
fn length_is_counted_in_characters() {
    assert!(Text::<3>::try_from("äöü".to_owned()).is_ok());
}

fn check_timestamp(seconds: u64, expected: &str) {
    assert_eq!(Timestamp(seconds).to_string(), expected);
}

#[test]
fn a_timestamp_is_written_as_rfc_3339() {
    check_timestamp(0, "1970-01-01T00:00:00Z");
    check_timestamp(951_782_399, "2000-02-28T23:59:59Z");
    check_timestamp(951_782_400, "2000-02-29T00:00:00Z");
    check_timestamp(1_709_251_199, "2024-02-29T23:59:59Z");
    check_timestamp(1_767_225_599, "2025-12-31T23:59:59Z");
    check_timestamp(4_107_542_400, "2100-03-01T00:00:00Z");
}

#[test]
fn a_text_is_neither_empty_nor_too_long() {
    for text in ["", "abcd", "äöüß"] {
        assert!(Text::<3>::try_from(text.to_owned()).is_err(), "{text}");
    }
}

#[test]
fn a_priority_is_one_of_five() {
    assert!([0, 6, 255].into_iter().all(|level| Priority::try_from(level).is_err()));
    assert!((1..=5).all(|level| Priority::try_from(level).is_ok()));
}
