//! Durations, sizes, names and other values that are written as text.
//!
//! A unit is always written, and there is one way to write each: `KB` is refused because half of its readers take it for 1000 bytes.

use super::report::Fault;
use crate::{secret::Secret, token::is_scope, toml_time::unix_s_of};
use std::{ops::RangeInclusive, path::PathBuf, time::Duration};
use toml::value::Datetime;

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
pub(crate) const GIB: u64 = 1024 * MIB;

pub(crate) const DURATION_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
pub(crate) const SIZE_UNITS: [(&str, u64); 4] = [("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("B", 1)];

/// How a duration is written.
pub(crate) const DURATION: &str = "write a text such as \"30s\", in ms, s, m or h";
/// How a moment is written.
pub(crate) const MOMENT: &str = "write a date and time with its offset, without quotes, as in 2030-01-31T12:00:00Z";
/// How a size is written.
pub(crate) const SIZE: &str = "write a text such as \"10MiB\", in B, KiB, MiB or GiB";

/// A secret as it is written: itself, or where it is.
#[derive(Clone, Debug)]
pub(crate) enum WrittenSecret {
    Plain(Secret),
    /// `{ env = "NAME" }`
    Variable(String),
    /// `{ file = "PATH" }`
    File(PathBuf),
}

/// `"250ms"`, `"30s"`, `"10m"`, `"2h"`, within `range`.
pub(crate) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, Fault> {
    let wrong = || Fault::new(format!("`{}` is not a duration", excerpt(text)), DURATION);
    let duration = Duration::from_millis(quantity(text, &DURATION_UNITS).ok_or_else(wrong)?);
    if range.contains(&duration) {
        return Ok(duration);
    }
    let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
    Err(Fault::new(format!("`{}` is out of range", excerpt(text)), format!("write \"{least}\" to \"{most}\"")))
}

/// `"512B"`, `"8KiB"`, `"10MiB"`, `"1GiB"` in bytes, within `range`.
pub(crate) fn size(text: &str, range: &RangeInclusive<u64>) -> Result<u64, Fault> {
    let wrong = || Fault::new(format!("`{}` is not a size", excerpt(text)), SIZE);
    let size = quantity(text, &SIZE_UNITS).ok_or_else(wrong)?;
    if range.contains(&size) {
        return Ok(size);
    }
    let (least, most) = (show_size(*range.start()), show_size(*range.end()));
    Err(Fault::new(format!("`{}` is out of range", excerpt(text)), format!("write \"{least}\" to \"{most}\"")))
}

/// `2030-01-31T12:00:00Z` in nanoseconds since 1970. Without an offset it would be another moment at each place.
pub(crate) fn moment(written: &Datetime) -> Result<u64, Fault> {
    let Datetime { date: Some(date), time: Some(time), offset: Some(offset) } = *written else {
        return Err(Fault::new(format!("`{written}` is not a moment"), MOMENT));
    };
    let seconds = u64::try_from(unix_s_of(date, time, offset));
    let nanoseconds = seconds.ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    let nanoseconds = nanoseconds.and_then(|whole| whole.checked_add(u64::from(time.nanosecond.unwrap_or(0))));
    nanoseconds.ok_or_else(|| Fault::new(format!("`{written}` is out of range"), "write a moment from 1970 to 2554"))
}

/// The text as a problem shows it: at most 60 characters, control characters escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() { shown + "…" } else { shown }
}

/// The remedy that lists all words: `write one of "a", "b"`.
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    format!("write {}{}", if quoted.len() > 1 { "one of " } else { "" }, quoted.join(", "))
}

/// Any text that is not empty.
pub(crate) fn non_empty(text: &str) -> Result<String, Fault> {
    if text.trim().is_empty() { Err(Fault::new("is empty", "write a value or remove the key")) } else { Ok(text.to_owned()) }
}

/// One scope.
pub(crate) fn scope(text: &str) -> Result<String, Fault> {
    if is_scope(text) {
        return Ok(text.to_owned());
    }
    let remedy = "write one scope an element, without spaces, quotes and backslashes";
    Err(Fault::new(format!("`{}` is not a scope", excerpt(text)), remedy))
}

/// A size as it is written.
pub(crate) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

/// A duration as it is written.
pub(crate) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

/// What matches a text with one of these units, whatever its number.
pub(crate) fn unit_pattern(units: &[(&str, u64)]) -> String {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    format!("^[0-9]+({})$", names.join("|"))
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    match units.iter().find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", amount / factor),
        None => format!("{amount}{}", if units == DURATION_UNITS { "s" } else { "B" }),
    }
}

#[cfg(test)]
mod tests;
