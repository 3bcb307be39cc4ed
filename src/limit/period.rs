//! UTC days and months: which one a moment lies in, and when it ends. Calendar arithmetic only.

use crate::time::{civil, days_since_1970};

pub(super) const DAY_NS: u64 = 86_400_000_000_000;

/// `period` of a quota, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// So many requests of each user in a day or month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodQuota {
    /// At least 1.
    pub requests: u64,
    /// In each.
    pub period: Period,
}

/// One day or one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    period: Period,
    /// Since 1970-01-01.
    first_day: u32,
    days: u32,
}

impl PeriodQuota {
    /// Most requests of a quota.
    pub const MAX_REQUESTS: u64 = 1_000_000_000_000;
}

impl Span {
    /// The one in which a moment lies.
    pub(super) fn of(period: Period, unix_ns: u64) -> Self {
        // A u64 of nanoseconds has 213 503 days.
        let today = u32::try_from(unix_ns / DAY_NS).unwrap_or(u32::MAX);
        match period {
            Period::Day => Self { period, first_day: today, days: 1 },
            Period::Month => {
                let (_, _, day) = civil(u64::from(today));
                Self::month(today - u32::try_from(day - 1).unwrap_or(0))
            }
        }
    }

    fn month(first_day: u32) -> Self {
        let (year, month, _) = civil(u64::from(first_day));
        let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let end = i64::try_from(year).and_then(|year| Ok(days_since_1970(year, i64::try_from(month)?, 1)));
        let end = end.ok().and_then(|end| u32::try_from(end).ok()).unwrap_or(u32::MAX);
        Self { period: Period::Month, first_day, days: end.saturating_sub(first_day) }
    }

    /// Names it among all days and months.
    pub(super) fn id(self) -> u32 {
        (self.first_day << 1) + u32::from(self.period == Period::Month)
    }

    /// The one that has this name; of numbers that name none, some day or month.
    pub(super) fn named(id: u32) -> Self {
        let first_day = id >> 1;
        if id & 1 == 0 { Self { period: Period::Day, first_day, days: 1 } } else { Self::month(first_day) }
    }

    /// Nanoseconds until it ends; at least 1 for a moment within it.
    pub(super) fn left_ns(self, unix_ns: u64) -> u64 {
        self.end_ns().saturating_sub(unix_ns)
    }

    /// Whether it is over.
    pub(super) fn is_over(self, unix_ns: u64) -> bool {
        self.end_ns() <= unix_ns
    }

    /// Whether it begins more than its own length from now: only a clock that was wrong has been there.
    pub(super) fn is_far_ahead(self, unix_ns: u64) -> bool {
        u64::from(self.first_day).saturating_mul(DAY_NS).saturating_sub(unix_ns) > self.length_ns()
    }

    /// How long it is.
    pub(super) fn length_ns(self) -> u64 {
        u64::from(self.days) * DAY_NS
    }

    /// The same in seconds.
    pub(super) fn length_s(self) -> u64 {
        u64::from(self.days) * 86_400
    }

    /// How a sentence ends that says that a quota of it is used up.
    pub(super) fn exceeded(self) -> &'static str {
        match self.period {
            Period::Day => "per day exceeded",
            Period::Month => "per month exceeded",
        }
    }

    fn end_ns(self) -> u64 {
        (u64::from(self.first_day) + u64::from(self.days)).saturating_mul(DAY_NS)
    }
}

#[cfg(test)]
mod tests;
