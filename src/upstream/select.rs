//! Which server of an upstream the next request goes to: round robin over servers, and over the addresses of a name.

use super::{ServerAddress, UpstreamSettings};
use arc_swap::ArcSwap;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Place of an upstream in the configuration; also the index of its metric handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamIndex(pub usize);

/// All upstreams, by [`UpstreamIndex`].
#[derive(Debug)]
pub struct Upstreams(pub Vec<Upstream>);

/// A named group of servers.
#[derive(Debug)]
pub struct Upstream {
    /// What was configured.
    pub settings: UpstreamSettings,
    /// Its servers; one that stays in the next configuration is shared with it.
    pub servers: Vec<Arc<Server>>,
    turn: AtomicUsize,
}

/// One server of an upstream.
#[derive(Debug)]
pub struct Server {
    /// As configured.
    pub address: ServerAddress,
    /// Where its name leads at this moment; an IP literal from the start.
    resolved: ArcSwap<Vec<SocketAddr>>,
}

impl Upstreams {
    /// Servers with IP literals can be reached at once, the others when their names are resolved.
    #[must_use]
    pub fn new(settings: Vec<UpstreamSettings>) -> Self {
        Self(settings.into_iter().map(Upstream::new).collect())
    }

    /// Takes over from an earlier configuration what is known of the servers that are still there: where their names lead, and
    /// whose turn it is.
    pub fn inherit(&mut self, old: &Self) {
        for upstream in &mut self.0 {
            if let Some(before) = old.0.iter().find(|before| before.settings.name == upstream.settings.name) {
                upstream.inherit(before);
            }
        }
    }

    /// The upstream at an index that the configuration gave out.
    #[must_use]
    pub fn at(&self, index: UpstreamIndex) -> &Upstream {
        &self.0[index.0]
    }
}

impl Upstream {
    fn new(settings: UpstreamSettings) -> Self {
        let servers = settings.servers.iter().cloned().map(Server::new).map(Arc::new).collect();
        Self { settings, servers, turn: AtomicUsize::new(0) }
    }

    fn inherit(&mut self, old: &Self) {
        self.turn = AtomicUsize::new(old.turn.load(Ordering::Relaxed));
        for server in &mut self.servers {
            if let Some(before) = old.servers.iter().find(|before| before.address == server.address) {
                *server = Arc::clone(before);
            }
        }
    }

    /// The next server in turn that is not among `tried`, and one of its addresses; when all were tried, the next in turn.
    /// `None` while no name has an address.
    #[must_use]
    pub fn next(&self, tried: Tried) -> Option<(usize, SocketAddr)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.servers.len();
        let in_turn = |step: usize| {
            let place = turn.wrapping_add(step) % count;
            let addresses = self.servers[place].resolved.load();
            Some((place, *addresses.get(turn / count % addresses.len().max(1))?))
        };
        let untried = (0..count).filter_map(in_turn).find(|(place, _)| !tried.contains(*place));
        untried.or_else(|| (0..count).find_map(in_turn))
    }

    /// Whether any server can be reached as far as is known.
    #[must_use]
    pub fn has_address(&self) -> bool {
        self.servers.iter().any(|server| !server.resolved.load().is_empty())
    }
}

/// Servers that one request was sent to already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried(u64);

impl Tried {
    /// Remembers a server; those beyond the sixty-fourth are not remembered.
    pub fn insert(&mut self, place: usize) {
        self.0 |= 1u64.checked_shl(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or(0);
    }

    fn contains(self, place: usize) -> bool {
        self.0 & 1u64.checked_shl(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or(0) != 0
    }
}

impl Server {
    fn new(address: ServerAddress) -> Self {
        let known = address.host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, address.port));
        Self { address, resolved: ArcSwap::from_pointee(known.into_iter().collect()) }
    }

    /// Whether its host is a name, to be resolved again and again.
    #[must_use]
    pub fn is_name(&self) -> bool {
        self.address.host.parse::<IpAddr>().is_err()
    }

    /// Takes up what its name resolves to now; an empty list keeps the old one.
    pub fn resolve_to(&self, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        if !addresses.is_empty() && **self.resolved.load() != addresses {
            self.resolved.store(Arc::new(addresses));
        }
    }

    /// Where its name leads at this moment.
    #[must_use]
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.resolved.load_full()
    }
}

#[cfg(test)]
mod tests;
