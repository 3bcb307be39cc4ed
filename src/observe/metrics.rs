//! Every metric family. Labels come from the configuration or from closed sets, never from a request; what the request path
//! touches is resolved when the configuration is compiled, and counters by route, method, code and outcome are found without
//! a lock once they exist.

use super::Exchange;
use crate::{
    auth::{InvalidReason, IssuerIndex},
    config::{Gateway, ListenerAddress},
    limit::{LimitState, Policy},
    pipeline::{Judged, Target, TokenSeen},
    remote::FetchResult,
    time::Now,
    upstream::UpstreamIndex,
};
use arc_swap::ArcSwap;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
    core::{MetricVec, MetricVecBuilder},
};
use std::sync::{Arc, Mutex, PoisonError};

/// 0.5 ms to 60 s.
const DURATION_BUCKETS: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0];
/// 10 µs to 10 ms.
const OVERHEAD_BUCKETS: [f64; 10] = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01];
/// Labels of what is no route; routes begin with `/`.
const PLACES: [&str; 6] = ["none", "outside", "unknown", "ping", "token", "jwks"];
/// Methods by name; anything else is `other`.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// Why an upstream failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the labels")]
pub enum UpstreamFailure {
    Connect,
    Timeout,
    Response,
    NoAddress,
}

impl UpstreamFailure {
    const ALL: [Self; 4] = [Self::Connect, Self::Timeout, Self::Response, Self::NoAddress];

    fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Response => "response",
            Self::NoAddress => "no_address",
        }
    }
}

/// All families and the handles of the request path.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestCounters,
    /// By route, then [`PLACES`].
    durations: Vec<Histogram>,
    upstream_durations: Vec<Histogram>,
    overhead: Histogram,
    /// Requests being served now.
    pub in_flight: IntGauge,
    /// Connections open now.
    pub connections: IntGauge,
    request_bytes: IntCounter,
    response_bytes: IntCounter,
    auth: AuthCounters,
    /// By [`Policy`]: admitted, refused.
    decisions: Vec<[IntCounter; 2]>,
    key_fetches: Vec<Vec<IntCounter>>,
    key_success: Vec<Gauge>,
    keys: Vec<IntGauge>,
    upstream_failures: Vec<Vec<IntCounter>>,
    upstream_retries: Vec<IntCounter>,
    global_tokens: IntGauge,
    users: IntGauge,
    evictions: IntCounter,
    /// Users and addresses beyond `max_users`.
    overflow: IntCounter,
    log_dropped: IntCounter,
    certificate_ends: GaugeVec,
    /// Names of [`Self::durations`].
    places: Vec<String>,
}

/// Makes families of the one registry.
struct Families(Registry);

impl Families {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let family = made.expect("BUG: names and labels of the families are constants of this file");
        self.0.register(Box::new(family.clone())).expect("BUG: each family is made once");
        family
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(opts(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::with_opts(opts(name, help)))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::with_opts(opts(name, help)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(opts(name, help), labels))
    }

    fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(opts(name, help), labels))
    }

    fn durations(&self, name: &str, help: &str, label: &str) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).namespace("stackflow_gateway").buckets(DURATION_BUCKETS.to_vec());
        self.add(HistogramVec::new(opts, &[label]))
    }

    fn overhead(&self) -> Histogram {
        let opts = HistogramOpts::new("overhead_duration_seconds", "Time of the gateway's own in a request.");
        self.add(Histogram::with_opts(opts.namespace("stackflow_gateway").buckets(OVERHEAD_BUCKETS.to_vec())))
    }

    fn certificate_ends(&self) -> GaugeVec {
        let help = "When the listener's certificate ends.";
        self.float_gauges("tls_certificate_not_after_timestamp_seconds", help, &["listener"])
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("stackflow_gateway")
}

