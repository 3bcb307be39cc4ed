//! How long a lock of the buckets is held, by the processor time of the thread that holds it: what the machine does meanwhile for other
//! programs does not count, interrupts that it serves in this thread's time do.
//!
//! With as many users as the shards for a million take at most, which is more than three times as many: 1791 in each. A unit test
//! holds that bound (`a_lock_is_held_for_so_many_entries_and_slots_at_most`). A sweep locks one shard after the other, all of them
//! alike, and is timed as a whole. A decision that makes a table grow is timed whole, too: most of the longest is the allocator's, which
//! now and then gives memory back to the system, and holds no lock of a shard meanwhile; so it is told, and held to nothing.

use super::{
    keep, open,
    users::{Users, ask, at},
};
use rustix::time::{ClockId, clock_gettime};
use stackflow_gateway::limit::{LimitState, Limits};

const ROUNDS: usize = 5;
const SHARDS: f64 = 2048.0;
/// Of them the shards take 3.67 million.
const USERS: u64 = 4_000_000;
const SECOND: u64 = 1_000_000_000;
/// One of so many stays when most go.
const STAYS: u64 = 4096;

pub fn report() {
    let limits = Limits { max_users: usize::MAX, ..open() };
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round(&limits)).collect();
    println!("processor time under one lock, us, in each round:");
    for (phase, name) in ["a user comes (without a lock)", "all are swept and stay", "most go", "all go"].iter().enumerate() {
        let mut times: Vec<f64> = rounds.iter().map(|round| round[phase]).collect();
        times.sort_by(f64::total_cmp);
        println!("{name:<30} {times:.1?}");
        if phase > 0 {
            keep(&format!("time under a lock while {name}, us"), times[0], 100.0);
        }
    }
}

/// Of the decisions about new users the one that took longest; of sweeps what a shard took.
fn round(limits: &Limits) -> [f64; 4] {
    let state = LimitState::new(1_000_000);
    let come = |every: u64, now| {
        let (mut longest, mut index) = (0.0_f64, 0_u64);
        Users::each(USERS, |subject| {
            index += 1;
            if index.is_multiple_of(every) {
                longest = longest.max(microseconds(|| drop(ask(&state, limits, subject, now).expect("an open limit"))));
            }
        });
        longest
    };
    let sweep = |now| microseconds(|| state.sweep(limits, at(now))) / SHARDS;
    let coming = come(1, 0);
    let (entries, stay) = (state.users(), sweep(0));
    come(STAYS, 100 * SECOND);
    let most_go = sweep(50 * SECOND);
    println!("{entries} users in {SHARDS} shards, of whom {} go and {} stay", state.evictions(), state.users());
    come(1, 200 * SECOND);
    [coming, stay, most_go, sweep(300 * SECOND)]
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
