//! The answers the gateway makes itself: their JSON, their headers, and what becomes of the connection.
mod support;

use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use support::{Backend, Client, DATA, Http2, Issuer, JSON, NOBODY, Response, Setup, World, assert_decorated};

const TOKEN_ENDPOINT: &str = "[auth.token_endpoint]\nissuer = \"https://gateway.test\"\naudience = \"stackflow-api\"";

/// Its keys cannot be had.
const DEAD_ISSUER: &str = "https://pool.test/dead";

/// A gateway with a route for each kind of refusal.
fn world() -> World {
    let backend = Backend::scripted(|call| {
        if call.head.target == "/api/v1/hang" {
            return call.hang();
        }
        call.read_body();
        call.answer(200, "", "{}");
    });
    World::behind(backend, routes_for_refusals)
}

fn routes_for_refusals(setup: Setup) -> Setup {
    setup
        .with(&format!(
            "[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[upstreams.lost]\nservers = [\"http://nothing.invalid\"]"
        ))
        .with("[api]\nupstream = \"api\"")
        .with("[bounds]\nbody = \"64B\"")
        .with("[limits]\nper_user = { rate = 1, burst = 50 }")
        .with(TOKEN_ENDPOINT)
        .issuer(&format!(
            "issuer = \"{DEAD_ISSUER}\"\njwks_url = \"http://{NOBODY}/\"\nclient_ids = \"any\"\nfetch_timeout = \"1s\""
        ))
        .file("api-keys.toml", "")
        .route("path = \"/scoped\"\nscopes = [\"admin\", \"owner\"]")
        .route("path = \"/dead\"\nupstream = \"dead\"")
        .route("path = \"/lost\"\nupstream = \"lost\"")
        .route("path = \"/hang\"\nresponse_timeout = \"300ms\"")
        .route("path = \"/small\"\nbody = \"10B\"")
        .route("path = \"/bulk\"\nmax_records = 1")
        .route("path = \"/paged\"\nquery = { limit = { type = \"integer\", min = 1, max = 200 } }")
}

/// Status, code and message of each refusal, as the contract has them.
const REFUSALS: [(u16, &str, &str); 19] = [
    (400, "invalid_request", "Bad Request"),
    (400, "invalid_parameter", "Invalid request parameters"),
    (400, "too_many_records", "Invalid request body"),
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
    (503, "no_upstream", "Service Unavailable"),
    (503, "keys_unavailable", "Service Unavailable"),
    (504, "upstream_timeout", "Endpoint request timed out"),
];

/// This refusal, with `also` and nothing else besides the members that every error has.
fn check(name: &str, response: &Response, code: &str, also: &[&str]) {
    check_form(name, response, code, also, "application/json");
}

