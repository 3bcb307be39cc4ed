//! Files that the gateway writes, each of which must have its file to itself: `jwks_cache_file` and `state_file` take the place of whatever
//! has their name, and the log is written into it. A signing key of that name would be lost, and with it every token of the gateway's own.
//!
//! Names are compared as places: the folder behind all links and dots, and the name in it. So are files behind links.

use super::token_endpoint::retired_keys_file;
use crate::config::{
    ListenerAddress,
    file::{Attached, File},
    files::folder,
    report::{Fault, Placed, Report},
    value::WrittenSecret,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file that something is named for.
struct Named {
    key: &'static str,
    path: PathBuf,
    /// Where it is written in the configuration, if the gateway writes the file.
    written: Option<usize>,
}

/// Reports each file that the gateway would write over something else.
pub(super) fn check(report: &Report<'_>, written: &File) {
    let named = named(report.file(), written);
    let places: Vec<Vec<PathBuf>> = named.iter().map(|named| places(&named.path)).collect();
    for (index, one) in named.iter().enumerate() {
        let Some(at) = one.written else { continue };
        let same = |other: &usize| *other != index && places[*other].iter().any(|place| places[index].contains(place));
        if let Some(other) = (0..named.len()).find(same) {
            let what = format!("`{}` is named for something else too (`{}`)", one.path.display(), named[other].key);
            report.add(at, one.key, Fault::new(what, "write the path of a file of its own"));
        }
    }
}

fn named(configuration: &Path, written: &File) -> Vec<Named> {
    let mut named = Vec::new();
    let mut read = |key, path: &Path| named.push(Named { key, path: path.to_owned(), written: None });
    read("the configuration", configuration);
    if let Some(endpoint) = &written.auth.token_endpoint {
        read("auth.token_endpoint.signing_key", &endpoint.signing_key.value);
        read("its retired keys", &retired_keys_file(&endpoint.signing_key.value));
        read("auth.token_endpoint.api_keys", &endpoint.api_keys.value);
    }
    if let Some(revocations) = &written.auth.revocations {
        read("auth.revocations", &revocations.value);
    }
    let listeners = written.listeners.iter().map(|listener| ("listeners.address", &listener.address));
    for (key, address) in listeners.chain([("admin.address", &written.admin.address)]) {
        if let ListenerAddress::Unix(path) = address {
            read(key, path);
        }
    }
    named.extend(written.attached.iter().flat_map(attached));
    named
}

fn attached(file: &Attached) -> Vec<Named> {
    let read = |key, path: &Path| Named { key, path: path.to_owned(), written: None };
    let write = |key, path: &Placed<PathBuf>| Named { written: Some(path.at), ..read(key, &path.value) };
    match file {
        Attached::Certificate { certificate, private_key } => {
            vec![read("listeners.tls.certificate", &certificate.value), read("listeners.tls.private_key", &private_key.value)]
        }
        Attached::Authorities { path, .. } => vec![read("certificates of authorities", &path.value)],
        Attached::KeySet { path, .. } => vec![read("auth.issuers.jwks_file", &path.value)],
        Attached::KeyCache { path } => vec![write("auth.issuers.jwks_cache_file", path)],
        Attached::LimitState { path } => vec![write("limits.state_file", path)],
        // What is no regular file, as /dev/null, is not harmed.
        Attached::Log { path } if fs::metadata(&path.value).is_ok_and(|there| !there.is_file()) => Vec::new(),
        Attached::Log { path } => vec![write("log.output", path)],
        Attached::AdminToken(Placed { value: WrittenSecret::File(path), .. }) => vec![read("admin.token", path)],
        // Sockets are named by the listeners.
        Attached::AdminToken(_) | Attached::Socket { .. } => Vec::new(),
    }
}

/// Where a file is: by its own name, and where a link of that name leads.
fn places(path: &Path) -> Vec<PathBuf> {
    let own = fs::canonicalize(folder(path))
        .ok()
        .zip(path.file_name())
        .map_or_else(|| path.to_owned(), |(folder, name)| folder.join(name));
    [own].into_iter().chain(fs::canonicalize(path)).collect()
}

#[cfg(test)]
mod tests;
