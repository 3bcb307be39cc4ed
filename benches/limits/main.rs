//! What one decision of the limiter costs, how long anything can make it wait, how long a lock is held, and what a user takes of
//! memory.
//!
//! `cargo bench --bench limits`. A decision starts from a subject that has just been parsed, so its bytes are in the cache; the
//! bucket of a random one of a million users is not. Where two threads race, each makes all its decisions on the one global
//! bucket, and the slower one's time counts. With `LIMITS_CHECK=1` a bound that is not kept fails the run.
#![expect(clippy::cast_precision_loss, reason = "figures are far below 2^53")]

mod locks;
mod memory;
mod pauses;
mod users;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use stackflow_gateway::limit::{LimitState, Limits, Plans, Quota};
use std::{
    hint::black_box,
    sync::{Arc, Barrier, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};
use users::{Users, ask};

/// As in the product: memory is measured with it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Decisions between two readings of the clock.
const BATCH: usize = 32;

/// Nobody is refused.
fn open() -> Limits {
    Limits {
        global: quota(Quota::MAX_RATE, Quota::MAX_BURST),
        per_user: quota(100, Quota::MAX_BURST),
        per_address: quota(1, 1),
        failures: quota(1, 1),
        bulk_in_flight: 0,
        max_users: 2_000_000,
        plans: Plans::default(),
        routes: Vec::new(),
        dry_run: false,
    }
}

fn quota(rate: u64, burst: u64) -> Quota {
    Quota::new(rate, burst).expect("a quota")
}

/// Batches of one measurement, ns a decision.
type Batches = Mutex<Vec<f64>>;

/// One thread's decisions about random users; how long they took.
fn decide(state: &LimitState, limits: &Limits, users: &mut Users, iterations: u64, batches: &Batches) -> Duration {
    let mut took = Duration::ZERO;
    let mut seen = Vec::new();
    for _ in 0..iterations.div_ceil(BATCH as u64) {
        let (subjects, now) = users.draw(BATCH);
        let began = Instant::now();
        for subject in subjects {
            let _ = black_box(ask(state, limits, black_box(subject), now));
        }
        let batch = began.elapsed();
        seen.push(batch.as_secs_f64() * 1e9 / BATCH as f64);
        took += batch;
    }
    batches.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
    took
}

/// The same on so many threads at once; the slowest one's time.
fn race(state: &LimitState, limits: &Limits, threads: u64, users: u64, iterations: u64, batches: &Batches) -> Duration {
    let start = &Barrier::new(usize::try_from(threads).expect("few"));
    thread::scope(|scope| {
        let racing: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut users = Users::new(users, thread);
                    start.wait();
                    decide(state, limits, &mut users, iterations, batches)
                })
            })
            .collect();
        racing.into_iter().map(|thread| thread.join().expect("a racing thread")).max().unwrap_or_default()
    })
}

/// Median and mean of the batches of one benchmark.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    state: &LimitState,
    limits: &Limits,
    (threads, users): (u64, u64),
) -> (f64, f64) {
    let batches = Batches::default();
    group.bench_function(name, |bencher| {
        // What warmed up does not count.
        batches.lock().unwrap_or_else(PoisonError::into_inner).clear();
        bencher.iter_custom(|iterations| race(state, limits, threads, users, iterations, &batches));
    });
    let mut batches = batches.into_inner().unwrap_or_else(PoisonError::into_inner);
    if batches.is_empty() {
        return (0.0, 0.0);
    }
    batches.sort_by(f64::total_cmp);
    let median = batches[batches.len() / 2];
    // A batch in which the system took the thread off its processor lasts milliseconds.
    batches.retain(|each| *each < 20_000.0);
    let mean = batches.iter().sum::<f64>() / batches.len() as f64;
    println!("{name}: median {median:.0} ns, mean {mean:.0} ns, on each of {threads} threads");
    (median, mean)
}

fn filled(users: u64) -> Arc<LimitState> {
    let state = LimitState::new(1_000_000);
    Users::each(users, |subject| drop(ask(&state, &open(), subject, 0).expect("an open limit")));
    state
}

/// Admissions; the bounds are those of the two threads.
fn admissions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("user and global, admitted");
    let hundred_thousand = filled(100_000);
    bench(&mut group, "100,000 users, 1 thread", &hundred_thousand, &open(), (1, 100_000));
    let (median, _) = bench(&mut group, "100,000 users, 2 threads", &hundred_thousand, &open(), (2, 100_000));
    keep("median with 100,000 users, ns", median, 200.0);
    let million = filled(1_000_000);
    bench(&mut group, "1,000,000 users, 1 thread", &million, &open(), (1, 1_000_000));
    let (_, mean) = bench(&mut group, "1,000,000 users, 2 threads", &million, &open(), (2, 1_000_000));
    keep("mean with 1,000,000 users, ns", mean, 400.0);
}

/// Refusals write nothing: two threads take nothing from each other.
fn refusals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("refused");
    let state = filled(100_000);
    let global = Limits { global: quota(1, 1), ..open() };
    let user = Limits { per_user: quota(1, 1), ..open() };
    for threads in [1, 2] {
        bench(&mut group, &format!("by global, 100,000 users, {threads} threads"), &state, &global, (threads, 100_000));
        bench(&mut group, &format!("by the user's, 100,000 users, {threads} threads"), &state, &user, (threads, 100_000));
        bench(&mut group, &format!("by the user's, one user, {threads} threads"), &state, &user, (threads, 1));
    }
}

/// Prints a figure beside its bound, and holds it to that if asked to.
fn keep(what: &str, figure: f64, bound: f64) {
    let kept = figure <= bound;
    println!("{what}: {figure:.1}, at most {bound:.1}: {}", if kept { "kept" } else { "NOT KEPT" });
    assert!(kept || std::env::var_os("LIMITS_CHECK").is_none(), "{what}: {figure:.1} is over {bound:.1}");
}

fn main() {
    if memory::measured() || locks::measured() {
        return;
    }
    memory::report();
    locks::report();
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    admissions(&mut criterion);
    refusals(&mut criterion);
    criterion.final_summary();
    pauses::report();
}
