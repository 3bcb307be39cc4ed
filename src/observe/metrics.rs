//! Every metric family. Labels come from the configuration or from closed sets, never from a request.
//!
//! The families live as long as the process. What stands for routes, issuers and upstreams belongs to one configuration:
//! [`Metrics::handles`] resolves it when a configuration is taken up, and a request counts with the handles of its own, so that
//! an index never meets another configuration's table. A counter stays when its route, issuer or upstream goes: it never falls,
//! and goes on where it was should the name come back. A gauge speaks of what is, and goes with it ([`Metrics::forget`]).

mod handles;

pub use handles::Handles;

use super::{ConnectionEnd, Exchange};
use crate::{
    config::{Gateway, ListenerAddress},
    limit::{LimitState, Policy},
    pipeline::Judged,
    remote::FetchResult,
    time::Now,
};
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

const HEALTHY: &str = "Whether the server takes requests; 1 where nothing checks it.";
const HEADERS: &str = "Connections closed for their header of the PROXY protocol.";
const FAILURES: &str = "Requests that an upstream failed.";
/// 0.5 ms to 60 s.
const DURATION_BUCKETS: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0];
/// 10 µs to 10 ms.
const OVERHEAD_BUCKETS: [f64; 10] = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01];

/// What can be wrong with a connection's header of the PROXY protocol.
pub const HEADER_FAULTS: [&str; 3] = ["malformed", "missing", "late"];

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

/// All families.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    upstream_durations: HistogramVec,
    overhead: Histogram,
    /// Requests being served now.
    pub in_flight: IntGauge,
    /// Connections open now.
    pub connections: IntGauge,
    /// Connections above their bound.
    pub connections_refused: IntCounter,
    /// Connections closed for their header of the PROXY protocol, by one of [`HEADER_FAULTS`].
    pub proxy_headers_refused: IntCounterVec,
    /// Streams of HTTP/2 that were reset because the client broke the protocol.
    pub http2_resets: IntCounter,
    /// By [`ConnectionEnd`].
    connections_ended: [IntCounter; ConnectionEnd::ALL.len()],
    request_bytes: IntCounter,
    response_bytes: IntCounter,
    auth: IntCounterVec,
    /// By [`Policy`]: admitted, refused.
    decisions: Vec<[IntCounter; 2]>,
    key_fetches: IntCounterVec,
    key_success: GaugeVec,
    keys: IntGaugeVec,
    upstream_healthy: IntGaugeVec,
    upstream_failures: IntCounterVec,
    upstream_retries: IntCounterVec,
    global_tokens: IntGauge,
    users: IntGauge,
    evictions: IntCounter,
    /// Counters of quotas.
    quotas: IntGauge,
    state_failures: IntCounter,
    /// Users beyond `max_users`.
    overflow: IntCounter,
    /// Users' quotas beyond it.
    quota_overflow: IntCounter,
    log_dropped: IntCounter,
    /// Succeeded, failed.
    reloads: [IntCounter; 2],
    last_reload_success: IntGauge,
    loaded_at: Gauge,
    certificate_ends: GaugeVec,
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

    fn times(&self, name: &str, help: &str, label: &str) -> GaugeVec {
        self.add(GaugeVec::new(opts(name, help), &[label]))
    }

    fn durations(&self, name: &str, help: &str, label: &str) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).namespace("stackflow_gateway").buckets(DURATION_BUCKETS.to_vec());
        self.add(HistogramVec::new(opts, &[label]))
    }

    fn time(&self, name: &str, help: &str) -> Gauge {
        self.add(Gauge::with_opts(opts(name, help)))
    }

    fn overhead(&self) -> Histogram {
        let opts = HistogramOpts::new("overhead_duration_seconds", "Time of the gateway's own in a request.");
        self.add(Histogram::with_opts(opts.namespace("stackflow_gateway").buckets(OVERHEAD_BUCKETS.to_vec())))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("stackflow_gateway")
}

