//! Which origins may read answers (Fetch, section 3.2; RFC 6454).
mod origin;
mod policy;

pub use origin::{OriginPattern, OriginPatternError};
pub use policy::{CorsPolicy, CorsSettings, Preflight, RequestOrigin};
