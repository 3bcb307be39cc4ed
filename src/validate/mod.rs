//! What the edge refuses of a request that is allowed, so that upstreams need not.
//!
//! Of the request's head only, and allocating nothing unless it refuses; it neither reads nor changes bodies.
mod media_type;
mod query;

pub use media_type::is_json;
pub use query::{ParameterError, ParameterRule, QueryRules};