impl Metrics {
    /// The families, of which those by route, issuer and upstream are empty until [`Self::handles`]. `now` is the moment at
    /// which the configuration was loaded.
    #[must_use]
    pub fn new(now: Now) -> Self {
        let families = Families(Registry::new());
        let version = families.gauges("build_info", "Always 1; the version is the label.", &["version"]);
        version.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let decisions = families.counters("limit_decisions_total", "Decisions of the limits.", &["policy", "decision"]);
        let tokens = families.gauges("limit_tokens", "Whole tokens in a bucket now.", &["policy"]);
        let reloads = families.counters("config_reload_total", "Reloads of the configuration.", &["result"]);
        let ended = families.counters("connections_ended_total", "Client connections that the gateway ended.", &["reason"]);
        let metrics = Self {
            requests: families.counters("requests_total", "Requests answered.", &["route", "method", "code", "outcome"]),
            durations: families.durations("request_duration_seconds", "From request head to end of response.", "route"),
            upstream_durations: families.durations(
                "upstream_duration_seconds",
                "From handing a request over to end of response.",
                "upstream",
            ),
            overhead: families.overhead(),
            in_flight: families.gauge("requests_in_flight", "Requests being served now."),
            connections: families.gauge("connections", "Client connections open now."),
            connections_refused: families.counter("connections_refused_total", "Client connections above their bound."),
            proxy_headers_refused: families.counters("proxy_protocol_refused_total", HEADERS, &["reason"]),
            http2_resets: families.counter("http2_resets_total", "Streams reset because the client broke HTTP/2."),
            connections_ended: ConnectionEnd::ALL.map(|end| ended.with_label_values(&[end.label()])),
            request_bytes: families.counter("request_bytes_total", "Body bytes received from clients."),
            response_bytes: families.counter("response_bytes_total", "Body bytes sent to clients."),
            auth: families.counters("auth_total", "Tokens judged.", &["issuer", "result"]),
            decisions: decision_counters(&decisions),
            key_fetches: families.counters("jwks_refresh_total", "Fetches of key sets.", &["issuer", "result"]),
            key_success: families.times("jwks_last_success_timestamp_seconds", "Last good fetch of keys.", "issuer"),
            keys: families.gauges("jwks_keys", "Usable keys of the issuer.", &["issuer"]),
            upstream_healthy: families.gauges("upstream_healthy", HEALTHY, &["upstream", "server"]),
            upstream_failures: families.counters("upstream_failures_total", FAILURES, &["upstream", "kind"]),
            upstream_retries: families.counters("upstream_retries_total", "Attempts beyond the first.", &["upstream"]),
            global_tokens: tokens.with_label_values(&[Policy::Global.label()]),
            users: families.gauge("limit_users", "Users with a bucket that is not full."),
            overflow: decisions.with_label_values(&[Policy::User.label(), "untracked"]),
            quota_overflow: decisions.with_label_values(&[Policy::Quota.label(), "untracked"]),
            evictions: families.counter("limit_evictions_total", "Buckets forgotten because they were full again."),
            quotas: families.gauge("limit_quotas", "Counters of users' quotas, each of a day or month."),
            state_failures: families.counter("limit_state_failures_total", "Failed writes of the quotas' state file."),
            log_dropped: families.counter("access_log_dropped_total", "Log lines dropped because the queue was full."),
            reloads: ["ok", "failed"].map(|result| reloads.with_label_values(&[result])),
            last_reload_success: families.gauge("config_last_reload_success", "0 after a reload that failed."),
            loaded_at: families.time("config_last_reload_timestamp_seconds", "When the configuration in force was loaded."),
            certificate_ends: families.times(
                "tls_certificate_not_after_timestamp_seconds",
                "When the listener's certificate ends.",
                "listener",
            ),
            registry: families.0,
        };
        for fault in HEADER_FAULTS {
            metrics.proxy_headers_refused.with_label_values(&[fault]);
        }
        metrics.last_reload_success.set(1);
        metrics.loaded_at.set(seconds(now.unix_ns));
        metrics
    }

    /// What the requests of a configuration count with. Its series are there from now on.
    #[must_use]
    pub fn handles(&self, gateway: &Gateway) -> Handles {
        for (upstream, server) in servers(gateway) {
            self.upstream_healthy.with_label_values(&[upstream, &server]).set(1);
        }
        for issuer in gateway.auth.authenticator.issuers() {
            let issuer = issuer.settings.issuer.as_str();
            self.key_success.with_label_values(&[issuer]);
            self.keys.with_label_values(&[issuer]);
            for result in FetchResult::ALL {
                self.key_fetches.with_label_values(&[issuer, result.label()]);
            }
        }
        Handles::new(self, gateway)
    }

