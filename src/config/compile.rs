//! From what was written to a [`Gateway`].
//!
//! Reads the files that the configuration names, and writes none: a signing key that is to be made is handed over with the gateway.
//! All checks run before anything is built, so that one run reports every problem.

mod alone;
mod attached;
mod paths;
mod revocations;
mod token_endpoint;

pub use token_endpoint::{MOST_RETIRED, Provided, TokenFiles, retired_keys_file, token_files};

use super::{
    Api, Auth, Gateway, Problem, Problems,
    file::{self, File, WrittenAuth, WrittenRoute},
    files::{LARGE, read_any_text},
    report::{Fault, Report},
};
use crate::{
    auth::{Authenticator, Revocations},
    cors::{CorsPolicy, CorsSettings, OriginPattern, OriginPatternError},
    route::{Pattern, RouteTable},
    upstream::{UpstreamIndex, Upstreams},
};
use std::{io, path::Path};
use token_endpoint::CheckedTokenEndpoint;
use toml::de::DeTable;

/// Reads and compiles a file.
///
/// # Errors
/// Every problem at once.
pub fn load(path: &Path) -> Result<Gateway, Problems> {
    read(path).and_then(|text| compile(path, &text))
}

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<String, Problems> {
    read_any_text(path, LARGE).map_err(|error| {
        let Fault { what, mut remedy } = attached::unreadable(path, &error);
        if error.kind() == io::ErrorKind::NotFound {
            "write it, or name another one with `--config FILE`".clone_into(&mut remedy);
        }
        Problems(vec![Problem::of_file(path, "configuration", what, remedy)])
    })
}

/// Compiles a text; relative paths in it are relative to the folder of `file`.
///
/// # Errors
/// Every problem at once.
pub fn compile(file: &Path, text: &str) -> Result<Gateway, Problems> {
    compiled(file, text, None)
}

/// Compiles a text whose token endpoint has no files.
///
/// # Errors
/// Every problem at once.
pub fn compile_with(file: &Path, text: &str, provided: Provided) -> Result<Gateway, Problems> {
    compiled(file, text, Some(provided))
}

fn compiled(file: &Path, text: &str, provided: Option<Provided>) -> Result<Gateway, Problems> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let report = Report::new(file, text, &syntax);
    let mut written = file::read(&report, document.get_ref());
    written.admin.token = attached::check(&report, &written.attached);
    alone::check(&report, &written);
    paths::check(&report, &written);
    let cors = cors(&report, &written);
    let table = route_table(&report, &written);
    let revocations = revocations::read(&report, &written.auth);
    let token_endpoint = token_endpoint::check(&report, &written.auth, provided);
    let problems = report.into_problems();
    match table {
        Some(table) if problems.0.is_empty() => assemble(file, written, cors, table, revocations, token_endpoint),
        _ => Err(problems),
    }
}

fn cors(report: &Report<'_>, file: &File) -> CorsSettings {
    let written = &file.cors;
    let pattern = |origin: &super::report::Placed<String>| {
        let fault = |error| report.add(origin.at, "cors.allowed_origins", origin_fault(&origin.value, &error));
        OriginPattern::parse(&origin.value).map_err(fault).ok()
    };
    CorsSettings {
        allowed_origins: written.allowed_origins.iter().filter_map(pattern).collect(),
        allowed_headers: written.allowed_headers.clone(),
        allow_credentials: written.allow_credentials,
        max_age: written.max_age,
        expose_ietf_limits: file.ietf_headers,
    }
}

fn origin_fault(text: &str, error: &OriginPatternError) -> Fault {
    let (what, remedy) = match error {
        OriginPatternError::Scheme => {
            ("does not begin with http:// or https://", "write the scheme, as in \"https://app.example.com\"")
        }
        OriginPatternError::Host => ("has no valid host", "write a host name, as in \"https://app.example.com\""),
        OriginPatternError::Port => ("has no valid port", "write a port that is not the scheme's default, or none"),
        OriginPatternError::Wildcard => ("has a wildcard that is not the first label", "write `*.` or `**.` before a domain"),
        OriginPatternError::Trailing => ("has something after the host and port", "remove it; an origin has no path"),
        OriginPatternError::NotLowerCase => ("is not in lower case", "write it in lower case, as browsers send it"),
    };
    Fault::new(format!("`{}` {what}", super::value::excerpt(text)), remedy)
}

fn route_table(report: &Report<'_>, written: &File) -> Option<RouteTable> {
    let base_paths: Vec<String> = written.api.base_paths.iter().map(|path| path.value.clone()).collect();
    let patterns: Vec<Pattern> = written.routes.iter().map(|written| written.route.pattern.clone()).collect();
    let conflicts = match RouteTable::new(&base_paths, &patterns) {
        Ok(table) => return Some(table),
        Err(conflicts) => conflicts,
    };
    for conflict in conflicts {
        let (WrittenRoute { at, route: later }, WrittenRoute { route: earlier, .. }) =
            (&written.routes[conflict.index.0], &written.routes[conflict.conflicts_with.0]);
        let what = format!(
            "`{}` matches the same paths as `{}` in line {}",
            later.pattern.as_str(),
            earlier.pattern.as_str(),
            earlier.line
        );
        report.add(*at, "routes.path", Fault::new(what, "write one route with all methods, or remove one"));
    }
    None
}

/// Builds what was found to be in order.
fn assemble(
    file: &Path,
    written: File,
    cors: CorsSettings,
    table: RouteTable,
    revocations: Revocations,
    token_endpoint: Option<CheckedTokenEndpoint>,
) -> Result<Gateway, Problems> {
    let (token_endpoint, new_signing_key) = token_endpoint.map(|checked| checked.build(file)).transpose()?.unzip();
    let WrittenAuth { mut issuers, token_size, token_cache, forward_authorization, identity_headers, .. } = written.auth;
    issuers.extend(token_endpoint.as_ref().map(crate::token::TokenEndpoint::as_issuer));
    let authenticator = Authenticator::new(issuers, token_size, revocations);
    let api = Api {
        base_paths: written.api.base_paths.into_iter().map(|path| path.value).collect(),
        upstream_base_path: if written.api.upstream_base_path.value == "/" {
            String::new()
        } else {
            written.api.upstream_base_path.value
        },
        require_json: written.api.require_json,
        unknown_paths: written.api.unknown_paths,
        // Only where no request can go to it: unknown paths are rejected, and every route names its own.
        upstream: written.api.upstream.unwrap_or(UpstreamIndex(0)),
        ping_path: written.api.ping_path.value,
    };
    Ok(Gateway {
        server: written.server,
        listeners: written.listeners,
        admin: written.admin,
        api,
        bounds: written.bounds,
        auth: Auth { authenticator, forward_authorization, token_cache, identity_headers, token_endpoint },
        limits: written.limits,
        reset: written.reset,
        ietf_headers: written.ietf_headers,
        state_file: written.limit_state,
        cors: CorsPolicy::new(cors),
        response_headers: written.response_headers,
        upstreams: Upstreams::new(written.upstreams),
        table,
        routes: written.routes.into_iter().map(|written| written.route).collect(),
        log: written.log,
        new_signing_key: new_signing_key.flatten(),
    })
}

#[cfg(test)]
pub(super) mod tests;