impl Metrics {
    /// The families for a configuration. `now` is the moment of its loading.
    #[must_use]
    pub fn new(gateway: &Gateway, now: Now) -> Self {
        let families = Families(Registry::new());
        constant_families(&families, gateway, now);
        let decisions = families.counters("limit_decisions_total", "Decisions of the limits.", &["policy", "decision"]);
        let places = place_names(gateway);
        let issuers: Vec<&str> = gateway.auth.authenticator.issuers().iter().map(|issuer| &*issuer.settings.issuer).collect();
        let upstreams: Vec<&str> = gateway.upstreams.0.iter().map(|upstream| &*upstream.settings.name).collect();
        Self {
            requests: RequestCounters::new(&families),
            durations: each(
                &families.durations("request_duration_seconds", "From request head to end of response.", "route"),
                &places,
            ),
            upstream_durations: each(
                &families.durations("upstream_duration_seconds", "From handing a request over to end of response.", "upstream"),
                &upstreams,
            ),
            overhead: families.overhead(),
            in_flight: families.gauge("requests_in_flight", "Requests being served now."),
            connections: families.gauge("connections", "Client connections open now."),
            request_bytes: families.counter("request_bytes_total", "Body bytes received from clients."),
            response_bytes: families.counter("response_bytes_total", "Body bytes sent to clients."),
            auth: AuthCounters::new(&families.counters("auth_total", "Tokens judged.", &["issuer", "result"]), &issuers),
            decisions: decision_counters(&decisions),
            key_fetches: each_pair(
                &families.counters("jwks_refresh_total", "Fetches of key sets.", &["issuer", "result"]),
                &issuers,
                &FetchResult::ALL.map(FetchResult::label),
            ),
            key_success: each(
                &families.float_gauges("jwks_last_success_timestamp_seconds", "Last good fetch of keys.", &["issuer"]),
                &issuers,
            ),
            keys: each(&families.gauges("jwks_keys", "Usable keys of the issuer.", &["issuer"]), &issuers),
            upstream_failures: each_pair(
                &families.counters("upstream_failures_total", "Requests that an upstream failed.", &["upstream", "kind"]),
                &upstreams,
                &UpstreamFailure::ALL.map(UpstreamFailure::label),
            ),
            upstream_retries: each(
                &families.counters("upstream_retries_total", "Attempts beyond the first.", &["upstream"]),
                &upstreams,
            ),
            global_tokens: families
                .gauges("limit_tokens", "Whole tokens in a bucket now.", &["policy"])
                .with_label_values(&[Policy::Global.label()]),
            users: families.gauge("limit_users", "Users with a bucket that is not full."),
            overflow: decisions.with_label_values(&[Policy::User.label(), "untracked"]),
            evictions: families.counter("limit_evictions_total", "Buckets forgotten because they were full again."),
            log_dropped: families.counter("access_log_dropped_total", "Log lines dropped because the queue was full."),
            certificate_ends: families.certificate_ends(),
            places,
            registry: families.0,
        }
    }

    /// Counts an exchange that ended.
    pub fn record(&self, exchange: &Exchange<'_>) {
        let place = self.place(exchange.target);
        self.requests.count(place, &self.places[place], exchange);
        self.durations[place].observe(seconds(exchange.duration_ns));
        let others_ns = exchange.upstream_ns.unwrap_or(0).saturating_add(exchange.waited_ns);
        self.overhead.observe(seconds(exchange.duration_ns.saturating_sub(others_ns)));
        self.request_bytes.inc_by(exchange.request_bytes);
        self.response_bytes.inc_by(exchange.response_bytes);
    }

    /// Observes the time an upstream took.
    pub fn upstream_took(&self, upstream: UpstreamIndex, nanoseconds: u64) {
        self.upstream_durations[upstream.0].observe(seconds(nanoseconds));
    }

    /// Counts what the limits decided.
    pub fn judged(&self, judged: &[Judged]) {
        for (counters, judged) in self.decisions.iter().zip(judged) {
            match judged {
                Judged::No => {}
                Judged::Admitted => counters[0].inc(),
                Judged::Refused => counters[1].inc(),
            }
        }
    }

    /// Counts how a token fared.
    pub fn token_seen(&self, token: TokenSeen) {
        self.auth.count(token);
    }

    /// Counts a fetch of keys.
    pub fn key_fetch(&self, issuer: IssuerIndex, result: FetchResult, now: Now) {
        self.key_fetches[issuer.0][result as usize].inc();
        if matches!(result, FetchResult::Updated | FetchResult::Unchanged) {
            self.key_success[issuer.0].set(seconds(now.unix_ns));
        }
    }

