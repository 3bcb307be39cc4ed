//! A web page in a real browser, which obeys CORS.
mod support;

use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
};
use support::{Backend, Gateway, Issuer, LIST, Setup, node, run_tool};

/// Serves an empty page to anybody who connects.
fn page_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("set-up");
    let address = listener.local_addr().expect("set-up");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let page = "<!doctype html><title>page</title>";
                let length = page.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
                );
            });
        }
    });
    address
}

/// What a page sees of each call.
fn browse(pages: &Value, calls: &Value) -> Vec<Value> {
    let input = json!({"pages": pages, "calls": calls}).to_string();
    let output = run_tool(node("browser.mjs").arg(input), "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn assert_readable(result: &Value, status: u16) {
    assert_eq!(result["status"], status, "{result}");
    for header in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"] {
        assert!(result["headers"][header].is_string(), "a page can read {header}: {result}");
    }
}

#[test]
fn a_page_of_an_allowed_origin_can_read_the_limits_and_others_can_read_nothing() {
    let port = page_server().port();
    // One server, two origins: a browser compares names, not addresses.
    let (own, foreign) = (format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}"));
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/one"));
    let gateway: Gateway = Setup::new(backend.address(), &issuer)
        .with(&format!("[cors]\nallowed_origins = [\"{own}\"]\n[limits]\nper_user = {{ rate = 1, burst = 3 }}"))
        .start();
    let url = format!("http://{}{LIST}", gateway.address());
    let with_token = |user: &str| json!({"headers": {"Authorization": format!("Bearer {}", issuer.user(user))}});
    let results = browse(
        &json!({"own": own, "foreign": foreign}),
        &json!([
            {"page": "own", "url": url, "init": with_token("ada")},
            {"page": "own", "url": url},
            {"page": "own", "url": url, "init": with_token("bob"), "until": 429},
            {"page": "own", "url": url, "init": {"method": "DELETE", "headers": with_token("ada")["headers"]}},
            {"page": "foreign", "url": url},
            {"page": "foreign", "url": url, "init": with_token("cyd")},
        ]),
    );
    assert_readable(&results[0], 200);
    assert_eq!(results[0]["headers"]["x-ratelimit-remaining"], "2", "{}", results[0]);
    assert_readable(&results[1], 401);
    assert!(results[1]["headers"]["www-authenticate"].is_string(), "{}", results[1]);
    assert_readable(&results[2], 429);
    assert!(results[2]["headers"]["retry-after"].is_string(), "{}", results[2]);
    assert!(results[2]["body"].as_str().is_some_and(|body| body.contains("rate_limited")), "{}", results[2]);
    for result in &results[3..] {
        // A method that the route does not have fails in its preflight; a foreign page in every way.
        assert!(result["error"].is_string() && result["headers"].is_null(), "{result}");
    }
    let reached = backend.requests();
    assert!(reached.iter().all(|seen| seen.head.all("X-Auth-Subject") != ["cyd"]), "a foreign page's token is never even sent");
}
