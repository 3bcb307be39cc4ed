//! The answers the gateway makes itself: their JSON, their headers, and what becomes of the connection.
mod support;

use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use support::{Backend, Client, Gateway, Issuer, NOBODY, Response, Setup, assert_decorated};

struct World {
    gateway: Gateway,
    _backend: Backend,
    issuer: Issuer,
}

fn world() -> World {
    let backend = Backend::scripted(|call| {
        if call.head.target == "/api/v1/hang" {
            return call.hang();
        }
        call.read_body();
        call.answer(200, "", "{}");
    });
    let issuer = Issuer::new("https://pool.test/one");
    let gateway = Setup::new(backend.address(), &issuer)
        .with(&format!("[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[api]\nupstream = \"api\""))
        .with("[bounds]\nbody = \"64B\"")
        .with("[limits]\nper_user = { rate = 1, burst = 50 }")
        .route("path = \"/scoped\"\nscopes = [\"admin\", \"owner\"]")
        .route("path = \"/dead\"\nupstream = \"dead\"")
        .route("path = \"/hang\"\nresponse_timeout = \"300ms\"")
        .route("path = \"/paged\"\nquery = { limit = { type = \"integer\", min = 1, max = 200 } }")
        .start();
    World { gateway, _backend: backend, issuer }
}

/// Status, code and message of each refusal, as the contract has them.
const REFUSALS: [(u16, &str, &str); 16] = [
    (400, "invalid_request", "Bad Request"),
    (400, "invalid_parameter", "Invalid request parameters"),
    (401, "missing_token", "Unauthorized"),
    (401, "invalid_token", "Unauthorized"),
    (403, "insufficient_scope", "Forbidden"),
    (403, "origin_not_allowed", "Forbidden"),
    (404, "not_found", "Not Found"),
    (405, "method_not_allowed", "Method Not Allowed"),
    (408, "request_timeout", "Request Timeout"),
    (413, "body_too_large", "Request Too Long"),
    (414, "uri_too_long", "URI Too Long"),
    (415, "unsupported_media_type", "Unsupported Media Type"),
    (429, "rate_limited", "Too Many Requests"),
    (431, "headers_too_large", "Request Header Fields Too Large"),
    (502, "bad_upstream", "Bad Gateway"),
    (504, "upstream_timeout", "Endpoint request timed out"),
];