    /// Removes the gauges of what was in a configuration and is not in the next.
    pub fn forget(&self, old: &Gateway, next: &Gateway) {
        // What is not there needs no removal.
        for (upstream, server) in servers(old).filter(|server| servers(next).all(|kept| kept != *server)) {
            let _ = self.upstream_healthy.remove_label_values(&[upstream, &server]);
        }
        let next_issuers = next.auth.authenticator.issuers();
        for issuer in old.auth.authenticator.issuers() {
            let name = issuer.settings.issuer.as_str();
            if next_issuers.iter().all(|kept| kept.settings.issuer != name) {
                let _ = self.key_success.remove_label_values(&[name]);
                let _ = self.keys.remove_label_values(&[name]);
            }
        }
        for listener in next.listeners.iter().filter(|listener| listener.tls.is_none()) {
            let _ = self.certificate_ends.remove_label_values(&[&listener.address.to_string()]);
        }
    }

    /// Counts a reload that took a configuration up at this moment.
    pub fn reloaded(&self, now: Now) {
        self.reloads[0].inc();
        self.last_reload_success.set(1);
        self.loaded_at.set(seconds(now.unix_ns));
    }

    /// Counts a reload after which the running configuration stayed.
    pub fn reload_failed(&self) {
        self.reloads[1].inc();
        self.last_reload_success.set(0);
    }

    /// Counts an exchange that ended.
    pub fn record(&self, handles: &Handles, exchange: &Exchange<'_>) {
        handles.count(exchange);
        let others_ns = exchange.upstream_ns.unwrap_or(0).saturating_add(exchange.waited_ns);
        self.overhead.observe(seconds(exchange.duration_ns.saturating_sub(others_ns)));
        self.request_bytes.inc_by(exchange.request_bytes);
        self.response_bytes.inc_by(exchange.response_bytes);
    }

    /// Counts a client's connection that the gateway ended.
    pub fn connection_ended(&self, end: ConnectionEnd) {
        self.connections_ended[end as usize].inc();
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

    /// Counts a fetch of an issuer's keys.
    pub fn key_fetch(&self, issuer: &str, result: FetchResult, now: Now) {
        self.key_fetches.with_label_values(&[issuer, result.label()]).inc();
        if matches!(result, FetchResult::Updated | FetchResult::Unchanged) {
            self.key_success.with_label_values(&[issuer]).set(seconds(now.unix_ns));
        }
    }

    /// Says when a listener's certificate ends.
    pub fn certificate_ends(&self, listener: &ListenerAddress, unix_s: f64) {
        self.certificate_ends.with_label_values(&[listener.to_string()]).set(unix_s);
    }

    /// Everything in Prometheus' text format, with the gauges that are read at this moment.
    #[must_use]
    pub fn scrape(&self, gateway: &Gateway, limits: &LimitState, log_dropped: u64, now: Now) -> Vec<u8> {
        let tokens = limits.global_tokens(&gateway.limits, now);
        self.global_tokens.set(i64::try_from(tokens).unwrap_or(i64::MAX));
        for issuer in gateway.auth.authenticator.issuers() {
            let keys = i64::try_from(issuer.keys.len()).unwrap_or(i64::MAX);
            self.keys.with_label_values(&[&issuer.settings.issuer]).set(keys);
        }
        self.users.set(i64::try_from(limits.users()).unwrap_or(i64::MAX));
        catch_up(&self.evictions, limits.evictions());
        catch_up(&self.overflow, limits.overflow());
        self.quotas.set(i64::try_from(limits.quota_counters()).unwrap_or(i64::MAX));
        catch_up(&self.state_failures, limits.quota_snapshots_lost());
        catch_up(&self.quota_overflow, limits.quota_overflow());
        catch_up(&self.log_dropped, log_dropped);
        let mut text = Vec::with_capacity(16 * 1024);
        let families: Vec<_> = self.registry.gather().into_iter().chain(prometheus::gather()).collect();
        // Writing to memory cannot fail, and the names were checked when the families were made.
        let _ = TextEncoder::new().encode(&families, &mut text);
        text
    }
}

/// The servers of all upstreams, by the names of both.
fn servers(gateway: &Gateway) -> impl Iterator<Item = (&str, String)> {
    gateway
        .upstreams
        .0
        .iter()
        .flat_map(|upstream| upstream.servers.iter().map(|server| (upstream.settings.name.as_str(), server.address.to_string())))
}

fn decision_counters(family: &IntCounterVec) -> Vec<[IntCounter; 2]> {
    let handles = |policy: &Policy| ["admitted", "refused"].map(|decision| family.with_label_values(&[policy.label(), decision]));
    Policy::ALL.iter().map(handles).collect()
}

/// Brings a counter that is kept elsewhere up to its value there.
fn catch_up(counter: &IntCounter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}

#[expect(clippy::cast_precision_loss, reason = "a double counts nanoseconds exactly for 104 days, and to 0.3 µs for a century")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests;
