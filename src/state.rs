//! What counts or caches: it lives beside the configuration and survives its replacement.

use crate::{auth::TokenCache, limit::LimitState};

/// The state that decisions read and change.
#[derive(Debug)]
pub struct State {
    /// Tokens that were verified.
    pub tokens: TokenCache,
    /// The buckets of every policy.
    pub limits: LimitState,
}
