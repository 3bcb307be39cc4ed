//! From a TOML file to the gateway.
mod compile;
mod file;
mod gateway;
mod problem;

pub use compile::{compile, load};
pub use gateway::{Admin, Api, Auth, Bounds, Gateway, HeaderEdits, Listener, ListenerAddress, Log, LogFormat, LogOutput, LogSubject, ResetForm, Route, RouteAuth, RouteLimit, Server, TlsCertificate, TlsListener, UnknownPaths};
pub use problem::{Problem, Problems};
