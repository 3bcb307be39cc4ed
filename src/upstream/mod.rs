//! Where requests go: which server is next, and what the request's header fields become. Pure; connecting is `proxy`'s.

mod headers;
mod select;
mod settings;
pub mod websocket;

pub use headers::{Edit, Hop, edit_request, incoming_trace, server_host};
pub use select::{Server, Tried, Upstream, UpstreamIndex, Upstreams};
pub use settings::{IdentityHeaders, ServerAddress, UpstreamSettings};
