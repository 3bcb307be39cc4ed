//! The demo: a sample StackFlow API, a token endpoint with a fresh key and one service account, the gateway in front.

pub mod api;
pub mod guide;

use crate::{
    config::{Gateway, Provided, compile_with, render_text},
    secret::Secret,
    time::Now,
    token::{ServiceAccounts, SigningAlgorithm, SigningKey},
};
use std::{net::SocketAddr, path::Path, thread};

/// The shipped limits and routes, with places for the addresses.
const CONFIGURATION: &str = include_str!("demo.toml");
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

    fn service_accounts(&self) -> ServiceAccounts {
        let scopes = vec!["stackflow/read".to_owned(), "stackflow/write".to_owned()];
        ServiceAccounts::single(&self.client_id, &self.secret, scopes)
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
                Err(error) => log::error!(target: "gateway", "the sample API cannot be served: {error}"),
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
    let provided = Provided { service_accounts: account.service_accounts(), signing_key: signing_key()? };
    compile_with(Path::new("demo.toml"), &text, provided).map_err(|problems| anyhow::anyhow!("{}", render_text(&problems)))
}

fn signing_key() -> anyhow::Result<SigningKey> {
    Ok(SigningKey::generate(SigningAlgorithm::Rs256)?.0)
}
