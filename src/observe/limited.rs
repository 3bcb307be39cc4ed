//! Who is being limited most: the users with the most refusals of the last minute or two.
//!
//! Invariants
//! - However many users are refused, 64 are counted at a time (Space-Saving: a new one takes the place of the one with the fewest
//!   refusals, and begins with its number), so that nobody who is refused often is missed, and numbers are never too low.
//! - A request never waits for it: what cannot be counted at once is not counted.

use std::sync::{Mutex, PoisonError};

/// Users that are counted.
const COUNTED: usize = 64;
/// Then the numbers begin anew; those before are shown for as long again.
const WINDOW_NS: u64 = 60_000_000_000;

/// The refusals of some users.
#[derive(Debug, Default)]
pub struct LimitedUsers(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    began_ns: u64,
    current: Vec<LimitedUser>,
    before: Vec<LimitedUser>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitedUser {
    /// By whose token.
    pub issuer: String,
    /// Whose name it is.
    pub subject: String,
    /// How often it was refused, at most.
    pub refusals: u64,
}

impl LimitedUsers {
    /// One refusal.
    pub fn count(&self, issuer: &str, subject: &str, now_ns: u64) {
        // Under contention others are counted instead: whoever is refused often gets through often.
        let Ok(mut windows) = self.0.try_lock() else { return };
        windows.turn(now_ns);
        count(&mut windows.current, issuer, subject);
    }

    /// The most limited users of this window and the one before, by their refusals.
    #[must_use]
    pub fn top(&self, most: usize, now_ns: u64) -> Vec<LimitedUser> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(now_ns);
        let mut users = windows.current.clone();
        for user in &windows.before {
            match users.iter_mut().find(|other| other.is(&user.issuer, &user.subject)) {
                Some(other) => other.refusals += user.refusals,
                None => users.push(user.clone()),
            }
        }
        drop(windows);
        users.sort_by(|a, b| b.refusals.cmp(&a.refusals).then_with(|| a.subject.cmp(&b.subject)));
        users.truncate(most);
        users
    }
}

impl LimitedUser {
    fn is(&self, issuer: &str, subject: &str) -> bool {
        self.subject == subject && self.issuer == issuer
    }
}

impl Windows {
    fn turn(&mut self, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(self.began_ns);
        if since_ns < WINDOW_NS {
            return;
        }
        let ended = std::mem::take(&mut self.current);
        self.before = if since_ns < 2 * WINDOW_NS { ended } else { Vec::new() };
        self.began_ns = now_ns;
    }
}

fn count(users: &mut Vec<LimitedUser>, issuer: &str, subject: &str) {
    if let Some(user) = users.iter_mut().find(|user| user.is(issuer, subject)) {
        user.refusals += 1;
        return;
    }
    let new = |refusals| LimitedUser { issuer: issuer.to_owned(), subject: subject.to_owned(), refusals };
    if users.len() < COUNTED {
        users.push(new(1));
    } else if let Some(least) = users.iter_mut().min_by_key(|user| user.refusals) {
        *least = new(least.refusals + 1);
    }
}

#[cfg(test)]
mod tests;
