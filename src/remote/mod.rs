//! What can be slow, gone or broken. Here are deadlines, bounds and retries; what arrives is judged by the pure modules.

mod jwks;
mod key_document;

mod download;
mod files;
mod names;

pub use files::write_private;
pub use jwks::{Clock, FetchResult, KeyFetcher, KeyStatus, OnFetch};
pub use names::resolve_names;

#[cfg(test)]
mod test_server;
