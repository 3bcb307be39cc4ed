//! What runs beside the workers, on the runtime that started the gateway: the admin listener, name look-ups, sweeping, the
//! quotas' state.

use super::{
    connections::{ConnectionBounds, Connections},
    entrance::Entrance,
    listeners::{Bound, Serving, accept},
    shared::Shared,
};
use crate::{
    admin::Admin,
    config::Gateway,
    observe::Metrics,
    remote::{Clock, KeyFetcher, OnFetch, resolve_names},
    upstream::Upstreams,
};
use arc_swap::ArcSwap;
use pingora_core::apps::http_app::HttpServer;
use prometheus::{IntCounter, IntGauge};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};

/// Between two sweeps of all buckets; one of as many users as the tables take is up to 60 ms of a thread of its own (65,536 tables, each under 1 µs).
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// Between the beginnings of two writes of the quotas' state.
const STATE_PAUSE: Duration = Duration::from_secs(1);

/// Starts it all. Must be called inside the runtime.
pub fn spawn(shared: &Arc<Shared>, admin: Bound, shutdown: watch::Receiver<bool>) {
    let app = Arc::new(HttpServer::new_app(Admin::new(Arc::clone(shared))));
    let entrance = Entrance { full: Arc::clone(&app), app, trusted_proxies: Vec::new(), proxy_protocol: None, tls: None };
    let door = Arc::new(ArcSwap::from_pointee(entrance));
    // It has no part in draining: probes and the last scrape are answered until the process ends.
    let serving = Serving { door, shutdown, clock: shared.clock, connections: uncounted() };
    drop(tokio::spawn(async move {
        if let Err(error) = accept(admin, serving).await {
            log::error!(target: "listeners", "the admin listener cannot be used: {error}");
        }
    }));
    drop(tokio::spawn(sweep(Arc::clone(shared))));
    drop(tokio::spawn(keep_limit_state(Arc::clone(shared))));
}

/// Neither bounded nor shown: few know this listener.
fn uncounted() -> Arc<Connections> {
    let gauge = IntGauge::new("admin_connections", "Not registered.").expect("BUG: the name is a constant");
    let counter = IntCounter::new("admin_connections_refused", "Not registered.").expect("BUG: the name is a constant");
    Connections::new(ConnectionBounds::NONE, gauge, counter)
}

/// The keys of a configuration's issuers, not fetched before [`spawn`]; each fetch is counted.
pub fn key_fetcher(gateway: &Gateway, metrics: &Arc<Metrics>, clock: super::Clock) -> KeyFetcher {
    let now: Clock = Arc::new(move || clock.now());
    let counting = Arc::clone(metrics);
    let count: OnFetch = Arc::new(move |issuer: &str, result| counting.key_fetch(issuer, result, clock.now()));
    KeyFetcher::new(&gateway.auth.authenticator, &now, &count)
}

/// Forgets full buckets and keys whose time is over, on a thread that nothing else waits for: of many millions of buckets a sweep
/// takes a while.
async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        let shared = Arc::clone(&shared);
        let sweep = move || {
            let (gateway, now) = (shared.gateway.load(), shared.clock.now());
            shared.state.limits.sweep(&gateway.limits, now);
            gateway.accept_own_keys(now);
        };
        if let Err(error) = tokio::task::spawn_blocking(sweep).await {
            log::error!(target: "limits", "a sweep of the buckets failed: {error}");
        }
    }
}

/// Writes the quotas' state once a second, on a thread that nothing else waits for.
async fn keep_limit_state(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(STATE_PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let shared = Arc::clone(&shared);
        if let Err(error) = tokio::task::spawn_blocking(move || shared.keep_limit_state()).await {
            log::error!(target: "limits", "writing the quotas' state failed: {error}");
        }
    }
}

/// The task that resolves the names of the configuration in force.
pub struct NameTask(Mutex<JoinHandle<()>>);

impl NameTask {
    /// Begins. Must be called inside the runtime.
    pub fn spawn(upstreams: &Upstreams) -> Self {
        Self(Mutex::new(tokio::spawn(resolve_names(upstreams))))
    }

    /// Goes on with another configuration. Must be called inside the runtime.
    pub fn follow(&self, upstreams: &Upstreams) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        task.abort();
        *task = tokio::spawn(resolve_names(upstreams));
    }
}
