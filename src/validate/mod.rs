//! What the edge refuses of a request that is allowed.
mod media_type;
mod query;

pub use media_type::is_json;
pub use query::{ParameterError, ParameterRule, QueryRules};
