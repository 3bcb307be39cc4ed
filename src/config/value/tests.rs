//! Durations, sizes and texts.

use super::{duration, excerpt, moment, one_of, scope, size};
use std::time::Duration;

/// Milliseconds, or what is wrong.
fn check_duration(text: &str, expected: Result<u64, &str>) {
    let result = duration(text, &(Duration::from_millis(10)..=Duration::from_secs(90)));
    assert_eq!(
        result.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(0)).map_err(|fault| fault.what),
        expected.map_err(str::to_owned)
    );
}

fn check_size(text: &str, expected: Result<u64, &str>) {
    assert_eq!(size(text, &(1..=1 << 40)).map_err(|fault| fault.what), expected.map_err(str::to_owned));
}

#[test]
fn what_is_not_a_duration_is_refused() {
    for text in [
        "",
        "s",
        "1",
        "1.5s",
        "-1s",
        "1 s",
        " 1s",
        "1S",
        "1d",
        "1m30s",
        "0x1s",
        "18446744073709551615h",
        "99999999999999999999s",
        "١s",
    ] {
        check_duration(text, Err(&format!("`{text}` is not a duration")));
    }
}

#[test]
fn durations_are_within_their_range() {
    check_duration("9ms", Err("`9ms` is out of range"));
    check_duration("91s", Err("`91s` is out of range"));
    check_duration("10ms", Ok(10));
    check_duration("1m", Ok(60_000));
    check_duration("90s", Ok(90_000));
}

#[test]
fn a_range_is_shown_as_it_is_written() {
    let remedy = |range| duration("1000h", &range).map_err(|fault| fault.remedy);
    assert_eq!(remedy(Duration::ZERO..=Duration::from_secs(300)), Err("write \"0s\" to \"5m\"".to_owned()));
    assert_eq!(remedy(Duration::from_millis(100)..=Duration::from_secs(90)), Err("write \"100ms\" to \"90s\"".to_owned()));
    assert_eq!(size("0B", &(64..=1536)).map_err(|fault| fault.remedy), Err("write \"64B\" to \"1536B\"".to_owned()));
    assert_eq!(size("9GiB", &(0..=1 << 20)).map_err(|fault| fault.remedy), Err("write \"0B\" to \"1MiB\"".to_owned()));
}

#[test]
fn what_is_not_a_size_is_refused() {
    for text in ["", "10", "8KB", "8K", "8kib", "1.5MiB", "-1B", "8 KiB", "99999999999GiB"] {
        check_size(text, Err(&format!("`{text}` is not a size")));
    }
}

#[test]
fn sizes_are_powers_of_1024() {
    check_size("0B", Err("`0B` is out of range"));
    check_size("512B", Ok(512));
    check_size("8KiB", Ok(8192));
    check_size("10MiB", Ok(10_485_760));
    check_size("1GiB", Ok(1 << 30));
}

#[test]
fn an_excerpt_is_short_and_printable() {
    assert_eq!(excerpt("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
    assert_eq!(excerpt(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
}

#[test]
fn one_word_is_not_one_of_several() {
    assert_eq!(one_of(["a"]), "write \"a\"");
    assert_eq!(one_of(["a", "b"]), "write one of \"a\", \"b\"");
}

#[test]
fn a_scope_could_stand_in_quotes() {
    assert!(["", "a b", "a\"", "a\\", "ä"].iter().all(|text| scope(text).is_err()));
    assert_eq!(scope("stackflow/incidents.read"), Ok("stackflow/incidents.read".to_owned()));
}

/// Nanoseconds since 1970, or what is wrong.
fn check_moment(text: &str, expected: Result<u64, &str>) {
    let written = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(moment(&written).map_err(|fault| fault.what), expected.map_err(str::to_owned), "{text}");
}

#[test]
fn a_moment_without_an_offset_is_refused() {
    check_moment("2026-07-01", Err("`2026-07-01` is not a moment"));
    check_moment("12:00:00", Err("`12:00:00` is not a moment"));
    check_moment("2026-07-01T12:00:00", Err("`2026-07-01T12:00:00` is not a moment"));
}

#[test]
fn a_moment_out_of_range_is_refused() {
    check_moment("1969-12-31T23:59:59Z", Err("`1969-12-31T23:59:59Z` is out of range"));
    check_moment("1970-01-01T00:00:00+00:01", Err("`1970-01-01T00:00:00+00:01` is out of range"));
    check_moment("2555-01-01T00:00:00Z", Err("`2555-01-01T00:00:00Z` is out of range"));
    check_moment("9999-12-31T23:59:59Z", Err("`9999-12-31T23:59:59Z` is out of range"));
}

#[test]
fn moments_are_counted_from_1970() {
    check_moment("1970-01-01T00:00:00Z", Ok(0));
    check_moment("1970-01-01T01:00:00.000000001+01:00", Ok(1));
    check_moment("2000-02-29T23:59:59Z", Ok(951_868_799_000_000_000));
    check_moment("2000-03-01T00:00:00Z", Ok(951_868_800_000_000_000));
    check_moment("2100-02-28T12:00:00-11:30", Ok(4_107_540_600_000_000_000));
    check_moment("2026-07-01T12:00:00.5Z", Ok(1_782_907_200_500_000_000));
}
