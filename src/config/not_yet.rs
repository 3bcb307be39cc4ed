//! Keys of the contract whose behaviour this version does not have: refused at their place, never accepted and ignored.

use super::report::Fault;

/// A key, or one value of it, that is not in this version.
pub(crate) struct NotYet {
    /// With the tables around it; `*` stands for a name that the operator chose.
    pub(crate) key: &'static str,
    /// Only this value (of a server: this beginning); without it the key is refused whatever its value is.
    pub(crate) value: Option<&'static str>,
    /// What to do instead.
    pub(crate) remedy: &'static str,
}

const fn key(key: &'static str, remedy: &'static str) -> NotYet {
    NotYet { key, value: None, remedy }
}

const fn value(key: &'static str, value: &'static str, remedy: &'static str) -> NotYet {
    NotYet { key, value: Some(value), remedy }
}

/// All of them, in the order of the documentation.
pub(crate) const NOT_YET: &[NotYet] = &[
    key("limits.cluster", "remove it; each gateway keeps its own budget"),
    value("upstreams.*.protocol", "h2c", "write \"http\""),
    value("upstreams.*.protocol", "lambda", "write \"http\""),
    value("upstreams.*.balance", "least_requests", "write \"round_robin\""),
    value("upstreams.*.balance", "hash", "write \"round_robin\""),
    value(
        "upstreams.*.servers",
        "srv+http://",
        "list the servers as http:// or https://; a name that resolves to several addresses is one server",
    ),
    key("upstreams.*.health_check", "remove it; a server that cannot be reached is passed over by `retries`"),
    key("upstreams.*.read_timeout", "remove it; `response_timeout` also bounds the time between two reads of a response body"),
    key("upstreams.*.tls", "remove it; https servers are verified against the system's trust"),
    key("upstreams.*.circuit_breaker", "remove it"),
    key("tracing", "remove it; `traceparent` is passed on"),
];

/// The refusal of a whole key.
pub(crate) fn refused_key(key: &str) -> Option<Fault> {
    NOT_YET
        .iter()
        .find(|entry| entry.key == key && entry.value.is_none())
        .map(|entry| Fault::new("not in this version", entry.remedy))
}

/// The refusal of one value of a key.
pub(crate) fn refused_value(key: &str, value: &str) -> Option<Fault> {
    let entry = NOT_YET.iter().find(|entry| entry.key == key && entry.value == Some(value))?;
    Some(Fault::new(format!("`{value}` is not in this version"), entry.remedy))
}

#[cfg(test)]
mod tests;
