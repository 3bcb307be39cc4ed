//! What the edge refuses of a request that is allowed, so that upstreams need not.
//!
//! Nothing here changes a body; only `records` reads one, and it keeps nothing of it. Nothing is allocated unless a request is
//! refused.
mod media_type;
mod query;
mod records;

pub use media_type::{is_foreign_charset, is_json};
pub use query::{ParameterError, ParameterRule, QueryRules};
pub use records::{DEPTH, RecordCounter, RecordRules, RecordsError};
