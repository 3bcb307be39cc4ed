//! A good client beside a flood: what it notices of it, and what memory the flood costs.
//!
//! `tests/run.sh floods` measures it: the release build on a core of its own, and everybody else on the other core, where the flood
//! stands behind the good client and the upstream, so that what is measured is the gateway's. Then the good client's median must
//! not more than double. A test run of a debug build on a busy machine holds floods to their memory alone.
use super::{Gateway, World};
use std::{
    env,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const LIST: &str = "/prod/api/incidents";
/// Limits that good clients and floods do not meet.
pub const LIMITLESS: &str = "[limits]\nglobal = { rate = 1000000, burst = 1000000 }\n\
                             per_user = { rate = 1000000, burst = 1000000 }\nper_address = { rate = 1000000, burst = 1000000 }";
/// Memory above what it has at rest.
pub const MEMORY_KB: u64 = 100 * 1024;
/// Between two requests of a good client.
const PAUSE: Duration = Duration::from_millis(1);
/// By so much a good client's median may grow.
const MOST_TIMES: f64 = 2.0;

/// How long a flood lasts: a second, or what `FLOOD_SECONDS` says, in which case its effect is measured.
pub fn flood_time() -> Duration {
    Duration::from_secs(measured_seconds().unwrap_or(1))
}

fn measured_seconds() -> Option<u64> {
    env::var("FLOOD_SECONDS").ok().map(|text| text.parse().unwrap_or_else(|error| panic!("FLOOD_SECONDS={text}: {error}")))
}

/// What a good client has seen: how many of its requests were answered, and the medians of their times alone and beside a flood.
struct Served {
    count: usize,
    alone: Duration,
    beside: Duration,
}

fn be_good(world: &World, start: &Barrier, stop: &AtomicBool) -> Served {
    let mut client = world.gateway.connect();
    let mut ask = || {
        // It does not want all of the processor: what it leaves is the flood's.
        thread::sleep(PAUSE);
        let began = Instant::now();
        assert_eq!(world.ask_on(&mut client, "GET", LIST, &[], b"").status, 200, "the good client is served");
        began.elapsed()
    };
    let met = Met(start);
    let alone = (0..if measured_seconds().is_some() { 1000 } else { 100 }).map(|_| ask()).collect();
    drop(met);
    let mut beside = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        beside.push(ask());
    }
    Served { count: beside.len(), alone: median(alone), beside: median(beside) }
}

/// Meets the others when it is dropped, also by a failure: nobody waits for ever.
struct Met<'a>(&'a Barrier);

impl Drop for Met<'_> {
    fn drop(&mut self) {
        self.0.wait();
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The most memory that the gateway ever had, in KiB.
fn peak(gateway: &Gateway) -> u64 {
    gateway.status("VmHWM")
}

/// Runs `attack` beside a good client, and holds it to its bounds. The attack gives what it did, and how much of it: `unit`s, whose
/// rate is printed.
pub fn beside_a_good_client<T: Send>(name: &str, world: &World, unit: &str, attack: impl FnOnce() -> (T, usize) + Send) -> T {
    let (start, stop) = (Barrier::new(2), AtomicBool::new(false));
    let (result, good, above) = thread::scope(|scope| {
        let good = scope.spawn(|| be_good(world, &start, &stop));
        start.wait();
        let before = peak(&world.gateway);
        let attacked = scope.spawn(|| {
            step_behind();
            let began = Instant::now();
            let (result, count) = attack();
            (result, count, began.elapsed())
        });
        let attacked = attacked.join();
        stop.store(true, Ordering::Relaxed);
        let good = good.join().unwrap();
        (attacked.unwrap(), good, peak(&world.gateway).saturating_sub(before))
    });
    let (result, count, took) = result;
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let (rate, above_mib) = (count as f64 / took.as_secs_f64(), above as f64 / 1024.0);
    let times = good.beside.as_secs_f64() / good.alone.as_secs_f64();
    println!(
        "{name} | {rate:.0} {unit}/s | {:.2} ms alone | {:.2} ms beside | × {times:.2} | {above_mib:.1} MiB above idle",
        good.alone.as_secs_f64() * 1e3,
        good.beside.as_secs_f64() * 1e3
    );
    assert!(good.count >= 10, "{name}: {} good requests", good.count);
    assert!(above < MEMORY_KB, "{name}: {above} KiB above idle");
    if measured_seconds().is_some() {
        assert!(times <= MOST_TIMES, "{name}: the good client's median is {times:.2} times what it is alone");
    }
    result
}

/// The processor is the good client's, and the upstream's, whenever they want it: this thread and those that it starts take what is
/// left.
pub fn step_behind() {
    rustix::process::nice(19).expect("any process may be nicer");
}
