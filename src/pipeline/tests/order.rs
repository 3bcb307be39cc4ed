//! Which answer wins when several things are wrong.

use super::{check, check_with, words};
use crate::{
    auth::test_keys::Draft,
    pipeline::test_gateway::{Ask, World, good_token},
};
use serde_json::json;

/// A request to a route that asks for everything, and the gateway it goes to; each defect spoils one thing of it.
struct Case {
    world: World,
    ask: Ask,
    token: Option<Draft>,
}

impl Case {
    fn good() -> Self {
        let ask = Ask::new("POST /prod/api/v1/strict?limit=5");
        let ask = ask.with("content-type", "application/json").with("content-length", "10");
        Self { world: World::new(""), ask, token: Some(good_token()) }
    }

    fn set(&mut self, name: &'static str, value: &'static str) {
        self.ask = self.ask.clone().without(name).with(name, value);
    }

    fn decided(mut self) -> String {
        if let Some(token) = &self.token {
            self.ask = self.ask.bearer(&token.token());
        }
        words(&self.world.ask(&self.ask))
    }
}

type Defect = (&'static str, fn(&mut Case));

/// In the order in which they are answered.
const DEFECTS: [Defect; 14] = [
    ("414 uri_too_long", |case| case.ask.target.push_str(&"x".repeat(9000))),
    ("431 headers_too_large", |case| {
        for _ in 0..101 {
            case.ask = case.ask.clone().with("x-more", "1");
        }
    }),
    ("400 invalid_request", |case| case.ask = case.ask.clone().without("host")),
    ("413 body_too_large", |case| case.set("content-length", "10485761")),
    ("308 redirect_https", |case| case.ask.redirect_only = true),
    ("400 invalid_request", |case| case.ask.target = case.ask.target.replace("/strict", "//strict")),
    ("429 rate_limited address", |case| case.world.drain_address(&case.ask)),
    ("401 missing_token", |case| case.token = None),
    ("405 method_not_allowed", |case| case.ask.parts.method = http::Method::DELETE),
    ("413 body_too_large", |case| case.set("content-length", "1025")),
    ("403 insufficient_scope", |case| case.token = case.token.take().map(|token| token.claim("scope", json!("read")))),
    ("429 rate_limited user", |case| case.world.drain_user()),
    ("415 unsupported_media_type", |case| case.set("content-type", "text/plain")),
    ("400 invalid_parameter", |case| case.ask.target = case.ask.target.replace("limit=5", "limit=0")),
];

#[test]
fn each_defect_alone_has_its_answer() {
    for (expected, spoil) in DEFECTS {
        let mut case = Case::good();
        spoil(&mut case);
        assert_eq!(case.decided(), expected);
    }
}

#[test]
fn of_two_defects_the_earlier_one_is_answered() {
    for (index, (earlier, spoil_first)) in DEFECTS.iter().enumerate() {
        for (later, spoil_second) in &DEFECTS[index + 1..] {
            // Being redirected is charged to the address and needs a sound path, so these two come before it.
            if *earlier == "308 redirect_https" && (*later == "429 rate_limited address" || *later == "400 invalid_request") {
                continue;
            }
            let mut case = Case::good();
            spoil_second(&mut case);
            spoil_first(&mut case);
            assert_eq!(case.decided(), *earlier, "together with {later}");
        }
    }
}

#[test]
fn without_a_defect_it_is_forwarded() {
    assert_eq!(Case::good().decided(), "forward /api/v1/strict?limit=5");
}

#[test]
fn a_redirect_still_needs_a_sound_path_and_its_address_pays() {
    check(&Ask::new("GET /a//b").redirected(), "400 invalid_request");
    let ask = Ask::new("GET /a").redirected();
    let world = World::new("");
    world.drain_address(&ask);
    assert_eq!(words(&world.ask(&ask)), "429 rate_limited address");
}

#[test]
fn outside_every_base_path_is_nothing_whatever_the_credentials() {
    check(&Ask::new("GET /elsewhere"), "404 not_found");
    check(&Ask::new("GET /elsewhere").signed_in(), "404 not_found");
    check(&Ask::new("GET /prod/apix/incidents").signed_in(), "404 not_found");
    check(&Ask::new("OPTIONS /elsewhere").preflight("https://app.stackflow-tech.com", "GET"), "404 not_found");
    check(&Ask::new("OPTIONS *"), "400 invalid_request");
}

#[test]
fn the_bound_of_a_body_is_judged_before_the_path_is_found_unknown() {
    check(&Ask::new("POST /elsewhere").with("content-length", "99999999"), "413 body_too_large");
}

#[test]
fn a_routes_own_bound_is_told_to_who_is_authenticated_only() {
    let strict = |length: &str| {
        Ask::new("POST /prod/api/v1/strict").with("content-length", length).with("content-type", "application/json")
    };
    check(&strict("1025"), "401 missing_token");
    check(&strict("1024").signed_in(), "forward /api/v1/strict");
    check(&strict("1025").signed_in(), "413 body_too_large");
    let roomy = "[[routes]]\npath = \"/roomy\"\nbody = \"11MiB\"\n";
    let body = |path: &str| {
        let ask = Ask::new(&format!("POST /prod/api/v1{path}")).with("content-length", "11534336");
        ask.with("content-type", "application/json")
    };
    check_with(roomy, &body("/roomy").signed_in(), "forward /api/v1/roomy");
    check_with(roomy, &body("/unheard"), "401 missing_token");
    check_with(roomy, &body("/unheard").signed_in(), "413 body_too_large");
    check_with(roomy, &body("/open"), "413 body_too_large");
}

#[test]
fn the_bounds_are_inclusive() {
    let fill = |length: usize| format!("GET /prod/api/v1/incidents?x={}", "x".repeat(length - "/prod/api/v1/incidents?x=".len()));
    check(&Ask::new(&fill(8192)), "401 missing_token");
    check(&Ask::new(&fill(8193)), "414 uri_too_long");
    let fields = |count: usize| (1..count).fold(Ask::new("GET /prod/api/v1/incidents"), |ask, _| ask.with("x-more", "1"));
    check(&fields(100), "401 missing_token");
    check(&fields(101), "431 headers_too_large");
    let bytes = |total: usize| {
        let ask = Ask::new("GET /prod/api/v1/incidents");
        let length = total - ask.request().header_bytes() - "x-more".len() - 4;
        ask.with("x-more", &"x".repeat(length))
    };
    check(&bytes(32 * 1024), "401 missing_token");
    check(&bytes(32 * 1024 + 1), "431 headers_too_large");
    let body = |length: &str| Ask::new("POST /prod/api/v1/incidents").with("content-length", length);
    check(&body("10485760"), "401 missing_token");
    check(&body("10485761"), "413 body_too_large");
}

#[test]
fn the_host_is_named_once() {
    check(&Ask::new("GET /ping").without("host"), "400 invalid_request");
    check(&Ask::new("GET /ping").with("host", "b"), "400 invalid_request");
    check(&Ask::new("GET /ping").without("host").with("host", ""), "400 invalid_request");
}

#[test]
fn a_method_is_judged_after_the_token() {
    for method in ["DELETE", "TRACE", "CONNECT", "BREW"] {
        check(&Ask::new(&format!("{method} /prod/api/v1/incidents")), "401 missing_token");
        check(&Ask::new(&format!("{method} /prod/api/v1/incidents")).signed_in(), "405 method_not_allowed");
        check(&Ask::new(&format!("{method} /prod/api/v1/incidents/bulk")).signed_in(), "405 method_not_allowed");
    }
    for method in ["TRACE", "CONNECT", "BREW"] {
        check(&Ask::new(&format!("{method} /prod/api/v1/unheard")), "401 missing_token");
        check(&Ask::new(&format!("{method} /prod/api/v1/unheard")).signed_in(), "405 method_not_allowed");
    }
}

#[test]
fn the_most_specific_path_wins_before_the_method() {
    check(&Ask::new("GET /prod/api/v1/incidents/bulk").signed_in(), "405 method_not_allowed");
    check(&Ask::new("GET /prod/api/v1/incidents/INC1").signed_in(), "forward /api/v1/incidents/INC1");
}

#[test]
fn look_alikes_of_a_route_are_nothing_after_the_token() {
    for path in ["/incidents/", "/Incidents", "/incidents/bulk/", "/incidents/BULK", "/incidents;a=1", "/strict/"] {
        check(&Ask::new(&format!("GET /prod/api/v1{path}")), "401 missing_token");
        check(&Ask::new(&format!("GET /prod/api/v1{path}")).signed_in(), "404 not_found");
    }
}

#[test]
fn credentials_that_cannot_be_read_are_refused_in_their_own_way() {
    let ask = |value: &str| Ask::new("GET /prod/api/v1/incidents").with("authorization", value);
    check(&ask("Basic YTpi"), "401 missing_token");
    check(&ask("Bearer"), "401 invalid_token");
    check(&ask("Bearer a b"), "401 invalid_token");
    check(&ask("Bearer a.b.c"), "401 invalid_token");
    check(&ask("Bearer a").signed_in(), "400 invalid_request");
}
