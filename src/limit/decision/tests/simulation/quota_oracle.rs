//! The plainest quota: a calendar that is counted out month by month, and a list of counters.
//!
//! It forgets by the rule that is written in the limiter's documentation; `histories_under_wrong_clocks_and_restarts_decide_as_counting_does`
//! holds that rule against counters that are never forgotten.

use super::{
    oracle::{Judgement, Outcome},
    *,
};

const SECONDS_OF_DAY: u64 = 86_400;

/// The first second of a day or month, and the first after it.
type Between = (u64, u64);

#[derive(Clone, Copy, Debug)]
struct Counter {
    used: u64,
    /// Second of the monotonic clock.
    keep_until: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct QuotaOracle {
    counters: BTreeMap<(u64, Between), Counter>,
    overflow: u64,
}

impl QuotaOracle {
    pub(super) fn judge(&self, quota: PeriodQuota, user: u64, at: Now) -> Judgement {
        let between = between(quota.period, at);
        let spent = self.counters.get(&(user, between)).map_or(0, |counter| counter.used);
        let left = left(between, at);
        Judgement { policy: Policy::Quota, wait: if spent < quota.requests { 0 } else { left }, full_in: left }
    }

    pub(super) fn charge(&mut self, quota: PeriodQuota, user: u64, most: usize, at: Now) -> Outcome {
        let between = between(quota.period, at);
        let left = left(between, at);
        let until = i128::from(at.monotonic_ns) + left + i128::from(DAY);
        let keep_until =
            u64::try_from((until + i128::from(SECOND) - 1) / i128::from(SECOND)).expect("BUG: a time after the start");
        let counter = self.counters.get(&(user, between)).copied();
        let spent = counter.map_or(0, |counter| counter.used) + 1;
        if counter.is_some() || self.counters.len() < most {
            let keep_until = counter.map_or(keep_until, |counter| counter.keep_until).min(u64::from(u32::MAX));
            self.counters.insert((user, between), Counter { used: spent, keep_until });
        } else {
            self.overflow += 1;
        }
        Outcome::Admitted { remaining: i128::from(quota.requests.saturating_sub(spent)), full_in: left }
    }

    /// What is over by both clocks goes; without room, by the wall clock alone, and what only a wrong clock can have begun.
    pub(super) fn sweep(&mut self, most: usize, at: Now) {
        let (crowded, second) = (self.counters.len() >= most, second(at));
        self.counters.retain(|(_, (begin, end)), counter| {
            let due = counter.keep_until <= second;
            let over = end * SECOND <= at.unix_ns && (due || crowded);
            let made_up = due && crowded && (begin * SECOND).saturating_sub(at.unix_ns) > (end - begin) * SECOND;
            !over && !made_up
        });
    }

    /// What was due before is due at once.
    pub(super) fn restarted(&self, at: Now) -> Self {
        let counters = self.counters.iter().map(|(name, counter)| {
            let keep_until = counter.keep_until.max(second(at));
            (*name, Counter { keep_until, ..*counter })
        });
        Self { counters: counters.collect(), overflow: 0 }
    }

    /// Counters, and requests that found no room for one.
    pub(super) fn totals(&self) -> (usize, u64) {
        (self.counters.len(), self.overflow)
    }
}

fn second(at: Now) -> u64 {
    (at.monotonic_ns / SECOND).min(u64::from(u32::MAX))
}

fn left((_, end): Between, at: Now) -> i128 {
    i128::from(end * SECOND) - i128::from(at.unix_ns)
}

fn between(period: Period, at: Now) -> Between {
    let day = at.unix_ns / DAY;
    let (first, end) = match period {
        Period::Day => (day, day + 1),
        Period::Month => month_of(day),
    };
    (first * SECONDS_OF_DAY, end * SECONDS_OF_DAY)
}

/// Counted out from 1970 on: its first day, and the first after it.
fn month_of(day: u64) -> (u64, u64) {
    let mut first = 0;
    for year in 1970.. {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if leap { 29 } else { 28 };
        for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if day < first + days {
                return (first, first + days);
            }
            first += days;
        }
    }
    (first, first)
}
