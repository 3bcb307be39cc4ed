//! Every final response carries the rate limit headers, a request id, `Vary: Origin` and, for an allowed origin, CORS headers:
//! whoever made it, whatever its status.
mod support;

use std::{ops::Deref, thread};
use support::{
    Backend, Client, Issuer, JSON, NOBODY, Response, World, account, assert_decorated, assert_shared_with, curl, epoch_seconds,
    request,
};

const ORIGIN: &str = "https://app.stackflow-tech.com";
const FOREIGN: &str = "https://evil.example";

/// A gateway in which every kind of answer can be had, and tokens for them.
struct Everything {
    world: World,
    unscoped: String,
    strange: String,
}

impl Deref for Everything {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

fn everything() -> Everything {
    let backend = Backend::scripted(|call| match call.head.target.as_str() {
        "/api/v1/hang" | "/api/v1/held" => call.hang(),
        "/api/v1/not-http" => {
            call.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n");
            call.close();
        }
        "/api/v1/own-headers" => {
            call.read_body();
            let own = "X-RateLimit-Limit: 7\r\nx-ratelimit-remaining: 6\r\nX-RATELIMIT-RESET: 5\r\nX-Request-Id: theirs\r\n\
                       Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Theirs\r\n\
                       Vary: Accept-Encoding\r\n";
            call.answer(200, own, "{}");
        }
        _ => answer_by_status(call),
    });
    let dead = Issuer::new("https://pool.test/dead");
    let world = World::behind(backend, |setup| {
        setup
        .issuer(&format!(
            "issuer = \"{}\"\njwks_url = \"http://{NOBODY}/keys\"\nclient_ids = \"any\"\nfetch_timeout = \"1s\"\nrefresh = \"1s\"",
            dead.name
        ))
        .with(&format!("[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[api]\nupstream = \"api\""))
        .with("[cors]\nallowed_origins = [\"https://*.stackflow-tech.com\"]")
        .with("[bounds]\nbody = \"1KiB\"")
        .with("[limits]\nper_user = { rate = 1, burst = 1000 }")
        .with("[auth.token_endpoint]\nissuer = \"https://gateway.test\"\naudience = \"stackflow-api\"")
        .file("api-keys.toml", &account("ci", "secret", &[]))
        .route("path = \"/scoped\"\nscopes = [\"admin\"]")
        .route("path = \"/dead\"\nupstream = \"dead\"")
        .route("path = \"/hang\"\nresponse_timeout = \"300ms\"")
        .route("path = \"/held\"\nmethods = [\"POST\"]\nlimit = \"exempt\"")
    });
    let (unscoped, strange) = (format!("Bearer {}", world.issuer.user("eve")), format!("Bearer {}", dead.user("ada")));
    Everything { world, unscoped, strange }
}

fn answer_by_status(call: &mut support::Call) {
    call.read_body();
    let status: u16 = call.head.target.rsplit('/').next().and_then(|status| status.parse().ok()).unwrap_or(200);
    match (status, call.head.method.as_str()) {
        (204 | 304, _) => call.send(format!("HTTP/1.1 {status} Scripted\r\nETag: \"1\"\r\n\r\n").as_bytes()),
        (status, "HEAD") => call.send(format!("HTTP/1.1 {status} Scripted\r\nContent-Length: 2\r\n\r\n").as_bytes()),
        (status, _) => call.answer(status, "Content-Type: application/json\r\n", "{}"),
    }
}

#[test]
fn every_kind_of_response_is_decorated() {
    let world = everything();
    let authorization = |value: &str| format!("Authorization: {value}\r\n");
    let (ada, eve, strange) = (authorization(&world.bearer), authorization(&world.unscoped), authorization(&world.strange));
    let json = "Content-Type: application/json\r\n";
    let long = "a".repeat(9 * 1024);
    let long_target = format!("/prod/api/{long}");
    let preflight = "Access-Control-Request-Method: GET\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let grant = "grant_type=client_credentials&client_id=ci&client_secret=secret";
    let wrong = "grant_type=client_credentials&client_id=ci&client_secret=wrong";
    let length = format!("Content-Length: {}\r\n", grant.len());
    // Name, method, target, header lines, body, status.
    let cases: Vec<(&str, &str, &str, String, &str, u16)> = vec![
        ("forwarded 200", "GET", "/prod/api/status/200", ada.clone(), "", 200),
        ("forwarded 201", "POST", "/prod/api/status/201", format!("{ada}{json}Content-Length: 2\r\n"), "{}", 201),
        ("forwarded 204", "DELETE", "/prod/api/status/204", ada.clone(), "", 204),
        ("forwarded 304", "GET", "/prod/api/status/304", ada.clone(), "", 304),
        ("forwarded HEAD", "HEAD", "/prod/api/incidents", ada.clone(), "", 200),
        ("the upstream's 404", "GET", "/prod/api/status/404", ada.clone(), "", 404),
        ("the upstream's 500", "GET", "/prod/api/status/500", ada.clone(), "", 500),
        ("ambiguous path", "GET", "/prod/api/a/../b", ada.clone(), "", 400),
        ("two tokens", "GET", "/prod/api/incidents", format!("{ada}{eve}"), "", 400),
        ("no token", "GET", "/prod/api/incidents", String::new(), "", 401),
        ("no token, HEAD", "HEAD", "/prod/api/incidents", String::new(), "", 401),
        ("bad token", "GET", "/prod/api/incidents", authorization("Bearer a.b.c"), "", 401),
        ("scope", "GET", "/prod/api/scoped", eve.clone(), "", 403),
        ("outside", "GET", "/elsewhere", ada.clone(), "", 404),
        ("lookalike", "GET", "/prod/api/incidents/", ada.clone(), "", 404),
        ("method", "DELETE", "/prod/api/incidents", ada.clone(), "", 405),
        ("TRACE", "TRACE", "/prod/api/incidents", ada.clone(), "", 405),
        ("large body", "POST", "/prod/api/incidents", format!("{ada}{json}Content-Length: 2000\r\n"), "", 413),
        ("long target", "GET", &long_target, ada.clone(), "", 414),
        ("not JSON", "POST", "/prod/api/incidents", format!("{ada}Content-Type: text/plain\r\nContent-Length: 2\r\n"), "hi", 415),
        ("long headers", "GET", "/prod/api/incidents", format!("{ada}{}", format!("X-Long: {long}\r\n").repeat(5)), "", 431),
        ("dead upstream", "GET", "/prod/api/dead", ada.clone(), "", 502),
        ("not HTTP", "GET", "/prod/api/not-http", ada.clone(), "", 502),
        ("no keys", "GET", "/prod/api/incidents", strange.clone(), "", 503),
        ("hanging upstream", "GET", "/prod/api/hang", ada.clone(), "", 504),
        ("ping", "GET", "/ping", String::new(), "", 200),
        ("token", "POST", "/oauth2/token", format!("{form}{length}"), grant, 200),
        ("wrong secret", "POST", "/oauth2/token", format!("{form}Content-Length: {}\r\n", wrong.len()), wrong, 401),
        ("key set", "GET", "/.well-known/jwks.json", String::new(), "", 200),
        ("preflight", "OPTIONS", "/prod/api/incidents", preflight.to_owned(), "", 204),
        ("preflight of ping", "OPTIONS", "/ping", preflight.to_owned(), "", 204),
        ("preflight of the token endpoint", "OPTIONS", "/oauth2/token", preflight.to_owned(), "", 204),
        ("preflight of the key set", "OPTIONS", "/.well-known/jwks.json", preflight.to_owned(), "", 204),
        ("preflight of no route", "OPTIONS", "/prod/api/nothing", preflight.to_owned(), "", 204),
    ];
    for (name, method, target, lines, body, status) in cases {
        for origin in [Some(ORIGIN), None, Some(FOREIGN)] {
            let is_refused_preflight = lines == preflight && origin != Some(ORIGIN);
            if is_refused_preflight {
                continue;
            }
            let name = format!("{name}, origin {origin:?}");
            let origin_line = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
            let mut client = world.gateway.connect();
            // A gateway that refuses early may close before it has read everything.
            client.try_send(format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\n{origin_line}{lines}\r\n{body}").as_bytes());
            let response = client.read_response(method);
            assert_eq!(response.status, status, "{name}: {response:?}");
            assert_decorated(&name, &response);
            assert_shared_with(&name, origin.filter(|origin| *origin == ORIGIN), &response);
        }
    }
    foreign_preflight(&world);
    refused_for_bulk(&world);
}

/// 403, without a word of CORS.
fn foreign_preflight(world: &World) {
    let foreign = world.gateway.connect().exchange(
        "OPTIONS",
        "/prod/api/incidents",
        &[("Origin", FOREIGN), ("Access-Control-Request-Method", "GET")],
        b"",
    );
    assert_eq!(foreign.status, 403, "{foreign:?}");
    assert_decorated("foreign preflight", &foreign);
    assert_shared_with("foreign preflight", None, &foreign);
}

/// 429, without spending anybody's time: four bulk requests are in flight, the fifth is one too many.
fn refused_for_bulk(world: &World) {
    let held = hold_bulk(world);
    let response = world.ask("POST", "/prod/api/held", &[("Origin", ORIGIN), JSON], b"{}");
    drop(held);
    assert_eq!(response.status, 429, "{response:?}");
    assert_decorated("429", &response);
    assert_shared_with("429", Some(ORIGIN), &response);
}

/// As many bulk requests in flight as a user may have, for as long as these are kept.
fn hold_bulk(world: &World) -> Vec<Client> {
    let hold = |count| {
        let mut client = world.gateway.connect();
        client.send(&request("POST", "/prod/api/held", &[world.auth(), JSON], b"{}"));
        world.backend.wait_count("/api/v1/held", count);
        client
    };
    (1..=4).map(hold).collect()
}

/// In HTTP/2 the framework writes them, which has ways of its own to end a stream.
#[test]
fn every_kind_of_answer_is_decorated_in_http2_too() {
    let world = everything();
    let _held = hold_bulk(&world);
    let (ada, eve) = (format!("Authorization: {}", world.bearer), format!("Authorization: {}", world.unscoped));
    let (ada, eve) = (["--header", ada.as_str()], ["--header", eve.as_str()]);
    let preflight = ["--request", "OPTIONS", "--header", "Access-Control-Request-Method: GET"];
    let post = ["--header", "Content-Type: application/json", "--data", "{}"];
    for (path, arguments, status) in [
        ("/prod/api/own-headers", ada.to_vec(), 200),
        ("/prod/api/status/204", ada.to_vec(), 204),
        ("/prod/api/incidents", preflight.to_vec(), 204),
        ("/prod/api/nothing", preflight.to_vec(), 204),
        ("/oauth2/token", preflight.to_vec(), 204),
        ("/ping", preflight.to_vec(), 204),
        ("/prod/api/incidents", vec![], 401),
        ("/prod/api/scoped", eve.to_vec(), 403),
        ("/elsewhere", ada.to_vec(), 404),
        ("/prod/api/held", ada.to_vec(), 405),
        ("/prod/api/held", [&ada[..], &post].concat(), 429),
        ("/prod/api/dead", ada.to_vec(), 502),
        ("/prod/api/not-http", ada.to_vec(), 502),
        ("/prod/api/hang", ada.to_vec(), 504),
    ] {
        for origin in [Some(ORIGIN), None, Some(FOREIGN)] {
            if arguments == preflight && origin != Some(ORIGIN) {
                continue;
            }
            let name = format!("{status} of {path}, origin {origin:?}");
            let (url, field) =
                (format!("http://{}{path}", world.gateway.address()), format!("Origin: {}", origin.unwrap_or_default()));
            let origin_field = ["--header", field.as_str()];
            let origin_field = if origin.is_some() { &origin_field[..] } else { &[] };
            let usual = ["--http2-prior-knowledge", "--write-out", "\n%{http_version}", &url];
            let response = curl(&[&usual, origin_field, &arguments[..]].concat());
            assert_eq!((response.status, response.text().lines().last()), (status, Some("2")), "{name}: {response:?}");
            assert_decorated(&name, &response);
            assert_shared_with(&name, origin.filter(|origin| *origin == ORIGIN), &response);
        }
    }
}

#[test]
fn the_upstreams_own_headers_give_way() {
    let world = everything();
    let response = world.ask("GET", "/prod/api/own-headers", &[("Origin", ORIGIN), ("X-Request-Id", "mine-1")], b"");
    assert_eq!(response.status, 200);
    assert_decorated("own headers", &response);
    assert_shared_with("own headers", Some(ORIGIN), &response);
    assert_eq!(response.number("X-RateLimit-Limit"), 1000);
    assert_eq!(response.only("X-Request-Id"), "mine-1");
    assert!(response.all("Access-Control-Allow-Credentials").is_empty());
    assert!(!response.list("Access-Control-Expose-Headers").contains(&"X-Theirs"));
    assert!(response.list("Vary").contains(&"Accept-Encoding"), "{response:?}");
}

#[test]
fn a_request_id_is_kept_when_plain_and_replaced_when_not() {
    let world = everything();
    let long = "x".repeat(128);
    let longer = "x".repeat(129);
    let kept = ["a", "6f1e.A_b-9", long.as_str()];
    let replaced = ["", "a b", "a/b", "a\"b", "é", longer.as_str()];
    let mut client = world.gateway.connect();
    for (id, keep) in kept.iter().map(|id| (*id, true)).chain(replaced.iter().map(|id| (*id, false))) {
        let response = world.ask_on(&mut client, "GET", "/prod/api/incidents", &[("X-Request-Id", id)], b"");
        assert_eq!(response.only("X-Request-Id") == id, keep, "{id:?}: {response:?}");
        assert_eq!(
            world.backend.last().head.only("X-Request-Id"),
            response.only("X-Request-Id"),
            "the upstream is told the same id"
        );
    }
    let [first, second] = [(); 2].map(|()| client.get("/ping", &[]).only("X-Request-Id").to_owned());
    assert_ne!(first, second);
}

#[test]
fn the_numbers_are_those_of_the_users_bucket() {
    let world = everything();
    let started = epoch_seconds();
    let mut client = world.gateway.connect();
    for taken in 1..=20 {
        let response = world.ask_on(&mut client, "GET", "/prod/api/incidents", &[], b"");
        // One token a second comes back meanwhile.
        let refilled = epoch_seconds() - started + 1;
        assert_eq!(response.number("X-RateLimit-Limit"), 1000);
        let remaining = response.number("X-RateLimit-Remaining");
        assert!((1000 - taken..=1000 - taken + refilled).contains(&remaining), "{remaining} after {taken} requests");
        // `taken` tokens were missing when the last of them was taken: full that many seconds after the first, whatever the pace.
        let reset = response.number("X-RateLimit-Reset");
        assert!((started + taken..=epoch_seconds() + taken + 1).contains(&reset), "reset {reset} after {taken} since {started}");
    }
    let anonymous = client.get("/prod/api/incidents", &[]);
    assert_eq!(anonymous.number("X-RateLimit-Limit"), 2000, "the address policy where nobody is authenticated");
}

#[test]
fn response_header_rules_hold_for_every_response() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nServer: upstream/1.0\r\nX-Powered-By: Express\r\nContent-Length: 2\r\n\r\n{}");
    let world = World::behind(backend, |setup| {
        setup
            .with("[limits]\nper_user = { rate = 1, burst = 5 }")
            .with("[response_headers]\nset = { \"Strict-Transport-Security\" = \"max-age=31536000\" }\nremove = [\"Server\", \"X-Powered-By\"]")
    });
    let mut client = world.gateway.connect();
    let forwarded = world.get("/prod/api/incidents");
    let (refused, pinged) = (client.get("/prod/api/incidents", &[]), client.get("/ping", &[]));
    let limited = (0..50).map(|_| world.get("/prod/api/incidents")).find(|response| response.status == 429).expect("a refusal");
    for (name, response) in [("forwarded", forwarded), ("refused", refused), ("pinged", pinged), ("limited", limited)] {
        assert_eq!(response.only("Strict-Transport-Security"), "max-age=31536000", "{name}: {response:?}");
        for removed in ["Server", "X-Powered-By"] {
            assert!(response.all(removed).is_empty(), "{name}: {response:?}");
        }
        assert_decorated(name, &response);
    }
}

#[test]
fn several_origins_are_nobodys() {
    let world = everything();
    let twice = [("Origin", ORIGIN), ("Origin", ORIGIN)];
    let foreign_too = [("Origin", ORIGIN), ("Origin", FOREIGN)];
    let in_one = format!("{ORIGIN}, {FOREIGN}");
    for (name, origins) in
        [("twice", &twice[..]), ("a foreign one too", &foreign_too), ("in one", &[("Origin", in_one.as_str())])]
    {
        let response = world.ask("GET", "/prod/api/incidents", origins, b"");
        assert_eq!(response.status, 200, "{name}: {response:?}");
        assert_decorated(name, &response);
        assert_shared_with(name, None, &response);
        let preflight = [origins, &[("Access-Control-Request-Method", "GET")]].concat();
        let response = world.gateway.connect().exchange("OPTIONS", "/prod/api/incidents", &preflight, b"");
        assert_eq!((response.status, &response.json()["code"]), (403, &"origin_not_allowed".into()), "{name}: {response:?}");
        assert_shared_with(name, None, &response);
    }
}

#[test]
fn many_connections_at_once_are_decorated_too() {
    let world = everything();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = world.gateway.connect();
                for _ in 0..25 {
                    let responses: [Response; 2] = [
                        world.ask_on(&mut client, "GET", "/prod/api/incidents", &[], b""),
                        client.get("/prod/api/incidents", &[]),
                    ];
                    assert_eq!(responses.each_ref().map(|response| response.status), [200, 401]);
                    for response in &responses {
                        assert_decorated("in parallel", response);
                    }
                }
            });
        }
    });
}
