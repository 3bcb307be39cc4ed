//! `[[auth.issuers]]`: whose tokens are accepted.
//!
//! Every check that decides who is let in (`client_ids`, `audiences`) is either a list or the written word "any", never an omission.

use super::{Attached, auth, path};
use crate::{
    auth::{Algorithm, Allowed, IssuerSettings, KeySource, Profile, TokenUse},
    config::{
        report::{Fault, Placed},
        table::Table,
        url,
        value::{KIB, MIB, excerpt, non_empty, one_of},
    },
};
use std::{ops::RangeInclusive, time::Duration};

const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
];
const SECOND: Duration = Duration::from_secs(1);
const REFRESH: RangeInclusive<Duration> = SECOND..=Duration::from_secs(24 * 3600);
const FETCH_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// One entry; `settings` only when the text gives all that an issuer needs.
pub(super) struct WrittenIssuer {
    pub(super) issuer: Option<Placed<String>>,
    pub(super) settings: Option<IssuerSettings>,
}

/// Reads one entry; `leeway` is that of `[auth]`.
pub(super) fn issuer(table: &Table<'_>, leeway: Duration, attached: &mut Vec<Attached>) -> WrittenIssuer {
    let profiles = [("cognito", Profile::Cognito), ("rfc9068", Profile::Rfc9068), ("generic", Profile::Generic)];
    let profile = table.word("profile", Profile::Cognito, &profiles);
    let parse = if profile == Profile::Generic { non_empty } else { url::absolute };
    let issuer = table.required("issuer", "write the `iss` of its tokens", parse);
    let jwks_size = table.size_in_memory("jwks_size", MIB, &(KIB..=16 * MIB));
    let keys = key_source(table, issuer.as_ref(), profile, jwks_size, attached);
    let jwks_cache_file = table.text("jwks_cache_file", path(table));
    if let Some(path) = jwks_cache_file.clone() {
        attached.push(Attached::KeyCache { path });
    }
    let ca_file = table.text("ca_file", path(table));
    if let Some(path) = ca_file.clone() {
        attached.push(Attached::Authorities { key: table.full_name("ca_file"), path });
    }
    let (client_ids, audiences, token_use) = accepted(table, profile);
    let algorithms = algorithms(table);
    let refresh = table.duration("refresh", Duration::from_secs(600), &REFRESH);
    let refresh_cooldown = table.duration("refresh_cooldown", Duration::from_secs(30), &REFRESH);
    let fetch_timeout = table.duration("fetch_timeout", Duration::from_secs(5), &FETCH_TIMEOUT);
    let leeway = auth::leeway(table, leeway);
    let (jwks_cache_file, ca_file) = (jwks_cache_file.map(|placed| placed.value), ca_file.map(|placed| placed.value));
    let settings = issuer.clone().zip(keys).map(|(issuer, keys)| IssuerSettings {
        issuer: issuer.value,
        profile,
        keys,
        jwks_cache_file,
        ca_file,
        client_ids,
        audiences,
        token_use,
        algorithms,
        refresh,
        refresh_cooldown,
        fetch_timeout,
        jwks_size,
        leeway,
    });
    WrittenIssuer { issuer, settings }
}

fn key_source(
    table: &Table<'_>,
    issuer: Option<&Placed<String>>,
    profile: Profile,
    jwks_size: usize,
    attached: &mut Vec<Attached>,
) -> Option<KeySource> {
    let url = table.text("jwks_url", url::fetchable);
    let file = table.text("jwks_file", path(table));
    if table.place_of("jwks_file").is_some() {
        table.refuse("jwks_url", "cannot stand beside `jwks_file`", "remove one of them");
        table.refuse("ca_file", "has no meaning with `jwks_file`", "remove it");
        table.refuse("jwks_cache_file", "has no meaning with `jwks_file`", "remove it");
    }
    if let Some(path) = file {
        attached.push(Attached::KeySet { path: path.clone(), limit: jwks_size });
        return Some(KeySource::File(path.value));
    }
    if let Some(url) = url {
        return Some(KeySource::Url(url.value));
    }
    if table.place_of("jwks_url").is_some() || table.place_of("jwks_file").is_some() {
        return None;
    }
    derived_key_source(table, issuer?, profile)
}

/// `OpenID` Connect Discovery, section 4: a slash at the issuer's end is not doubled.
fn derived_key_source(table: &Table<'_>, issuer: &Placed<String>, profile: Profile) -> Option<KeySource> {
    if url::fetchable(&issuer.value).is_err() {
        let fault =
            Fault::new("is not an https URL, so the keys' place cannot be found from it", "write `jwks_url` or `jwks_file`");
        table.fault(issuer.at, "issuer", fault);
        return None;
    }
    let base = issuer.value.strip_suffix('/').unwrap_or(&issuer.value);
    Some(match profile {
        Profile::Cognito => KeySource::Url(format!("{base}/.well-known/jwks.json")),
        Profile::Rfc9068 | Profile::Generic => KeySource::Discovery(format!("{base}/.well-known/openid-configuration")),
    })
}

fn accepted(table: &Table<'_>, profile: Profile) -> (Allowed, Allowed, Vec<TokenUse>) {
    let allowed = |key| table.list_or_any(key).map_or(Allowed::Any, Allowed::Listed);
    let (client_ids, audiences) = (allowed("client_ids"), allowed("audiences"));
    let words = [("access", TokenUse::Access), ("id", TokenUse::Id)];
    let token_use = table.words("token_use", &words, &["access", "id"]);
    table.needs_any(&["client_ids", "audiences"]);
    if profile == Profile::Cognito {
        table.require_beside("client_ids", "list the app clients of the pool, or write \"any\"");
        table.refuse("audiences", "has no meaning for Cognito, whose access tokens have none", "remove it; write `client_ids`");
    } else {
        table.require_beside("audiences", "list the accepted `aud`, or write \"any\"");
        table.refuse("token_use", "has no meaning for this profile", "remove it");
    }
    let remedy = "write [\"access\", \"id\"] or one of them";
    table.refuse_empty("token_use", "is empty and would accept no token", remedy);
    (client_ids, audiences, super::values(token_use))
}

fn algorithms(table: &Table<'_>) -> Vec<Algorithm> {
    table.refuse_empty("algorithms", "is empty and would accept no token", "write [\"RS256\"]");
    super::values(table.list_of("algorithms", &ALGORITHMS.map(|(name, _)| name), &["RS256"], algorithm))
}

fn algorithm(text: &str) -> Result<Algorithm, Fault> {
    if let Some((_, algorithm)) = ALGORITHMS.iter().find(|(name, _)| *name == text) {
        return Ok(*algorithm);
    }
    let known = one_of(ALGORITHMS.iter().map(|(name, _)| *name));
    let upper = text.to_ascii_uppercase();
    let why = match upper.as_str() {
        "NONE" => "is no signature: anyone could write such a token".to_owned(),
        _ if upper.starts_with("HS") => "needs a shared secret: a published key would serve to forge tokens".to_owned(),
        _ => "is not known".to_owned(),
    };
    Err(Fault::new(format!("`{}` {why}", excerpt(text)), known))
}

#[cfg(test)]
mod tests;