    /// Counts a failure of an upstream.
    pub fn upstream_failed(&self, upstream: UpstreamIndex, kind: UpstreamFailure) {
        self.upstream_failures[upstream.0][kind as usize].inc();
    }

    /// Counts an attempt beyond the first.
    pub fn upstream_retried(&self, upstream: UpstreamIndex) {
        self.upstream_retries[upstream.0].inc();
    }

    /// Says when a listener's certificate ends.
    pub fn certificate_ends(&self, listener: &ListenerAddress, unix_s: f64) {
        let listener = match listener {
            ListenerAddress::Tcp(address) => address.to_string(),
            ListenerAddress::Unix(path) => format!("unix:{}", path.display()),
        };
        self.certificate_ends.with_label_values(&[listener]).set(unix_s);
    }

    /// The name of a place of the API.
    #[must_use]
    pub fn place_name(&self, target: Target) -> &str {
        &self.places[self.place(target)]
    }

    /// Everything in Prometheus' text format, with the gauges that are read at this moment.
    #[must_use]
    pub fn scrape(&self, gateway: &Gateway, limits: &LimitState, log_dropped: u64, now: Now) -> Vec<u8> {
        let tokens = limits.global_tokens(&gateway.limits, now);
        self.global_tokens.set(i64::try_from(tokens).unwrap_or(i64::MAX));
        for (gauge, issuer) in self.keys.iter().zip(gateway.auth.authenticator.issuers()) {
            gauge.set(i64::try_from(issuer.keys.len()).unwrap_or(i64::MAX));
        }
        self.users.set(i64::try_from(limits.users()).unwrap_or(i64::MAX));
        catch_up(&self.evictions, limits.evictions());
        catch_up(&self.overflow, limits.overflow());
        catch_up(&self.log_dropped, log_dropped);
        let mut text = Vec::with_capacity(16 * 1024);
        let families: Vec<_> = self.registry.gather().into_iter().chain(prometheus::gather()).collect();
        // Writing to memory cannot fail, and the names were checked when the families were made.
        let _ = TextEncoder::new().encode(&families, &mut text);
        text
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

fn decision_counters(family: &IntCounterVec) -> Vec<[IntCounter; 2]> {
    let handles = |policy: &Policy| ["admitted", "refused"].map(|decision| family.with_label_values(&[policy.label(), decision]));
    Policy::ALL.iter().map(handles).collect()
}

/// Families that are set once for a configuration.
fn constant_families(families: &Families, gateway: &Gateway, now: Now) {
    let version = env!("CARGO_PKG_VERSION");
    families.gauges("build_info", "Always 1; the version is the label.", &["version"]).with_label_values(&[version]).set(1);
    let reloads = families.counters("config_reload_total", "Attempts to load the configuration.", &["result"]);
    reloads.with_label_values(&["ok"]).inc();
    reloads.with_label_values(&["failed"]);
    families.gauge("config_last_reload_success", "Whether the last attempt to load the configuration went well.").set(1);
    let at = opts("config_last_reload_timestamp_seconds", "When the configuration in force was loaded.");
    families.add(Gauge::with_opts(at)).set(seconds(now.unix_ns));
    let healthy = families.gauges(
        "upstream_healthy",
        "Whether the server takes requests; 1 where nothing checks it.",
        &["upstream", "server"],
    );
    for upstream in &gateway.upstreams.0 {
        for server in &upstream.servers {
            let name = server.address.to_string();
            healthy.with_label_values(&[upstream.settings.name.as_str(), name.as_str()]).set(1);
        }
    }
}

/// Brings a counter that is kept elsewhere up to its value there.
fn catch_up(counter: &IntCounter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}

#[expect(clippy::cast_precision_loss, reason = "a double counts nanoseconds exactly for 104 days, and to 0.3 µs for a century")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
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
    fn new(families: &Families) -> Self {
        let family = families.counters("requests_total", "Requests answered.", &["route", "method", "code", "outcome"]);
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

#[cfg(test)]
mod tests;
