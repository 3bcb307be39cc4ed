//! How long a decision takes at the longest while buckets come and while they go, and how long a lock is held, by the processor time of
//! the thread that does it: what the machine does meanwhile for other programs does not count. Interrupts that it serves in this thread's
//! time do: of as many pieces of work that do nothing, the longest is shown beside, to tell what of it is the machine's.
//!
//! Of the rounds the worst counts. Each is a process of its own: what an earlier one frees, the allocator gives back to the system in the
//! middle of a later one.
//!
//! With more users than the tables for a million take. A sweep locks for one table after the other, all of them alike, and is timed as a
//! whole.

use super::{
    keep, open,
    users::{Users, ask, at},
};
use rustix::time::{ClockId, clock_gettime};
use stackflow_gateway::limit::{LimitState, Limits};
use std::{
    env,
    hint::black_box,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

const ROUNDS: usize = 5;
/// That many users have them all: each leaf of 1024 shards has a table.
const TABLES: f64 = 65_536.0;
/// Of them the tables take 3.6 million.
const USERS: u64 = 4_000_000;
const SECOND: u64 = 1_000_000_000;
/// One of so many stays when most go.
const STAYS: u64 = 4096;
/// Makes this program a process that measures one round.
const ROUND: &str = "LIMITS_LOCKS";

/// What is timed, and its bound in microseconds.
const PHASES: [(&str, f64); 7] = [
    ("the longest piece of work that does nothing", f64::INFINITY),
    ("the longest decision while users come", 1_000.0),
    ("the longest decision while most go", 1_000.0),
    ("the longest decision while all go", 1_000.0),
    ("a lock while all are swept and stay", 100.0),
    ("a lock while most go", 100.0),
    ("a lock while all go", 100.0),
];

/// Whether this process was started for one round.
pub fn measured() -> bool {
    if env::var_os(ROUND).is_none() {
        return false;
    }
    for figure in round(&Limits { max_users: usize::MAX, ..open() }) {
        println!("{figure}");
    }
    true
}

pub fn report() {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round_apart()).collect();
    println!("processor time, us, in each round:");
    let worst = |phase: usize| rounds.iter().map(|round| round[phase]).fold(0.0, f64::max);
    for (phase, (name, bound)) in PHASES.into_iter().enumerate() {
        let times: Vec<f64> = rounds.iter().map(|round| round[phase]).collect();
        println!("{name:<46} {times:.1?}");
        keep(&format!("{name}, us"), worst(phase), bound);
    }
}

/// One round, in a process of its own.
fn round_apart() -> Vec<f64> {
    let program = env::current_exe().expect("this program");
    let output = Command::new(program).env(ROUND, "1").output().expect("it runs");
    let figures: Vec<f64> = String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(figures.len(), PHASES.len(), "{}", String::from_utf8_lossy(&output.stderr));
    figures
}

/// As in [`PHASES`].
fn round(limits: &Limits) -> [f64; 7] {
    let state = LimitState::new(1_000_000);
    let nothing = longest(1, |subject| _ = black_box(subject.len()));
    let coming = come(&state, limits, 1, 0);
    let stay = microseconds(|| state.sweep(limits, at(0))) / TABLES;
    come(&state, limits, STAYS, 100 * SECOND);
    let (most_go, beside_most) = sweep_beside(&state, limits, 50 * SECOND);
    come(&state, limits, 1, 200 * SECOND);
    let (all_go, beside_all) = sweep_beside(&state, limits, 300 * SECOND);
    assert!(state.evictions() > 6_000_000, "{} went", state.evictions());
    [nothing, coming, beside_most, beside_all, stay, most_go, all_go]
}

/// Each of so many users comes, as of this moment; of these decisions the one that took longest.
fn come(state: &Arc<LimitState>, limits: &Limits, every: u64, now: u64) -> f64 {
    longest(every, |subject| drop(ask(state, limits, subject, now).expect("an open limit")))
}

/// Of the pieces of work for each of so many users the one that took longest.
fn longest(every: u64, mut work: impl FnMut(&str)) -> f64 {
    let (mut longest, mut index) = (0.0_f64, 0_u64);
    Users::each(USERS, |subject| {
        index += 1;
        if index.is_multiple_of(every) {
            longest = longest.max(microseconds(|| work(subject)));
        }
    });
    longest
}

/// What a sweep took of a table's time, and the longest decision about users who were there before, beside it.
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
        let sweep = microseconds(|| state.sweep(limits, at(now))) / TABLES;
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
