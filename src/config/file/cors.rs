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
        ["authorization", "content-type", "if-match", "if-none-match", "x-request-id", "traceparent", "tracestate"];
    section(root, "cors", |table| {
        let default = || vec![Placed { at: table.at(), value: "https://*.stackflow-tech.com".to_owned() }];
        WrittenCors {
            allowed_origins: table.list("allowed_origins", non_empty).unwrap_or_else(default),
            allowed_headers: table
                .list("allowed_headers", header::name)
                .map_or_else(|| HEADERS.map(HeaderName::from_static).to_vec(), super::values),
            allow_credentials: table.boolean("allow_credentials", false),
            max_age: table.duration("max_age", Duration::from_secs(7200), &(Duration::ZERO..=Duration::from_secs(24 * 3600))),
        }
    })
}

#[cfg(test)]
mod tests;
