//! Every family, labels out of closed sets, and each event counted once.

use super::{Handles, Metrics, UpstreamFailure};
use crate::remote::FetchResult;
use crate::{
    auth::{InvalidReason, IssuerIndex, test_keys::ISSUER},
    config::ListenerAddress,
    limit::{Caller, Charge, Policy},
    observe::Exchange,
    pipeline::{
        Judged, Target, TokenSeen,
        test_gateway::{World, now},
    },
    reply::Outcome,
    route::RouteIndex,
    upstream::UpstreamIndex,
};
use std::{collections::BTreeSet, path::PathBuf};

/// Families of the contract that this version has, beside those of the process.
const FAMILIES: [&str; 31] = [
    "requests_total",
    "request_duration_seconds",
    "upstream_duration_seconds",
    "overhead_duration_seconds",
    "requests_in_flight",
    "request_bytes_total",
    "response_bytes_total",
    "connections",
    "connections_ended_total",
    "connections_refused_total",
    "http2_resets_total",
    "proxy_protocol_refused_total",
    "auth_total",
    "jwks_refresh_total",
    "jwks_last_success_timestamp_seconds",
    "jwks_keys",
    "limit_decisions_total",
    "limit_tokens",
    "limit_users",
    "limit_evictions_total",
    "limit_quotas",
    "limit_state_failures_total",
    "upstream_healthy",
    "upstream_failures_total",
    "upstream_retries_total",
    "access_log_dropped_total",
    "config_reload_total",
    "config_last_reload_success",
    "config_last_reload_timestamp_seconds",
    "tls_certificate_not_after_timestamp_seconds",
    "build_info",
];

/// A gateway's metrics, read like a scraper reads them.
struct Scraped {
    world: World,
    metrics: Metrics,
    handles: Handles,
}

impl Scraped {
    fn new() -> Self {
        let world = World::new("");
        let metrics = Metrics::new(now());
        Self { handles: metrics.handles(&world.gateway), metrics, world }
    }

    fn record(&self, exchange: &Exchange<'_>) {
        self.metrics.record(&self.handles, exchange);
    }

    fn text(&self) -> String {
        let text = self.metrics.scrape(&self.world.gateway, &self.world.state.limits, 0, now());
        String::from_utf8(text).expect("a scrape is text")
    }

    /// The value of one series, named with its labels and without the prefix; 0 when it is not there.
    fn value(&self, series: &str) -> f64 {
        let start = format!("stackflow_gateway_{series} ");
        let text = self.text();
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        value.map_or(0.0, |value| value.parse().unwrap_or_else(|error| panic!("{series}: {error}")))
    }

    fn check(&self, series: &str, expected: f64) {
        let value = self.value(series);
        assert!((value - expected).abs() < f64::EPSILON, "{series} is {value}, not {expected}");
    }
}

fn exchange<'a>(method: &'a str, path: &'a str) -> Exchange<'a> {
    Exchange {
        began_unix_ns: 0,
        request_id: "id-1",
        trace_id: "trace-1",
        client: [203, 0, 113, 7].into(),
        method,
        scheme: "http",
        host: path,
        path,
        target: Target::Unknown,
        route: path,
        protocol: "HTTP/1.1",
        status: 200,
        outcome: Outcome::Forwarded,
        reason: Some(path),
        policy: None,
        subject: Some(path),
        client_id: Some(path),
        issuer: Some(path),
        request_bytes: 3,
        response_bytes: 5,
        duration_ns: 2_000_000,
        upstream_ns: Some(1_980_000),
        waited_ns: 10_000,
        upstream: Some(path),
        upstream_status: Some(200),
        retries: 0,
        user_agent: Some(path),
        origin: Some(path),
    }
}

/// The families that have a line of this kind.
fn named(text: &str, kind: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix(kind)?.split(' ').next().map(str::to_owned)).collect()
}

#[test]
fn every_family_is_in_a_scrape_and_no_other() {
    let scraped = Scraped::new();
    scraped.record(&exchange("GET", "/x"));
    scraped.metrics.certificate_ends(&ListenerAddress::Unix(PathBuf::from("/run/x")), 1.0);
    let own = named(&scraped.text(), "# TYPE ")
        .into_iter()
        .filter_map(|name| name.strip_prefix("stackflow_gateway_").map(str::to_owned));
    assert_eq!(own.collect::<BTreeSet<_>>(), FAMILIES.into_iter().map(str::to_owned).collect());
}

#[test]
fn every_family_says_what_it_is_and_the_process_has_its_own() {
    let text = Scraped::new().text();
    assert_eq!(named(&text, "# HELP "), named(&text, "# TYPE "));
    assert!(named(&text, "# TYPE ").contains("process_cpu_seconds_total"), "{text}");
}

