//! `[server]` and `[bounds]`.

use super::{path, section};
use crate::config::{
    Bounds, Server, address,
    report::Fault,
    table::Table,
    value::{GIB, KIB, MIB},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);
const UPGRADE_SOCKET: &str = "/run/stackflow-gateway/upgrade.sock";

/// `[server]`.
pub(super) fn server(root: &Table<'_>) -> Server {
    section(root, "server", |table| Server {
        threads: match table.integer("threads", 0, &(0..=1024)) {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => usize::try_from(threads).unwrap_or(1024),
        },
        drain_delay: table.duration("drain_delay", Duration::ZERO, &(Duration::ZERO..=HOUR)),
        drain_timeout: table.duration("drain_timeout", Duration::from_secs(30), &(Duration::ZERO..=24 * HOUR)),
        trusted_proxies: table.list("trusted_proxies", address::network).map(super::values).unwrap_or_default(),
        upgrade_socket: table.text_or("upgrade_socket", UPGRADE_SOCKET, socket_path(table)).value,
    })
}

/// The path of a unix socket: the kernel takes 108 bytes with the final zero (unix(7)).
fn socket_path(table: &Table<'_>) -> impl Fn(&str) -> Result<PathBuf, Fault> {
    let path = path(table);
    move |text| {
        let path = path(text)?;
        let fits = |path: &Path| path.as_os_str().len() < 108 && path.file_name().is_some();
        if fits(&path) { Ok(path) } else { Err(Fault::new("is not the path of a socket", "write a path of less than 108 bytes")) }
    }
}

/// `[bounds]`.
pub(super) fn bounds(root: &Table<'_>) -> Bounds {
    // Pingora reads at most 1 MiB and 256 fields of a request head (pingora-core, protocols/http/v1/common.rs).
    const HEAD: std::ops::RangeInclusive<u64> = 64..=512 * KIB;
    // Shorter ones would end connections of a good client whose network pauses; none ends never.
    const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=HOUR;
    section(root, "bounds", |table| {
        let connections = |key| usize::try_from(table.integer(key, 0, &(0..=10_000_000))).unwrap_or(0);
        Bounds {
            uri: table.size_in_memory("uri", 8 * KIB, &HEAD),
            headers: table.size_in_memory("headers", 32 * KIB, &HEAD),
            header_count: usize::try_from(table.integer("header_count", 100, &(1..=256))).unwrap_or(256),
            body: table.size("body", 10 * MIB, &(0..=1024 * GIB)),
            header_timeout: table.duration("header_timeout", Duration::from_secs(10), &WAIT),
            body_timeout: table.duration("body_timeout", Duration::from_secs(30), &WAIT),
            write_timeout: table.duration("write_timeout", Duration::from_secs(30), &WAIT),
            idle_timeout: table.duration("idle_timeout", Duration::from_secs(60), &WAIT),
            connections: connections("connections"),
            connections_per_address: connections("connections_per_address"),
            h2_streams: table.integer_u32("h2_streams", 100, &(1..=10_000)),
        }
    })
}

#[cfg(test)]
mod tests;
