//! Pingora and the clocks: connections, phases, and the process around them. Each phase is short and calls what decides.

mod awaiting;
mod background;
mod bodies;
mod client;
mod clock;
mod connection;
mod connections;
mod ctx;
mod direct;
mod entrance;
mod framing;
pub mod guard;
mod heads;
mod idle;
mod listeners;
mod logger;
mod peers;
mod phases;
mod prepared;
mod proxy_protocol;
mod reload;
mod server;
mod shared;
mod talk;
mod tls;
mod token_request;
mod tunnel;
mod upgrade;
mod writer;

pub use clock::Clock;
pub use connections::ConnectionBounds;
pub use reload::{LastReload, ReloadDesk, ReloadError, Reloaded, Unavailable};
pub use server::{RunError, Running, Stop, start, take_over};
pub use shared::{InForce, Shared};
