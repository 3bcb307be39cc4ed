//! Which server of an upstream the next request goes to.
use super::{ServerAddress, UpstreamSettings};

/// Place of an upstream in the configuration; also the index of its metric handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamIndex(pub usize);

/// All upstreams.
#[derive(Debug)]
pub struct Upstreams(pub Vec<Upstream>);

/// A named group of servers.
#[derive(Debug)]
pub struct Upstream { /// What was configured.
    pub settings: UpstreamSettings, /// Its servers.
    pub servers: Vec<Server> }

/// One address of an upstream.
#[derive(Debug)]
pub struct Server { /// As configured.
    pub address: ServerAddress }

impl Upstreams {
    /// By `UpstreamIndex`.
    #[must_use]
    pub fn new(settings: Vec<UpstreamSettings>) -> Self {
        Self(settings.into_iter().map(|settings| Upstream { servers: settings.servers.iter().map(|address| Server { address: address.clone() }).collect(), settings }).collect())
    }
}
