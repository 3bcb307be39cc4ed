//! What can be slow, gone or broken. Here are deadlines, bounds and retries; what arrives is judged by the pure modules.
mod download;
mod jwks;
mod key_document;

pub use jwks::{Clock, FetchResult, KeyFetcher, KeyStatus, OnFetch};

#[cfg(test)]
mod test_server;
