//! Resident memory by live users, with the product's allocator: what the map takes, which a unit test bounds, and what the
//! allocator keeps of the tables that were grown out of. Each size is a process of its own.

use super::{
    keep, open,
    users::{Users, ask},
};
use stackflow_gateway::limit::LimitState;
use std::{env, fs, process::Command};

/// Among them such as shards grow at: with 2048 shards the last time before a million between 900,000 and 970,000.
const SIZES: [u64; 8] = [100_000, 230_000, 460_000, 900_000, 930_000, 970_000, 1_000_000, 1_600_000];
/// Makes this program a process that measures one size.
const SIZE: &str = "LIMITS_MEMORY_OF";

/// Whether this process was started for one size.
pub fn measured() -> bool {
    let Some(users) = env::var(SIZE).ok().and_then(|users| users.parse().ok()) else { return false };
    let before = resident();
    let state = LimitState::new(1_000_000);
    Users::each(users, |subject| drop(ask(&state, &open(), subject, 0).expect("an open limit")));
    println!("{}", resident().saturating_sub(before));
    assert_eq!(state.users() as u64, users);
    true
}

pub fn report() {
    println!("resident memory by live users:");
    for users in SIZES {
        let program = env::current_exe().expect("this program");
        let output = Command::new(program).env(SIZE, users.to_string()).output().expect("it runs");
        let bytes: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of bytes");
        println!("{users:>10} users {:>6.1} MB: {:>5.1} bytes a user", bytes / 1e6, bytes / users as f64);
        if users == 1_000_000 {
            keep("a million users, MB", bytes / 1e6, 72.0);
        }
    }
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages") * 4096
}
