//! The token endpoint: service accounts' secrets for short-lived tokens (RFC 6749, sections 4.4 and 5; RFC 9068).
mod accounts;
mod endpoint;
mod signing;

pub use accounts::{AccountsError, ServiceAccounts};
pub use endpoint::{TokenAnswer, TokenEndpoint, TokenSettings};
pub use signing::{SigningAlgorithm, SigningKey, SigningKeyError};
