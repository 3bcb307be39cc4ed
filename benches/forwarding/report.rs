//! Medians, and ratios within a round.

use std::time::Duration;

/// A forwarded request may cost this much of a bare one.
const FORWARDED_BOUND: f64 = 1.15;
/// An early answer may cost this much of a forwarded request.
const EARLY_BOUND: f64 = 0.5;

/// The rounds of each mode.
pub struct Report {
    names: Vec<&'static str>,
    /// By mode, then round: CPU µs a request, requests a second.
    rounds: Vec<Vec<(f64, f64)>>,
}

impl Report {
    pub fn new(names: Vec<&'static str>) -> Self {
        let rounds = names.iter().map(|_| Vec::new()).collect();
        Self { names, rounds }
    }

    #[expect(clippy::cast_precision_loss, reason = "both numbers are far below 2^53")]
    pub fn add(&mut self, mode: usize, cpu_ns: u64, took: Duration, requests: usize) {
        let requests = requests as f64;
        self.rounds[mode].push((cpu_ns as f64 / 1e3 / requests, requests / took.as_secs_f64()));
    }

    pub fn print(&self, gateway_kib: u64) {
        println!("{:<22}{:>12}{:>12}{:>12}{:>14}{:>12}", "", "CPU us/req", "least", "most", "requests/s", "of bare");
        for (mode, name) in self.names.iter().enumerate() {
            let cpu: Vec<f64> = self.rounds[mode].iter().map(|round| round.0).collect();
            let rate = median(self.rounds[mode].iter().map(|round| round.1).collect());
            let least = cpu.iter().copied().fold(f64::INFINITY, f64::min);
            let most = cpu.iter().copied().fold(0.0, f64::max);
            let ratio = self.ratio(mode, 0);
            println!("{name:<22}{:>12.1}{least:>12.1}{most:>12.1}{rate:>14.0}{ratio:>12.3}", median(cpu));
        }
        println!("early answers, of a forwarded request: 401 {:.3}, 429 {:.3}", self.ratio(3, 1), self.ratio(4, 1));
        println!("the gateway's resident memory after it: {:.1} MiB", gateway_kib_to_mib(gateway_kib));
    }

    /// Fails the process when a bound is not kept.
    pub fn check(&self) {
        let forwarded = self.ratio(1, 0);
        assert!(forwarded <= FORWARDED_BOUND, "a forwarded request costs {forwarded:.3} of a bare one, over {FORWARDED_BOUND}");
        for early in [self.ratio(3, 1), self.ratio(4, 1)] {
            assert!(early <= EARLY_BOUND, "an early answer costs {early:.3} of a forwarded request, over {EARLY_BOUND}");
        }
    }

    /// Median over rounds of one mode's CPU time as a share of another's in the same round.
    fn ratio(&self, mode: usize, other: usize) -> f64 {
        median(self.rounds[mode].iter().zip(&self.rounds[other]).map(|(a, b)| a.0 / b.0).collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^53")]
fn gateway_kib_to_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
