//! What is told of an issuer's keys: to metrics, fetch by fetch, and to whoever asks how they are.
use crate::time::Now;
use std::sync::Arc;

/// How a fetch ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// A new key set is in place.
    Updated,
    /// The same keys as before.
    Unchanged,
    /// The old set stays.
    Failed,
    /// After a failure at the start: the keys of `jwks_cache_file` are in place.
    Restored,
    /// After a success: `jwks_cache_file` could not be written.
    Unsaved,
}

impl FetchResult {
    /// Every result, for metrics made ahead.
    pub const ALL: [Self; 5] = [Self::Updated, Self::Unchanged, Self::Failed, Self::Restored, Self::Unsaved];

    /// Its name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Restored => "restored",
            Self::Unsaved => "unsaved",
        }
    }
}

/// What is known about an issuer's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyStatus {
    /// When the keys were last fetched, in seconds since 1970; of restored ones, when they were fetched before the start.
    pub last_success_unix_s: Option<u64>,
    /// The keys are those of `jwks_cache_file`: this process has not fetched any yet.
    pub restored: bool,
    /// Why the last fetch failed, if it did: printable, short, without secrets.
    pub last_error: Option<String>,
    /// Keys at this moment.
    pub keys: usize,
}

/// The moment, handed in.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;
/// Told of every fetch, with the name of the issuer.
pub type OnFetch = Arc<dyn Fn(&str, FetchResult) + Send + Sync>;
