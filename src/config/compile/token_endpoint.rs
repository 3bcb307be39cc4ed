//! The token endpoint's signing key and service accounts.
//!
//! A signing key that is not there yet is made in memory, and only for a configuration that has no problem (an RSA key takes 100 ms and
//! more). Writing it is left to whoever serves.

use super::attached::unreadable;
use crate::{
    config::{
        NewKeyFile, Problem, Problems,
        file::{WrittenAuth, WrittenTokenEndpoint},
        report::{Fault, Placed, Report},
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
    /// `None`: to be made.
    key: Option<SigningKey>,
    key_file: PathBuf,
    algorithm: SigningAlgorithm,
    accounts: ServiceAccounts,
}

/// Reads the files; `None` when there is no token endpoint, or there was a problem.
pub(super) fn check(report: &Report<'_>, auth: &WrittenAuth) -> Option<CheckedTokenEndpoint> {
    let written = auth.token_endpoint.as_ref()?;
    let key = signing_key(&written.signing_key, written.algorithm);
    let key = key.map_err(|fault| report.add(written.signing_key.at, SIGNING_KEY, fault)).ok();
    let accounts = accounts(report, &written.api_keys);
    let WrittenTokenEndpoint { path, issuer, jwks_path, algorithm, audience, token_lifetime, signing_key, .. } = written;
    let settings = TokenSettings {
        path: path.value.clone(),
        jwks_path: jwks_path.value.clone(),
        issuer: issuer.value.clone(),
        audience: audience.clone(),
        token_lifetime: *token_lifetime,
        leeway: auth.leeway,
    };
    Some(CheckedTokenEndpoint {
        settings,
        key: key?,
        key_file: signing_key.value.clone(),
        algorithm: *algorithm,
        accounts: accounts?,
    })
}

impl CheckedTokenEndpoint {
    /// The endpoint, and the file for its key when that was made just now.
    pub(super) fn build(self, file: &Path) -> Result<(TokenEndpoint, Option<NewKeyFile>), Problems> {
        if let Some(key) = self.key {
            return Ok((TokenEndpoint::new(self.settings, key, self.accounts), None));
        }
        let (key, pem) = SigningKey::generate(self.algorithm).map_err(|error| {
            let Fault { what, remedy } = key_fault(&self.key_file, &error);
            Problems(vec![Problem { file: file.to_owned(), line: 1, column: 1, key: SIGNING_KEY.to_owned(), what, remedy }])
        })?;
        let new = NewKeyFile { path: self.key_file, pem: Secret::new(pem) };
        Ok((TokenEndpoint::new(self.settings, key, self.accounts), Some(new)))
    }
}

fn signing_key(path: &Placed<PathBuf>, algorithm: SigningAlgorithm) -> Result<Option<SigningKey>, Fault> {
    let path = &path.value;
    match fs::read_to_string(path) {
        Ok(pem) => SigningKey::from_pem(&pem, algorithm).map(Some).map_err(|error| key_fault(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder(path).is_dir() => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("cannot be made: there is no folder `{}`", folder(path).display());
            Err(Fault::new(what, "make the folder, or write another path"))
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
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
                "make it with `stackflow-gateway api-key create --name NAME --config FILE`".to_owned()
            } else {
                remedy
            };
            report.add(*at, API_KEYS, Fault::new(what, remedy));
            return None;
        }
    };
    let wrong = |error: crate::token::AccountsError| {
        let (key, remedy) = ("service_accounts".to_owned(), "correct the entry".to_owned());
        report.add_elsewhere(
            *at,
            Problem { file: path.clone(), line: error.line, column: error.column, key, what: error.what, remedy },
        );
    };
    ServiceAccounts::parse(&text).map_err(wrong).ok()
}
