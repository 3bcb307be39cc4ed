//! What the requests of one configuration count with: by route, issuer and upstream, found by the indexes of that configuration.
//!
//! Counters by route, method, code and outcome are found without a lock once they exist; all others are resolved beforehand.

use super::{Metrics, UpstreamFailure, seconds};
use crate::{
    auth::InvalidReason,
    config::Gateway,
    observe::Exchange,
    pipeline::{Target, TokenSeen},
    upstream::UpstreamIndex,
};
use arc_swap::ArcSwap;
use prometheus::{
    Histogram, IntCounter, IntCounterVec,
    core::{MetricVec, MetricVecBuilder},
};
use std::sync::{Arc, Mutex, PoisonError};

/// Labels of what is no route; routes begin with `/`.
const PLACES: [&str; 6] = ["none", "outside", "unknown", "ping", "token", "jwks"];
/// Methods by name; anything else is `other`.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// The handles of one configuration.
#[derive(Debug)]
pub struct Handles {
    requests: RequestCounters,
    /// By route, then [`PLACES`].
    durations: Vec<Histogram>,
    /// By [`UpstreamIndex`], as the next two.
    upstream_durations: Vec<Histogram>,
    upstream_failures: Vec<Vec<IntCounter>>,
    upstream_retries: Vec<IntCounter>,
    auth: AuthCounters,
    /// Names of [`Self::durations`].
    places: Vec<String>,
}

impl Handles {
    /// Resolves them.
    pub(super) fn new(families: &Metrics, gateway: &Gateway) -> Self {
        let places = place_names(gateway);
        let issuers: Vec<&str> = gateway.auth.authenticator.issuers().iter().map(|issuer| &*issuer.settings.issuer).collect();
        let upstreams: Vec<&str> = gateway.upstreams.0.iter().map(|upstream| &*upstream.settings.name).collect();
        let kinds = UpstreamFailure::ALL.map(UpstreamFailure::label);
        Self {
            requests: RequestCounters::new(families.requests.clone()),
            durations: each(&families.durations, &places),
            upstream_durations: each(&families.upstream_durations, &upstreams),
            upstream_failures: each_pair(&families.upstream_failures, &upstreams, &kinds),
            upstream_retries: each(&families.upstream_retries, &upstreams),
            auth: AuthCounters::new(&families.auth, &issuers),
            places,
        }
    }

    /// Counts an exchange under its place.
    pub(super) fn count(&self, exchange: &Exchange<'_>) {
        let place = self.place(exchange.target);
        self.requests.count(place, &self.places[place], exchange);
        self.durations[place].observe(seconds(exchange.duration_ns));
    }

    /// Observes the time an upstream took.
    pub fn upstream_took(&self, upstream: UpstreamIndex, nanoseconds: u64) {
        self.upstream_durations[upstream.0].observe(seconds(nanoseconds));
    }

    /// Counts a failure of an upstream.
    pub fn upstream_failed(&self, upstream: UpstreamIndex, kind: UpstreamFailure) {
        self.upstream_failures[upstream.0][kind as usize].inc();
    }

    /// Counts an attempt beyond the first.
    pub fn upstream_retried(&self, upstream: UpstreamIndex) {
        self.upstream_retries[upstream.0].inc();
    }

    /// Counts how a token fared.
    pub fn token_seen(&self, token: TokenSeen) {
        self.auth.count(token);
    }

    /// The name of a place of the API.
    #[must_use]
    pub fn place_name(&self, target: Target) -> &str {
        &self.places[self.place(target)]
    }

    fn place(&self, target: Target) -> usize {
        let routes = self.places.len() - PLACES.len();
        match target {
            Target::Route(index) => index.0,
            Target::None => routes,
            Target::Outside => routes + 1,
            Target::Unknown => routes + 2,
            Target::Ping => routes + 3,
            Target::Token => routes + 4,
            Target::Jwks => routes + 5,
        }
    }
}

