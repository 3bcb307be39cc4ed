//! From a TOML file to the gateway, or to every problem of the file at once.
//!
//! A file goes through two doors: `file` reads the text alone; `compile` asks the other stages and looks at the files that it names.

mod accounts;
mod address;
mod compile;
mod file;
pub mod files;
mod fixed;
mod gateway;
mod header;
mod not_yet;
pub mod pem;
mod problem;
mod report;
mod schema;
mod table;
mod url;
mod value;

pub use accounts::read_accounts;
pub(crate) use address::{is_public, overlap};
pub use compile::{MOST_RETIRED, Provided, TokenFiles, compile, compile_with, load, retired_keys_file, token_files};
pub(crate) use fixed::stands_for;
pub use fixed::{Unloadable, load_next};
pub use gateway::{
    Admin, Api, Auth, Bounds, GENERAL_ALLOW, GENERAL_METHODS, Gateway, HeaderEdits, Listener, ListenerAddress, Log, LogFormat,
    LogOutput, LogSubject, NewKeyFile, ProxyProtocol, ResetForm, Route, RouteAuth, Server, TlsCertificate, TlsListener,
    UnknownPaths,
};
pub use problem::{Problem, Problems, render_json, render_text};
pub use schema::schema;
