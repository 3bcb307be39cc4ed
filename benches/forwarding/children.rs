//! Processes that are measured: started, pinned, accounted for, and ended with their handle.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// A started process and the loopback address it listens on.
pub struct Served {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Served {
    /// Starts a command on a core, and waits until its standard error says `listening on http://…`.
    pub fn start(mut command: Command, core: Option<usize>) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
        if let Some(core) = core {
            pin(child.id(), core);
        }
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let mut lines = BufReader::new(stderr).lines();
        let address = loop {
            let line = lines.next().expect("the process says where it listens").expect("its words are UTF-8");
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.parse().expect("an address follows");
            }
        };
        // What else it says must not fill the pipe.
        drop(std::thread::spawn(move || lines.for_each(drop)));
        Self { child, address }
    }

    /// CPU time of all its threads so far, nanoseconds, as the scheduler counts it.
    pub fn cpu_ns(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process lives");
        tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()))
            .sum()
    }

    /// Resident memory, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Pins a process and its future threads to a core; without `taskset` the figures are only noisier.
fn pin(process: u32, core: usize) {
    let arguments = ["-a", "-c", "-p", &core.to_string(), &process.to_string()];
    drop(Command::new("taskset").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status());
}

/// The core that load and upstream run on.
pub fn pin_to_last_core(process: u32) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    pin(process, cores - 1);
}