/// The routes as written, then [`PLACES`].
fn place_names(gateway: &Gateway) -> Vec<String> {
    let routes = gateway.routes.iter().map(|route| route.pattern.as_str().to_owned());
    routes.chain(PLACES.iter().map(|place| (*place).to_owned())).collect()
}

/// The handles of a family with one label.
fn each<B: MetricVecBuilder>(family: &MetricVec<B>, values: &[impl AsRef<str>]) -> Vec<B::M> {
    values.iter().map(|value| family.with_label_values(&[value.as_ref()])).collect()
}

/// The handles of a family with two labels, by the first, then by the second.
fn each_pair(family: &IntCounterVec, first: &[&str], second: &[&str]) -> Vec<Vec<IntCounter>> {
    first.iter().map(|first| second.iter().map(|second| family.with_label_values(&[first, second])).collect()).collect()
}

/// `requests_total`: a memo of the handles seen so far, in the order of their keys; read without a lock and copied when a new
/// one joins it, which is rare. A dozen handles serve nearly all requests: finding one takes a few comparisons.
#[derive(Debug)]
struct RequestCounters {
    family: IntCounterVec,
    seen: ArcSwap<Vec<(u64, IntCounter)>>,
    joining: Mutex<()>,
}

impl RequestCounters {
    fn new(family: IntCounterVec) -> Self {
        Self { family, seen: ArcSwap::default(), joining: Mutex::new(()) }
    }

    fn count(&self, place: usize, place_name: &str, exchange: &Exchange<'_>) {
        let method = METHODS.iter().position(|method| *method == exchange.method).unwrap_or(METHODS.len() - 1);
        let key = (place as u64) << 32 | u64::from(exchange.status) << 16 | (method as u64) << 8 | exchange.outcome as u64;
        let seen = self.seen.load();
        match seen.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(found) => seen[found].1.inc(),
            Err(_) => self.join(key, [place_name, METHODS[method], &exchange.status.to_string(), exchange.outcome.label()]).inc(),
        }
    }

    fn join(&self, key: u64, labels: [&str; 4]) -> IntCounter {
        let _joining = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = self.family.with_label_values(&labels);
        let mut seen = Vec::clone(&self.seen.load());
        if let Err(place) = seen.binary_search_by_key(&key, |(key, _)| *key) {
            seen.insert(place, (key, counter.clone()));
            self.seen.store(Arc::new(seen));
        }
        counter
    }
}

/// `auth_total`, by issuer, then by result.
#[derive(Debug)]
struct AuthCounters {
    by_issuer: Vec<Vec<IntCounter>>,
    /// Of tokens that name no configured issuer: issuer `none`.
    nobodys: Vec<IntCounter>,
}

impl AuthCounters {
    /// Results before the reasons for a refusal.
    const GOOD: [&'static str; 3] = ["cached", "verified", "no_keys"];

    fn new(family: &IntCounterVec, issuers: &[&str]) -> Self {
        let reasons = || InvalidReason::ALL.iter().map(|reason| reason.label());
        let counters = |issuer: &str, results: &mut dyn Iterator<Item = &'static str>| {
            results.map(|result| family.with_label_values(&[issuer, result])).collect()
        };
        let by_issuer = issuers.iter().map(|issuer| counters(issuer, &mut Self::GOOD.into_iter().chain(reasons()))).collect();
        Self { by_issuer, nobodys: counters("none", &mut reasons()) }
    }

    fn count(&self, token: TokenSeen) {
        let place = |reason| InvalidReason::ALL.iter().position(|known| *known == reason).unwrap_or(0);
        match token {
            TokenSeen::No => {}
            TokenSeen::Recalled(issuer) => self.by_issuer[issuer.0][0].inc(),
            TokenSeen::Verified(issuer) => self.by_issuer[issuer.0][1].inc(),
            TokenSeen::NoKeys(issuer) => self.by_issuer[issuer.0][2].inc(),
            TokenSeen::Refused(Some(issuer), reason) => self.by_issuer[issuer.0][Self::GOOD.len() + place(reason)].inc(),
            TokenSeen::Refused(None, reason) => self.nobodys[place(reason)].inc(),
        }
    }
}
