//! `[cors]`.

use super::section;
use crate::config::{header, report::Placed, table::Table, value::non_empty};
use http::HeaderName;
use std::time::Duration;

/// `[cors]`; the origins are read by the stage that compares them.
pub(crate) struct WrittenCors {
    pub(crate) allowed_origins: Vec<Placed<String>>,
    pub(crate) allowed_headers: Vec<HeaderName>,
    pub(crate) allow_credentials: bool,
    pub(crate) max_age: Duration,
}

/// `[cors]`.
pub(super) fn cors(root: &Table<'_>) -> WrittenCors {
    const HEADERS: [&str; 7] =
        ["Authorization", "Content-Type", "If-Match", "If-None-Match", "X-Request-Id", "Traceparent", "Tracestate"];
    section(root, "cors", |table| WrittenCors {
        allowed_origins: table.list_or("allowed_origins", &["https://*.stackflow-tech.com"], non_empty),
        allowed_headers: super::values(table.list_or("allowed_headers", &HEADERS, header::name)),
        allow_credentials: table.boolean("allow_credentials", false),
        max_age: table.duration("max_age", Duration::from_secs(7200), &(Duration::ZERO..=Duration::from_secs(24 * 3600))),
    })
}

#[cfg(test)]
mod tests;
