//! What users have used of their day's or month's quota.
//!
//! Each user has a counter for each day and each month, so that nothing a clock does can open one twice: whichever period the wall
//! clock names, its own counter judges. A clock that steps back finds the counter of the earlier period as it was left, one that
//! steps forward finds a new one, and whoever is refused is so until the end of the period that the clock names, never longer.
//! Users keep what they have used when their plan changes; of a day's quota nothing is used up by a month's.
//!
//! So a counter is forgotten only when its period is surely over: by the wall clock, and by the monotonic one a day after what was
//! left of it when it began. One alone is not enough: a clock that is wrong for a minute would open all of today again. With both,
//! clocks that are wrong by up to half a day open nothing twice, and one that is set forward by years does not open what was begun
//! while it was right. At the bound the wall clock is believed alone, to make room for those who are counted today; a user who
//! finds no room is admitted uncounted.
//!
//! Keys are hashes under a secret that is kept beside the counters: no names lie in memory or in the file, and who has no access
//! to the file cannot choose which users share a counter. What is kept over restarts is a snapshot of all; when it is written is
//! not decided here.

use super::{
    buckets::Buckets,
    gcra::{Empty, SECOND_NS, Standing},
    key::KeyHasher,
    period::{DAY_NS, PeriodQuota, Span},
    state_file::{self, Kept, KeptCounter},
    table::Value,
};
use crate::time::Now;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// By how much two readings of a wall clock may be wrong against each other, before a period that is over is opened again.
const CLOCK_ERROR_NS: u64 = DAY_NS;

/// All counters.
#[derive(Debug)]
pub(super) struct Quotas {
    keys: KeyHasher,
    used: Buckets<Used>,
    /// Since the last snapshot.
    changed: AtomicBool,
}

/// One user's part in a decision: worked out once, before any lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    quota: PeriodQuota,
    /// The day or month that it is now.
    pub(super) span: Span,
    /// Of the user's counter of that.
    key: u64,
    /// Until its end.
    left_ns: u64,
}

/// One user's counter of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Used {
    requests: u64,
    /// [`Span::id`].
    period: u32,
    /// Monotonic second before which it is not forgotten.
    keep_until_s: u32,
}

impl Value for Used {
    const WORDS: usize = 2;

    fn words(self) -> [u64; 2] {
        [self.requests, u64::from(self.period) << u32::BITS | u64::from(self.keep_until_s)]
    }

    fn of_words([requests, rest]: [u64; 2]) -> Self {
        let [period, keep_until_s] = [rest >> u32::BITS, rest & u64::from(u32::MAX)].map(|half| u32::of_words([half, 0]));
        Self { requests, period, keep_until_s }
    }
}

impl Quotas {
    /// None used, under a fresh secret.
    pub(super) fn new(expected: usize) -> Self {
        Self { keys: KeyHasher::random(), used: Buckets::new(expected), changed: AtomicBool::new(false) }
    }

    /// As it was kept; of more than `most` counters those of periods that are over stay out first.
    pub(super) fn restored(kept: &Kept, most: usize, now: Now) -> Self {
        let quotas = Self { keys: KeyHasher::new(kept.secret), used: Buckets::new(most), changed: AtomicBool::new(false) };
        let (over, live): (Vec<&KeptCounter>, Vec<_>) =
            kept.counters.iter().partition(|counter| Span::named(counter.period).is_over(now.unix_ns));
        for counter in live.into_iter().chain(over) {
            // The clock may be wrong at boot: it is kept for as long as it was to be, and the time in between does not count.
            let keep_until_s = second(now).saturating_add(counter.keep_s);
            let used = Used { requests: counter.requests, period: counter.period, keep_until_s };
            // At the bound the rest is let go.
            let _ = quotas.used.with(counter.key, |bucket| bucket.store(used, most));
        }
        quotas
    }

    /// What a user has in the period that the wall clock names.
    pub(super) fn share(&self, quota: PeriodQuota, issuer: &str, subject: &str, now: Now) -> Share {
        let span = Span::of(quota.period, now.unix_ns);
        Share { quota, span, key: self.keys.period(span.id(), issuer, subject), left_ns: span.left_ns(now.unix_ns) }
    }

