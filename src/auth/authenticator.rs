//! The verification of a token against the configured issuers, in one order: what is cheap first, the signature last.
//!
//! Expiry is reported only when nothing else is wrong, the signature included, because the client is told so ("has expired")
//! and a new token would help only then. Whether the key is known is asked after everything that needs no key, so that junk
//! never causes a fetch.
use super::{
    AuthError, InvalidReason, Issuer, IssuerIndex, IssuerSettings, Profile, TokenCache, UnverifiedToken, VerifiedToken,
    cache::Remembered,
    claims::{self, Claims, Times},
    jws::{Header, Jws},
    keys::KeyVerdict,
};
use crate::time::Now;
use serde_json::Value;
use std::sync::Arc;

/// Verifies tokens of the configured issuers.
#[derive(Debug)]
pub struct Authenticator {
    issuers: Vec<Issuer>,
    token_size: usize,
}

impl Authenticator {
    /// `token_size`: longest accepted token in bytes.
    #[must_use]
    pub fn new(issuers: Vec<IssuerSettings>, token_size: usize) -> Self {
        Self { issuers: issuers.into_iter().map(Issuer::new).collect(), token_size }
    }

    /// All issuers, in the order of the configuration (the gateway's own last).
    #[must_use]
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// To put one's ring into another's place.
    #[cfg(test)]
    pub(crate) fn issuers_mut(&mut self) -> &mut [Issuer] {
        &mut self.issuers
    }

    /// The token's earlier verification, if it still holds: same bytes, inside its times, signed by a key of the issuer's current set.
    /// Allocates nothing.
    #[must_use]
    pub fn recall(&self, cache: &TokenCache, token: UnverifiedToken<'_>, now: Now) -> Option<Arc<VerifiedToken>> {
        cache.find(token.0, |remembered| {
            let verified = &remembered.verified;
            let issuer = self.issuers.get(verified.issuer().0);
            // Each ring holds its own copy of a set, so this also tells one configuration's verdicts from another's.
            verified.times().hold(now.unix_ns) && issuer.is_some_and(|issuer| issuer.keys.holds(&remembered.keys))
        })
    }

    /// Verifies the token in full, cheapest checks first, and remembers it.
    ///
    /// # Errors
    /// What is wrong with the token, or that the keys to judge it by are not there.
    pub fn verify(&self, cache: &TokenCache, token: UnverifiedToken<'_>, now: Now) -> Result<Arc<VerifiedToken>, AuthError> {
        let UnverifiedToken(token) = token;
        let refuse = |issuer| move |reason| AuthError::Invalid { reason, issuer };
        if token.len() > self.token_size {
            return Err(refuse(None)(InvalidReason::TooLarge));
        }
        if !UnverifiedToken(token).is_one_token() {
            return Err(refuse(None)(InvalidReason::Malformed));
        }
        let jws = Jws::parse(token).ok_or_else(|| refuse(None)(InvalidReason::Malformed))?;
        let named = self.named(jws.claims.get("iss"));
        let refuse = refuse(named.map(|(index, _)| index));
        let header = Header::read(&jws.header).map_err(refuse)?;
        let (index, issuer) = named.ok_or_else(|| refuse(InvalidReason::UnknownIssuer))?;
        let (claims, times) = judge(&header, &jws, &issuer.settings, now).map_err(refuse)?;

        let expired = now.unix_ns >= times.end_ns;
        let keys = issuer.keys.current();
        match keys.verify(&header, jws.signed, jws.signature) {
            KeyVerdict::Broken => return Err(refuse(InvalidReason::Signature)),
            KeyVerdict::WrongKind => return Err(refuse(InvalidReason::Algorithm)),
            KeyVerdict::Holds | KeyVerdict::NoKeys | KeyVerdict::UnknownKey if expired => {
                return Err(refuse(InvalidReason::Expired));
            }
            KeyVerdict::NoKeys => return Err(AuthError::NoKeys { issuer: index }),
            KeyVerdict::UnknownKey => return Err(AuthError::UnknownKey { issuer: index }),
            KeyVerdict::Holds => {}
        }
        let verified = Arc::new(VerifiedToken::new(index, Arc::clone(&issuer.name), claims, times));
        cache.remember(token, Remembered { verified: Arc::clone(&verified), keys }, now.unix_ns);
        Ok(verified)
    }

    /// `iss`, compared exactly (RFC 7519, section 4.1.1): no case folding, no trailing slash forgiven.
    fn named(&self, iss: Option<&Value>) -> Option<(IssuerIndex, &Issuer)> {
        let name = iss?.as_str()?;
        let index = self.issuers.iter().position(|issuer| &*issuer.name == name)?;
        Some((IssuerIndex(index), &self.issuers[index]))
    }
}

/// All that this issuer's settings say about the token, except its expiry and its signature.
fn judge(header: &Header, jws: &Jws<'_>, settings: &IssuerSettings, now: Now) -> Result<(Claims, Times), InvalidReason> {
    if !settings.algorithms.contains(&header.algorithm) {
        return Err(InvalidReason::Algorithm);
    }
    if !claims::fits_profile(header.media_type, settings.profile) {
        return Err(InvalidReason::Type);
    }
    // Cognito always names its key; without a name nothing could be asked for.
    if settings.profile == Profile::Cognito && header.kid.is_none() {
        return Err(InvalidReason::UnknownKey);
    }
    let times = Times::judge(&jws.claims, settings.leeway, now.unix_ns)?;
    Ok((Claims::judge(&jws.claims, settings)?, times))
}

#[cfg(test)]
mod tests;
