//! stackflow-gateway (placeholder for the crate docs)

pub mod admin;
pub mod auth;
pub mod cli;
pub mod config;
pub mod cors;
pub mod demo;
pub mod limit;
pub mod observe;
pub mod pipeline;
pub mod proxy;
pub mod remote;
pub mod reply;
pub mod request;
pub mod response_headers;
pub mod route;
pub mod secret;
pub mod state;
pub mod time;
pub mod token;
pub mod upstream;
pub mod validate;
