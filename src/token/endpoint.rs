//! Requests to the endpoint and its answers: the client credentials grant (RFC 6749, section 4.4), tokens as RFC 9068 says.
//!
//! An unknown client, a wrong secret and an expired account get one and the same answer. No answer repeats anything the
//! request said, but for the scope.
use super::{
    ServiceAccounts, SigningKey,
    accounts::ServiceAccount,
    form::{Client, ClientError, Form},
};
use crate::{
    auth::{Allowed, IssuerSettings, KeySource, Profile},
    time::Now,
};
use aws_lc_rs::error::Unspecified;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// `[auth.token_endpoint]`, read.
#[derive(Debug)]
pub struct TokenSettings {
    /// Where tokens are asked for.
    pub path: String,
    /// Where the public keys are published.
    pub jwks_path: String,
    /// `iss` of the tokens.
    pub issuer: String,
    /// `aud` of the tokens.
    pub audience: String,
    /// How long a token is good.
    pub token_lifetime: Duration,
    /// How far clocks may differ when the gateway verifies its own tokens.
    pub leeway: Duration,
}

/// An answer in the form of RFC 6749, section 5. Always with `Cache-Control: no-store`.
#[derive(Debug)]
pub struct TokenAnswer {
    /// 200, 400 or 401; 500 if the crypto library fails.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
    /// With every 401 (RFC 9110, section 15.5.2): `WWW-Authenticate: Basic realm="stackflow"`.
    pub challenge_basic: bool,
    /// Why, for log and metric: `issued`, `invalid_client`, `invalid_request`, `invalid_scope`, `unsupported_grant_type`, `server_error`.
    pub outcome: &'static str,
    /// Whose, when it named an account; never a name that strangers made up.
    pub client_id: Option<String>,
}

/// The endpoint with its key and accounts.
#[derive(Debug)]
pub struct TokenEndpoint {
    settings: TokenSettings,
    key: SigningKey,
    accounts: ServiceAccounts,
}

/// Why no token is issued (RFC 6749, section 5.2).
#[derive(Debug)]
enum Refusal {
    InvalidRequest(&'static str),
    InvalidClient,
    UnsupportedGrantType,
    InvalidScope,
    Failed,
}

impl TokenEndpoint {
    /// Longest accepted request body in bytes.
    pub const MAX_BODY: usize = 16 * 1024;

    /// Puts the parts together.
    #[must_use]
    pub fn new(settings: TokenSettings, key: SigningKey, accounts: ServiceAccounts) -> Self {
        Self { settings, key, accounts }
    }

    /// What was configured.
    #[must_use]
    pub fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// Judges a POST: client authentication, grant, scope; issues a token.
    #[must_use]
    pub fn grant(&self, headers: &HeaderMap, body: &[u8], now: Now) -> TokenAnswer {
        let mut client_id = None;
        match self.judge(headers, body, now, &mut client_id) {
            Ok(body) => TokenAnswer { status: StatusCode::OK, body, challenge_basic: false, outcome: "issued", client_id },
            Err(refusal) => refusal.answer(client_id),
        }
    }

    /// The public key set, JSON.
    #[must_use]
    pub fn jwks(&self) -> &Bytes {
        self.key.jwks()
    }

    /// The issuer entry by which the gateway accepts its own tokens.
    #[must_use]
    pub fn as_issuer(&self) -> IssuerSettings {
        IssuerSettings {
            issuer: self.settings.issuer.clone(),
            profile: Profile::Rfc9068,
            keys: KeySource::Own(Arc::clone(self.key.keys())),
            ca_file: None,
            client_ids: Allowed::Any,
            audiences: Allowed::Listed(vec![self.settings.audience.clone()]),
            token_use: Vec::new(),
            algorithms: vec![self.key.algorithm().verified_as()],
            // Of no effect: own keys are never fetched.
            refresh: Duration::MAX,
            refresh_cooldown: Duration::MAX,
            fetch_timeout: Duration::ZERO,
            jwks_size: 0,
            leeway: self.settings.leeway,
        }
    }

    /// `client_id` is set as soon as an account is named, whatever comes of it.
    fn judge(&self, headers: &HeaderMap, body: &[u8], now: Now, client_id: &mut Option<String>) -> Result<Bytes, Refusal> {
        if body.len() > Self::MAX_BODY {
            return Err(Refusal::InvalidRequest("the body is too long"));
        }
        let form = Form::read(headers, body).map_err(Refusal::InvalidRequest)?;
        match form.value("grant_type") {
            Some("client_credentials") => {}
            Some(_) => return Err(Refusal::UnsupportedGrantType),
            None => return Err(Refusal::InvalidRequest("grant_type is missing")),
        }
        let client = Client::read(headers, &form).map_err(|error| match error {
            ClientError::Ambiguous(what) => Refusal::InvalidRequest(what),
            ClientError::Missing => Refusal::InvalidClient,
        })?;
        *client_id = self.accounts.named(&client.id).map(|account| account.client_id.clone());
        let account = self.accounts.proven(&client.id, &client.secret, now.unix_s()).ok_or(Refusal::InvalidClient)?;
        let scope = granted(account, form.value("scope")).ok_or(Refusal::InvalidScope)?;
        self.issue(account, &scope, now).map_err(|Unspecified| Refusal::Failed)
    }

    fn issue(&self, account: &ServiceAccount, scope: &str, now: Now) -> Result<Bytes, Unspecified> {
        let mut jti = [0; 16];
        getrandom::fill(&mut jti).map_err(|_| Unspecified)?;
        let issued = now.unix_s();
        let expires_in = self.settings.token_lifetime.as_secs();
        let token = self.key.token(&Claims {
            iss: &self.settings.issuer,
            sub: &account.client_id,
            client_id: &account.client_id,
            aud: &self.settings.audience,
            iat: issued,
            exp: issued.saturating_add(expires_in),
            jti: &URL_SAFE_NO_PAD.encode(jti),
            scope,
        })?;
        let issued = Issued { access_token: &token, token_type: "Bearer", expires_in, scope };
        serde_json::to_vec(&issued).map(Bytes::from).map_err(|_| Unspecified)
    }
}

/// The claims of RFC 9068, section 2.2. `sub` is the client: no person is behind a service account.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    client_id: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

/// RFC 6749, section 5.1.
#[derive(Serialize)]
struct Issued<'a> {
    access_token: &'a str,
    token_type: &'a str,
    expires_in: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

/// What was asked for, if the account has all of it; all that it has, if nothing was. In the account's order, each once.
fn granted(account: &ServiceAccount, asked: Option<&str>) -> Option<String> {
    let Some(asked) = asked else { return Some(account.scopes.join(" ")) };
    let asked: Vec<&str> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
    if asked.iter().any(|scope| !account.scopes.iter().any(|own| own == scope)) || asked.is_empty() {
        return None;
    }
    let granted: Vec<&str> = account.scopes.iter().map(String::as_str).filter(|own| asked.contains(own)).collect();
    Some(granted.join(" "))
}

impl Refusal {
    fn answer(&self, client_id: Option<String>) -> TokenAnswer {
        let (status, error, description) = match *self {
            Self::InvalidRequest(what) => (StatusCode::BAD_REQUEST, "invalid_request", what),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client", "the client could not be authenticated"),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "grant_type must be client_credentials")
            }
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope", "the client does not have that scope"),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the token could not be made"),
        };
        let body = json!({"error": error, "error_description": description}).to_string().into();
        TokenAnswer { status, body, challenge_basic: status == StatusCode::UNAUTHORIZED, outcome: error, client_id }
    }
}

#[cfg(test)]
mod tests;
