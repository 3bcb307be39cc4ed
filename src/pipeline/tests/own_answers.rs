//! What the gateway answers itself: ping, the token endpoint and its keys, preflights, redirects.

use super::{check, check_with, words};
use crate::{
    config::TlsListener,
    cors::RequestOrigin,
    pipeline::{
        Action, Decision, Target,
        test_gateway::{Ask, World, gateway, gateway_without_keys},
    },
    reply::{Outcome, Rejection},
};
use http::{HeaderName, header};

const OURS: &str = "https://app.stackflow-tech.com";

/// A header field of an answer.
fn field(decision: &Decision, name: &HeaderName) -> String {
    let Action::Answer(_, reply) = &decision.action else { panic!("not an answer: {}", words(decision)) };
    let value = reply.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.to_str());
    value.and_then(Result::ok).unwrap_or_default().to_owned()
}

/// The methods that a preflight for a path is told.
fn preflight(path: &str, methods: &str) {
    let decision = World::new("").ask(&Ask::new(&format!("OPTIONS {path}")).preflight(OURS, "GET"));
    assert_eq!(words(&decision), "answer 204", "{path}");
    assert_eq!(field(&decision, &header::ACCESS_CONTROL_ALLOW_METHODS), methods, "{path}");
    assert!(matches!(decision.origin, RequestOrigin::Allowed(_)), "{path}");
}

#[test]
fn a_preflight_is_told_the_methods_of_its_route() {
    preflight("/prod/api/v1/incidents", "GET, HEAD, POST");
    preflight("/prod/api/incidents", "GET, HEAD, POST");
    preflight("/prod/api/v1/incidents/bulk", "POST");
    preflight("/prod/api/v1/open", "GET, HEAD, POST");
    preflight("/oauth2/token", "POST");
    preflight("/.well-known/jwks.json", "GET, HEAD");
    preflight("/ping", "GET, HEAD");
}

#[test]
fn a_preflight_for_a_path_without_a_route_is_told_the_general_methods() {
    for path in ["/prod/api/v1/unheard", "/prod/api/v1", "/prod/api/v1/incidents/"] {
        preflight(path, "GET, HEAD, POST, PUT, PATCH, DELETE");
    }
}

#[test]
fn a_preflight_from_elsewhere_is_refused_everywhere() {
    for path in ["/prod/api/v1/incidents", "/prod/api/v1/unheard", "/oauth2/token", "/.well-known/jwks.json", "/ping"] {
        check(&Ask::new(&format!("OPTIONS {path}")).preflight("https://evil.test", "GET"), "403 origin_not_allowed");
    }
}

#[test]
fn what_lacks_a_part_of_a_preflight_is_a_request_like_any_other() {
    check(&Ask::new("OPTIONS /prod/api/v1/incidents").with("origin", OURS), "401 missing_token");
    check(&Ask::new("OPTIONS /prod/api/v1/incidents").with("access-control-request-method", "GET"), "401 missing_token");
    check(&Ask::new("GET /prod/api/v1/incidents").preflight(OURS, "GET"), "401 missing_token");
    check(&Ask::new("OPTIONS /prod/api/v1/incidents").with("origin", OURS).signed_in(), "405 method_not_allowed");
    for path in ["/ping", "/oauth2/token", "/.well-known/jwks.json"] {
        check(&Ask::new(&format!("OPTIONS {path}")), "405 method_not_allowed");
        check(&Ask::new(&format!("OPTIONS {path}")).with("access-control-request-method", "GET"), "405 method_not_allowed");
    }
}

#[test]
fn a_real_request_from_elsewhere_is_served_as_foreign() {
    let decision = World::new("").ask(&Ask::new("GET /prod/api/v1/incidents").with("origin", "https://evil.test").signed_in());
    assert_eq!(words(&decision), "forward /api/v1/incidents");
    assert_eq!(decision.origin, RequestOrigin::Foreign);
}

#[test]
fn ping_answers_without_a_token_and_by_no_other_spelling() {
    check(&Ask::new("GET /ping"), "answer 200");
    check(&Ask::new("HEAD /ping"), "answer 200");
    check(&Ask::new("GET /%70ing"), "answer 200");
    check(&Ask::new("GET /ping?deep=1"), "answer 200");
    check(&Ask::new("POST /ping"), "405 method_not_allowed");
    check(&Ask::new("GET /ping/"), "404 not_found");
    check(&Ask::new("GET /Ping"), "404 not_found");
}

#[test]
fn ping_says_when_the_gateway_is_not_ready() {
    let world = World::new("");
    world.state.start_draining();
    assert!(matches!(world.ask(&Ask::new("GET /ping")).action, Action::Reject(Rejection::Draining)));
    // Draining serves on: it is the load balancer that is told.
    assert_eq!(words(&world.ask(&Ask::new("GET /prod/api/v1/incidents").signed_in())), "forward /api/v1/incidents");
    let mut gateway = gateway_without_keys("");
    gateway.auth.authenticator = crate::auth::Authenticator::new(
        vec![crate::auth::test_keys::settings(crate::auth::Profile::Cognito)],
        8192,
        crate::auth::Revocations::none(),
    );
    assert!(matches!(World::of(gateway).ask(&Ask::new("GET /ping")).action, Action::Reject(Rejection::KeysUnavailable)));
}

