//! What all connections share.

use super::{
    Clock,
    reload::{LastReload, ReloadDesk},
};
use crate::{
    config::Gateway,
    observe::{Handles, LimitedUsers, LogQueue, Metrics, RequestIds},
    remote::{KeyFetcher, LimitStateFile},
    state::State,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::{fs::File, io, ops::Deref, sync::Arc};

/// The configuration in force, the state, and the ways to record.
#[derive(Debug)]
pub struct Shared {
    /// The one cell of the configuration; loaded once by each request.
    pub gateway: ArcSwap<InForce>,
    /// Buckets and verified tokens.
    pub state: State,
    /// Where quotas are kept over restarts; as it was at the start.
    pub limit_state: Option<LimitStateFile>,
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
    /// Where a reload is asked for.
    pub reloads: ReloadDesk,
    /// How the last one ended; none yet.
    pub last_reload: ArcSwapOption<LastReload>,
    /// Who is refused most.
    pub limited: LimitedUsers,
}

/// A configuration that was taken up, with what belongs to it alone: an index that it gave out is good for all of this, and for
/// nothing of another. It lives until the last request that began under it has ended.
#[derive(Debug)]
pub struct InForce {
    gateway: Gateway,
    /// What its requests count with.
    pub metrics: Handles,
    /// 1 at the start, one more after each reload.
    pub generation: u64,
}

impl InForce {
    /// Its series are in the metrics from now on.
    #[must_use]
    pub fn new(gateway: Gateway, metrics: &Metrics, generation: u64) -> Self {
        Self { metrics: metrics.handles(&gateway), gateway, generation }
    }
}

/// A configuration in force is a configuration.
impl Deref for InForce {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Shared {
    /// Writes what quotas have changed, if there is a file for it. Blocks.
    pub fn keep_limit_state(&self) {
        if let Some(file) = &self.limit_state {
            file.write(&self.state.limits, self.clock.now());
        }
    }

    /// Writes it a last time, for another process to go on with; its lock, if there is one. Blocks.
    ///
    /// # Errors
    /// Out of file descriptors.
    pub fn give_limit_state(&self) -> io::Result<Option<File>> {
        self.limit_state.as_ref().map_or(Ok(None), |file| file.give(&self.state.limits, self.clock.now()))
    }
}