/// All values of all labels.
fn label_values(text: &str) -> BTreeSet<&str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

#[test]
fn nothing_of_a_request_becomes_a_label() {
    let scraped = Scraped::new();
    scraped.record(&exchange("OTHER", "x"));
    let before = scraped.text();
    for method in ["BREW", "get", "GET ", "x\",code=\"1", "\u{2028}", ""] {
        for path in ["/made-up", "/prod/api/v1/incidents/1", "\"}\n", ""] {
            scraped.record(&exchange(method, path));
        }
    }
    let after = scraped.text();
    assert_eq!(label_values(&before), label_values(&after));
    assert_eq!(before.lines().count(), after.lines().count());
    scraped.check("requests_total{code=\"200\",method=\"other\",outcome=\"forwarded\",route=\"unknown\"}", 25.0);
}

#[test]
fn an_exchange_is_counted_once_under_its_place() {
    let scraped = Scraped::new();
    for _ in 0..2 {
        scraped.record(&Exchange { target: Target::Route(RouteIndex(0)), ..exchange("GET", "/x") });
    }
    scraped.record(&Exchange { target: Target::Ping, status: 503, outcome: Outcome::Answered, ..exchange("HEAD", "/x") });
    scraped.check("requests_total{code=\"200\",method=\"GET\",outcome=\"forwarded\",route=\"/incidents\"}", 2.0);
    scraped.check("requests_total{code=\"503\",method=\"HEAD\",outcome=\"answered\",route=\"ping\"}", 1.0);
    scraped.check("request_duration_seconds_count{route=\"/incidents\"}", 2.0);
    scraped.check("request_duration_seconds_sum{route=\"/incidents\"}", 0.004);
    scraped.check("request_duration_seconds_count{route=\"ping\"}", 1.0);
    scraped.check("overhead_duration_seconds_count", 3.0);
    scraped.check("overhead_duration_seconds_bucket{le=\"0.00001\"}", 3.0);
    scraped.check("request_bytes_total", 9.0);
    scraped.check("response_bytes_total", 15.0);
}

#[test]
fn many_threads_lose_no_count() {
    let scraped = Scraped::new();
    std::thread::scope(|scope| {
        for thread in 0..4_u16 {
            let scraped = &scraped;
            scope.spawn(move || {
                for status in 0..100 {
                    scraped.record(&Exchange { status: 200 + status % 10 + thread % 2, ..exchange("GET", "/x") });
                }
            });
        }
    });
    let total: f64 = (200..=210)
        .map(|code| {
            scraped.value(&format!("requests_total{{code=\"{code}\",method=\"GET\",outcome=\"forwarded\",route=\"unknown\"}}"))
        })
        .sum();
    assert!((total - 400.0).abs() < f64::EPSILON, "{total}");
}

/// The name of a place, which is also its label.
fn place(target: Target, expected: &str) {
    assert_eq!(Scraped::new().handles.place_name(target), expected);
}

#[test]
fn each_place_has_its_name() {
    place(Target::None, "none");
    place(Target::Outside, "outside");
    place(Target::Unknown, "unknown");
    place(Target::Ping, "ping");
    place(Target::Token, "token");
    place(Target::Jwks, "jwks");
    place(Target::Route(RouteIndex(0)), "/incidents");
    place(Target::Route(RouteIndex(4)), "/strict");
}

#[test]
fn what_the_limits_decide_is_counted_by_policy() {
    let scraped = Scraped::new();
    scraped.metrics.judged(&[Judged::Admitted, Judged::Refused, Judged::No, Judged::Admitted]);
    scraped.metrics.judged(&[Judged::Admitted, Judged::No, Judged::No, Judged::No]);
    let counts = [(Policy::User, 2.0, 0.0), (Policy::Global, 0.0, 1.0), (Policy::Address, 0.0, 0.0), (Policy::Bulk, 1.0, 0.0)];
    for (policy, admitted, refused) in counts {
        let label = policy.label();
        scraped.check(&format!("limit_decisions_total{{decision=\"admitted\",policy=\"{label}\"}}"), admitted);
        scraped.check(&format!("limit_decisions_total{{decision=\"refused\",policy=\"{label}\"}}"), refused);
    }
}

