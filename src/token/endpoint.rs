//! Requests to the endpoint and its answers.
use super::{ServiceAccounts, SigningKey};
use crate::{auth::IssuerSettings, time::Now};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// `[auth.token_endpoint]`, read.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct TokenSettings {
    pub path: String,
    pub jwks_path: String,
    pub issuer: String,
    pub audience: String,
    pub token_lifetime: Duration,
    pub leeway: Duration,
}

/// An answer in the form of RFC 6749, section 5. Always with `Cache-Control: no-store`.
#[derive(Debug)]
pub struct TokenAnswer {
    /// 200, 400 or 401.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
    /// 401 to a client that used Basic: `WWW-Authenticate: Basic realm="stackflow"`.
    pub challenge_basic: bool,
    /// Why, for log and metric: `issued`, `invalid_client`, `invalid_request`, `invalid_scope`, `unsupported_grant_type`.
    pub outcome: &'static str,
    /// Whose, when it named an account.
    pub client_id: Option<String>,
}

/// The endpoint with its key and accounts.
#[derive(Debug)]
pub struct TokenEndpoint { settings: TokenSettings }

impl TokenEndpoint {
    /// Longest accepted request body in bytes.
    pub const MAX_BODY: usize = 16 * 1024;
    /// Puts the parts together.
    #[must_use]
    pub fn new(settings: TokenSettings, key: SigningKey, accounts: ServiceAccounts) -> Self { let _ = (key, accounts); Self { settings } }
    /// What was configured.
    #[must_use]
    pub fn settings(&self) -> &TokenSettings { &self.settings }
    /// Judges a POST: client authentication, grant, scope; issues a token.
    #[must_use]
    pub fn grant(&self, headers: &HeaderMap, body: &[u8], now: Now) -> TokenAnswer { let _ = (headers, body, now); todo!() }
    /// The public key set, JSON.
    #[must_use]
    pub fn jwks(&self) -> &Bytes { todo!() }
    /// The issuer entry by which the gateway accepts its own tokens.
    #[must_use]
    pub fn as_issuer(&self) -> IssuerSettings { todo!() }
}
