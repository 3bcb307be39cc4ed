//! The token endpoint's signing key, retired keys and service accounts.
//!
//! The signing key is read first. A rotation writes the retired keys first: so a key that signed is found in one place or the
//! other, whenever it happens.
//!
//! A signing key that is not there yet is made in memory, and only for a configuration that has no problem (an RSA key takes 100 ms and
//! more). Writing it is left to whoever serves.

use super::attached::{guarded, has_folder, unreadable};
use crate::{
    config::{
        NewKeyFile, Problem, Problems,
        file::{WrittenAuth, WrittenTokenEndpoint},
        files::{LARGE, SMALL, read_text},
        read_accounts,
        report::{Fault, Placed, Report},
    },
    secret::Secret,
    token::{RetiredKeys, ServiceAccounts, SigningAlgorithm, SigningKey, SigningKeyError, TokenEndpoint, TokenSettings},
};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use toml::de::DeTable;

const SIGNING_KEY: &str = "auth.token_endpoint.signing_key";
const API_KEYS: &str = "auth.token_endpoint.api_keys";

/// A token endpoint whose files are in order.
pub(super) struct CheckedTokenEndpoint {
    settings: TokenSettings,
    key: Key,
    retired: RetiredKeys,
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
    let in_files = provided.is_none();
    let (key, retired, accounts) = match provided {
        Some(Provided { service_accounts, signing_key }) => {
            (Some(Key::There(signing_key)), Some(RetiredKeys::default()), Some(service_accounts))
        }
        None => (signing_key(report, written), retired_keys(report, written), accounts(report, &written.api_keys)),
    };
    let WrittenTokenEndpoint { path, issuer, jwks_path, audience, token_lifetime, .. } = written;
    let settings = TokenSettings {
        path: path.value.clone(),
        jwks_path: jwks_path.value.clone(),
        issuer: issuer.value.clone(),
        audience: audience.clone(),
        token_lifetime: *token_lifetime,
        leeway: auth.leeway,
        signing_key: in_files.then(|| written.signing_key.value.clone()),
    };
    Some(CheckedTokenEndpoint { settings, key: key?, retired: retired?, accounts: accounts? })
}

impl CheckedTokenEndpoint {
    /// The endpoint, and the file for its key when that was made just now.
    pub(super) fn build(self, file: &Path) -> Result<(TokenEndpoint, Option<NewKeyFile>), Problems> {
        let Self { settings, key, retired, accounts } = self;
        let (path, algorithm) = match key {
            Key::There(key) => return Ok((TokenEndpoint::new(settings, key, retired, accounts), None)),
            Key::ToMake(path, algorithm) => (path, algorithm),
        };
        let (key, pem) = SigningKey::generate(algorithm).map_err(|error| {
            let Fault { what, remedy } = key_fault(&path, &error);
            Problems(vec![Problem::of_file(file, SIGNING_KEY, what, remedy)])
        })?;
        let new = NewKeyFile { path, pem: Secret::new(pem) };
        Ok((TokenEndpoint::new(settings, key, retired, accounts), Some(new)))
    }
}

fn signing_key(report: &Report<'_>, written: &WrittenTokenEndpoint) -> Option<Key> {
    let Placed { at, value: path } = &written.signing_key;
    let key = match read_text(path, SMALL) {
        Ok(pem) => SigningKey::from_pem(&pem, written.algorithm).map(Key::There).map_err(|error| key_fault(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            has_folder(path).map(|()| Key::ToMake(path.clone(), written.algorithm))
        }
        Err(error) => Err(unreadable(path, &error)),
    };
    guarded(path).and(key).map_err(|fault| report.add(*at, SIGNING_KEY, fault)).ok()
}

/// Where the retired keys of a signing key are: beside it, `NAME.retired.json`.
#[must_use]
pub fn retired_keys_file(signing_key: &Path) -> PathBuf {
    let mut name = signing_key.file_name().unwrap_or_default().to_owned();
    name.push(".retired.json");
    signing_key.with_file_name(name)
}

/// Most that a file of retired keys may hold, in bytes: some hundred keys.
pub const MOST_RETIRED: u64 = 256 * 1024;

fn retired_keys(report: &Report<'_>, written: &WrittenTokenEndpoint) -> Option<RetiredKeys> {
    let path = retired_keys_file(&written.signing_key.value);
    let fault = match read_text(&path, MOST_RETIRED) {
        Ok(text) => match guarded(&path).map(|()| RetiredKeys::parse(&text)) {
            Ok(Ok(retired)) => return Some(retired),
            Err(fault) => fault,
            Ok(Err(error)) => {
                let remedy = "correct it, or remove it: tokens that its keys signed are then refused";
                Fault::new(format!("`{}` {error}", path.display()), remedy)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(RetiredKeys::default()),
        Err(error) => {
            let Fault { what, remedy } = unreadable(&path, &error);
            let large = error.kind() == io::ErrorKind::FileTooLarge;
            Fault::new(what, if large { "remove keys whose `exp` is over".to_owned() } else { remedy })
        }
    };
    report.add(written.signing_key.at, SIGNING_KEY, fault);
    None
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
    let text = match read_text(path, LARGE) {
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
    guarded(path).map_err(|fault| report.add(*at, API_KEYS, fault)).ok()?;
    let wrong = |problems: Problems| problems.0.into_iter().for_each(|problem| report.add_elsewhere(*at, problem));
    read_accounts(path, &text).map_err(wrong).ok().map(|accounts| accounts.into_iter().collect())
}

/// What the commands that change accounts and keys need of a configuration.
#[derive(Clone, Debug)]
pub struct TokenFiles {
    /// The service accounts.
    pub api_keys: PathBuf,
    /// The signing key.
    pub signing_key: PathBuf,
    /// What a new one is for.
    pub algorithm: SigningAlgorithm,
    /// Of the tokens that it signs.
    pub token_lifetime: Duration,
}

/// Reads `[auth.token_endpoint]` alone. The files that it names need not be there, and other tables may have problems: accounts
/// and keys are made before everything else is in order.
///
/// # Errors
/// The text is not TOML, or the table is not there or has problems.
pub fn token_files(path: &Path) -> Result<TokenFiles, Problems> {
    let text = super::read(path)?;
    let (document, syntax) = DeTable::parse_recoverable(&text);
    let report = Report::new(path, &text, &syntax);
    let endpoint = crate::config::file::read(&report, document.get_ref()).auth.token_endpoint;
    let mut problems = report.into_problems();
    problems.0.retain(|problem| problem.key == "TOML" || problem.key.starts_with("auth.token_endpoint"));
    if endpoint.is_none() && problems.0.is_empty() {
        problems.0.push(Problem::of_file(path, "auth.token_endpoint", "is missing", "add the line `[auth.token_endpoint]`"));
    }
    match endpoint {
        Some(WrittenTokenEndpoint { api_keys, signing_key, algorithm, token_lifetime, .. }) if problems.0.is_empty() => {
            Ok(TokenFiles { api_keys: api_keys.value, signing_key: signing_key.value, algorithm, token_lifetime })
        }
        _ => Err(problems),
    }
}
