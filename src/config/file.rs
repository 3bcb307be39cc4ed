//! What was written: the whole file, key by key, with the defaults of what was not.
//!
//! Decides everything that the text alone decides. It touches no file and asks no other stage; what needs those (patterns against each
//! other, certificates, key files) is left, with its place, for `compile`.

mod api;
mod auth;
mod cors;
mod issuer;
mod limits;
mod listeners;
mod log;
mod response_headers;
mod routes;
mod server;
mod token_endpoint;
mod upstreams;

pub(crate) use api::WrittenApi;
pub(crate) use auth::WrittenAuth;
pub(crate) use cors::WrittenCors;
pub(crate) use limits::WrittenLimits;
pub(crate) use routes::WrittenRoute;
pub(crate) use token_endpoint::WrittenTokenEndpoint;

use super::{
    Admin, Bounds, HeaderEdits, Listener, Log, ResetForm, Server,
    report::{Fault, Placed, Report},
    table::{Table, read_document},
    value::{WrittenSecret, excerpt},
};
use crate::{limit::Limits, upstream::UpstreamSettings};
use std::path::PathBuf;
use toml::de::DeTable;

/// A configuration file, read. Where something was wrong, a default or nothing stands in its place and a problem is in the report.
pub(crate) struct File {
    pub(crate) server: Server,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) admin: Admin,
    pub(crate) api: WrittenApi,
    pub(crate) bounds: Bounds,
    pub(crate) auth: WrittenAuth,
    pub(crate) limits: Limits,
    pub(crate) reset: ResetForm,
    pub(crate) ietf_headers: bool,
    /// Where quotas are kept.
    pub(crate) limit_state: Option<PathBuf>,
    pub(crate) cors: WrittenCors,
    pub(crate) response_headers: HeaderEdits,
    pub(crate) upstreams: Vec<UpstreamSettings>,
    pub(crate) routes: Vec<WrittenRoute>,
    pub(crate) log: Log,
    pub(crate) attached: Vec<Attached>,
}

/// A file that the configuration names, and that must be good for what it is named for.
#[derive(Debug)]
pub(crate) enum Attached {
    /// A chain and its key.
    Certificate { certificate: Placed<PathBuf>, private_key: Placed<PathBuf> },
    /// Certificates of authorities, under this key.
    Authorities { key: String, path: Placed<PathBuf> },
    /// A JWKS document of at most so many bytes.
    KeySet { path: Placed<PathBuf>, limit: usize },
    /// A file that the gateway keeps an issuer's keys in.
    KeyCache { path: Placed<PathBuf> },
    /// A file that the gateway keeps quotas in.
    LimitState { path: Placed<PathBuf> },
    /// A unix socket to listen on, under this key.
    Socket { key: String, path: Placed<PathBuf> },
    /// A file to write the log to.
    Log { path: Placed<PathBuf> },
    /// The admin listener's token, wherever it is.
    AdminToken(Placed<WrittenSecret>),
}

/// Reads the text; problems go to the report that `Report::new` made of the same text.
pub(crate) fn read(report: &Report<'_>, document: &DeTable<'_>) -> File {
    read_document(report, document, whole)
}

/// The whole file.
pub(crate) fn whole(root: &Table<'_>) -> File {
    let server = server::server(root);
    let mut attached = Vec::new();
    let (listeners, admin) = listeners::listeners(root, &mut attached);
    let bounds = server::bounds(root);
    let auth = auth::auth(root, &mut attached);
    let WrittenLimits { mut limits, reset, ietf_headers, state_file } = limits::limits(root, &mut attached);
    let cors = cors::cors(root);
    let response_headers = response_headers::response_headers(root, ietf_headers);
    let upstreams = upstreams::upstreams(root);
    let api = api::api(root, &upstreams);
    let routes = routes::routes(root, &api, &bounds, &upstreams);
    limits.routes = routes.iter().filter_map(|written| written.route.limit.route()).collect();
    if let Some(endpoint) = &auth.token_endpoint {
        limits.failures = endpoint.failures;
    }
    let log = log::log(root, &mut attached);
    File {
        server,
        listeners,
        admin,
        api,
        bounds,
        auth,
        limits,
        reset,
        ietf_headers,
        limit_state: state_file,
        cors,
        response_headers,
        upstreams,
        routes,
        log,
        attached,
    }
}

/// Reads the table `key` of the file; when it is not there, as if it were there and empty.
fn section<T>(root: &Table<'_>, key: &'static str, mut read: impl FnMut(&Table<'_>) -> T) -> T {
    match root.table(key, &mut read) {
        Some(section) => section,
        None => root.absent(key, read),
    }
}

/// The values without their places.
fn values<T>(placed: Vec<Placed<T>>) -> Vec<T> {
    placed.into_iter().map(|placed| placed.value).collect()
}

/// A path; a relative one starts from the folder of the configuration file, so that it means the same from everywhere.
fn path(table: &Table<'_>) -> impl Fn(&str) -> Result<PathBuf, Fault> {
    let folder = table.report().file().parent().map(PathBuf::from).unwrap_or_default();
    move |text| {
        // A key pasted instead of its path must not be printed.
        if text.is_empty() || text.contains(['\n', '\0']) || text.contains("-----BEGIN") {
            return Err(Fault::new("is not the path of a file", "write a path; a relative one starts from this file's folder"));
        }
        Ok(folder.join(text))
    }
}

/// A path of the API: absolute, without a slash at the end. Whether servers agree on it is judged later.
fn absolute_path(text: &str) -> Result<String, Fault> {
    if !text.starts_with('/') {
        return Err(Fault::new(format!("`{}` is not an absolute path", excerpt(text)), "begin it with `/`"));
    }
    if text.len() > 1 && text.ends_with('/') {
        return Err(Fault::new(format!("`{}` ends with a slash", excerpt(text)), "remove the slash at the end"));
    }
    if text.contains(['?', '#']) {
        return Err(Fault::new(format!("`{}` is more than a path", excerpt(text)), "remove the query and the fragment"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
