//! `[limits]`.

use super::section;
use crate::{
    config::{ResetForm, report::Fault, table::Table},
    limit::{Limits, Quota, QuotaError},
};

/// `[limits]`.
pub(super) fn limits(root: &Table<'_>) -> (Limits, ResetForm) {
    section(root, "limits", |table| {
        let limits = Limits {
            global: quota(table, "global", 5000, 10_000),
            per_user: quota(table, "per_user", 100, 100),
            per_address: quota(table, "per_address", 1000, 2000),
            // Written with the token endpoint, which replaces this.
            failures: documented(1, 100),
            bulk_in_flight: table.integer_u32("bulk_in_flight", 4, &(0..=1_000_000)),
            max_users: usize::try_from(table.integer("max_users", 1_000_000, &(1..=100_000_000))).unwrap_or(usize::MAX),
        };
        let words = [("epoch", ResetForm::Epoch), ("delta", ResetForm::Delta)];
        (limits, table.word("reset", ResetForm::Epoch, &words))
    })
}

/// A quota of one table.
pub(super) fn quota(table: &Table<'_>, key: &'static str, rate: u64, burst: u64) -> Quota {
    let default = || documented(rate, burst);
    table.table(key, |table| written_quota(table).unwrap_or_else(default)).unwrap_or_else(default)
}

fn documented(rate: u64, burst: u64) -> Quota {
    Quota::new(rate, burst).expect("BUG: the documented defaults are quotas")
}

fn written_quota(table: &Table<'_>) -> Option<Quota> {
    const REMEDY: &str = "write { rate = …, burst = … }: requests per second, and capacity in requests";
    table.require("rate", REMEDY);
    table.require("burst", REMEDY);
    let (rate, burst) = (number(table, "rate", REMEDY), number(table, "burst", REMEDY));
    let error = Quota::new(rate?, burst?);
    error.map_err(|error| report(table, error)).ok()
}

fn number(table: &Table<'_>, key: &'static str, remedy: &str) -> Option<u64> {
    let placed = table.any_integer(key, remedy)?;
    // Below zero is refused as zero is.
    Some(u64::try_from(placed.value).unwrap_or(0))
}

fn report(table: &Table<'_>, error: QuotaError) {
    let (key, what, most) = match error {
        QuotaError::RateZero => ("rate", "is less than 1", Quota::MAX_RATE),
        QuotaError::RateTooHigh => ("rate", "is too high", Quota::MAX_RATE),
        QuotaError::BurstZero => ("burst", "is less than 1", Quota::MAX_BURST),
        QuotaError::BurstTooHigh => ("burst", "is too high", Quota::MAX_BURST),
    };
    let at = table.place_of(key).unwrap_or(table.at());
    table.fault(at, key, Fault::new(what, format!("write a whole number from 1 to {most}")));
}

#[cfg(test)]
mod tests;
