//! What all connections share.

use super::Clock;
use crate::{
    config::Gateway,
    observe::{LogQueue, Metrics, RequestIds},
    remote::KeyFetcher,
    state::State,
};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The configuration in force, the state, and the ways to record.
#[derive(Debug)]
pub struct Shared {
    /// The one cell of the configuration; loaded once by each request.
    pub gateway: ArcSwap<Gateway>,
    /// Buckets and verified tokens.
    pub state: State,
    /// Every metric family.
    pub metrics: Arc<Metrics>,
    /// Keys of the issuers.
    pub keys: Arc<KeyFetcher>,
    /// The clocks.
    pub clock: Clock,
    /// Log lines on their way to the writer.
    pub log: Arc<LogQueue>,
    /// Names of requests.
    pub ids: RequestIds,
}
