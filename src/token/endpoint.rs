//! Requests to the endpoint and its answers: the client credentials grant (RFC 6749, section 4.4), tokens as RFC 9068 says.
//!
//! An unknown client, a wrong secret and an expired account get one and the same answer, and count alike against the limit of
//! failures, which comes before the secret is looked at. No answer repeats anything the request said, but for the scope.
use super::{
    PublicKey, RetiredKeys, ServiceAccounts, SigningKey,
    accounts::Account,
    form::{Client, ClientError, Form, is_named_in},
    own_keys::OwnKeys,
};
use crate::{
    auth::{Allowed, IssuerSettings, KeySet, KeySource, Profile},
    limit::{Attempts, FailuresRefusal},
    time::Now,
};
use aws_lc_rs::error::Unspecified;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::json;
use std::{path::PathBuf, sync::Arc, time::Duration};

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
    /// Where the signing key is, if it is in a file.
    pub signing_key: Option<PathBuf>,
}

/// A POST to the endpoint. Without `Debug`: it holds the secret.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// What follows `?` in its target.
    pub query: Option<&'a str>,
    /// Its body.
    pub body: &'a [u8],
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
    /// Why, for log and metric: `issued`, `invalid_client`, `invalid_request`, `invalid_scope`, `invalid_target`,
    /// `unsupported_grant_type`, `server_error`.
    pub outcome: &'static str,
    /// Whose, when it named an account; never a name that strangers made up.
    pub client_id: Option<String>,
}

/// The limit of failures refuses: a 429 in the form of all others, since RFC 6749 has none.
#[derive(Debug)]
pub struct Limited {
    /// The bucket.
    pub refusal: FailuresRefusal,
    /// Whose, when it named an account.
    pub client_id: Option<String>,
}

/// The endpoint with its keys and accounts.
#[derive(Debug)]
pub struct TokenEndpoint {
    settings: TokenSettings,
    key: SigningKey,
    retired: RetiredKeys,
    own: OwnKeys,
    accounts: ServiceAccounts,
}

/// Why no token is issued (RFC 6749, section 5.2; RFC 8707, section 2).
#[derive(Debug)]
enum Refusal {
    InvalidRequest(&'static str),
    InvalidClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    Failed,
    Limited(FailuresRefusal),
}

impl TokenEndpoint {
    /// Longest accepted request body in bytes.
    pub const MAX_BODY: usize = 16 * 1024;

    /// Puts the parts together.
    #[must_use]
    pub fn new(settings: TokenSettings, key: SigningKey, retired: RetiredKeys, accounts: ServiceAccounts) -> Self {
        Self { own: OwnKeys::new(key.public(), &retired), settings, key, retired, accounts }
    }

    /// What was configured.
    #[must_use]
    pub fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// Judges a POST: client authentication, grant, scope; issues a token.
    ///
    /// # Errors
    /// Too many wrong secrets of this client from there.
    pub fn grant(&self, request: &TokenRequest<'_>, attempts: &Attempts<'_>) -> Result<TokenAnswer, Limited> {
        let mut client_id = None;
        match self.judge(request, attempts, &mut client_id) {
            Ok(body) => Ok(TokenAnswer { status: StatusCode::OK, body, challenge_basic: false, outcome: "issued", client_id }),
            Err(refusal) => refusal.answer(client_id),
        }
    }

    /// The public key set of that moment, JSON.
    #[must_use]
    pub fn jwks(&self, now: Now) -> &Bytes {
        self.own.jwks(now)
    }

    /// The same set, to accept tokens by.
    #[must_use]
    pub fn accepted_keys(&self, now: Now) -> &Arc<KeySet> {
        self.own.keys(now)
    }

    /// Whether a retired key will end.
    #[must_use]
    pub fn has_retired_keys(&self) -> bool {
        self.own.shrinks()
    }

    /// What verifies the tokens that are signed now.
    #[must_use]
    pub fn signs_as(&self) -> &PublicKey {
        self.key.public()
    }

    /// The retired keys as they were read.
    #[must_use]
    pub fn retired(&self) -> &RetiredKeys {
        &self.retired
    }

    /// Takes other retired keys.
    pub fn set_retired(&mut self, retired: RetiredKeys) {
        self.own = OwnKeys::new(self.key.public(), &retired);
        self.retired = retired;
    }

    /// Signs with another key.
    pub fn set_key(&mut self, key: SigningKey) {
        self.own = OwnKeys::new(key.public(), &self.retired);
        self.key = key;
    }

