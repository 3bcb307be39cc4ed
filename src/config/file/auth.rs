//! `[auth]` and `[auth.identity_headers]`.

use super::{Attached, WrittenTokenEndpoint, issuer, path, section, token_endpoint};
use crate::{
    auth::IssuerSettings,
    config::{
        header,
        report::{Fault, Placed},
        table::Table,
        value::KIB,
    },
    upstream::IdentityHeaders,
};
use http::HeaderName;
use std::{path::PathBuf, time::Duration};

/// The most that clocks may differ: past it an expired token lives on long enough to be useful to a thief.
const MOST_LEEWAY: Duration = Duration::from_secs(300);

/// `[auth]`.
pub(crate) struct WrittenAuth {
    pub(crate) leeway: Duration,
    pub(crate) forward_authorization: bool,
    pub(crate) token_size: usize,
    pub(crate) token_cache: usize,
    pub(crate) revocations: Option<Placed<PathBuf>>,
    pub(crate) issuers: Vec<IssuerSettings>,
    pub(crate) identity_headers: IdentityHeaders,
    pub(crate) token_endpoint: Option<WrittenTokenEndpoint>,
}

/// `[auth]`.
pub(super) fn auth(root: &Table<'_>, attached: &mut Vec<Attached>) -> WrittenAuth {
    section(root, "auth", |table| {
        let leeway = leeway(table, Duration::from_secs(60));
        let forward_authorization = table.boolean("forward_authorization", true);
        let token_size = table.size_in_memory("token_size", 8 * KIB, &(256..=64 * KIB));
        let token_cache = usize::try_from(table.integer("token_cache", 100_000, &(1..=10_000_000))).unwrap_or(usize::MAX);
        let revocations = table.text("revocations", path(table));
        let issuers = table.tables("issuers", |table| issuer::issuer(table, leeway, attached));
        let remedy = "write [[auth.issuers]] with `issuer` and `client_ids`, or [auth.token_endpoint]";
        table.require_any(&["issuers", "token_endpoint"], remedy);
        table.refuse_empty("issuers", "is empty", "write [[auth.issuers]] with `issuer` and `client_ids`, or remove it");
        let identity_headers = section(table, "identity_headers", identity_headers);
        let token_endpoint = table.table("token_endpoint", token_endpoint::token_endpoint);
        refuse_repeated_issuers(table, &issuers, token_endpoint.as_ref());
        let issuers = issuers.into_iter().filter_map(|placed| placed.settings).collect();
        WrittenAuth {
            leeway,
            forward_authorization,
            token_size,
            token_cache,
            revocations,
            issuers,
            identity_headers,
            token_endpoint,
        }
    })
}

/// `leeway` of `[auth]` or of one issuer.
pub(super) fn leeway(table: &Table<'_>, default: Duration) -> Duration {
    table.duration("leeway", default, &(Duration::ZERO..=MOST_LEEWAY))
}

/// Two entries for one `iss` would each accept what the other refuses.
fn refuse_repeated_issuers(table: &Table<'_>, issuers: &[issuer::WrittenIssuer], own: Option<&WrittenTokenEndpoint>) {
    let listed = issuers.iter().filter_map(|issuer| issuer.issuer.as_ref()).map(|issuer| (issuer, "issuers.issuer"));
    let own = own.map(|own| (&own.issuer, "token_endpoint.issuer"));
    let mut seen: Vec<&str> = Vec::new();
    for (Placed { at, value }, key) in listed.chain(own) {
        if seen.contains(&value.as_str()) {
            table.fault(
                *at,
                key,
                Fault::new("is the issuer of another entry", "write each issuer once; lists can hold several values"),
            );
        }
        seen.push(value);
    }
}

fn identity_headers(table: &Table<'_>) -> IdentityHeaders {
    let mut seen: Vec<(String, &str)> = Vec::new();
    let mut header = |key: &'static str, default: &'static str| -> HeaderName {
        let Placed { at, value } = table.text_or(key, default, header::identity);
        if let Some((_, other)) = seen.iter().find(|(name, _)| *name == header::fold(&value)) {
            table.fault(at, key, Fault::new(format!("is the header of `{other}`"), "write a name of its own"));
        }
        seen.push((header::fold(&value), key));
        value
    };
    IdentityHeaders {
        subject: header("subject", "X-Auth-Subject"),
        issuer: header("issuer", "X-Auth-Issuer"),
        client_id: header("client_id", "X-Auth-Client-Id"),
        username: header("username", "X-Auth-Username"),
        scopes: header("scopes", "X-Auth-Scopes"),
        groups: header("groups", "X-Auth-Groups"),
    }
}

#[cfg(test)]
mod tests;
