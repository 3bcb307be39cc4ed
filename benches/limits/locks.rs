//! How long a lock of the buckets is held, and how long a decision takes at the longest while they grow and while they expire, by the
//! processor time of the thread that does it: what the machine does meanwhile for other programs does not count, interrupts that it
//! serves in this thread's time do. So of the rounds the least of the longest counts: what is the limiter's own would be in each.
//!
//! With as many users as the shards for a million take at most, which is more than three times as many: 1791 in each. A unit test
//! holds that bound (`a_lock_is_held_for_so_many_entries_and_slots_at_most`). A sweep locks one shard after the other, all of them
//! alike, and is timed as a whole; so is making room, which asks the allocator in between.

use super::{
    keep, open,
    tending::Tending,
    users::{Users, ask, at},
};
use rustix::time::{ClockId, clock_gettime};
use stackflow_gateway::limit::{LimitState, Limits};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

const ROUNDS: usize = 3;
const SHARDS: f64 = 2048.0;
/// Of them the shards take 3.67 million.
const USERS: u64 = 4_000_000;
const SECOND: u64 = 1_000_000_000;
/// One of so many stays when most go.
const STAYS: u64 = 4096;

/// What is timed, and its bound in microseconds.
const PHASES: [(&str, f64); 7] = [
    ("a lock while room is made, and the allocator", 100.0),
    ("a lock while all are swept and stay", 100.0),
    ("a lock while most go", 100.0),
    ("a lock while all go", 100.0),
    ("the longest decision while users come", 1_000.0),
    ("the longest decision while most go", 1_000.0),
    ("the longest decision while all go", 1_000.0),
];

pub fn report() {
    let limits = Limits { max_users: usize::MAX, ..open() };
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round(&limits)).collect();
    println!("processor time, us, in each round:");
    for (phase, (name, bound)) in PHASES.into_iter().enumerate() {
        let mut times: Vec<f64> = rounds.iter().map(|round| round[phase]).collect();
        times.sort_by(f64::total_cmp);
        println!("{name:<46} {times:.1?}");
        keep(&format!("{name}, us"), times[0], bound);
    }
}

/// As in [`PHASES`].
fn round(limits: &Limits) -> [f64; 7] {
    let room = time_to_make_room(limits);
    let state = LimitState::new(1_000_000);
    let tending = Tending::of(&state);
    let coming = come(&state, limits, 1, 0);
    drop(tending);
    let (entries, stay) = (state.users(), microseconds(|| state.sweep(limits, at(0))) / SHARDS);
    come(&state, limits, STAYS, 100 * SECOND);
    let (most_go, beside_most) = sweep_beside(&state, limits, 50 * SECOND);
    println!("{entries} users in {SHARDS} shards, of whom {} go and {} stay", state.evictions(), state.users());
    come(&state, limits, 1, 200 * SECOND);
    let (all_go, beside_all) = sweep_beside(&state, limits, 300 * SECOND);
    [room, stay, most_go, all_go, coming, beside_most, beside_all]
}

/// Nearly all shards want room at this many users: what one of them took.
fn time_to_make_room(limits: &Limits) -> f64 {
    let state = LimitState::new(1_000_000);
    // From here on they ask.
    state.tend();
    Users::each(3_000_000, |subject| drop(ask(&state, limits, subject, 0).expect("an open limit")));
    microseconds(|| state.tend()) / SHARDS
}

/// Each of so many users comes, as of this moment; of these decisions the one that took longest.
fn come(state: &LimitState, limits: &Limits, every: u64, now: u64) -> f64 {
    let (mut longest, mut index) = (0.0_f64, 0_u64);
    Users::each(USERS, |subject| {
        index += 1;
        if index.is_multiple_of(every) {
            longest = longest.max(microseconds(|| drop(ask(state, limits, subject, now).expect("an open limit"))));
        }
    });
    longest
}

/// What a sweep took of a shard's time, and the longest decision about users who were there before, beside it.
fn sweep_beside(state: &LimitState, limits: &Limits, now: u64) -> (f64, f64) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let deciding = scope.spawn(|| {
            let (mut users, mut longest) = (Users::new(1_000, 7), 0.0_f64);
            while !done.load(Relaxed) {
                for subject in users.draw(32).0 {
                    longest = longest.max(microseconds(|| drop(ask(state, limits, subject, now))));
                }
            }
            longest
        });
        let sweep = microseconds(|| state.sweep(limits, at(now))) / SHARDS;
        done.store(true, Relaxed);
        (sweep, deciding.join().expect("the deciding thread"))
    })
}

/// Processor time of this thread.
fn microseconds(work: impl FnOnce()) -> f64 {
    let began = processor_ns();
    work();
    (processor_ns() - began) as f64 / 1e3
}

fn processor_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