/// The same in this media type.
fn check_form(name: &str, response: &Response, code: &str, also: &[&str], media_type: &str) {
    let (status, _, message) = REFUSALS.iter().find(|(_, known, _)| *known == code).expect("a code of the contract");
    assert_eq!(response.status, *status, "{name}: {response:?}");
    assert_eq!(response.only("Content-Type"), media_type, "{name}");
    assert_decorated(name, response);
    let body = response.json();
    assert_eq!((&body["code"], &body["message"], &body["status"]), (&json!(code), &json!(message), &json!(status)), "{name}");
    assert_eq!(body["request_id"], response.only("X-Request-Id"), "{name}: {body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{name}: {body}");
    let members: BTreeSet<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = ["message", "code", "status", "detail", "request_id"].iter().chain(also).copied().collect();
    assert_eq!(members, expected, "{name}: {body}");
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

/// Each request, its headers and its body, is refused with this code.
fn check_all(world: &World, cases: Vec<(&str, Headers<'_>, &str, &str)>) {
    for (line, headers, body, code) in cases {
        let (method, target) = line.split_once(' ').expect("method and target");
        let response = world.gateway.connect().exchange(method, target, &headers, body.as_bytes());
        let name = &line[..line.len().min(60)];
        let also: &[&str] = match code {
            "invalid_parameter" => &["parameter"],
            "too_many_records" => &["max_records"],
            _ => &[],
        };
        check(name, &response, code, also);
        // What a client learns must not include tokens, addresses of upstreams, or why exactly a token was refused.
        for secret in ["eyJ", NOBODY, "pool.test", "signature"] {
            assert!(!response.text().contains(secret), "{name}: {} tells {secret}", response.text());
        }
    }
}

#[test]
fn callers_without_rights_are_refused() {
    let world = world();
    let forged = format!("Bearer {}", Issuer::new("https://pool.test/one").user("ada"));
    let strange = format!("Bearer {}", Issuer::new(DEAD_ISSUER).user("ada"));
    let (auth, list) = (world.auth(), "GET /prod/api/incidents");
    let foreign = vec![("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET")];
    check_all(
        &world,
        vec![
            (list, vec![], "", "missing_token"),
            (list, vec![("Authorization", "Basic YTpi")], "", "missing_token"),
            (list, vec![("Authorization", "Bearer x")], "", "invalid_token"),
            (list, vec![("Authorization", &forged)], "", "invalid_token"),
            (list, vec![("Authorization", &strange)], "", "keys_unavailable"),
            (list, vec![auth, auth], "", "invalid_request"),
            ("GET /prod/api/scoped", vec![auth], "", "insufficient_scope"),
            ("OPTIONS /prod/api/incidents", foreign, "", "origin_not_allowed"),
            ("GET /elsewhere", vec![auth], "", "not_found"),
            ("GET /prod/api/incidents/", vec![auth], "", "not_found"),
            ("DELETE /prod/api/incidents", vec![auth], "", "method_not_allowed"),
        ],
    );
}

#[test]
fn requests_that_are_too_much_or_make_no_sense_are_refused() {
    let world = world();
    let auth = world.auth();
    let (long, large) = ("a".repeat(9 * 1024), "[".repeat(65));
    let (list, create) = ("GET /prod/api/incidents", "POST /prod/api/incidents");
    check_all(
        &world,
        vec![
            ("GET /prod/api/a/..;x/b", vec![auth], "", "invalid_request"),
            ("GET /prod/api/paged?limit=0", vec![auth], "", "invalid_parameter"),
            (create, vec![auth, JSON], &large, "body_too_large"),
            (&format!("GET /prod/api/{long}"), vec![auth], "", "uri_too_long"),
            (create, vec![auth, ("Content-Type", "text/xml")], "<a/>", "unsupported_media_type"),
            (create, vec![auth], "{}", "unsupported_media_type"),
            ("POST /prod/api/bulk", vec![auth, JSON], "[1,2]", "too_many_records"),
            ("POST /prod/api/bulk", vec![auth, JSON], "[1,", "invalid_request"),
            ("POST /prod/api/bulk", vec![auth], "", "invalid_request"),
            ("POST /prod/api/bulk", vec![auth, JSON, ("Content-Encoding", "gzip")], "[]", "unsupported_media_type"),
            (list, vec![auth, ("A", &long), ("B", &long), ("C", &long), ("D", &long)], "", "headers_too_large"),
            (list, [vec![auth], vec![("A", "1"); 101]].concat(), "", "headers_too_large"),
        ],
    );
}

#[test]
fn what_the_upstream_fails_is_refused_alike() {
    let world = world();
    let auth = world.auth();
    check_all(
        &world,
        vec![
            ("GET /prod/api/dead", vec![auth], "", "bad_upstream"),
            ("GET /prod/api/lost", vec![auth], "", "no_upstream"),
            ("GET /prod/api/hang", vec![auth], "", "upstream_timeout"),
        ],
    );
}

#[test]
fn a_body_that_does_not_come_is_408_and_the_end_of_the_connection() {
    let world = world();
    let form = "Content-Type: application/x-www-form-urlencoded";
    let api = format!("Authorization: {}\r\nContent-Type: application/json", world.bearer);
    // All at once: `bounds.body_timeout` is 30 seconds, and no other test should have to wait for it.
    let slow: Vec<(&str, Client)> = [
        ("a body of told length", "/prod/api/incidents", &*api, "Content-Length: 10\r\n\r\n{"),
        ("a body in chunks", "/prod/api/incidents", &*api, "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
        ("a token form", "/oauth2/token", form, "Content-Length: 10\r\n\r\ng"),
    ]
    .into_iter()
    .map(|(name, target, fields, rest)| {
        let mut client = world.gateway.connect();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{rest}").as_bytes());
        client.wait_for_answers(Duration::from_secs(60));
        (name, client)
    })
    .collect();
    let mut http2 = Http2::connect(world.gateway.address());
    let fields = [(":method", "POST"), (":scheme", "http"), (":path", "/prod/api/incidents"), (":authority", "a")];
    let fields = [&fields[..], &[world.auth(), JSON, ("content-length", "9")]].concat();
    http2.send_head(1, &fields, false);
    http2.wait_for_answers(Duration::from_secs(60));
    let mut answered: Vec<_> = slow.into_iter().map(|(name, mut client)| (name, client.read_response("POST"), client)).collect();
    let statuses: Vec<(&str, u16)> = answered.iter().map(|(name, response, _)| (*name, response.status)).collect();
    assert_eq!(statuses.iter().map(|(_, status)| *status).collect::<Vec<_>>(), [408; 3], "{statuses:?}");
    for (name, response, client) in &mut answered {
        assert!(says_close(response), "{name}: {response:?}");
        assert!(client.is_closed(), "{name}");
        check(name, response, "request_timeout", &[]);
    }
    let body: Value = serde_json::from_slice(&http2.wait(DATA).payload).expect("JSON");
    assert_eq!((&body["status"], &body["code"]), (&json!(408), &json!("request_timeout")), "HTTP/2: {body}");
}

#[test]
fn a_routes_own_bound_is_not_told_to_strangers() {
    let world = world();
    let forged = format!("Bearer {}", Issuer::new("https://pool.test/one").user("ada"));
    let post = |target: &str, length: usize, authorization: Option<&str>| {
        let headers: Vec<(&str, &str)> = authorization.map(|value| ("Authorization", value)).into_iter().chain([JSON]).collect();
        let response = world.gateway.connect().exchange("POST", target, &headers, " ".repeat(length).as_bytes());
        (response.status, response.json()["code"].clone())
    };
    for (name, authorization, refusal) in [("none", None, "missing_token"), ("forged", Some(&*forged), "invalid_token")] {
        for target in ["/prod/api/small", "/prod/api/incidents", "/prod/api/nothing"] {
            assert_eq!(post(target, 11, authorization), (401, json!(refusal)), "{name}: {target}");
            // The bound of everybody is no secret, and spares the work of looking further.
            assert_eq!(post(target, 65, authorization), (413, json!("body_too_large")), "{name}: {target}");
        }
    }
    assert_eq!(post("/prod/api/small", 11, Some(&world.bearer)), (413, json!("body_too_large")));
    assert_eq!(post("/prod/api/small", 10, Some(&world.bearer)).0, 200);
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
    let ada = world.bearer.as_str();
    let cases: [(&str, Option<&str>, &str); 4] = [
        ("/prod/api/incidents", None, "Bearer realm=\"stackflow\""),
        ("/prod/api/incidents", Some("Basic YTpi"), "Bearer realm=\"stackflow\""),
        ("/prod/api/incidents", Some("Bearer a.b.c"), "Bearer realm=\"stackflow\", error=\"invalid_token\""),
        ("/prod/api/scoped", Some(ada), "Bearer realm=\"stackflow\", error=\"insufficient_scope\", scope=\"admin owner\""),
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
    let cases = [
        ("DELETE", "/prod/api/incidents", vec!["GET", "HEAD", "POST"]),
        ("TRACE", "/prod/api/incidents", vec!["GET", "HEAD", "POST"]),
        ("BREW", "/prod/api/incidents", vec!["GET", "HEAD", "POST"]),
        ("POST", "/prod/api/incidents/INC1", vec!["GET", "HEAD", "PATCH"]),
        ("GET", "/prod/api/incidents/bulk", vec!["POST"]),
        ("OPTIONS", "/prod/api/incidents", vec!["GET", "HEAD", "POST"]),
        ("OPTIONS", "/prod/api/nothing", vec!["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]),
        ("TRACE", "/prod/api/nothing", vec!["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]),
        ("POST", "/ping", vec!["GET", "HEAD"]),
        ("GET", "/oauth2/token", vec!["POST"]),
        ("POST", "/.well-known/jwks.json", vec!["GET", "HEAD"]),
    ];
    for (method, target, allowed) in cases {
        let response = world.gateway.connect().exchange(method, target, &[world.auth()], b"");
        assert_eq!(response.status, 405, "{method} {target}: {response:?}");
        let mut listed = response.list("Allow");
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
        ("Application/Problem+JSON", problem),
        ("application/problem+json, */*;q=0.1", problem),
        ("text/html, application/problem+json;q=0.9", problem),
        ("application/problem+json;q=0", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
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
fn problem_json_has_the_members_of_its_rfc_besides_ours() {
    let world = world();
    let accept = ("Accept", "application/problem+json");
    let [auth, foreign] = [world.auth(), ("Origin", "https://evil.example")];
    let preflight = ("Access-Control-Request-Method", "GET");
    let cases: Vec<(&str, &str, Headers<'_>, &str, &[&str])> = vec![
        ("GET", "/prod/api/incidents", vec![accept], "missing_token", &["type", "title"]),
        ("GET", "/elsewhere", vec![accept], "not_found", &["type", "title"]),
        ("DELETE", "/prod/api/incidents", vec![accept, auth], "method_not_allowed", &["type", "title"]),
        ("GET", "/prod/api/paged?limit=x", vec![accept, auth], "invalid_parameter", &["type", "title", "parameter"]),
        ("GET", "/prod/api/dead", vec![accept, auth], "bad_upstream", &["type", "title"]),
        ("OPTIONS", "/prod/api/incidents", vec![accept, foreign, preflight], "origin_not_allowed", &["type", "title"]),
    ];
    for (method, target, headers, code, also) in cases {
        let response = world.gateway.connect().exchange(method, target, &headers, b"");
        check_form(target, &response, code, also, "application/problem+json");
        let body: Value = response.json();
        // RFC 9457, section 4.2.1: of this type there is no more to say than the status does.
        assert_eq!((&body["type"], &body["title"]), (&json!("about:blank"), &body["message"]), "{body}");
    }
}

#[test]
fn a_refusal_keeps_the_connection() {
    let world = world();
    let (auth, text) = (world.auth(), ("Content-Type", "text/plain"));
    let preflight = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET")];
    let (long, list) = ("a".repeat(9 * 1024), "/prod/api/incidents");
    let strange = format!("Bearer {}", Issuer::new(DEAD_ISSUER).user("ada"));
    let mut client = world.gateway.connect();
    // One connection for all: what follows a refusal, and the small body that came with it, is the next request.
    let cases: Vec<(&str, &str, Headers<'_>, &str, u16)> = vec![
        ("GET", "/prod/api/a/../b", vec![auth], "", 400),
        ("GET", list, vec![auth, auth], "", 400),
        ("GET", "/prod/api/paged?limit=0", vec![auth], "", 400),
        ("GET", list, vec![], "", 401),
        ("HEAD", list, vec![], "", 401),
        ("POST", list, vec![text], "hello", 401),
        ("GET", list, vec![("Authorization", "Bearer a.b.c")], "", 401),
        ("GET", "/prod/api/scoped", vec![auth], "", 403),
        ("OPTIONS", list, preflight.to_vec(), "", 403),
        ("GET", "/elsewhere", vec![], "", 404),
        ("POST", "/elsewhere", vec![JSON], "{}", 404),
        ("DELETE", list, vec![auth], "", 405),
        ("DELETE", list, vec![auth, JSON], "{}", 405),
        ("GET", &long, vec![auth], "", 414),
        ("POST", list, vec![auth, text], "hello", 415),
        ("GET", list, [vec![auth], vec![("A", "1"); 101]].concat(), "", 431),
        ("GET", "/prod/api/lost", vec![auth], "", 503),
        ("POST", "/prod/api/lost", vec![auth, JSON], "{}", 503),
        ("GET", list, vec![("Authorization", &strange)], "", 503),
    ];
    for (method, target, headers, body, status) in cases {
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let response = client.exchange(method, &target, &headers, body.as_bytes());
        let name = format!("{status} for {method} {}", &target[..target.len().min(30)]);
        assert_eq!(response.status, status, "{name}: {response:?}");
        assert!(!says_close(&response), "{name}: {response:?}");
        assert_eq!(client.get("/ping", &[]).status, 200, "after {name}");
    }
}

#[test]
fn an_upstream_that_fails_costs_no_connection() {
    let world = world();
    let mut client = world.gateway.connect();
    for (method, target, body, status) in [
        ("GET", "/prod/api/dead", "", 502),
        ("GET", "/prod/api/hang", "", 504),
        ("POST", "/prod/api/dead", "{}", 502),
        ("PATCH", "/prod/api/hang", "{}", 504),
        ("DELETE", "/prod/api/dead", "", 502),
    ] {
        let response = client.exchange(method, target, &[world.auth(), JSON], body.as_bytes());
        assert_eq!(response.status, status, "{method} {target}: {response:?}");
        assert!(!says_close(&response), "{method} {target}: {response:?}");
    }
}

#[test]
fn a_connection_that_does_not_go_on_says_so() {
    let world = world();
    let auth = world.auth();
    let large = "[".repeat(65);
    // The framework gives a connection up once an upstream has failed a request whose body is streamed; a body that is too
    // large is not read to its end.
    let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n".to_owned();
    for (target, rest, status) in [
        ("/prod/api/dead", chunked, 502),
        ("/prod/api/incidents", format!("Content-Length: {}\r\n\r\n{large}", large.len()), 413),
    ] {
        let mut client = world.gateway.connect();
        let head = format!("POST {target} HTTP/1.1\r\nHost: api.test\r\n{}: {}\r\n{}: {}\r\n", auth.0, auth.1, JSON.0, JSON.1);
        client.send(format!("{head}{rest}").as_bytes());
        let response = client.read_response("POST");
        assert_eq!(response.status, status, "{target}: {response:?}");
        // A client that is told nothing sends its next request here, and cannot know whether it was carried out.
        assert!(says_close(&response), "{target}: {response:?}");
        assert!(client.is_closed(), "{target}");
    }
}

fn says_close(response: &Response) -> bool {
    response.list("Connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
}
