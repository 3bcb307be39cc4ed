//! stackflow-gateway (placeholder for the crate docs)

pub mod time;
pub mod secret;
pub mod request;
pub mod pipeline;
pub mod reply;
pub mod response_headers;
pub mod route;
pub mod cors;
pub mod auth;
pub mod limit;
pub mod validate;
pub mod token;
pub mod upstream;
pub mod config;
pub mod state;
pub mod observe;
pub mod remote;
pub mod proxy;
pub mod admin;
pub mod demo;
pub mod cli;
