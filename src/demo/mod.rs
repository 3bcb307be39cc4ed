//! The demo: a sample StackFlow API, a token endpoint with a fresh key and one service account, the gateway in front.

pub mod api;
pub mod guide;

use crate::{
    auth::Authenticator,
    config::{Gateway, compile, render_text},
    secret::Secret,
    time::Now,
    token::{ServiceAccounts, SigningAlgorithm, SigningKey, TokenEndpoint, TokenSettings},
};
use std::{net::SocketAddr, path::Path, thread, time::Duration};

/// The shipped limits and routes, with places for the addresses.
const CONFIGURATION: &str = include_str!("demo.toml");
/// `iss` of the demo's tokens.
const ISSUER: &str = "https://gateway.demo.invalid";
/// Longest token in bytes.
const TOKEN_SIZE: usize = 8 * 1024;
/// `aud` of the demo's tokens.
const AUDIENCE: &str = "stackflow-api";

/// The demo's one service account.
#[derive(Debug)]
pub struct Account {
    /// Its name at the token endpoint.
    pub client_id: String,
    /// Made at the start, printed, and gone with the process.
    pub secret: Secret,
}

impl Account {
    /// An account with a random secret.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn fresh() -> anyhow::Result<Self> {
        use base64::Engine;
        let mut secret = [0u8; 24];
        getrandom::fill(&mut secret)?;
        let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
        Ok(Self { client_id: "demo".to_owned(), secret: Secret::new(secret) })
    }
}

/// Starts the sample API on a port of the system's choice, on a thread of its own.
///
/// # Errors
/// No port or no thread is to be had.
pub fn start_api(clock: impl Fn() -> Now + Send + Sync + 'static) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("sample-api".to_owned()).spawn(move || {
        runtime.block_on(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => api::serve(listener, clock).await,
                Err(error) => eprintln!("the sample API cannot be served: {error}"),
            }
        });
    })?;
    Ok(address)
}

/// The gateway of the demo.
///
/// # Errors
/// The crypto library makes no key.
pub fn gateway(address: SocketAddr, admin: SocketAddr, api: SocketAddr, account: &Account) -> anyhow::Result<Gateway> {
    let text = CONFIGURATION
        .replace("{ADDRESS}", &address.to_string())
        .replace("{ADMIN}", &admin.to_string())
        .replace("{API}", &api.to_string());
    let mut gateway = compile(Path::new("demo.toml"), &text).map_err(|problems| anyhow::anyhow!("{}", render_text(&problems)))?;
    // A file would have to name files for the key and the accounts; the demo leaves none, so the endpoint is put in here.
    let endpoint = token_endpoint(account)?;
    gateway.auth.authenticator = Authenticator::new(vec![endpoint.as_issuer()], TOKEN_SIZE);
    gateway.auth.token_endpoint = Some(endpoint);
    Ok(gateway)
}

fn token_endpoint(account: &Account) -> anyhow::Result<TokenEndpoint> {
    let (key, _) = SigningKey::generate(SigningAlgorithm::Rs256).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let scopes = vec!["stackflow/read".to_owned(), "stackflow/write".to_owned()];
    let accounts = ServiceAccounts::single(&account.client_id, &account.secret, scopes);
    let settings = TokenSettings {
        path: "/oauth2/token".to_owned(),
        jwks_path: "/.well-known/jwks.json".to_owned(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        token_lifetime: Duration::from_secs(15 * 60),
        leeway: Duration::from_secs(60),
    };
    Ok(TokenEndpoint::new(settings, key, accounts))
}
