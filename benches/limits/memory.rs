//! Resident memory by live users, with the product's allocator. What the map itself takes is held by a unit test; here is also
//! what the allocator keeps for a while of the tables that were grown out of.

use super::{
    keep, open,
    users::{ISSUER, Users, at},
};
use stackflow_gateway::limit::LimitState;
use std::{fs, hint::black_box, thread, time::Duration};

/// Around the worst: a shard doubles its room when its 449th entry comes, and with 2048 shards that is soon after 900,000.
const SIZES: [u64; 8] = [100_000, 230_000, 460_000, 900_000, 930_000, 970_000, 1_000_000, 1_600_000];

pub fn report() {
    println!("resident memory by live users:");
    for users in SIZES {
        let before = resident();
        let state = LimitState::new(1_000_000);
        Users::each(users, |subject| drop(state.admit(&open(), ISSUER, subject, false, at(0)).expect("an open limit")));
        let grown = resident().saturating_sub(before);
        let settled = settle().saturating_sub(before);
        let [grown, settled] = [grown, settled].map(|bytes| bytes as f64 / 1e6);
        println!(
            "{users:>10} users {grown:>6.1} MB, settled {settled:>6.1} MB: {:>5.1} bytes a user",
            settled * 1e6 / users as f64
        );
        if users == 1_000_000 {
            keep("a million users, MB", grown.max(settled), 72.0);
        }
        state.sweep(&open(), at(u64::MAX / 2));
        println!("{:>10} users {:>6.1} MB", state.users(), settle().saturating_sub(before) as f64 / 1e6);
    }
}

/// The allocator gives back what has been free for a while, when it is used.
fn settle() -> u64 {
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(5));
        (0..64).for_each(|size| drop(black_box(vec![0_u8; 1024 << (size % 8)])));
    }
    resident()
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages") * 4096
}
