//! What a forwarded request and an early answer cost, beside a bare Pingora pass-through built the same way.
//!
//! `cargo bench --bench forwarding` starts a fixed upstream, the pass-through, and the gateway in its whole job (token, limits,
//! headers, CORS, metrics, with the access log and without it). Each proxy has one worker on the first core; upstream and load share the second. Modes take
//! turns over several rounds, and ratios are taken within a round, because the machine's speed changes between rounds.
//! CPU time is of the proxy's whole process, from the scheduler's own account. Bounded: a fixed number of requests a round;
//! loopback only. `--rounds N` and `--requests N` change the size, `--only TEXT` measures the modes whose names contain it (for a profiler); `--check` fails when a bound of `report.rs` is not kept.

mod children;
mod load;
mod passthrough;
mod report;
mod setup;
#[path = "../../tests/support/mod.rs"]
mod support;
mod upstream;

use load::Load;
use report::Report;
use setup::Setup;

/// The same allocator as the gateway's, for the pass-through that this binary also is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("pass-through") => passthrough::run(&arguments[1], &arguments[2]),
        Some("upstream") => upstream::run(),
        _ => measure(&arguments),
    }
}

fn number(arguments: &[String], name: &str, default: usize) -> usize {
    let place = arguments.iter().position(|argument| argument == name);
    place.and_then(|place| arguments.get(place + 1)).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn measure(arguments: &[String]) {
    let rounds = number(arguments, "--rounds", 7);
    let requests = number(arguments, "--requests", 20_000);
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|place| arguments.get(place + 1));
    children::pin_to_last_core(std::process::id());
    let setup = Setup::start();
    let modes = [
        ("bare pass-through", &setup.bare, setup::request("Bearer unchecked"), 200),
        ("gateway, forwarded", &setup.gateway, setup::request(&setup.authorization), 200),
        ("gateway, without log", &setup.silent, setup::request(&setup.authorization), 200),
        ("gateway, 401", &setup.gateway, setup::request("Basic bm9ib2R5"), 401),
        ("gateway, 429", &setup.limited, setup::request(&setup.authorization), 429),
    ];
    let mut report = Report::new(modes.iter().map(|mode| mode.0).collect());
    for round in 0..=rounds {
        for (index, (name, proxy, request, status)) in modes.iter().enumerate() {
            if !only.is_none_or(|only| name.contains(only.as_str())) {
                continue;
            }
            let before = proxy.cpu_ns();
            let took = Load { address: proxy.address, request: request.clone(), requests, expected: *status }.run();
            let cpu_ns = proxy.cpu_ns() - before;
            // The first round warms caches, pools and the branch predictor.
            if round > 0 {
                report.add(index, cpu_ns, took, requests);
            }
        }
    }
    report.print(setup.gateway.resident_kib());
    if arguments.iter().any(|argument| argument == "--check") {
        report.check();
    }
}
