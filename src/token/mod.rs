//! The token endpoint: service accounts' secrets for short-lived tokens (RFC 6749, sections 4.4 and 5; RFC 9068).
//!
//! Pure: a request, the accounts, the key and the moment give an answer. Who is allowed to ask how often is the pipeline's,
//! the files are the loader's.
mod accounts;
mod endpoint;
mod form;
mod signing;

pub(crate) use accounts::is_scope;
pub use accounts::{AccountsError, ServiceAccounts};
pub use endpoint::{TokenAnswer, TokenEndpoint, TokenSettings};
pub use signing::{SigningAlgorithm, SigningKey, SigningKeyError};
