//! The longest that a decision takes while a million buckets come, and while they go.
//!
//! One thread decides about known users and times each decision; another one makes users, then sweeps them away. Decisions during
//! which the system took one of both off its processor are left out (waiting for a lock is no such thing: it is the thread's own
//! will), each round begins with nothing happening, and of the rounds the least of the longest counts: a pause of the limiter's
//! own would be in every round.

use super::{
    keep, open,
    users::{Users, ask, at},
};
use stackflow_gateway::limit::LimitState;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

const ROUNDS: usize = 7;
const USERS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Times of single decisions in one phase, ns, sorted.
struct Times(Vec<u64>);

impl Times {
    /// Microseconds that so many of 10,000 do not exceed.
    fn most_of(&self, parts: usize) -> f64 {
        self.0[(self.0.len() - 1) * parts / 10_000] as f64 / 1e3
    }
}

pub fn report() {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    println!("one decision beside it, us:        median    99.9 %   99.99 %   longest of each round");
    for (phase, name) in ["nothing", "a million users come", "a million users go"].iter().enumerate() {
        let mut longest: Vec<f64> = rounds.iter().map(|round| round[phase].most_of(10_000)).collect();
        longest.sort_by(f64::total_cmp);
        let middle = &rounds[ROUNDS / 2][phase];
        let [median, rare, rarer] = [5_000, 9_990, 9_999].map(|parts| middle.most_of(parts));
        println!("{name:<30}{median:>12.2}{rare:>10.2}{rarer:>10.2}   {longest:.0?}");
        if phase > 0 {
            keep(&format!("longest decision while {name}, us"), longest[0], 1_000.0);
        }
    }
}

/// Decisions beside nothing, beside a million new users, and beside the sweep of all of them.
fn round() -> [Times; 3] {
    let state = LimitState::new(1_000_000);
    let quiet = watch(&state, || thread::sleep(Duration::from_millis(200)));
    let coming = watch(&state, || {
        Users::each(USERS, |subject| drop(ask(&state, &open(), subject, 0).expect("an open limit")));
    });
    let began = Instant::now();
    let going = watch(&state, || state.sweep(&open(), at(3 * SECOND)));
    let gone = state.evictions();
    println!(
        "swept {gone} in {:.1} ms: {:.0} ns each",
        began.elapsed().as_secs_f64() * 1e3,
        began.elapsed().as_nanos() as f64 / gone as f64
    );
    [quiet, coming, going]
}

/// Times decisions as long as `work` runs.
fn watch(state: &LimitState, work: impl FnOnce()) -> Times {
    let done = AtomicBool::new(false);
    let mut times = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut users, mut times, limits) = (Users::new(100_000, 7), Vec::new(), open());
            while !done.load(Relaxed) {
                let (taken_off, known) = (times_taken_off(), times.len());
                for subject in users.draw(32).0 {
                    let began = Instant::now();
                    let decided = ask(state, &limits, subject, 3 * SECOND);
                    times.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
                    drop(decided);
                }
                if times_taken_off() != taken_off {
                    times.truncate(known);
                }
            }
            times
        });
        work();
        done.store(true, Relaxed);
        watching.join().expect("the watching thread")
    });
    times.sort_unstable();
    Times(times)
}

/// How often a thread of this process was taken off its processor against its will.
fn times_taken_off() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let statuses = threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    statuses.filter_map(|status| status.split("nonvoluntary_ctxt_switches:").nth(1)?.trim().parse::<u64>().ok()).sum()
}
