//! `api-keys.toml`: `[[service_accounts]]` with name, client_id, secret_sha256 (hex), scopes, expires (optional).

/// The service accounts by client id.
#[derive(Debug, Default)]
pub struct ServiceAccounts {}

/// Why the text is not a list of service accounts.
#[derive(Debug, PartialEq, Eq)]
pub struct AccountsError { /// Line, from 1. 
    pub line: usize, /// Column, from 1. 
    pub column: usize, /// What is wrong.
    pub what: String }

impl ServiceAccounts {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The first problem.
    pub fn parse(text: &str) -> Result<Self, AccountsError> { let _ = text; todo!() }
}
