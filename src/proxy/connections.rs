//! The connections that are open: how many there may be, in all and from one address, and when all are gone.
//!
//! A connection that is established is never touched for the sake of a new one. A few above the bound are let in to be told so, one
//! request each; all others are closed at once.

use super::guard::MOST_LINGERING;
use crate::config::Gateway;
use dashmap::DashMap;
use prometheus::{IntCounter, IntGauge};
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// Connections above the bound that get an answer.
const TOLD: usize = 64;
/// File descriptors that are not for connections: listeners, logs, key fetches, the admin listener's own, those above the bound,
/// those that linger after their end.
const KEPT_BACK: u64 = 64 + TOLD as u64 + MOST_LINGERING as u64;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionBounds {
    /// Of all listeners together.
    pub all: usize,
    /// Of one IPv4 address or IPv6 /64 that is no trusted proxy.
    pub address: usize,
}

impl ConnectionBounds {
    /// By the configuration; what it leaves open follows from how many files the process may have open: one for the client, one for
    /// the server that it is forwarded to.
    #[must_use]
    pub fn new(gateway: &Gateway, open_files: u64) -> Self {
        let allowed = usize::try_from(open_files.saturating_sub(KEPT_BACK) / 2).unwrap_or(usize::MAX).max(1);
        let or = |configured: usize, default: usize| if configured == 0 { default } else { configured };
        let all = or(gateway.bounds.connections, allowed);
        Self { all, address: or(gateway.bounds.connections_per_address, all.div_ceil(2)) }
    }

    /// None but the machine's.
    pub const NONE: Self = Self { all: usize::MAX - TOLD, address: usize::MAX };
}

/// Connections that are open.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    gone: Notify,
    /// Those of addresses that have any. Keyed hashing: whoever has many addresses cannot choose where they collide.
    by_address: DashMap<IpAddr, usize>,
    most: AtomicUsize,
    most_of_address: AtomicUsize,
    /// Those of them that are only told that there are too many: they take nobody's place.
    told: AtomicUsize,
    gauge: IntGauge,
    refused: IntCounter,
}

/// What becomes of a new connection.
pub enum Admission {
    /// It is served.
    Admitted(Open),
    /// It is told that there are too many.
    Told(Open),
    /// It is closed.
    Refused,
}

impl Connections {
    /// None open; `gauge` shows how many are, `refused` counts those that were not admitted.
    #[must_use]
    pub fn new(bounds: ConnectionBounds, gauge: IntGauge, refused: IntCounter) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            gone: Notify::new(),
            by_address: DashMap::new(),
            most: AtomicUsize::new(bounds.all),
            most_of_address: AtomicUsize::new(bounds.address),
            told: AtomicUsize::new(0),
            gauge,
            refused,
        })
    }

    /// Other bounds for the connections to come.
    pub fn follow(&self, bounds: ConnectionBounds) {
        self.most.store(bounds.all, Ordering::Relaxed);
        self.most_of_address.store(bounds.address, Ordering::Relaxed);
    }

    /// One more; `address` is where it counts, if it does.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Admission {
        let owner = address.map(owner);
        let mut open = Open::new(self, owner);
        let has_place = owner.is_none_or(|owner| self.count(owner));
        let served = self.open.load(Ordering::Relaxed).saturating_sub(self.told.load(Ordering::Relaxed));
        if served <= self.most.load(Ordering::Relaxed) && has_place {
            return Admission::Admitted(open);
        }
        self.refused.inc();
        // It is not its address's either: those established are not to be more than those counted.
        open.forget_owner();
        open.told = true;
        if self.told.fetch_add(1, Ordering::Relaxed) < TOLD { Admission::Told(open) } else { Admission::Refused }
    }

    /// One more of this address; whether that is within its bound.
    fn count(&self, owner: IpAddr) -> bool {
        let of_address = *self.by_address.entry(owner).and_modify(|count| *count += 1).or_insert(1);
        of_address <= self.most_of_address.load(Ordering::Relaxed)
    }

    /// Returns once no connection is open.
    pub async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            gone.await;
        }
    }
}

/// Whose connections are counted together: every host owns all of an IPv6 /64.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// One open connection.
#[derive(Debug)]
pub struct Open {
    all: Arc<Connections>,
    owner: Option<IpAddr>,
    told: bool,
}

impl Open {
    fn new(all: &Arc<Connections>, owner: Option<IpAddr>) -> Self {
        all.open.fetch_add(1, Ordering::AcqRel);
        all.gauge.inc();
        Self { all: Arc::clone(all), owner, told: false }
    }

    /// Counts it for this address instead: a proxy that is believed said whose it is. Whether it is within the bound of that
    /// address; else it is to be closed, and is counted as refused.
    #[must_use]
    pub fn belongs_to(&mut self, address: IpAddr) -> bool {
        // Who is only told takes nobody's place.
        if self.told {
            return true;
        }
        let owner = owner(address);
        self.forget_owner();
        self.owner = Some(owner);
        let has_place = self.all.count(owner);
        if !has_place {
            self.all.refused.inc();
        }
        has_place
    }

    fn forget_owner(&mut self) {
        let Some(owner) = self.owner.take() else { return };
        self.all.by_address.remove_if_mut(&owner, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.forget_owner();
        if self.told {
            self.all.told.fetch_sub(1, Ordering::Relaxed);
        }
        self.all.gauge.dec();
        if self.all.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all.gone.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
