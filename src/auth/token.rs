//! From an unverified token to a verified one (RFC 7519, RFC 8725): why it was refused, or who it proves.
//!
//! A claim becomes a header towards the upstream only as visible ASCII with spaces inside: control characters would let a
//! user name write headers of its own, leading or trailing spaces are dropped on the way (`" admin"` would arrive as `admin`),
//! and bytes above ASCII are read differently by different servers (RFC 9110, section 5.5).
use super::{
    IssuerIndex,
    claims::{Claims, Holder, Times},
    revocations::Facts,
};
use http::HeaderValue;
use std::sync::Arc;

/// Why a token is refused; `label` is the `reason` of log and metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidReason {
    /// Longer than `token_size`.
    TooLarge,
    /// Not three base64url segments, or header or payload is not one strict JSON object.
    Malformed,
    /// A `typ` that is not for this issuer.
    Type,
    /// An `alg` that is not on the issuer's list, or not for the key it names.
    Algorithm,
    /// `crit` in the header, or an extension that changes how a token is read (`b64`, `zip`, `enc`).
    Critical,
    /// `iss` is not a configured issuer.
    UnknownIssuer,
    /// Good but for its `exp`.
    Expired,
    /// `nbf` lies ahead.
    NotYetValid,
    /// `iat` lies ahead.
    IssuedAhead,
    /// `aud` is not accepted.
    Audience,
    /// The client is not accepted.
    ClientId,
    /// `token_use` is not accepted.
    TokenUse,
    /// A claim is missing or of the wrong type.
    Claims,
    /// An entry of the revocations concerns it.
    Revoked,
    /// No key of the issuer can be meant, or the token is over and its key is not known.
    UnknownKey,
    /// The signature does not hold.
    Signature,
}

impl InvalidReason {
    /// Every reason, for metrics made ahead.
    pub const ALL: &'static [Self] = &[
        Self::TooLarge,
        Self::Malformed,
        Self::Type,
        Self::Algorithm,
        Self::Critical,
        Self::UnknownIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::IssuedAhead,
        Self::Audience,
        Self::ClientId,
        Self::TokenUse,
        Self::Claims,
        Self::Revoked,
        Self::UnknownKey,
        Self::Signature,
    ];

    /// Its name in log and metric: lower case, underscores.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::Critical => "critical",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedAhead => "issued_ahead",
            Self::Audience => "audience",
            Self::ClientId => "client_id",
            Self::TokenUse => "token_use",
            Self::Claims => "claims",
            Self::Revoked => "revoked",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
        }
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
pub struct Identity {
    /// `sub`.
    pub subject: Option<HeaderValue>,
    /// `iss`.
    pub issuer: Option<HeaderValue>,
    /// The client: `client_id`, or `aud` of a Cognito id token.
    pub client_id: Option<HeaderValue>,
    /// The user's name.
    pub username: Option<HeaderValue>,
    /// As in the token, separated by single spaces.
    pub scopes: Option<HeaderValue>,
    /// Joined with `,`. `None` also when a name would arrive as others: it holds a comma, is empty, or begins or ends with a space,
    /// which readers of lists take off (RFC 9110, section 5.6.1).
    pub groups: Option<HeaderValue>,
}

impl Identity {
    fn new(claims: &Claims, issuer: &str) -> Self {
        Self {
            subject: header_value(&claims.holder.subject),
            issuer: header_value(issuer),
            client_id: claims.holder.client_id.as_deref().and_then(header_value),
            username: claims.username.as_deref().and_then(header_value),
            scopes: header_value(&claims.holder.scopes.join(" ")),
            groups: group_list(&claims.holder.groups),
        }
    }
}

fn group_list(groups: &[String]) -> Option<HeaderValue> {
    let changes = |group: &String| group.is_empty() || group.contains(',') || group.starts_with(' ') || group.ends_with(' ');
    if groups.iter().any(changes) { None } else { header_value(&groups.join(",")) }
}

fn header_value(text: &str) -> Option<HeaderValue> {
    let visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.is_empty() || !visible || text.starts_with(' ') || text.ends_with(' ') {
        return None;
    }
    HeaderValue::from_str(text).ok()
}

/// Proof that a token was verified; only this module makes one.
///
/// Others may hold one,
///
/// ```
/// use stackflow_gateway::auth::VerifiedToken;
/// fn kept(proof: VerifiedToken) -> VerifiedToken { proof }
/// ```
///
/// and cannot make one, not even out of another:
///
/// ```compile_fail,E0451
/// use stackflow_gateway::auth::VerifiedToken;
/// fn forged(proof: VerifiedToken) -> VerifiedToken { VerifiedToken { ..proof } }
/// ```
#[derive(Debug)]
pub struct VerifiedToken {
    issuer: IssuerIndex,
    issuer_name: Arc<str>,
    times: Times,
    holder: Holder,
    identity: Identity,
}

impl VerifiedToken {
    /// Called by `Authenticator::verify` alone, after every check.
    pub(super) fn new(issuer: IssuerIndex, issuer_name: Arc<str>, claims: Claims, times: Times) -> Self {
        let identity = Identity::new(&claims, &issuer_name);
        Self { issuer, issuer_name, times, holder: claims.holder, identity }
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    /// What a revocation can be about.
    pub(super) fn facts(&self) -> Facts<'_> {
        self.holder.facts(&self.issuer_name, self.times)
    }

    /// Whose token it is.
    #[must_use]
    pub fn issuer(&self) -> IssuerIndex {
        self.issuer
    }

    /// `iss`.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// `sub`, never empty.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.holder.subject
    }

    /// The client it was issued to, where the token says so.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.holder.client_id.as_deref()
    }

    /// What it allows, in the token's order.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.holder.scopes
    }

    /// The groups its user is in, as the issuer names them.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.holder.groups
    }

    /// Header values towards the upstream.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

#[cfg(test)]
mod tests;
