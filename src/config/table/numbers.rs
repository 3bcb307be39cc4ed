//! Numbers, and what is measured: each within a range, which the problem of one outside names.

use super::{DeValue, Fault, Placed, Table, schema, value};
use std::{ops::RangeInclusive, time::Duration};

impl Table<'_> {
    /// A whole number within `range`.
    pub(crate) fn integer(&self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        self.note_default(key, || default.into());
        self.integer_if_any(key, range).unwrap_or(default)
    }

    /// The same without a default.
    pub(crate) fn integer_if_any(&self, key: &'static str, range: &RangeInclusive<u64>) -> Option<u64> {
        self.note_value(key, || schema::integer(range));
        let remedy = format!("write a whole number from {} to {}", range.start(), range.end());
        let Placed { at, value } = self.parsed_integer(key, &remedy)?;
        let number = u64::try_from(value).ok().filter(|value| range.contains(value));
        if number.is_none() {
            self.fault(at, key, Fault::new(format!("{value} is out of range"), remedy));
        }
        number
    }

    /// A whole number of any size and sign.
    pub(crate) fn any_integer(&self, key: &'static str, remedy: &str) -> Option<Placed<i64>> {
        self.note_value(key, || schema::of_type("integer"));
        self.parsed_integer(key, remedy)
    }

    fn parsed_integer(&self, key: &'static str, remedy: &str) -> Option<Placed<i64>> {
        let value = self.entry(key)?;
        let DeValue::Integer(integer) = value.get_ref() else { return self.wrong_type(value, key, remedy, None) };
        let parsed = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if parsed.is_none() {
            self.fault(value.span().start, key, Fault::new("is too large a number", remedy));
        }
        parsed.map(|number| Placed { at: value.span().start, value: number })
    }

    /// A share, 0.0 to 1.0.
    pub(crate) fn share(&self, key: &'static str, default: f64) -> f64 {
        const REMEDY: &str = "write a number from 0.0 to 1.0";
        self.note_value(key, schema::share);
        self.note_default(key, || default.into());
        let Some(value) = self.entry(key) else { return default };
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => integer.as_str().parse().ok(),
            _ => return self.wrong_type(value, key, REMEDY, default),
        };
        number.filter(|number| (0.0..=1.0).contains(number)).unwrap_or_else(|| {
            self.fault(value.span().start, key, Fault::new("is not a share", REMEDY));
            default
        })
    }

    /// A duration within `range`.
    pub(crate) fn duration(&self, key: &'static str, default: Duration, range: &RangeInclusive<Duration>) -> Duration {
        self.note_default(key, || value::show_duration(default).into());
        self.duration_if_any(key, range).unwrap_or(default)
    }

    /// The same without a default.
    pub(crate) fn duration_if_any(&self, key: &'static str, range: &RangeInclusive<Duration>) -> Option<Duration> {
        self.note_value(key, || schema::duration(range));
        let value = self.entry(key)?;
        self.parsed(key, value, value::DURATION, &|text: &str| value::duration(text, range)).map(|placed| placed.value)
    }

    /// A size in bytes within `range`.
    pub(crate) fn size(&self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        self.note_value(key, || schema::size(range));
        self.note_default(key, || value::show_size(default).into());
        let Some(value) = self.entry(key) else { return default };
        self.parsed(key, value, value::SIZE, &|text: &str| value::size(text, range)).map_or(default, |placed| placed.value)
    }

    /// A size within `range` of something that is held in memory.
    pub(crate) fn size_in_memory(&self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> usize {
        usize::try_from(self.size(key, default, range)).unwrap_or(usize::MAX)
    }

    /// A whole number within `range`, which fits in 32 bits.
    pub(crate) fn integer_u32(&self, key: &'static str, default: u32, range: &RangeInclusive<u32>) -> u32 {
        let range = u64::from(*range.start())..=u64::from(*range.end());
        u32::try_from(self.integer(key, u64::from(default), &range)).unwrap_or(default)
    }
}
