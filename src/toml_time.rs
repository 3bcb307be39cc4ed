//! What a date and time means that somebody wrote in TOML: apart from [`time`](crate::time), which needs no library.

use crate::time::days_since_1970;
use toml::value::{Date, Offset, Time};

/// Whole seconds from 1970-01-01T00:00:00Z to a moment as it is written; negative before. A leap second is the first of the next minute.
pub(crate) fn unix_s_of(date: Date, time: Time, offset: Offset) -> i64 {
    let offset_minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = days * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute) - offset_minutes;
    minutes * 60 + i64::from(time.second.unwrap_or(0))
}
