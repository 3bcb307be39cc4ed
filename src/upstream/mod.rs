//! Where requests go: selection of a server, retry rule, request headers. Pure: connecting is `proxy`'s.
mod select;
mod settings;

pub use select::{Server, Upstream, UpstreamIndex, Upstreams};
pub use settings::{IdentityHeaders, ServerAddress, UpstreamSettings};