    /// Whether there is a request left, charging nothing.
    pub(super) fn peek(&self, share: Share) -> Result<(), Empty> {
        share.judge(self.used(share)).map(drop)
    }

    /// How it stands.
    pub(super) fn standing(&self, share: Share) -> Standing {
        share.standing(self.used(share))
    }

    fn used(&self, share: Share) -> u64 {
        self.used.peek(share.key).map_or(0, |used| used.requests)
    }

    /// Counts a request if `others` agree, as one step. `others` hears what the quota says, and has the last word. `false`: there
    /// was no room to count it.
    pub(super) fn charge<T, E>(
        &self,
        share: Share,
        most: usize,
        now: Now,
        others: impl FnOnce(Result<Standing, Empty>) -> Result<T, E>,
    ) -> Result<(T, bool), E> {
        let fresh = Used { requests: 0, period: share.span.id(), keep_until_s: keep_until_s(now, share.left_ns) };
        self.used.with(share.key, |bucket| {
            let used = bucket.value().unwrap_or(fresh);
            let agreed = others(share.judge(used.requests))?;
            let counted = bucket.store(Used { requests: used.requests.saturating_add(1), ..used }, most);
            // Read first: all workers share the line. Under the bucket's lock, so that a snapshot that misses this charge finds
            // the mark.
            if counted && !self.changed.load(Relaxed) {
                self.changed.store(true, Relaxed);
            }
            Ok((agreed, counted))
        })
    }

    /// Forgets what is surely over; returns how many.
    pub(super) fn sweep(&self, most: usize, now: Now) -> usize {
        let crowded = self.used.len() >= most;
        let second = second(now);
        let forgotten = self.used.sweep(now.monotonic_ns, |used| {
            let due = used.keep_until_s <= second;
            // Of most of them the calendar is not asked.
            let over = (due || crowded) && Span::named(used.period).is_over(now.unix_ns);
            let made_up = due && crowded && Span::named(used.period).is_far_ahead(now.unix_ns);
            (!over && !made_up).then_some(used)
        });
        if forgotten > 0 {
            self.changed.store(true, Relaxed);
        }
        forgotten
    }

    /// Counters now.
    pub(super) fn len(&self) -> usize {
        self.used.len()
    }

    /// All counters as a file, if any has changed since the last one.
    pub(super) fn snapshot(&self, now: Now) -> Option<Vec<u8>> {
        if !self.changed.swap(false, Relaxed) {
            return None;
        }
        let now_s = second(now);
        Some(state_file::encode(&self.keys.secret(), self.used.len(), |add| {
            self.used.each(|key, Used { requests, period, keep_until_s }| {
                add(KeptCounter { key, period, requests, keep_s: keep_until_s.saturating_sub(now_s) });
            });
        }))
    }

    /// The last snapshot came to nothing: the next one is taken though nothing may change meanwhile.
    pub(super) fn snapshot_lost(&self) {
        self.changed.store(true, Relaxed);
    }
}

impl Share {
    /// How the quota stands with one request more than were used.
    fn judge(self, used: u64) -> Result<Standing, Empty> {
        if used < self.quota.requests {
            return Ok(self.standing(used + 1));
        }
        Err(Empty { wait_ns: self.left_ns.max(1), standing: self.standing(used) })
    }

    /// "Full again" is at the period's end, also when little is used.
    fn standing(self, used: u64) -> Standing {
        let PeriodQuota { requests: limit, .. } = self.quota;
        Standing { limit, remaining: limit.saturating_sub(used), full_in_ns: self.left_ns }
    }
}

/// Whole seconds since the process started.
fn second(now: Now) -> u32 {
    u32::try_from(now.monotonic_ns / SECOND_NS).unwrap_or(u32::MAX)
}

/// Until when a counter stays whose period ends after so much time. A u32 of seconds is 136 years.
fn keep_until_s(now: Now, left_ns: u64) -> u32 {
    let until_ns = now.monotonic_ns.saturating_add(left_ns).saturating_add(CLOCK_ERROR_NS);
    u32::try_from(until_ns.div_ceil(SECOND_NS)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
