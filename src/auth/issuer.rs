//! The issuers whose tokens are accepted: what is configured for each, and the keys each has at the moment.
use super::{KeyRing, KeySet, keys::Algorithm};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Place of an issuer in the configuration; also the index of its metric handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuerIndex(pub usize);

/// What the claims look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Amazon Cognito user pools: `token_use`, `client_id` of access tokens, `aud` of id tokens, `cognito:groups`.
    Cognito,
    /// JWT access tokens of RFC 9068: `typ` `at+jwt`, `client_id`, `scope`, `aud`.
    Rfc9068,
    /// Any other issuer.
    Generic,
}

/// `token_use` of a Cognito token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// An access token.
    Access,
    /// An id token.
    Id,
}

/// A list that a claim must be on; switching the check off is a written word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// `"any"`.
    Any,
    /// One of these, compared exactly.
    Listed(Vec<String>),
}

/// Where the issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Fetched from this URL (https, or http to a loopback address).
    Url(String),
    /// Fetched from the `jwks_uri` of the issuer's discovery document at this URL.
    Discovery(String),
    /// Read from this file.
    File(PathBuf),
    /// The gateway's own token endpoint: known from the start, never fetched.
    Own(Arc<KeySet>),
}

/// One `[[auth.issuers]]` table, compiled. Equal settings judge alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Compared exactly with `iss`.
    pub issuer: String,
    /// What the claims look like.
    pub profile: Profile,
    /// Where the keys come from.
    pub keys: KeySource,
    /// Where the last good set is kept for a start at which the issuer does not answer.
    pub jwks_cache_file: Option<PathBuf>,
    /// Trust for the fetch instead of the operating system's.
    pub ca_file: Option<PathBuf>,
    /// Accepted `client_id` (access tokens) or `aud` (Cognito id tokens).
    pub client_ids: Allowed,
    /// Accepted `aud`; of rfc9068 and generic.
    pub audiences: Allowed,
    /// Accepted `token_use`; of cognito.
    pub token_use: Vec<TokenUse>,
    /// Accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Time between two fetches in the background.
    pub refresh: Duration,
    /// Least time between two fetches that unknown key ids ask for.
    pub refresh_cooldown: Duration,
    /// Total time of one fetch.
    pub fetch_timeout: Duration,
    /// Largest accepted key set in bytes.
    pub jwks_size: usize,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// An issuer and its keys of the moment.
#[derive(Debug)]
pub struct Issuer {
    /// What was configured.
    pub settings: IssuerSettings,
    /// Its keys, replaced as a whole.
    pub keys: Arc<KeyRing>,
    /// `settings.issuer`, shared by all its verified tokens.
    pub(super) name: Arc<str>,
}

impl Issuer {
    /// An issuer without keys yet, but for the gateway's own.
    pub(super) fn new(settings: IssuerSettings) -> Self {
        let keys = KeyRing::empty();
        if let KeySource::Own(own) = &settings.keys {
            keys.replace(KeySet::clone(own));
        }
        Self { name: settings.issuer.as_str().into(), keys: Arc::new(keys), settings }
    }

    /// Takes over what the same issuer knew under an earlier configuration.
    ///
    /// With equal settings that is its ring, so that what was verified with its keys stays verified. With others only its keys: a
    /// ring of its own makes every earlier verdict be judged again, and no request waits for a fetch. Where the keys came from
    /// another place they prove nothing here.
    pub(super) fn inherit(&mut self, old: &Self) {
        if self.settings == old.settings {
            self.keys = Arc::clone(&old.keys);
        } else if self.settings.keys == old.settings.keys {
            self.keys.replace(KeySet::clone(&old.keys.current()));
        }
    }
}
