//! The token endpoint's signing key and service accounts.
//!
//! A signing key that is not there yet is made in memory, and only for a configuration that has no problem (an RSA key takes 100 ms and
//! more). Writing it is left to whoever serves.

use super::attached::{has_folder, unreadable};
use crate::{
    config::{
        NewKeyFile, Problem, Problems,
        file::{WrittenAuth, WrittenTokenEndpoint},
        report::{Fault, Placed, Report, place_in},
    },
    secret::Secret,
    token::{ServiceAccounts, SigningAlgorithm, SigningKey, SigningKeyError, TokenEndpoint, TokenSettings},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const SIGNING_KEY: &str = "auth.token_endpoint.signing_key";
const API_KEYS: &str = "auth.token_endpoint.api_keys";

/// A token endpoint whose files are in order.
pub(super) struct CheckedTokenEndpoint {
    settings: TokenSettings,
    key: Key,
    accounts: ServiceAccounts,
}

/// The signing key.
enum Key {
    There(SigningKey),
    /// For this file.
    ToMake(PathBuf, SigningAlgorithm),
}

/// What is handed over in memory, in place of the files that `signing_key` and `api_keys` of `[auth.token_endpoint]` name.
#[derive(Debug)]
pub struct Provided {
    /// Who may ask for tokens.
    pub service_accounts: ServiceAccounts,
    /// What tokens are signed with; its algorithm holds, not that of the file.
    pub signing_key: SigningKey,
}

/// Reads the files, unless their content is `provided`; `None` when there is no token endpoint, or there was a problem.
pub(super) fn check(report: &Report<'_>, auth: &WrittenAuth, provided: Option<Provided>) -> Option<CheckedTokenEndpoint> {
    let written = auth.token_endpoint.as_ref()?;
    let (key, accounts) = match provided {
        Some(Provided { service_accounts, signing_key }) => (Some(Key::There(signing_key)), Some(service_accounts)),
        None => (signing_key(report, written), accounts(report, &written.api_keys)),
    };
    let WrittenTokenEndpoint { path, issuer, jwks_path, audience, token_lifetime, .. } = written;
    let settings = TokenSettings {
        path: path.value.clone(),
        jwks_path: jwks_path.value.clone(),
        issuer: issuer.value.clone(),
        audience: audience.clone(),
        token_lifetime: *token_lifetime,
        leeway: auth.leeway,
    };
    Some(CheckedTokenEndpoint { settings, key: key?, accounts: accounts? })
}

impl CheckedTokenEndpoint {
    /// The endpoint, and the file for its key when that was made just now.
    pub(super) fn build(self, file: &Path) -> Result<(TokenEndpoint, Option<NewKeyFile>), Problems> {
        let (path, algorithm) = match self.key {
            Key::There(key) => return Ok((TokenEndpoint::new(self.settings, key, self.accounts), None)),
            Key::ToMake(path, algorithm) => (path, algorithm),
        };
        let (key, pem) = SigningKey::generate(algorithm).map_err(|error| {
            let Fault { what, remedy } = key_fault(&path, &error);
            Problems(vec![Problem { file: file.to_owned(), line: 1, column: 1, key: SIGNING_KEY.to_owned(), what, remedy }])
        })?;
        let new = NewKeyFile { path, pem: Secret::new(pem) };
        Ok((TokenEndpoint::new(self.settings, key, self.accounts), Some(new)))
    }
}

fn signing_key(report: &Report<'_>, written: &WrittenTokenEndpoint) -> Option<Key> {
    let Placed { at, value: path } = &written.signing_key;
    let key = match fs::read_to_string(path) {
        Ok(pem) => SigningKey::from_pem(&pem, written.algorithm).map(Key::There).map_err(|error| key_fault(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            has_folder(path).map(|()| Key::ToMake(path.clone(), written.algorithm))
        }
        Err(error) => Err(unreadable(path, &error)),
    };
    key.map_err(|fault| report.add(*at, SIGNING_KEY, fault)).ok()
}

fn key_fault(path: &Path, error: &SigningKeyError) -> Fault {
    let (what, remedy) = match error {
        SigningKeyError::NotPem => {
            ("is not a private key in PKCS #8 PEM form", "write such a file, or remove it and a key is made")
        }
        SigningKeyError::WrongKind(SigningAlgorithm::Rs256) => {
            ("is not an RSA key", "write an RSA key, or `algorithm = \"ES256\"`")
        }
        SigningKeyError::WrongKind(SigningAlgorithm::Es256) => {
            ("is not an EC P-256 key", "write such a key, or `algorithm = \"RS256\"`")
        }
        SigningKeyError::TooShort => {
            ("is an RSA key of less than 2048 bits", "write a longer key, or remove it and a key is made")
        }
        SigningKeyError::Generation => {
            ("could not be made: the crypto library failed", "try again, or write a key made elsewhere")
        }
    };
    Fault::new(format!("`{}` {what}", path.display()), remedy)
}

fn accounts(report: &Report<'_>, path: &Placed<PathBuf>) -> Option<ServiceAccounts> {
    let Placed { at, value: path } = path;
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let Fault { what, remedy } = unreadable(path, &error);
            let missing = error.kind() == io::ErrorKind::NotFound;
            let remedy = if missing {
                "make it with an entry [[service_accounts]] of `name`, `client_id`, `secret_sha256` (`printf %s SECRET | sha256sum`) \
                 and `scopes`"
                    .to_owned()
            } else {
                remedy
            };
            report.add(*at, API_KEYS, Fault::new(what, remedy));
            return None;
        }
    };
    let wrong = |error: crate::token::AccountsError| {
        let (key, remedy) = ("service_accounts".to_owned(), "correct the entry".to_owned());
        let (line, column) = place_in(&text, error.at);
        report.add_elsewhere(*at, Problem { file: path.clone(), line, column, key, what: error.what, remedy });
    };
    ServiceAccounts::parse(&text).map_err(wrong).ok()
}
