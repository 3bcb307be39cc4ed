//! The form of a token: the compact serialization of RFC 7515, section 7.1, and its header.
//!
//! Refused: anything but three segments (so no JWE, no JSON serialization), base64url with padding, white space, the other
//! alphabet or unused bits set (two spellings of one token), a header or payload that is not one strict JSON object.
//! Not read, so that a token cannot bring its own key (RFC 8725, section 3.10; CVE-2018-0114): `jwk`, `jku`, `x5u`, `x5c`.
use super::{InvalidReason, keys::Algorithm};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// A longer `kid` is no key of anyone; `KeySet` leaves such keys out too.
pub(super) const KID_LENGTH: usize = 256;

/// A token taken apart; nothing in it is proven.
pub(super) struct Jws<'a> {
    /// What the signature covers: header and payload as they came (RFC 7515, section 5.2).
    pub(super) signed: &'a str,
    /// The third segment, known to be base64url.
    pub(super) signature: &'a str,
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart; `None` when its form is wrong.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        // Decoded again by the signature check; here because a bad form needs no key to be refused.
        URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { signed, signature, header: segment(header)?, claims: segment(payload)? })
    }
}

fn segment(text: &str) -> Option<Map<String, Value>> {
    super::json::object(&URL_SAFE_NO_PAD.decode(text).ok()?)
}

/// `typ`: what the token says it is (RFC 8725, section 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    Absent,
    Jwt,
    AtJwt,
    /// `application/at+jwt`, the long form of the same (RFC 9068, section 4).
    ApplicationAtJwt,
}

/// The members of the header that decide.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) media_type: MediaType,
    pub(super) kid: Option<String>,
}

impl Header {
    /// Reads the header by the rules that hold for every issuer.
    pub(super) fn read(members: &Map<String, Value>) -> Result<Self, InvalidReason> {
        // RFC 7515, section 4.1.11: an extension that is not understood refuses the token, and we understand none
        // (`b64` of RFC 7797 included). An empty or misshapen list is not allowed either, so its presence is enough.
        if members.contains_key("crit") {
            return Err(InvalidReason::Critical);
        }
        let algorithm = members.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
        let algorithm = algorithm.ok_or(InvalidReason::Algorithm)?;
        Ok(Self { algorithm, media_type: media_type(members.get("typ"))?, kid: kid(members.get("kid"))? })
    }
}

/// Media types are compared without regard to case (RFC 7515, section 4.1.9; RFC 9110, section 8.3.1).
fn media_type(typ: Option<&Value>) -> Result<MediaType, InvalidReason> {
    let Some(typ) = typ else { return Ok(MediaType::Absent) };
    let typ = typ.as_str().ok_or(InvalidReason::Type)?;
    let known = [("JWT", MediaType::Jwt), ("at+jwt", MediaType::AtJwt), ("application/at+jwt", MediaType::ApplicationAtJwt)];
    let found = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(typ));
    found.map(|(_, media_type)| media_type).ok_or(InvalidReason::Type)
}

fn kid(kid: Option<&Value>) -> Result<Option<String>, InvalidReason> {
    match kid {
        None => Ok(None),
        Some(Value::String(kid)) if !kid.is_empty() && kid.len() <= KID_LENGTH => Ok(Some(kid.clone())),
        Some(_) => Err(InvalidReason::Malformed),
    }
}

#[cfg(test)]
mod tests;
