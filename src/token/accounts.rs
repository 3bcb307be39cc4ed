//! `api-keys.toml`: `[[service_accounts]]` with `name`, `client_id`, `secret_sha256` (hex), `scopes`, `expires` (optional).
//!
//! Only the hash of a secret is kept. A plain SHA-256 is enough because the secrets are random and long: there is nothing to
//! guess by dictionary, and a slow hash would let strangers spend our time.
use crate::{secret::Secret, time::days_since_1970};
use aws_lc_rs::{constant_time, digest};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::Range,
};
use toml::{
    Spanned, Value,
    value::{Datetime, Offset},
};

/// The service accounts by client id.
#[derive(Debug, Default)]
pub struct ServiceAccounts {
    by_client_id: HashMap<String, ServiceAccount>,
}

/// What may be shown of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// For people.
    pub name: String,
    /// For the token endpoint.
    pub client_id: String,
    /// What its tokens may do.
    pub scopes: Vec<String>,
    /// As it is written.
    pub expires: Option<String>,
    /// The same in seconds since 1970.
    pub expires_unix_s: Option<u64>,
}

/// One account.
#[derive(Debug)]
pub(super) struct ServiceAccount {
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    secret_sha256: SecretHash,
    /// From this second on the account is nobody's.
    pub(super) expires_unix_s: Option<u64>,
}

/// The hash of a secret, not printed: a short secret of someone's own choice could be found from it.
struct SecretHash([u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// Why the text is not a list of service accounts.
#[derive(Debug, PartialEq, Eq)]
pub struct AccountsError {
    /// The byte of the text.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for AccountsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for AccountsError {}

impl AccountsError {
    /// Line and column in the text that was read, each from 1; columns count characters.
    #[must_use]
    pub fn place_in(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

/// SHA-256 of a secret, as `secret_sha256` holds it in hex.
pub(super) fn hash_secret(secret: &Secret) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, secret.expose().as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.as_ref());
    bytes
}

impl ServiceAccounts {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The first problem.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        let account = |(account, _): (ServiceAccount, Account)| (account.client_id.clone(), account);
        Ok(Self { by_client_id: read(text)?.into_iter().map(account).collect() })
    }

    /// The accounts of the file's text, in its order.
    ///
    /// # Errors
    /// The first problem.
    pub fn list(text: &str) -> Result<Vec<Account>, AccountsError> {
        Ok(read(text)?.into_iter().map(|(_, shown)| shown).collect())
    }

    /// One account that does not expire.
    #[must_use]
    pub fn single(client_id: &str, secret: &Secret, scopes: Vec<String>) -> Self {
        let client_id = client_id.to_owned();
        let secret_sha256 = SecretHash(hash_secret(secret));
        let account = ServiceAccount { client_id: client_id.clone(), scopes, secret_sha256, expires_unix_s: None };
        Self { by_client_id: HashMap::from([(client_id, account)]) }
    }

    /// Number of accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_client_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_client_id.is_empty()
    }

    /// The account of that client id, proven or not.
    pub(super) fn named(&self, client_id: &str) -> Option<&ServiceAccount> {
        self.by_client_id.get(client_id)
    }

    /// The account, if the secret is its own and it has not expired. The same work for an unknown client as for a wrong
    /// secret, so that the time of the answer does not tell which client ids exist.
    pub(super) fn proven(&self, client_id: &str, secret: &Secret, unix_s: u64) -> Option<&ServiceAccount> {
        const NOBODY: SecretHash = SecretHash([0; 32]);
        let account = self.named(client_id);
        let SecretHash(expected) = account.map_or(&NOBODY, |account| &account.secret_sha256);
        let same = constant_time::verify_slices_are_equal(&hash_secret(secret), expected).is_ok();
        account.filter(|account| same && account.expires_unix_s.is_none_or(|expires| unix_s < expires))
    }
}

/// All accounts of a text, no two with one name or one client id.
fn read(text: &str) -> Result<Vec<(ServiceAccount, Account)>, AccountsError> {
    let file: File = toml::from_str(text).map_err(|error| problem(error.span(), error.message()))?;
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    let mut accounts = Vec::with_capacity(file.service_accounts.len());
    for written in file.service_accounts {
        let (name, id) = (written.name.clone(), written.client_id.clone());
        let expires = written.expires.as_ref().map(|expires| plain(expires.get_ref()));
        let account = written.read().map_err(|(span, what)| problem(Some(span), what))?;
        if !names.insert(name.get_ref().clone()) {
            return Err(problem(Some(name.span()), "name: another account has this name"));
        }
        if !ids.insert(id.get_ref().clone()) {
            return Err(problem(Some(id.span()), "client_id: another account has this client_id"));
        }
        let shown = Account {
            name: name.into_inner(),
            client_id: id.into_inner(),
            scopes: account.scopes.clone(),
            expires,
            expires_unix_s: account.expires_unix_s,
        };
        accounts.push((account, shown));
    }
    Ok(accounts)
}

/// A moment as it is written, without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Datetime(datetime) => datetime.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    service_accounts: Vec<Written>,
}

