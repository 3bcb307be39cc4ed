//! The claims of a token against the issuer's settings: all that can be judged without a key, except the expiry, which is told
//! apart because its answer to the client differs.
//!
//! No library judges them: `jsonwebtoken`, the usual one, leaves `nbf` out by default, accepts a token for any audience unless told
//! otherwise, and up to version 10.2 took an `exp` of a wrong type for an absent one (CVE-2026-25537).
use super::{
    Allowed, InvalidReason, IssuerSettings, Profile, TokenUse,
    json::{Json, Members},
    jws::MediaType,
    revocations::Facts,
};
use std::time::Duration;

/// Who the token is about, once its signature holds.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) holder: Holder,
    pub(super) username: Option<String>,
}

/// The part of it that is asked again with each request.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) subject: String,
    pub(super) client_id: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) groups: Vec<String>,
    /// Only for revocations.
    pub(super) jti: Option<Box<str>>,
}

impl Claims {
    /// Judges audience, client and the rest that the profile asks for, and reads who the token is about.
    pub(super) fn judge(members: &Members<'_>, settings: &IssuerSettings) -> Result<Self, InvalidReason> {
        let (client_id, scopes, groups, usernames): (_, _, _, &[&str]) = match settings.profile {
            Profile::Cognito => {
                let (client_id, username) = cognito_client(members, settings)?;
                // Cognito writes a text, also where a trigger changes the scopes (it can add and take away words), and AWS' own
                // verifier reads nothing else: a list is not Cognito's.
                let scopes = if matches!(members.get("scope"), Some(Json::List(_))) {
                    Err(InvalidReason::Claims)
                } else {
                    words(members, "scope")
                };
                (Some(client_id), scopes?, "cognito:groups", &[username])
            }
            Profile::Rfc9068 => {
                audience(members, &settings.audiences)?;
                // Required by RFC 9068, section 2.2, whether or not the configuration restricts it.
                let client_id = text(members, "client_id")?.ok_or(InvalidReason::Claims)?;
                (Some(client_id), words(members, "scope")?, "groups", &["preferred_username", "username"])
            }
            Profile::Generic => {
                audience(members, &settings.audiences)?;
                // For the same, Keycloak, Auth0 and Entra write `azp`, Okta `cid`, older Entra `appid`; Entra and Okta `scp`.
                let client_id = first_text(members, &["client_id", "azp", "cid", "appid"])?;
                let scopes = if members.has("scope") { "scope" } else { "scp" };
                (client_id, words(members, scopes)?, "groups", &["preferred_username", "username"])
            }
        };
        client(client_id.as_deref(), &settings.client_ids, settings.profile)?;
        // The user of every limit: a token about nobody cannot be limited.
        let subject = text(members, "sub")?.filter(|subject| !subject.is_empty()).ok_or(InvalidReason::Claims)?;
        let username = first_text(members, usernames)?;
        let groups = list(members, groups)?;
        let jti = text(members, "jti")?.map(String::into_boxed_str);
        Ok(Self { holder: Holder { subject, client_id, scopes, groups, jti }, username })
    }
}

impl Holder {
    /// What a revocation can be about.
    pub(super) fn facts<'a>(&'a self, issuer: &'a str, times: Times) -> Facts<'a> {
        Facts {
            issuer,
            jti: self.jti.as_deref(),
            subject: &self.subject,
            client_id: self.client_id.as_deref(),
            issued_ns: times.issued_ns,
        }
    }
}

/// Whether a token of this `typ` is for an issuer of this profile.
pub(super) fn fits_profile(media_type: MediaType, profile: Profile) -> bool {
    match profile {
        // RFC 9068, section 4: nothing else, so that an id token is never taken for an access token.
        Profile::Rfc9068 => matches!(media_type, MediaType::AtJwt | MediaType::ApplicationAtJwt),
        Profile::Cognito | Profile::Generic => media_type != MediaType::ApplicationAtJwt,
    }
}

/// The client of a Cognito token and the name of its user name claim. An access token is for `client_id`, an id token for
/// `aud`, and one is never taken for the other.
///
/// `aud` of an access token is not looked at: most have none, and where a resource is named when the token is asked for (RFC 8707) it is
/// that resource, never the client.
fn cognito_client(members: &Members<'_>, settings: &IssuerSettings) -> Result<(String, &'static str), InvalidReason> {
    let token_use = match members.get("token_use").and_then(Json::as_str) {
        Some("access") => TokenUse::Access,
        Some("id") => TokenUse::Id,
        _ => return Err(InvalidReason::TokenUse),
    };
    if !settings.token_use.contains(&token_use) {
        return Err(InvalidReason::TokenUse);
    }
    match token_use {
        TokenUse::Access => Ok((text(members, "client_id")?.ok_or(InvalidReason::ClientId)?, "username")),
        // One text, never a list (RFC 7519 has both): as Cognito writes it, and its own verifier reads it.
        TokenUse::Id if matches!(members.get("aud"), Some(Json::List(_))) => Err(InvalidReason::Audience),
        TokenUse::Id => Ok((audience(members, &settings.client_ids)?.ok_or(InvalidReason::Audience)?, "cognito:username")),
    }
}