#[test]
fn the_gateways_own_paths_come_before_a_base_path_that_is_the_root() {
    let root = "[api]\nbase_paths = [\"/\"]\n";
    check_with(root, &Ask::new("GET /ping"), "answer 200");
    check_with(root, &Ask::new("POST /oauth2/token"), "issue a token");
    check_with(root, &Ask::new("GET /.well-known/jwks.json"), "answer 200");
    check_with(root, &Ask::new("GET /incidents").signed_in(), "forward /api/v1/incidents");
    check_with(root, &Ask::new("GET /elsewhere"), "401 missing_token");
}

#[test]
fn the_token_endpoint_takes_posts_and_its_keys_can_be_read() {
    check(&Ask::new("GET /oauth2/token"), "405 method_not_allowed");
    check(&Ask::new("POST /.well-known/jwks.json"), "405 method_not_allowed");
    check(&Ask::new("HEAD /.well-known/jwks.json"), "answer 200");
    let form = Ask::new("POST /oauth2/token").with("content-type", "application/x-www-form-urlencoded");
    check(&form.with("content-length", "29"), "issue a token");
    let keys = World::new("").ask(&Ask::new("GET /.well-known/jwks.json"));
    assert_eq!(field(&keys, &header::CACHE_CONTROL), "public, max-age=60");
}

/// As what an answer is counted.
fn outcome(ask: &Ask, expected: Outcome) {
    let decision = World::new("").ask(ask);
    let Action::Answer(outcome, _) = decision.action else { panic!("not an answer: {}", words(&decision)) };
    assert_eq!(outcome, expected, "{} {}", ask.parts.method, ask.target);
}

#[test]
fn a_preflight_is_counted_as_one_and_other_answers_as_answers() {
    outcome(&Ask::new("OPTIONS /prod/api/v1/incidents").preflight(OURS, "GET"), Outcome::Preflight);
    outcome(&Ask::new("OPTIONS /oauth2/token").preflight(OURS, "POST"), Outcome::Preflight);
    outcome(&Ask::new("OPTIONS /ping").preflight(OURS, "GET"), Outcome::Preflight);
    outcome(&Ask::new("OPTIONS /.well-known/jwks.json").preflight(OURS, "GET"), Outcome::Preflight);
    outcome(&Ask::new("GET /ping"), Outcome::Answered);
    outcome(&Ask::new("GET /.well-known/jwks.json"), Outcome::Answered);
}

/// The label of log and metrics.
fn target(ask: &Ask, expected: Target) {
    assert_eq!(World::new("").ask(ask).target, expected, "{} {}", ask.parts.method, ask.target);
}

#[test]
fn each_place_has_its_label() {
    target(&Ask::new("GET /a//b"), Target::None);
    target(&Ask::new("GET /x").redirected(), Target::None);
    target(&Ask::new("GET /elsewhere"), Target::Outside);
    target(&Ask::new("GET /prod/api/v1/unheard"), Target::Unknown);
    target(&Ask::new("GET /prod/api/v1/incidents/"), Target::Unknown);
    target(&Ask::new("GET /ping"), Target::Ping);
    target(&Ask::new("POST /oauth2/token"), Target::Token);
    target(&Ask::new("GET /.well-known/jwks.json"), Target::Jwks);
    target(&Ask::new("GET /prod/api/v1/incidents/7"), Target::Route(crate::route::RouteIndex(1)));
}

/// Where a redirecting listener sends a request, with TLS on a port.
fn redirect(port: u16, host: &str, target: &str, expected: &str) {
    let mut gateway = gateway("");
    let mut listener = gateway.listeners[0].clone();
    listener.address = crate::config::ListenerAddress::Tcp(([0, 0, 0, 0], port).into());
    listener.tls = Some(TlsListener { certificates: Vec::new(), client_ca: None });
    gateway.listeners.push(listener);
    let ask = Ask::new(&format!("GET {target}")).without("host").with("host", host).redirected();
    let decision = World::of(gateway).ask(&ask);
    let Action::Reject(Rejection::RedirectHttps(location)) = &decision.action else { panic!("{}", words(&decision)) };
    assert_eq!(location.to_str().ok(), Some(expected));
}

#[test]
fn a_redirecting_listener_sends_to_the_same_target_over_tls() {
    redirect(443, "api.test", "/prod/api/v1/incidents?a=%2f&b", "https://api.test/prod/api/v1/incidents?a=%2f&b");
    redirect(443, "api.test:80", "/", "https://api.test/");
    redirect(8443, "api.test:8080", "/x", "https://api.test:8443/x");
    redirect(8443, "[2001:db8::1]", "/x", "https://[2001:db8::1]:8443/x");
    redirect(8443, "[2001:db8::1]:8080", "/x", "https://[2001:db8::1]:8443/x");
    redirect(443, "api.test", "http://api.test/x?y", "https://api.test/x?y");
    redirect(443, "api.test", "/ping", "https://api.test/ping");
}

#[test]
fn a_redirecting_listener_does_nothing_else() {
    check(&Ask::new("GET /prod/api/v1/incidents").signed_in().redirected(), "308 redirect_https");
    check(&Ask::new("POST /oauth2/token").redirected(), "308 redirect_https");
    check(&Ask::new("OPTIONS /prod/api/v1/x").preflight(OURS, "GET").redirected(), "308 redirect_https");
}
