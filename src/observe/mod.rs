//! What is recorded of each exchange: metrics and the access log. Every exchange is recorded exactly once.

mod access_log;
mod ends;
mod exchange;
mod ids;
mod limited;
mod metrics;
mod queue;

pub(crate) use access_log::{write_json_text, write_time};
pub use ends::ConnectionEnd;
pub use exchange::{Exchange, logged_subject};
pub use ids::{Ids, RequestIds};
pub use limited::{LimitedUser, LimitedUsers};
pub use metrics::{HEADER_FAULTS, Handles, Metrics, UpstreamFailure};
pub use queue::{LogQueue, LogWriter};
