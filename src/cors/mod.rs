//! Which origins may read answers (Fetch, section 3.2; RFC 6454).
//!
//! It protects no resource: a foreign origin's request is served, its page only cannot read the answer. What may be done
//! is the token's to say.
mod origin;
mod policy;

pub use origin::{OriginPattern, OriginPatternError};
pub use policy::{CorsPolicy, CorsSettings, RequestOrigin};