    /// The issuer entry by which the gateway accepts its own tokens.
    #[must_use]
    pub fn as_issuer(&self) -> IssuerSettings {
        let mut algorithms = vec![self.key.public().algorithm().verified_as()];
        algorithms.extend(self.retired.beside(self.key.public()).map(|key| key.public.algorithm().verified_as()));
        algorithms.sort_unstable();
        algorithms.dedup();
        IssuerSettings {
            issuer: self.settings.issuer.clone(),
            profile: Profile::Rfc9068,
            keys: KeySource::Own(Arc::clone(self.own.first())),
            jwks_cache_file: None,
            ca_file: None,
            client_ids: Allowed::Any,
            audiences: Allowed::Listed(vec![self.settings.audience.clone()]),
            token_use: Vec::new(),
            algorithms,
            // Of no effect: own keys are never fetched.
            refresh: Duration::MAX,
            refresh_cooldown: Duration::MAX,
            fetch_timeout: Duration::ZERO,
            jwks_size: 0,
            leeway: self.settings.leeway,
        }
    }

    /// `client_id` is set as soon as an account is named, whatever comes of it.
    fn judge(
        &self,
        request: &TokenRequest<'_>,
        attempts: &Attempts<'_>,
        client_id: &mut Option<String>,
    ) -> Result<Bytes, Refusal> {
        let form = read_form(request)?;
        match form.value("grant_type") {
            Some("client_credentials") => {}
            Some(_) => return Err(Refusal::UnsupportedGrantType),
            None => return Err(Refusal::InvalidRequest("grant_type is missing")),
        }
        let client = Client::read(request.headers, &form).map_err(|error| match error {
            ClientError::Ambiguous(what) => Refusal::InvalidRequest(what),
            ClientError::Missing => Refusal::InvalidClient,
        })?;
        *client_id = self.accounts.named(&client.id).map(|account| account.client_id.clone());
        let now = attempts.now;
        let proven = attempts.of(&client.id, || self.accounts.proven(&client.id, &client.secret, now.unix_s()));
        let account = proven.map_err(Refusal::Limited)?.ok_or(Refusal::InvalidClient)?;
        // RFC 9068, section 3: `aud` is what was asked for, or what is the default.
        if form.value("resource").is_some_and(|resource| resource != self.settings.audience) {
            return Err(Refusal::InvalidTarget);
        }
        let scope = granted(account, form.value("scope")).ok_or(Refusal::InvalidScope)?;
        self.issue(account, &scope, now).map_err(|Unspecified| Refusal::Failed)
    }

    /// No token outlives its account.
    fn issue(&self, account: &Account, scope: &str, now: Now) -> Result<Bytes, Unspecified> {
        let mut jti = [0; 16];
        getrandom::fill(&mut jti).map_err(|_| Unspecified)?;
        let issued = now.unix_s();
        let ends = account.expires_unix_s.unwrap_or(u64::MAX);
        let expires_in = self.settings.token_lifetime.as_secs().min(ends.saturating_sub(issued));
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

/// RFC 6749, section 2.3.1: parameters are in the body alone. In a target they would end up in logs.
fn read_form(request: &TokenRequest<'_>) -> Result<Form, Refusal> {
    const OF_THE_BODY: [&str; 4] = ["grant_type", "client_id", "client_secret", "scope"];
    if request.body.len() > TokenEndpoint::MAX_BODY {
        return Err(Refusal::InvalidRequest("the body is too long"));
    }
    if request.query.is_some_and(|query| OF_THE_BODY.iter().any(|name| is_named_in(query, name))) {
        return Err(Refusal::InvalidRequest("parameters belong in the body, not in the target"));
    }
    Form::read(request.headers, request.body).map_err(Refusal::InvalidRequest)
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
fn granted(account: &Account, asked: Option<&str>) -> Option<String> {
    let Some(asked) = asked else { return Some(account.scopes.join(" ")) };
    let asked: Vec<&str> = asked.split(' ').filter(|scope| !scope.is_empty()).collect();
    if asked.iter().any(|scope| !account.scopes.iter().any(|own| own == scope)) || asked.is_empty() {
        return None;
    }
    let granted: Vec<&str> = account.scopes.iter().map(String::as_str).filter(|own| asked.contains(own)).collect();
    Some(granted.join(" "))
}

impl Refusal {
    fn answer(self, client_id: Option<String>) -> Result<TokenAnswer, Limited> {
        let (status, error, description) = match self {
            Self::Limited(refusal) => return Err(Limited { refusal, client_id }),
            Self::InvalidRequest(what) => (StatusCode::BAD_REQUEST, "invalid_request", what),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client", "the client could not be authenticated"),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "grant_type must be client_credentials")
            }
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope", "the client does not have that scope"),
            Self::InvalidTarget => (StatusCode::BAD_REQUEST, "invalid_target", "tokens for that resource are not issued here"),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the token could not be made"),
        };
        let body = json!({"error": error, "error_description": description}).to_string().into();
        Ok(TokenAnswer { status, body, challenge_basic: status == StatusCode::UNAUTHORIZED, outcome: error, client_id })
    }
}

#[cfg(test)]
mod tests;
