//! Random histories from a seed, with reloads and sweeps in between, against the plainest limiter that can be written: one
//! thread, every balance in a map, nothing ever forgotten.

use super::*;

/// `splitmix64`: a history is its seed, whatever happens to a crate of random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn limits(&mut self) -> Limits {
        let mut some = |most: u64| quota(1 + self.below(most), 1 + self.below(most));
        Limits {
            per_user: some(40),
            global: some(120),
            per_address: some(10),
            failures: quota(1, 1),
            bulk_in_flight: 2,
            max_users: 1_000,
            ..super::limits()
        }
    }
}

#[derive(Default)]
struct Oracle {
    global_debt: i128,
    user_debts: BTreeMap<u64, i128>,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Admitted { remaining: i128, full_in: i128 },
    Refused { policy: &'static str, wait_s: i128, full_in: i128 },
}

fn interval(quota: Quota) -> i128 {
    i128::from(SECOND.div_ceil(quota.rate()))
}

fn capacity(quota: Quota) -> i128 {
    interval(quota) * i128::from(quota.burst())
}

impl Oracle {
    fn pass(&mut self, gap: u64) {
        for debt in self.user_debts.values_mut().chain([&mut self.global_debt]) {
            *debt = (*debt - i128::from(gap)).max(0);
        }
    }

    fn admit(&mut self, limits: &Limits, user: u64) -> Outcome {
        let debt = self.user_debts.entry(user).or_default();
        let user_wait = *debt + interval(limits.per_user) - capacity(limits.per_user);
        let global_wait = self.global_debt + interval(limits.global) - capacity(limits.global);
        if user_wait <= 0 && global_wait <= 0 {
            *debt += interval(limits.per_user);
            self.global_debt += interval(limits.global);
            let remaining = (capacity(limits.per_user) - *debt) / interval(limits.per_user);
            return Outcome::Admitted { remaining, full_in: *debt };
        }
        let second = i128::from(SECOND);
        let wait_s = |wait: i128| ((wait + second - 1) / second).max(1);
        if global_wait > user_wait {
            Outcome::Refused { policy: "global", wait_s: wait_s(global_wait), full_in: self.global_debt }
        } else {
            Outcome::Refused { policy: "user", wait_s: wait_s(user_wait), full_in: *debt }
        }
    }

    /// More than a second beyond the capacity can only be left over from a larger quota.
    fn sweep(&mut self, limits: &Limits) {
        let users = self.user_debts.values_mut().map(|debt| (debt, capacity(limits.per_user)));
        for (debt, capacity) in users.chain([(&mut self.global_debt, capacity(limits.global))]) {
            if *debt > capacity + i128::from(SECOND) {
                *debt = capacity;
            }
        }
    }
}

fn outcome(decided: &Result<Admission, Refusal>) -> Outcome {
    match decided {
        Ok(Admission { user, .. }) => Outcome::Admitted { remaining: user.remaining.into(), full_in: user.full_in_ns.into() },
        Err(Refusal { policy, standing, retry_after_s, .. }) => {
            assert_eq!(standing.remaining, 0);
            Outcome::Refused { policy: policy.label(), wait_s: (*retry_after_s).into(), full_in: standing.full_in_ns.into() }
        }
    }
}

/// Plays one history; returns how many were admitted, refused by the user's policy, and refused by global.
fn play(seed: u64) -> [u64; 3] {
    let (mut random, state, mut oracle) = (Random(seed), LimitState::new(10), Oracle::default());
    let (mut limits, mut now, mut met) = (random.limits(), random.below(100 * SECOND), [0; 3]);
    for _ in 0..1_500 {
        let gap = if random.below(300) == 0 { random.below(20 * SECOND) } else { random.below(20 * MS) };
        now += gap;
        oracle.pass(gap);
        if random.below(200) == 0 {
            limits = random.limits();
        }
        if random.below(100) == 0 {
            state.sweep(&limits, at(now));
            oracle.sweep(&limits);
        }
        let user = random.below(4);
        let (ours, theirs) = (outcome(&ask(&state, &limits, &user.to_string(), now)), oracle.admit(&limits, user));
        assert_eq!(ours, theirs, "seed {seed} at {now} under {limits:?}");
        let kind = match theirs {
            Outcome::Admitted { .. } => 0,
            Outcome::Refused { policy, .. } => 1 + usize::from(policy == "global"),
        };
        met[kind] += 1;
    }
    met
}

#[test]
fn histories_decide_as_the_plain_limiter_does() {
    let mut met = [0; 3];
    for seed in 0..60 {
        for (total, part) in met.iter_mut().zip(play(seed)) {
            *total += part;
        }
    }
    assert!(met.iter().all(|kind| *kind > 1_000), "each outcome must be met often: {met:?}");
}
