//! What counts or caches: it lives beside the configuration and survives its replacement.

use crate::{
    auth::TokenCache,
    config::Gateway,
    limit::{Kept, LimitState},
    time::Now,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The state that decisions read and change.
#[derive(Debug)]
pub struct State {
    /// Tokens that were verified.
    pub tokens: TokenCache,
    /// The buckets of every policy.
    pub limits: Arc<LimitState>,
    draining: AtomicBool,
}

/// Why the gateway is not ready for traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// It is about to stop.
    Draining,
    /// No issuer has keys, so that no token can be verified.
    NoKeys,
}

impl State {
    /// Empty state, sized by the configuration.
    #[must_use]
    pub fn new(gateway: &Gateway) -> Self {
        Self::with(gateway, LimitState::new(gateway.limits.max_users))
    }

    /// The same with quotas as they were kept.
    #[must_use]
    pub fn restored(gateway: &Gateway, kept: &Kept, now: Now) -> Self {
        Self::with(gateway, LimitState::restored(gateway.limits.max_users, kept, now))
    }

    fn with(gateway: &Gateway, limits: Arc<LimitState>) -> Self {
        Self { tokens: TokenCache::new(gateway.auth.token_cache), limits, draining: AtomicBool::new(false) }
    }

    /// The process is about to stop: not ready any more, connections are told to close.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the process is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether load balancers should send traffic here.
    ///
    /// # Errors
    /// Why not.
    pub fn readiness(&self, gateway: &Gateway) -> Result<(), NotReady> {
        if self.is_draining() {
            return Err(NotReady::Draining);
        }
        let issuers = gateway.auth.authenticator.issuers();
        if issuers.iter().all(|issuer| issuer.keys.is_empty()) {
            return Err(NotReady::NoKeys);
        }
        Ok(())
    }
}
