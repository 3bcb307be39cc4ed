//! With other people's software: a user pool of cognito-local, and a browser that obeys CORS.
mod support;

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    thread,
};
use support::{Backend, DEADLINE, Directory, Gateway, Issuer, Setup, Tool, run_tool};

const LIST: &str = "/prod/api/incidents";

fn script(name: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    assert!(tests.join("node_modules").is_dir(), "npm packages are needed: run tests/run.sh, or npm ci in tests");
    tests.join("external").join(name).display().to_string()
}

/// A running cognito-local, and the tokens of those who have signed in.
struct Pool {
    _process: Tool,
    _directory: Directory,
    issuer: String,
    client_id: String,
    users: BTreeMap<String, Value>,
}

impl Pool {
    fn start(users: &[&str]) -> Self {
        let directory = Directory::new();
        let mut process = Tool::spawn(
            Command::new("node")
                .arg(script("cognito.mjs"))
                .args(users)
                .current_dir(directory.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit()),
        );
        let ready: Value = process.stdout().wait("the user pool", DEADLINE * 3, |line| serde_json::from_str(line).ok());
        let text = |field: &str| ready[field].as_str().expect("a string").to_owned();
        let users = ready["users"].as_object().expect("an object").clone().into_iter().collect();
        Self { issuer: text("issuer"), client_id: text("client_id"), users, _process: process, _directory: directory }
    }

    fn token(&self, user: &str, kind: &str) -> String {
        self.users[user][kind].as_str().expect("a token").to_owned()
    }
}

#[test]
fn tokens_of_a_real_user_pool_are_accepted_through_its_own_key_set_url() {
    let pool = Pool::start(&["ada", "bob"]);
    let backend = Backend::start();
    // As an operator writes it: `jwks_url` and everything else by default.
    let lines = format!("issuer = \"{}\"\nprofile = \"cognito\"\nclient_ids = [\"{}\"]", pool.issuer, pool.client_id);
    let gateway = Setup::bare(&backend.address().to_string()).issuer(&lines).start();
    for user in ["ada", "bob"] {
        for kind in ["access_token", "id_token"] {
            assert_eq!(gateway.connect().get_as(&pool.token(user, kind), LIST).status, 200, "{user}'s {kind}");
            let head = backend.last().head;
            assert_eq!(json!(head.only("X-Auth-Subject")), pool.users[user]["sub"]);
            assert_eq!(head.only("X-Auth-Issuer"), pool.issuer);
            assert_eq!(head.only("X-Auth-Client-Id"), pool.client_id);
            assert_eq!(head.only("X-Auth-Groups"), "operators");
        }
    }
    let response = gateway.connect().get_as(&pool.token("ada", "access_token"), LIST);
    assert_eq!(response.number("X-RateLimit-Limit"), 100);
    assert!((97..100).contains(&response.number("X-RateLimit-Remaining")), "ada's two tokens are one user: {response:?}");
}

#[test]
fn tokens_of_a_real_user_pool_are_refused_for_another_client_and_use() {
    let pool = Pool::start(&["ada"]);
    let backend = Backend::start();
    let lines = |client: &str, token_use: &str| {
        format!("issuer = \"{}\"\nclient_ids = [\"{client}\"]\ntoken_use = [\"{token_use}\"]", pool.issuer)
    };
    for (client, token_use, kind, status) in [
        (pool.client_id.as_str(), "access", "access_token", 200),
        (&pool.client_id, "access", "id_token", 401),
        (&pool.client_id, "id", "id_token", 200),
        (&pool.client_id, "id", "access_token", 401),
        ("another-client", "access", "access_token", 401),
        ("another-client", "id", "id_token", 401),
    ] {
        let gateway = Setup::bare(&backend.address().to_string()).issuer(&lines(client, token_use)).start();
        assert_eq!(gateway.connect().get_as(&pool.token("ada", kind), LIST).status, status, "{client}, {token_use}, {kind}");
    }
}

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
    let output = run_tool(Command::new("node").arg(script("browser.mjs")).arg(input), "");
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