/// This refusal, with `also` and nothing else besides the members that every error has.
fn check(name: &str, response: &Response, code: &str, also: &[&str]) {
    let (status, _, message) = REFUSALS.iter().find(|(_, known, _)| *known == code).expect("a code of the contract");
    assert_eq!(response.status, *status, "{name}: {response:?}");
    assert_eq!(response.only("Content-Type"), "application/json", "{name}");
    let body = response.json();
    assert_eq!((&body["code"], &body["message"], &body["status"]), (&json!(code), &json!(message), &json!(status)), "{name}");
    assert_eq!(body["request_id"], response.only("X-Request-Id"), "{name}: {body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{name}: {body}");
    let members: BTreeSet<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = ["message", "code", "status", "detail", "request_id"].iter().chain(also).copied().collect();
    assert_eq!(members, expected, "{name}: {body}");
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

impl World {
    /// Each request, its headers and its body, is refused with this code.
    fn check_all(&self, cases: Vec<(&str, Headers<'_>, &str, &str)>) {
        for (line, headers, body, code) in cases {
            let (method, target) = line.split_once(' ').expect("method and target");
            let response = self.gateway.connect().exchange(method, target, &headers, body.as_bytes());
            let name = &line[..line.len().min(60)];
            check(name, &response, code, if code == "invalid_parameter" { &["parameter"] } else { &[] });
            // What a client learns must not include tokens, addresses of upstreams, or why exactly a token was refused.
            for secret in ["eyJ", NOBODY, "pool.test", "signature"] {
                assert!(!response.text().contains(secret), "{name}: {} tells {secret}", response.text());
            }
        }
    }
}

#[test]
fn callers_without_rights_are_refused() {
    let world = world();
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let forged = format!("Bearer {}", Issuer::new("https://pool.test/one").user("ada"));
    let (auth, list) = (("Authorization", bearer.as_str()), "GET /prod/api/incidents");
    let foreign = vec![("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET")];
    world.check_all(vec![
        (list, vec![], "", "missing_token"),
        (list, vec![("Authorization", "Basic YTpi")], "", "missing_token"),
        (list, vec![("Authorization", "Bearer x")], "", "invalid_token"),
        (list, vec![("Authorization", &forged)], "", "invalid_token"),
        (list, vec![auth, auth], "", "invalid_request"),
        ("GET /prod/api/scoped", vec![auth], "", "insufficient_scope"),
        ("OPTIONS /prod/api/incidents", foreign, "", "origin_not_allowed"),
        ("GET /elsewhere", vec![auth], "", "not_found"),
        ("GET /prod/api/incidents/", vec![auth], "", "not_found"),
        ("DELETE /prod/api/incidents", vec![auth], "", "method_not_allowed"),
    ]);
}

#[test]
fn requests_that_are_too_much_or_make_no_sense_are_refused() {
    let world = world();
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let (auth, json) = (("Authorization", bearer.as_str()), ("Content-Type", "application/json"));
    let (long, large) = ("a".repeat(9 * 1024), "[".repeat(65));
    let (list, create) = ("GET /prod/api/incidents", "POST /prod/api/incidents");
    world.check_all(vec![
        ("GET /prod/api/a/..;x/b", vec![auth], "", "invalid_request"),
        ("GET /prod/api/paged?limit=0", vec![auth], "", "invalid_parameter"),
        (create, vec![auth, json], &large, "body_too_large"),
        (&format!("GET /prod/api/{long}"), vec![auth], "", "uri_too_long"),
        (create, vec![auth, ("Content-Type", "text/xml")], "<a/>", "unsupported_media_type"),
        (create, vec![auth], "{}", "unsupported_media_type"),
        (list, vec![auth, ("A", &long), ("B", &long), ("C", &long), ("D", &long)], "", "headers_too_large"),
        (list, [vec![auth], vec![("A", "1"); 101]].concat(), "", "headers_too_large"),
    ]);
}

#[test]
fn upstreams_that_fail_are_told_apart() {
    let world = world();
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let auth = ("Authorization", bearer.as_str());
    world.check_all(vec![
        ("GET /prod/api/dead", vec![auth], "", "bad_upstream"),
        ("GET /prod/api/hang", vec![auth], "", "upstream_timeout"),
    ]);
}

#[test]
fn a_slow_body_is_408_and_the_end_of_the_connection() {
    let world = world();
    let mut client = world.gateway.connect();
    let head = format!(
        "Host: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 10",
        world.issuer.user("ada")
    );
    client.send(format!("POST /prod/api/incidents HTTP/1.1\r\n{head}\r\n\r\n{{").as_bytes());
    // `bounds.body_timeout` is 30 seconds.
    client.wait_for_answers(Duration::from_secs(60));
    let response = client.read_response("POST");
    check("slow body", &response, "request_timeout", &[]);
    assert_decorated("slow body", &response);
    assert!(client.is_closed());
}

#[test]
fn a_limited_request_says_which_policy_and_when_to_come_back() {
    let world = world();
    let token = world.issuer.user("ada");
    let mut client = world.gateway.connect();
    let refused = (0..200)
        .map(|_| client.get_as(&token, "/prod/api/incidents"))
        .find(|response| response.status != 200)
        .expect("a refusal");
    check("429", &refused, "rate_limited", &["policy"]);
    assert_eq!(refused.json()["policy"], "user");
    assert_eq!(refused.json()["detail"], "per-user limit of 1 request per second exceeded");
    assert_eq!(refused.only("Retry-After"), "1");
    assert_eq!(refused.only("Cache-Control"), "no-store");
    assert_eq!(refused.number("X-RateLimit-Remaining"), 0);
    // And the connection goes on, so that the next request costs no handshake.
    assert_eq!(client.get("/ping", &[]).status, 200);
}

#[test]
fn an_unauthorized_request_is_told_how_to_authenticate() {
    let world = world();
    let ada = format!("Bearer {}", world.issuer.user("ada"));
    let cases: [(&str, Option<&str>, &str); 4] = [
        ("/prod/api/incidents", None, "Bearer realm=\"stackflow\""),
        ("/prod/api/incidents", Some("Basic YTpi"), "Bearer realm=\"stackflow\""),
        ("/prod/api/incidents", Some("Bearer a.b.c"), "Bearer realm=\"stackflow\", error=\"invalid_token\""),
        ("/prod/api/scoped", Some(&ada), "Bearer realm=\"stackflow\", error=\"insufficient_scope\", scope=\"admin owner\""),
    ];
    for (target, authorization, challenge) in cases {
        let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("Authorization", *value)).collect();
        let response = world.gateway.connect().get(target, &headers);
        assert_eq!(response.only("WWW-Authenticate"), challenge, "{authorization:?}");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let world = world();
    let token = format!("Bearer {}", world.issuer.user("ada"));
    let cases = [
        ("DELETE", "/prod/api/incidents", vec!["GET", "HEAD", "POST"]),
        ("TRACE", "/prod/api/incidents", vec!["GET", "HEAD", "POST"]),
        ("BREW", "/prod/api/incidents", vec!["GET", "HEAD", "POST"]),
        ("POST", "/prod/api/incidents/INC1", vec!["GET", "HEAD", "PATCH"]),
        ("GET", "/prod/api/incidents/bulk", vec!["POST"]),
    ];
    for (method, target, allowed) in cases {
        let response = world.gateway.connect().exchange(method, target, &[("Authorization", &token)], b"");
        assert_eq!(response.status, 405, "{method} {target}: {response:?}");
        let mut listed = response.list("Allow");
        listed.retain(|method| *method != "OPTIONS");
        listed.sort_unstable();
        assert_eq!(listed, allowed, "{method} {target}");
    }
}

#[test]
fn problem_json_is_for_those_who_ask_for_it() {
    let world = world();
    let problem = "application/problem+json";
    let cases = [
        (problem, problem),
        ("application/problem+json, */*;q=0.1", problem),
        ("text/html, application/problem+json;q=0.9", problem),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ];
    for (accept, expected) in cases {
        let response = world.gateway.connect().get("/prod/api/incidents", &[("Accept", accept)]);
        assert_eq!(response.only("Content-Type"), expected, "Accept: {accept}");
        assert_eq!(response.json()["code"], "missing_token");
    }
}

#[test]
fn a_refusal_keeps_the_connection() {
    let world = world();
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let (auth, text) = (("Authorization", bearer.as_str()), ("Content-Type", "text/plain"));
    let mut client: Client = world.gateway.connect();
    let cases: [(&str, &str, Headers<'_>, u16); 7] = [
        ("GET", "/prod/api/incidents", vec![], 401),
        ("HEAD", "/prod/api/incidents", vec![], 401),
        ("GET", "/prod/api/incidents", vec![("Authorization", "Bearer a.b.c")], 401),
        ("GET", "/prod/api/scoped", vec![auth], 403),
        ("GET", "/elsewhere", vec![], 404),
        ("DELETE", "/prod/api/incidents", vec![auth], 405),
        (
            "OPTIONS",
            "/prod/api/incidents",
            vec![("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET")],
            403,
        ),
    ];
    for (method, target, headers, status) in cases {
        let response = client.exchange(method, target, &headers, b"");
        assert_eq!(response.status, status, "{method} {target}: {response:?}");
        assert!(
            response.all("Connection").iter().all(|value| !value.eq_ignore_ascii_case("close")),
            "{method} {target}: {response:?}"
        );
    }
    // With a small body that has come, too: what follows it is the next request.
    for (target, headers, status) in [("/prod/api/incidents", vec![auth, text], 415), ("/prod/api/incidents", vec![text], 401)] {
        assert_eq!(client.exchange("POST", target, &headers, b"hello").status, status);
        assert_eq!(client.get("/ping", &[]).status, 200, "after {status}");
    }
}

#[test]
fn a_connection_that_does_not_go_on_says_so() {
    let world = world();
    let bearer = format!("Bearer {}", world.issuer.user("ada"));
    let (auth, json) = (("Authorization", bearer.as_str()), ("Content-Type", "application/json"));
    let large = "[".repeat(65);
    for (method, target, headers, body, status) in [
        ("GET", "/prod/api/dead", vec![auth], "", 502),
        ("GET", "/prod/api/hang", vec![auth], "", 504),
        ("POST", "/prod/api/incidents", vec![auth, json], large.as_str(), 413),
    ] {
        let mut client = world.gateway.connect();
        let response = client.exchange(method, target, &headers, body.as_bytes());
        assert_eq!(response.status, status, "{target}: {response:?}");
        // A client that is told nothing sends its next request here, and cannot know whether it was carried out.
        if response.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            assert!(client.is_closed(), "{target}");
        } else {
            assert_eq!(client.get("/ping", &[]).status, 200, "{target}: the next request on the same connection");
        }
    }
}
