//! Who the request has proven to be.
mod bearer;
mod cache;
mod issuer;
mod keys;
mod token;

pub use bearer::{Credentials, UnverifiedToken, credentials};
pub use cache::TokenCache;
pub use issuer::{Allowed, Authenticator, Issuer, IssuerIndex, IssuerSettings, KeySource, Profile, TokenUse};
pub use keys::{Algorithm, KeyRing, KeySet, KeySetError, LeftOut};
pub use token::{AuthError, Identity, InvalidReason, VerifiedToken};