/// One table as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    client_id: Spanned<String>,
    secret_sha256: Spanned<String>,
    #[serde(default)]
    scopes: Vec<Spanned<String>>,
    expires: Option<Spanned<Value>>,
}

type Wrong = (Range<usize>, &'static str);

impl Written {
    fn read(self) -> Result<ServiceAccount, Wrong> {
        if !is_name(self.name.get_ref()) {
            return Err((self.name.span(), "name: must be text without control characters"));
        }
        let client_id = self.client_id.get_ref();
        if client_id.is_empty() || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err((self.client_id.span(), "client_id: must be visible ASCII without spaces"));
        }
        let hash = hex(self.secret_sha256.get_ref());
        let hash = hash.ok_or((self.secret_sha256.span(), "secret_sha256: must be 64 hexadecimal digits"))?;
        if let Some(wrong) = self.scopes.iter().find(|scope| !is_scope(scope.get_ref())) {
            return Err((wrong.span(), "scopes: must be visible ASCII without spaces, quotes and backslashes"));
        }
        let expires_unix_s = match &self.expires {
            None => None,
            Some(expires) => Some(
                moment(expires.get_ref())
                    .ok_or((expires.span(), "expires: must be a date and time with an offset, like 2030-01-31T00:00:00Z"))?,
            ),
        };
        Ok(ServiceAccount {
            client_id: client_id.clone(),
            scopes: self.scopes.into_iter().map(Spanned::into_inner).collect(),
            secret_sha256: SecretHash(hash),
            expires_unix_s,
        })
    }
}

/// What people call an account.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// RFC 6749, section 3.3, `scope-token`: it stands in quotes in `WWW-Authenticate`, so it may hold neither quotes nor spaces.
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A date-time in text, and its seconds since 1970; of a date alone the first, by UTC.
pub(super) fn read_moment(text: &str) -> Option<(Datetime, u64)> {
    let written: Datetime = text.parse().ok()?;
    let datetime: Datetime = match written {
        Datetime { date: Some(_), time: None, offset: None } => format!("{written}T00:00:00Z").parse().ok()?,
        other => other,
    };
    moment(&Value::Datetime(datetime)).map(|unix_s| (datetime, unix_s))
}

/// Seconds since 1970 of an RFC 3339 date-time, written as text or as TOML's own; before 1970 it is 0, long expired.
fn moment(value: &Value) -> Option<u64> {
    let parsed: Datetime = match value {
        Value::Datetime(datetime) => *datetime,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let (date, time) = (parsed.date?, parsed.time?);
    let offset_minutes = match parsed.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds_of_day = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    Some(u64::try_from(days * 86_400 + seconds_of_day - offset_minutes * 60).unwrap_or(0))
}

fn problem(span: Option<Range<usize>>, what: &str) -> AccountsError {
    AccountsError { at: span.map_or(0, |span| span.start), what: what.to_owned() }
}

#[cfg(test)]
mod tests;
