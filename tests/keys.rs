//! Issuers that are dead, slow, rotating or hostile: what becomes of their keys, and who notices.
#[path = "keys/cached.rs"]
mod cached;
#[path = "keys/hostile.rs"]
mod hostile;
#[path = "keys/origins.rs"]
mod origins;
mod support;
#[path = "keys/unknown.rs"]
mod unknown;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use support::{Backend, Gateway, Issuer, JwksServer, KeyServing, Setup};

const LIST: &str = "/prod/api/incidents";
const NAME: &str = "https://pool.test/one";

/// An issuer with its key server, and an API to forward to.
struct Pool {
    issuer: Issuer,
    server: JwksServer,
    backend: Backend,
}

impl Pool {
    fn new() -> Self {
        let issuer = Issuer::new(NAME);
        let server = JwksServer::start(KeyServing::Good(issuer.jwks_json()));
        Self { issuer, server, backend: Backend::start() }
    }

    /// A configuration with this issuer, its keys by URL, and these lines in its table.
    fn setup(&self, lines: &str) -> Setup {
        self.bare().issuer(&self.table(&self.server.url(), lines))
    }

    fn bare(&self) -> Setup {
        Setup::bare(&self.backend.address().to_string())
    }

    fn table(&self, url: &str, lines: &str) -> String {
        format!("issuer = \"{}\"\njwks_url = \"{url}\"\nclient_ids = \"any\"\n{lines}", self.issuer.name)
    }

    fn start(&self, lines: &str) -> Gateway {
        self.setup(lines).start()
    }
}

/// The issuer after a rotation: the same name, another key.
fn rotated(key_id: &str) -> Issuer {
    let mut rotated = Issuer::new(NAME);
    key_id.clone_into(&mut rotated.key_id);
    rotated
}

/// A token that is good but for its key, which nobody knows. It takes no signature to make one.
fn with_key_id(token: &str, key_id: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "kid": key_id}).to_string());
    format!("{header}.{}", token.split_once('.').expect("three segments").1)
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.connect().get_as(token, LIST).status
}

/// Asks for a key that nobody knows, and does not wait for the answer.
fn ask_for_unknown_key(gateway: &Gateway, issuer: &Issuer) -> support::Client {
    let bearer = format!("Bearer {}", with_key_id(&issuer.user("eve"), "unheard"));
    let mut client = gateway.connect();
    client.send(&support::request("GET", LIST, &[("Authorization", &bearer)], b""));
    client
}

fn refreshes(result: &str) -> String {
    format!("stackflow_gateway_jwks_refresh_total{{issuer=\"{NAME}\",result=\"{result}\"}}")
}
