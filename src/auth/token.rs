//! From an unverified token to a verified one (RFC 7519, RFC 8725).
use super::IssuerIndex;
use http::HeaderValue;

/// Why a token is refused; `label` is the `reason` of log and metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum InvalidReason {
    TooLarge, Malformed, Type, Algorithm, Critical, UnknownIssuer, Expired, NotYetValid, IssuedAhead, Audience, ClientId, TokenUse, Claims, UnknownKey, Signature,
}

impl InvalidReason {
    /// Every reason, for metrics made ahead.
    pub const ALL: &'static [Self] = &[];

    /// Its name in log and metric: lower case, underscores.
    #[must_use]
    pub fn label(self) -> &'static str {
        todo!()
    }
}

/// Why there is no verified token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// Refused; `issuer` when the token named a configured one.
    Invalid {
        /// Why.
        reason: InvalidReason,
        /// The issuer the token names, if configured.
        issuer: Option<IssuerIndex>,
    },
    /// All that can be judged without the key holds, and the issuer's set has no such key (worth a fetch).
    UnknownKey {
        /// Whose key.
        issuer: IssuerIndex,
    },
    /// The same, while the issuer has no key at all: a 503 in the end, not a 401.
    NoKeys {
        /// Whose keys.
        issuer: IssuerIndex,
    },
}

/// Header values towards the upstream, made once when the token is verified.
/// `None` where the token has no such claim, or where its value cannot be a header value.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Identity {
    pub subject: Option<HeaderValue>,
    pub issuer: Option<HeaderValue>,
    pub client_id: Option<HeaderValue>,
    pub username: Option<HeaderValue>,
    pub scopes: Option<HeaderValue>,
    pub groups: Option<HeaderValue>,
}

/// Proof that a token was verified; only this module makes one.
#[derive(Debug)]
pub struct VerifiedToken {
    issuer: IssuerIndex,
    issuer_name: std::sync::Arc<str>,
    subject: String,
    client_id: Option<String>,
    scopes: Vec<String>,
    groups: Vec<String>,
    identity: Identity,
}

#[allow(missing_docs)]
impl VerifiedToken {
    #[must_use]
    pub fn issuer(&self) -> IssuerIndex { self.issuer }
    #[must_use]
    pub fn issuer_name(&self) -> &str { &self.issuer_name }
    #[must_use]
    pub fn subject(&self) -> &str { &self.subject }
    #[must_use]
    pub fn client_id(&self) -> Option<&str> { self.client_id.as_deref() }
    #[must_use]
    pub fn scopes(&self) -> &[String] { &self.scopes }
    #[must_use]
    pub fn groups(&self) -> &[String] { &self.groups }
    #[must_use]
    pub fn identity(&self) -> &Identity { &self.identity }
}
