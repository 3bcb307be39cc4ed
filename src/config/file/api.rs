//! `[api]`.

use super::{absolute_path, section, upstreams};
use crate::{
    config::{
        UnknownPaths,
        report::{Fault, Placed},
        table::Table,
        value::non_empty,
    },
    upstream::{UpstreamIndex, UpstreamSettings},
};

/// `[api]`, with the places of its paths.
pub(crate) struct WrittenApi {
    pub(crate) base_paths: Vec<Placed<String>>,
    pub(crate) upstream_base_path: Placed<String>,
    pub(crate) require_json: bool,
    pub(crate) unknown_paths: UnknownPaths,
    /// `None`: several upstreams, and none is the default.
    pub(crate) upstream: Option<UpstreamIndex>,
    pub(crate) ping_path: Placed<String>,
}

/// `[api]`.
pub(super) fn api(root: &Table<'_>, known: &[UpstreamSettings]) -> WrittenApi {
    section(root, "api", |table| {
        let base_paths = base_paths(table);
        let upstream_base_path = table.text_or("upstream_base_path", "/api/v1", absolute_path);
        let require_json = table.boolean("require_json", true);
        let words = [("forward", UnknownPaths::Forward), ("reject", UnknownPaths::Reject)];
        let unknown_paths = table.word("unknown_paths", UnknownPaths::Forward, &words);
        let upstream = default_upstream(table, known, unknown_paths);
        let ping_path = table.text_or("ping_path", "/ping", absolute_path);
        WrittenApi { base_paths, upstream_base_path, require_json, unknown_paths, upstream, ping_path }
    })
}

fn base_paths(table: &Table<'_>) -> Vec<Placed<String>> {
    let paths = table.list_or("base_paths", &["/prod/api/v1", "/prod/api"], absolute_path);
    table.refuse_empty("base_paths", "is empty, and every path would be outside", "list the API's base paths; \"/\" is allowed");
    for (index, later) in paths.iter().enumerate() {
        if paths[..index].iter().any(|earlier| earlier.value == later.value) {
            table.fault(later.at, "base_paths", Fault::new(format!("lists `{}` twice", later.value), "remove one of them"));
        }
    }
    paths
}

fn default_upstream(table: &Table<'_>, known: &[UpstreamSettings], unknown_paths: UnknownPaths) -> Option<UpstreamIndex> {
    if let Some(written) = table.text("upstream", non_empty) {
        return Some(upstreams::resolve(table, "upstream", &written, known));
    }
    if known.len() <= 1 || table.place_of("upstream").is_some() {
        return Some(UpstreamIndex(0));
    }
    if unknown_paths == UnknownPaths::Forward {
        let remedy = "write the upstream of unknown paths, or `unknown_paths = \"reject\"`";
        table.report().add_missing(table.at(), table.full_name("upstream"), remedy);
        return Some(UpstreamIndex(0));
    }
    None
}

#[cfg(test)]
mod tests;
