//! Shared set-up of the integration tests: the real binary, real sockets, real tokens.
//!
//! Every address is chosen by the system, every wait ends at an event or at `DEADLINE`, and every process started here is ended by
//! its own id. Nothing here skips: a tool that is missing is a failed test.
#![allow(dead_code, unused_imports, reason = "each test binary includes this module and uses its own part of it")]
#![allow(clippy::must_use_candidate, clippy::missing_panics_doc, clippy::unwrap_used, reason = "tests: a panic is how they fail")]

mod account;
mod answer;
mod backend;
mod beside;
mod certificates;
mod client;
mod curl;
mod decoration;
mod envoy;
mod external;
mod gateway;
pub mod http2;
mod issuer;
mod lines;
mod process;
mod segments;
mod setup;
mod trial;
mod world;

pub use account::account;
pub use answer::read_answer;
pub use backend::{Backend, Call, Gate, Head, NOBODY, Seen};
pub use beside::{LIMITLESS, MEMORY_KB, beside_a_good_client, flood_time, step_behind};
pub use certificates::{Authority, Certificate, tls_before, tls_upstream};
pub use client::{Client, Response, request};
pub use curl::curl;
pub use decoration::{assert_decorated, assert_shared_with, epoch_seconds};
pub use envoy::{Door, Envoy};
pub use external::{Helper, node, python};
pub use gateway::{Directory, Gateway};
pub use http2::{DATA, Frame, HEADERS, Http2, Next, RST_STREAM, SETTINGS};
pub use issuer::{Issuer, JwksServer, KeyServing};
pub use lines::Lines;
pub use process::{Tool, run_tool};
pub use segments::{Segments, base64url};
pub use setup::{SHIPPED_ISSUER, Setup, shipped};
pub use trial::{LIST, Trial};
pub use world::{JSON, World};

use std::time::Duration;

/// The longest any test waits for something that must happen: generous, since only a failing test ever waits this long.
pub const DEADLINE: Duration = Duration::from_secs(20);
