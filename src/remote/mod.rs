//! What can be slow, gone or broken. Here are deadlines, bounds and retries; what arrives is judged by the pure modules.

mod jwks;
mod watched;

mod key_status;
mod pauses;

mod key_cache;
mod key_document;

mod download;
mod files;
mod limit_state;
mod locked_file;
mod names;
mod signing_keys;

pub use jwks::KeyFetcher;
pub use key_status::{Clock, FetchResult, KeyStatus, OnFetch};
pub use limit_state::{Found, LimitStateFile};
pub use locked_file::LockedFile;
pub use names::{look_up_unknown, resolve_names};
pub use signing_keys::{RotateError, Rotation, rotate_signing_key, settle_signing_keys};

#[cfg(test)]
mod test_server;