fn client(client_id: Option<&str>, allowed: &Allowed, profile: Profile) -> Result<(), InvalidReason> {
    match (allowed, client_id) {
        (Allowed::Any, _) => Ok(()),
        (Allowed::Listed(listed), Some(client_id)) if listed.iter().any(|entry| entry == client_id) => Ok(()),
        // `client_ids` is optional where `audiences` decides: an empty list restricts nothing there.
        (Allowed::Listed(listed), _) if listed.is_empty() && profile != Profile::Cognito => Ok(()),
        (Allowed::Listed(_), _) => Err(InvalidReason::ClientId),
    }
}

/// The first accepted `aud`: a string or a list of strings, compared exactly (RFC 7519, section 4.1.3).
fn audience(members: &Members<'_>, allowed: &Allowed) -> Result<Option<String>, InvalidReason> {
    let named = match members.get("aud") {
        None => Vec::new(),
        Some(Json::Text(one)) => vec![&**one],
        Some(Json::List(several)) => {
            several.iter().map(|entry| entry.as_str().ok_or(InvalidReason::Audience)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(InvalidReason::Audience),
    };
    match allowed {
        Allowed::Any => Ok(named.first().map(|&name| name.to_owned())),
        Allowed::Listed(listed) => {
            let found = named.into_iter().find(|name| listed.iter().any(|entry| entry == name));
            Ok(Some(found.ok_or(InvalidReason::Audience)?.to_owned()))
        }
    }
}

/// A claim that is a string where it is there.
fn text(members: &Members<'_>, name: &str) -> Result<Option<String>, InvalidReason> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(InvalidReason::Claims),
    }
}

fn first_text(members: &Members<'_>, names: &[&str]) -> Result<Option<String>, InvalidReason> {
    match names.iter().find(|&&name| members.has(name)) {
        Some(name) => text(members, name),
        None => Ok(None),
    }
}

/// Scopes: words separated by spaces (RFC 6749, section 3.3), or a list of strings as some issuers write it.
///
/// An element of a list that is no single word refuses the token: `["read write"]` is one scope here, which no route asks for, and
/// would be two for an upstream that splits the header at its spaces.
fn words(members: &Members<'_>, name: &str) -> Result<Vec<String>, InvalidReason> {
    if let Some(Json::Text(text)) = members.get(name) {
        return Ok(text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect());
    }
    let words = list(members, name)?;
    let single = words.iter().all(|word| !word.is_empty() && !word.contains(' '));
    if single { Ok(words) } else { Err(InvalidReason::Claims) }
}

/// A list of strings; absent is empty, one string is a list of one.
fn list(members: &Members<'_>, name: &str) -> Result<Vec<String>, InvalidReason> {
    match members.get(name) {
        None => Ok(Vec::new()),
        Some(Json::Text(one)) => Ok(vec![one.to_string()]),
        Some(Json::List(several)) => {
            let text = |entry: &Json<'_>| entry.as_str().map(str::to_owned).ok_or(InvalidReason::Claims);
            several.iter().map(text).collect()
        }
        Some(_) => Err(InvalidReason::Claims),
    }
}

/// When the token is good, leeway included; nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit is last in every name")]
pub(super) struct Times {
    /// Not before: the later of `nbf` and `iat`, less the leeway.
    pub(super) begin_ns: u64,
    /// From here on expired: `exp` and the leeway.
    pub(super) end_ns: u64,
    /// `iat` as it is, without leeway.
    pub(super) issued_ns: Option<u64>,
}

impl Times {
    /// Reads the times and judges `nbf` and `iat`; the expiry is the caller's, last of all.
    pub(super) fn judge(members: &Members<'_>, leeway: Duration, now_ns: u64) -> Result<Self, InvalidReason> {
        let leeway_ns = u64::try_from(leeway.as_nanos()).unwrap_or(u64::MAX);
        let expires = date(members, "exp")?.ok_or(InvalidReason::Claims)?;
        let issued_ns = date(members, "iat")?;
        let begins = |time: Option<u64>| time.unwrap_or(0).saturating_sub(leeway_ns);
        let (not_before, issued) = (begins(date(members, "nbf")?), begins(issued_ns));
        if not_before > now_ns {
            return Err(InvalidReason::NotYetValid);
        }
        if issued > now_ns {
            return Err(InvalidReason::IssuedAhead);
        }
        Ok(Self { begin_ns: not_before.max(issued), end_ns: expires.saturating_add(leeway_ns), issued_ns })
    }

    /// Whether the token is good at this moment.
    pub(super) fn hold(&self, now_ns: u64) -> bool {
        self.begin_ns <= now_ns && now_ns < self.end_ns
    }
}

/// A `NumericDate`: seconds from 1970 on, fractions allowed (RFC 7519, section 2); never text. What no clock of 64 bits shows is no date:
/// nobody issues a token that ends after the sun, and verifiers differ on what such numbers mean. Later than 2554 saturates, none wraps.
fn date(members: &Members<'_>, name: &str) -> Result<Option<u64>, InvalidReason> {
    const NS: u64 = 1_000_000_000;
    const END: u64 = 1 << 63;
    let Some(value) = members.get(name) else { return Ok(None) };
    let Json::Number(number) = value else { return Err(InvalidReason::Claims) };
    match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) if seconds < END => Ok(Some(seconds.saturating_mul(NS))),
        // What is a whole number of 64 bits or less was judged above: of the others 2^63 is the first that is too much.
        (None, Some(seconds)) if (0.0..9_223_372_036_854_775_808.0).contains(&seconds) => Ok(Some(saturating_ns(seconds))),
        _ => Err(InvalidReason::Claims),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from f64 saturates; none is negative")]
fn saturating_ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[cfg(test)]
mod tests;