#[test]
fn how_a_token_fared_is_counted_by_issuer() {
    let scraped = Scraped::new();
    let count = |token, issuer: &str, result: &str| {
        let series = format!("auth_total{{issuer=\"{issuer}\",result=\"{result}\"}}");
        assert!(scraped.text().contains(&series), "{series} is there before it counts");
        let before = scraped.value(&series);
        scraped.handles.token_seen(token);
        scraped.check(&series, before + 1.0);
    };
    let issuer = IssuerIndex(0);
    count(TokenSeen::Recalled(issuer), ISSUER, "cached");
    count(TokenSeen::Verified(issuer), ISSUER, "verified");
    count(TokenSeen::NoKeys(issuer), ISSUER, "no_keys");
    count(TokenSeen::Verified(IssuerIndex(1)), "https://gateway.example.internal", "verified");
    for reason in InvalidReason::ALL {
        count(TokenSeen::Refused(Some(issuer), *reason), ISSUER, reason.label());
        count(TokenSeen::Refused(None, *reason), "none", reason.label());
    }
    let total = |text: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with("stackflow_gateway_auth_total{"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let before = total(&scraped.text());
    scraped.handles.token_seen(TokenSeen::No);
    assert!((total(&scraped.text()) - before).abs() < f64::EPSILON);
}

#[test]
fn a_failed_fetch_of_keys_does_not_move_the_last_good_one() {
    let scraped = Scraped::new();
    let last = format!("jwks_last_success_timestamp_seconds{{issuer=\"{ISSUER}\"}}");
    scraped.metrics.key_fetch(ISSUER, FetchResult::Failed, now());
    scraped.check(&last, 0.0);
    scraped.metrics.key_fetch(ISSUER, FetchResult::Updated, now());
    scraped.metrics.key_fetch(ISSUER, FetchResult::Unchanged, now());
    scraped.check(&last, 1_800_000_000.0);
    for result in ["failed", "updated", "unchanged"] {
        scraped.check(&format!("jwks_refresh_total{{issuer=\"{ISSUER}\",result=\"{result}\"}}"), 1.0);
    }
}

#[test]
fn what_an_upstream_fails_takes_and_retries_is_counted() {
    let scraped = Scraped::new();
    let upstream = UpstreamIndex(0);
    for kind in UpstreamFailure::ALL {
        scraped.handles.upstream_failed(upstream, kind);
        scraped.check(&format!("upstream_failures_total{{kind=\"{}\",upstream=\"api\"}}", kind.label()), 1.0);
    }
    scraped.handles.upstream_retried(upstream);
    scraped.check("upstream_retries_total{upstream=\"api\"}", 1.0);
    scraped.handles.upstream_took(upstream, 500_000_000);
    scraped.check("upstream_duration_seconds_sum{upstream=\"api\"}", 0.5);
    scraped.check("upstream_healthy{server=\"http://127.0.0.1:3000\",upstream=\"api\"}", 1.0);
}

#[test]
fn gauges_are_read_at_the_scrape() {
    let scraped = Scraped::new();
    scraped.check("limit_tokens{policy=\"global\"}", 30.0);
    scraped.check("limit_users", 0.0);
    scraped.check(&format!("jwks_keys{{issuer=\"{ISSUER}\"}}"), 5.0);
    scraped.world.drain_user();
    scraped.check("limit_tokens{policy=\"global\"}", 20.0);
    scraped.check("limit_users", 1.0);
}

#[test]
fn dropped_lines_are_caught_up_with_and_never_counted_twice() {
    let scraped = Scraped::new();
    for (dropped, expected) in [(3, 3.0), (3, 3.0), (7, 7.0)] {
        let text = scraped.metrics.scrape(&scraped.world.gateway, &scraped.world.state.limits, dropped, now());
        let text = String::from_utf8(text).expect("a scrape is text");
        assert!(text.contains(&format!("stackflow_gateway_access_log_dropped_total {expected}\n")), "{text}");
    }
}

#[test]
fn a_listener_is_named_as_configured() {
    let scraped = Scraped::new();
    scraped.metrics.certificate_ends(&ListenerAddress::Tcp(([0, 0, 0, 0], 8443).into()), 7.0);
    scraped.check("tls_certificate_not_after_timestamp_seconds{listener=\"0.0.0.0:8443\"}", 7.0);
}

#[test]
fn users_beyond_the_bound_are_counted_as_untracked() {
    let mut scraped = Scraped::new();
    scraped.world.gateway.limits.max_users = 1;
    for user in ["ann", "bob"] {
        let limits = &scraped.world.gateway.limits;
        let caller = Caller { issuer: ISSUER, subject: user, terms: limits.terms(None, &[]) };
        let admitted = scraped.world.state.limits.admit(limits, &caller, Charge::User, now());
        assert!(admitted.is_ok(), "{user}");
    }
    scraped.check("limit_decisions_total{decision=\"untracked\",policy=\"user\"}", 1.0);
    scraped.check("limit_users", 1.0);
}

/// A gateway whose table of routes, issuers and upstreams is another, in another order.
fn another() -> World {
    let text = "[[listeners]]\naddress = \"127.0.0.1:8080\"\n[[auth.issuers]]\nissuer = \"https://another.example\"\nclient_ids = \"any\"\n\
                [upstreams.other]\nservers = [\"http://127.0.0.1:3001\"]\n[[routes]]\npath = \"/new\"\n[[routes]]\npath = \"/incidents\"\n";
    World::of(crate::config::compile(std::path::Path::new("gateway.toml"), text).unwrap_or_else(|problems| panic!("{problems}")))
}

#[test]
fn an_index_counts_under_the_name_it_has_in_its_own_configuration() {
    let mut scraped = Scraped::new();
    let first = || Exchange { target: Target::Route(RouteIndex(0)), ..exchange("GET", "/x") };
    scraped.record(&first());
    let next = scraped.metrics.handles(&another().gateway);
    scraped.metrics.record(&next, &first());
    scraped.metrics.record(&next, &Exchange { target: Target::Route(RouteIndex(1)), ..first() });
    next.upstream_failed(UpstreamIndex(0), UpstreamFailure::Connect);
    next.token_seen(TokenSeen::Verified(IssuerIndex(0)));
    // A request of the first configuration ends after the reload.
    scraped.record(&first());
    scraped.handles.upstream_failed(UpstreamIndex(0), UpstreamFailure::Connect);
    scraped.check("requests_total{code=\"200\",method=\"GET\",outcome=\"forwarded\",route=\"/new\"}", 1.0);
    scraped.check("requests_total{code=\"200\",method=\"GET\",outcome=\"forwarded\",route=\"/incidents\"}", 3.0);
    scraped.check("upstream_failures_total{kind=\"connect\",upstream=\"other\"}", 1.0);
    scraped.check("upstream_failures_total{kind=\"connect\",upstream=\"api\"}", 1.0);
    scraped.check("auth_total{issuer=\"https://another.example\",result=\"verified\"}", 1.0);
    scraped.handles = next;
    scraped.check("auth_total{issuer=\"https://another.example\",result=\"verified\"}", 1.0);
}

#[test]
fn gauges_go_with_what_they_speak_of_and_counters_stay() {
    let scraped = Scraped::new();
    scraped.handles.upstream_retried(UpstreamIndex(0));
    scraped.metrics.key_fetch(ISSUER, FetchResult::Updated, now());
    let next = another();
    let _handles = scraped.metrics.handles(&next.gateway);
    scraped.metrics.forget(&scraped.world.gateway, &next.gateway);
    let text = scraped.metrics.scrape(&next.gateway, &next.state.limits, 0, now());
    let text = String::from_utf8(text).expect("a scrape is text");
    let has = |series: &str| text.contains(&format!("stackflow_gateway_{series}"));
    assert!(
        !has(&format!("jwks_keys{{issuer=\"{ISSUER}\"}}"))
            && !has(&format!("jwks_last_success_timestamp_seconds{{issuer=\"{ISSUER}\"}}"))
    );
    assert!(!has("upstream_healthy{server=\"http://127.0.0.1:3000\",upstream=\"api\"}"), "{text}");
    assert!(has("upstream_healthy{server=\"http://127.0.0.1:3001\",upstream=\"other\"} 1"), "{text}");
    assert!(has("jwks_keys{issuer=\"https://another.example\"} 0"), "{text}");
    assert!(has("upstream_retries_total{upstream=\"api\"} 1"), "{text}");
    assert!(has(&format!("jwks_refresh_total{{issuer=\"{ISSUER}\",result=\"updated\"}} 1")), "{text}");
}

#[test]
fn a_reload_that_fails_moves_only_its_own_count_and_the_success() {
    let scraped = Scraped::new();
    let check = |ok: f64, failed: f64, success: f64, at: f64| {
        scraped.check("config_reload_total{result=\"ok\"}", ok);
        scraped.check("config_reload_total{result=\"failed\"}", failed);
        scraped.check("config_last_reload_success", success);
        scraped.check("config_last_reload_timestamp_seconds", at);
    };
    let begin = 1_800_000_000.0;
    check(0.0, 0.0, 1.0, begin);
    scraped.metrics.reload_failed();
    check(0.0, 1.0, 0.0, begin);
    scraped.metrics.reloaded(crate::time::Now { unix_ns: 1_800_000_007_000_000_000, ..now() });
    check(1.0, 1.0, 1.0, begin + 7.0);
}
