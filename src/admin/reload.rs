//! `POST /reload`: who may ask for it, and what is answered.
//!
//! A page in an operator's browser can send a POST here without asking (a "simple" request), and a browser on the gateway's host
//! comes from a loopback address. But browsers say from where a POST comes, so one that says so must come from here; programs
//! say nothing.

use crate::{
    proxy::{ReloadError, Reloaded, Shared, Unavailable},
    secret::Secret,
};
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::{Value, json};
use std::net::IpAddr;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a POST is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A page of another origin sent it.
    ForeignPage,
    /// There is no token, and it does not come from this host.
    NotLocal,
    /// The token is missing or wrong.
    Token,
}

impl Refusal {
    /// What the caller reads.
    pub(super) fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::ForeignPage => (StatusCode::FORBIDDEN, "pages of other origins may not do this\n"),
            Self::NotLocal => (StatusCode::FORBIDDEN, "without admin.token only from a loopback address or the unix socket\n"),
            Self::Token => (StatusCode::UNAUTHORIZED, "send admin.token in the header Authorization: Bearer TOKEN\n"),
        }
    }
}

/// Whether this request may change something; `peer` is `None` on the unix socket.
pub(super) fn may_post(headers: &HeaderMap, peer: Option<IpAddr>, token: Option<&Secret>) -> Result<(), Refusal> {
    if !is_from_here(headers) {
        return Err(Refusal::ForeignPage);
    }
    match token {
        Some(token) => presents(headers, token).then_some(()).ok_or(Refusal::Token),
        None => peer.is_none_or(|peer| peer.to_canonical().is_loopback()).then_some(()).ok_or(Refusal::NotLocal),
    }
}

/// Whether no page sent it, or one of this very origin. What stands in `Host` was found to be ours before.
fn is_from_here(headers: &HeaderMap) -> bool {
    let site = headers.get_all(FETCH_SITE).iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    let host = headers.get(header::HOST).map(http::HeaderValue::as_bytes);
    let own = |origin: &[u8]| Some(origin) == host.map(|host| [b"http://", host].concat()).as_deref();
    site && headers.get_all(header::ORIGIN).iter().all(|origin| own(origin.as_bytes()))
}

/// Digests are compared, so that the time it takes tells neither how far the two are alike nor how long the token is.
fn presents(headers: &HeaderMap, token: &Secret) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some((scheme, presented)) = value.as_bytes().split_at_checked(7) else { return false };
    let hash = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
    scheme.eq_ignore_ascii_case(b"bearer ")
        && verify_slices_are_equal(hash(presented).as_ref(), hash(token.expose().as_bytes()).as_ref()).is_ok()
}

/// Asks for a reload and waits for what comes of it.
pub(super) async fn reload(shared: &Shared) -> (StatusCode, Value) {
    let reloaded = shared.reloads.reload().await;
    let generation = match reloaded.as_deref() {
        // By now there may be another.
        Ok(Ok(generation)) => *generation,
        _ => shared.gateway.load().generation,
    };
    tell(&reloaded, generation)
}

fn tell(reloaded: &Result<Reloaded, Unavailable>, generation: u64) -> (StatusCode, Value) {
    let (status, result, problems) = match reloaded.as_deref() {
        Ok(Ok(_)) => (StatusCode::OK, "reloaded", None),
        Ok(Err(ReloadError::Wrong(problems))) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong", Some(problems)),
        Ok(Err(ReloadError::NeedsRestart(problems))) => (StatusCode::CONFLICT, "needs_restart", Some(problems)),
        Ok(Err(ReloadError::Draining | ReloadError::NoFile)) | Err(Unavailable::Closed) => {
            (StatusCode::CONFLICT, "unavailable", None)
        }
        Err(Unavailable::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "busy", None),
    };
    let mut answer = json!({ "result": result, "generation": generation });
    if let Some(problems) = problems {
        answer["problems"] = problems.to_json();
    }
    (status, answer)
}

#[cfg(test)]
mod tests;
