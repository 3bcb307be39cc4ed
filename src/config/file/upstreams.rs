//! `[upstreams.NAME]`, and names of upstreams elsewhere in the file.

use crate::{
    config::{
        address, not_yet,
        report::{Fault, Placed},
        table::{Table, suggestion},
        value::excerpt,
    },
    upstream::{ServerAddress, UpstreamIndex, UpstreamSettings},
};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// All of them, in the order of the file.
pub(super) fn upstreams(root: &Table<'_>) -> Vec<UpstreamSettings> {
    const REMEDY: &str = "write [upstreams.api] with `servers = [\"http://127.0.0.1:3000\"]`";
    root.require("upstreams", REMEDY);
    let upstreams = root.named_tables("upstreams", upstream);
    root.refuse_empty("upstreams", "has no upstream", REMEDY);
    upstreams
}

/// The upstream that is named under `key`.
pub(super) fn resolve(table: &Table<'_>, key: &str, written: &Placed<String>, known: &[UpstreamSettings]) -> UpstreamIndex {
    if let Some(index) = known.iter().position(|upstream| upstream.name == written.value) {
        return UpstreamIndex(index);
    }
    // Without any upstream that is the one problem to report.
    if !known.is_empty() {
        let remedy = suggestion(&written.value, known.iter().map(|upstream| upstream.name.as_str()), "there are");
        table.fault(written.at, key, Fault::new(format!("there is no upstream `{}`", excerpt(&written.value)), remedy));
    }
    UpstreamIndex(0)
}

fn upstream(name: &str, table: &Table<'_>) -> UpstreamSettings {
    let settings = UpstreamSettings {
        name: name.to_owned(),
        servers: servers(table),
        preserve_host: table.boolean("preserve_host", true),
        connect_timeout: table.duration("connect_timeout", Duration::from_secs(2), &(MILLISECOND..=HOUR)),
        response_timeout: table.duration("response_timeout", Duration::from_secs(29), &(MILLISECOND..=HOUR)),
        retries: table.integer_u32("retries", 1, &(0..=UpstreamSettings::MOST_RETRIES)),
    };
    table.word("protocol", (), &[("http", ())]);
    table.word("balance", (), &[("round_robin", ())]);
    settings
}

fn servers(table: &Table<'_>) -> Vec<ServerAddress> {
    const REMEDY: &str = "write `servers = [\"http://HOST:PORT\"]`";
    table.require("servers", REMEDY);
    table.refuse_empty("servers", "is empty", REMEDY);
    let servers = table.list("servers", server).unwrap_or_default();
    for (index, later) in servers.iter().enumerate() {
        if servers[..index].iter().any(|earlier| earlier.value == later.value) {
            table.fault(later.at, "servers", Fault::new("is there twice", "write each server once"));
        }
    }
    super::values(servers)
}

fn server(text: &str) -> Result<ServerAddress, Fault> {
    const LOOKED_UP: &str = "srv+http://";
    let not_yet = text.starts_with(LOOKED_UP).then(|| not_yet::refused_value("upstreams.*.servers", LOOKED_UP)).flatten();
    not_yet.map_or_else(|| address::server(text), Err)
}

#[cfg(test)]
mod tests;
