//! The form of a token: the compact serialization of RFC 7515, section 7.1, and its header.
//!
//! Refused: anything but three segments (so no JWE, no JSON serialization), base64url with padding, white space, the other
//! alphabet or unused bits set (two spellings of one token), a header or payload that is not one strict JSON object.
//! Not read, so that a token cannot bring its own key (RFC 8725, section 3.10; CVE-2018-0114): `jwk`, `jku`, `x5u`, `x5c`.
//!
//! In steps, so that a token that fails costs no more than its first failing check: the form of all three segments
//! ([`Segments::split`]), then the header, then the payload, the signature only when a key is at hand.
use super::{
    InvalidReason,
    json::{self, Json, Members},
    keys::Algorithm,
};
use base64::{Engine, engine::general_purpose};
use std::sync::LazyLock;

/// RFC 7515, section 2: base64url without padding, white space, or bits that stand for nothing (RFC 4648, section 3.5).
///
/// 32 characters at a time where the processor can (AVX2, NEON): a good kilobyte is checked and decoded in the time that it took to
/// look at its characters alone, so that nothing comes before it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64URL: LazyLock<base64::engine::Simd> = LazyLock::new(|| base64::engine::Simd::url_safe(general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64URL: LazyLock<base64::engine::GeneralPurpose> = LazyLock::new(|| general_purpose::URL_SAFE_NO_PAD);

/// Characters of a segment of which a slow second look would take longer than everything else.
const LONG: usize = 1024;

/// Without a branch for each character, so that many are looked at together.
fn has_only_base64url(segment: &str) -> bool {
    let one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    segment.bytes().fold(true, |only, byte| only & one(byte))
}

/// A longer `kid` is no key of anyone; `KeySet` leaves such keys out too.
pub(super) const KID_LENGTH: usize = 256;

/// A token taken apart: each segment was base64url in its only spelling. Nothing in it is proven. Without `Debug`: it is the whole
/// token.
pub(super) struct Segments<'a> {
    /// What the signature covers: header and payload as they came (RFC 7515, section 5.2).
    pub(super) signed: &'a str,
    /// The three, decoded, one after the other.
    bytes: Vec<u8>,
    header_end: usize,
    payload_end: usize,
}

impl<'a> Segments<'a> {
    /// Takes a token apart; `None` when its form is wrong.
    pub(super) fn split(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let mut bytes = Vec::with_capacity(token.len());
        let mut decode = |segment: &str| {
            // What is wrong is looked at twice by the decoder, the second time slowly: of much, this finds out first.
            if segment.len() > LONG && !has_only_base64url(segment) {
                return None;
            }
            BASE64URL.decode_vec(segment, &mut bytes).ok()?;
            Some(bytes.len())
        };
        let (header_end, payload_end) = (decode(header)?, decode(payload)?);
        decode(signature)?;
        // An empty payload would be a detached one (RFC 7515, appendix F). An empty signature is told by its length.
        (!header.is_empty() && !payload.is_empty()).then_some(Self { signed, bytes, header_end, payload_end })
    }

    /// The header, judged by the rules that hold for every issuer.
    pub(super) fn header(&self) -> Result<Header, InvalidReason> {
        Header::read(&json::object(&self.bytes[..self.header_end]).ok_or(InvalidReason::Malformed)?)
    }

    /// The payload, to be read as claims.
    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[self.header_end..self.payload_end]
    }

    /// The signature.
    pub(super) fn signature(&self) -> &[u8] {
        &self.bytes[self.payload_end..]
    }
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
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) media_type: MediaType,
    pub(super) kid: Option<String>,
}

impl Header {
    /// Reads the header by the rules that hold for every issuer.
    pub(super) fn read(members: &Members<'_>) -> Result<Self, InvalidReason> {
        // RFC 7515, section 4.1.11: an extension that is not understood refuses the token, and we understand none. An empty or
        // misshapen list is not allowed either, so its presence is enough. The others change how the token is read where they
        // are understood, `crit` or not: `b64` what is signed (RFC 7797), `zip` and `enc` what it holds (RFC 7516, section 9).
        if ["crit", "b64", "zip", "enc"].iter().any(|&name| members.has(name)) {
            return Err(InvalidReason::Critical);
        }
        let algorithm = members.get("alg").and_then(Json::as_str).and_then(Algorithm::named);
        let algorithm = algorithm.ok_or(InvalidReason::Algorithm)?;
        nested(members.get("cty"))?;
        Ok(Self { algorithm, media_type: media_type(members.get("typ"))?, kid: kid(members.get("kid"))? })
    }
}

/// `cty` of `JWT` says that the payload is a token itself (RFC 7519, section 5.2); here it holds claims, or is refused.
fn nested(cty: Option<&Json<'_>>) -> Result<(), InvalidReason> {
    let Some(cty) = cty else { return Ok(()) };
    let cty = cty.as_str().ok_or(InvalidReason::Type)?;
    let nested = ["JWT", "application/jwt"].iter().any(|name| name.eq_ignore_ascii_case(cty));
    if nested { Err(InvalidReason::Type) } else { Ok(()) }
}

/// Media types are compared without regard to case (RFC 7515, section 4.1.9; RFC 9110, section 8.3.1).
fn media_type(typ: Option<&Json<'_>>) -> Result<MediaType, InvalidReason> {
    let Some(typ) = typ else { return Ok(MediaType::Absent) };
    let typ = typ.as_str().ok_or(InvalidReason::Type)?;
    let known = [("JWT", MediaType::Jwt), ("at+jwt", MediaType::AtJwt), ("application/at+jwt", MediaType::ApplicationAtJwt)];
    let found = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(typ));
    found.map(|(_, media_type)| media_type).ok_or(InvalidReason::Type)
}

fn kid(kid: Option<&Json<'_>>) -> Result<Option<String>, InvalidReason> {
    match kid {
        None => Ok(None),
        Some(Json::Text(kid)) if !kid.is_empty() && kid.len() <= KID_LENGTH => Ok(Some(kid.to_string())),
        Some(_) => Err(InvalidReason::Malformed),
    }
}

#[cfg(test)]
mod tests;
