//! Resident memory by live users, with the product's allocator.

use super::{
    keep, open,
    users::{ISSUER, Users, at},
};
use stackflow_gateway::limit::LimitState;
use std::{cell::Cell, fs};

/// Around the worst: a shard doubles its room when its 897th entry comes, and with 1024 shards that is soon after 900,000.
const SIZES: [u64; 10] = [100_000, 115_000, 230_000, 460_000, 900_000, 930_000, 950_000, 970_000, 1_000_000, 1_600_000];

pub fn report() {
    let before = resident();
    let state = LimitState::new(1_000_000);
    let (count, worst) = (Cell::new(0), Cell::new(0.0_f64));
    println!("resident memory by live users:");
    Users::each(1_600_000, |subject| {
        drop(state.admit(&open(), ISSUER, subject, false, at(0)).expect("an open limit"));
        count.set(count.get() + 1);
        if SIZES.contains(&count.get()) {
            let bytes = resident().saturating_sub(before);
            let each = bytes as f64 / count.get() as f64;
            worst.set(worst.get().max(each));
            println!("{:>10} users {:>6.1} MB {each:>6.1} bytes a user", count.get(), bytes as f64 / 1e6);
            if count.get() == 1_000_000 {
                keep("a million users, MB", bytes as f64 / 1e6, 72.0);
            }
        }
    });
    keep("a live user at worst, bytes", worst.get(), 40.0);
    state.sweep(&open(), at(u64::MAX / 2));
    println!("{:>10} users {:>6.1} MB kept", state.users(), resident().saturating_sub(before) as f64 / 1e6);
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages") * 4096
}
