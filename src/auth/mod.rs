//! Who the request has proven to be: bearer tokens (RFC 6750) as JWTs (RFC 7519) of the configured issuers, judged as RFC 8725 asks.
//!
//! Invariants
//! - A [`VerifiedToken`] is made by [`Authenticator::verify`] alone, after the form, the claims and the signature were judged.
//! - Keys come from the issuer's configuration, never from the token (`jwk`, `jku`, `x5u`, `x5c` in its header are not read).
//! - An earlier verification counts only for the same bytes, inside the token's times, under the key set it was made with, and
//!   where the revocations in force do not concern the token.
//! - What can be refused without a key is refused without one; the signature, the dearest check, comes after that, and only
//!   revocations and expiry after it.
//!
//! Not here: fetching keys (`remote`), answering (`reply`), which route needs a token (`pipeline`).
// What is asked and answered.
mod bearer;
mod token;

// Whose tokens, and the order of the checks.
mod authenticator;
mod issuer;

// Form, claims, keys.
mod claims;
mod json;
mod jwk;
mod jws;
mod keys;

// What was verified before, and what is refused all the same.
mod cache;
mod revocations;

#[cfg(test)]
pub(crate) mod test_keys;

pub use authenticator::Authenticator;
pub use bearer::{Credentials, UnverifiedToken, credentials};
pub use cache::TokenCache;
pub use issuer::{Allowed, Issuer, IssuerIndex, IssuerSettings, KeySource, Profile, TokenUse};
pub use keys::{Algorithm, AllLeftOut, KeyRing, KeySet, KeySetError, LeftOut};
pub use revocations::{Revocations, Revoked, Target};
pub use token::{AuthError, Identity, InvalidReason, VerifiedToken};
