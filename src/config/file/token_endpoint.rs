//! `[auth.token_endpoint]`.

use super::{absolute_path, limits::quota, path};
use crate::{
    config::{report::Placed, table::Table, url, value::non_empty},
    limit::Quota,
    token::SigningAlgorithm,
};
use std::{path::PathBuf, time::Duration};

/// `[auth.token_endpoint]`, with the places of what is checked later.
pub(crate) struct WrittenTokenEndpoint {
    pub(crate) path: Placed<String>,
    pub(crate) issuer: Placed<String>,
    pub(crate) jwks_path: Placed<String>,
    pub(crate) signing_key: Placed<PathBuf>,
    pub(crate) algorithm: SigningAlgorithm,
    pub(crate) failures: Quota,
    pub(crate) audience: String,
    pub(crate) api_keys: Placed<PathBuf>,
    pub(crate) token_lifetime: Duration,
}

/// `[auth.token_endpoint]`.
pub(super) fn token_endpoint(table: &Table<'_>) -> WrittenTokenEndpoint {
    let lifetimes = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    let algorithms = [("RS256", SigningAlgorithm::Rs256), ("ES256", SigningAlgorithm::Es256)];
    WrittenTokenEndpoint {
        path: table.text_or("path", "/oauth2/token", absolute_path),
        issuer: table.text_or("issuer", "https://gateway.example.internal", url::absolute),
        jwks_path: table.text_or("jwks_path", "/.well-known/jwks.json", absolute_path),
        signing_key: table.text_or("signing_key", "signing-key.pem", path(table)),
        algorithm: table.word("algorithm", SigningAlgorithm::Rs256, &algorithms),
        failures: quota(table, "failures", 1, 100),
        audience: table.text_or("audience", "stackflow-api", non_empty).value,
        api_keys: table.text_or("api_keys", "api-keys.toml", path(table)),
        token_lifetime: table.duration("token_lifetime", Duration::from_secs(900), &lifetimes),
    }
}

#[cfg(test)]
mod tests;
