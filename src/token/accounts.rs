//! Service accounts: whose secret it is, and until when.
//!
//! Only the hash of a secret is kept. A plain SHA-256 is enough because the secrets are random and long: there is nothing to
//! guess by dictionary, and a slow hash would let strangers spend our time.
//!
//! Not here: how they are written (`config::read_accounts` reads their file, `accounts_file` changes it).
use crate::{secret::Secret, toml_time::unix_s_of};
use aws_lc_rs::{constant_time, digest};
use std::{collections::HashMap, fmt};
use toml::value::{Datetime, Offset, Time};

/// The service accounts by client id.
#[derive(Debug, Default)]
pub struct ServiceAccounts {
    by_client_id: HashMap<String, Account>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// For people.
    pub name: String,
    /// For the token endpoint.
    pub client_id: String,
    /// What proves it.
    pub secret_sha256: SecretHash,
    /// What its tokens may do.
    pub scopes: Vec<String>,
    /// From when on it is nobody's, as it is written.
    pub expires: Option<String>,
    /// The same in seconds since 1970.
    pub expires_unix_s: Option<u64>,
}

impl Account {
    /// Whether it has ended at that second.
    #[must_use]
    pub fn is_over(&self, unix_s: u64) -> bool {
        self.expires_unix_s.is_some_and(|end| end <= unix_s)
    }
}

/// The SHA-256 of a secret, not printed: a short secret of someone's own choice could be found from it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(pub(crate) [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl SecretHash {
    pub(super) fn of(secret: &Secret) -> Self {
        let hash = digest::digest(&digest::SHA256, secret.expose().as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        Self(bytes)
    }
}

/// No two have one client id: that is for whoever read them to see.
impl FromIterator<Account> for ServiceAccounts {
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> Self {
        Self { by_client_id: accounts.into_iter().map(|account| (account.client_id.clone(), account)).collect() }
    }
}

impl ServiceAccounts {
    /// One account that does not expire.
    #[must_use]
    pub fn single(client_id: &str, secret: &Secret, scopes: Vec<String>) -> Self {
        let (name, client_id, secret_sha256) = (client_id.to_owned(), client_id.to_owned(), SecretHash::of(secret));
        [Account { name, client_id, secret_sha256, scopes, expires: None, expires_unix_s: None }].into_iter().collect()
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
    pub(super) fn named(&self, client_id: &str) -> Option<&Account> {
        self.by_client_id.get(client_id)
    }

    /// The account, if the secret is its own and it has not expired. The same work for an unknown client as for a wrong
    /// secret, so that the time of the answer does not tell which client ids exist.
    pub(super) fn proven(&self, client_id: &str, secret: &Secret, unix_s: u64) -> Option<&Account> {
        const NOBODY: SecretHash = SecretHash([0; 32]);
        let account = self.named(client_id);
        let SecretHash(expected) = account.map_or(&NOBODY, |account| &account.secret_sha256);
        let SecretHash(found) = SecretHash::of(secret);
        let same = constant_time::verify_slices_are_equal(&found, expected).is_ok();
        account.filter(|account| same && !account.is_over(unix_s))
    }
}

/// What people call an account.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// RFC 6749, section 3.3, `scope-token`: it stands in quotes in `WWW-Authenticate`, so it may hold neither quotes nor spaces.
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// From which second since 1970 on an account that ends at that moment is nobody's; of a date alone its first second, by UTC. What
/// lies before 1970 is 0, long expired. `None`: another moment at each place.
pub(crate) fn end_of(written: &Datetime) -> Option<u64> {
    const MIDNIGHT: Time = Time { hour: 0, minute: 0, second: None, nanosecond: None };
    let (time, offset) = match (written.time, written.offset) {
        (None, None) => (MIDNIGHT, Offset::Z),
        (Some(time), Some(offset)) => (time, offset),
        (Some(_), None) | (None, Some(_)) => return None,
    };
    Some(u64::try_from(unix_s_of(written.date?, time, offset)).unwrap_or(0))
}

#[cfg(test)]
mod tests;
