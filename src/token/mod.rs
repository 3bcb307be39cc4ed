//! The token endpoint: service accounts' secrets for short-lived tokens (RFC 6749, sections 4.4 and 5; RFC 9068).
//!
//! Pure: a request, the accounts, the keys and the moment give an answer; a text of accounts or of retired keys gives another.
//! The buckets of wrong secrets are handed in, the files are the loader's and the commands'.
mod endpoint;

mod accounts;
mod accounts_file;
mod form;

mod own_keys;
mod public;
mod retired;
mod signing;

pub use accounts::{Account, SecretHash, ServiceAccounts};
pub(crate) use accounts::{end_of, is_name, is_scope};
pub use accounts_file::{EditError, NewAccount, add_account, remove_account};
pub use endpoint::{Limited, TokenAnswer, TokenEndpoint, TokenRequest, TokenSettings};
pub use public::PublicKey;
pub use retired::{RetiredKeys, RetiredKeysError};
pub use signing::{SigningAlgorithm, SigningKey, SigningKeyError};
