//! The verification of a token against the configured issuers, in one order: what is cheap first, and the signature, the
//! dearest, after all that needs no key.
//!
//! Expiry is reported only when nothing else is wrong, the signature included, because the client is told so ("has expired")
//! and a new token would help only then. Revocations are asked after the signature too: whoever can write a name into a token
//! must not learn who is revoked. Whether the key is known is asked after everything that needs no key, so that junk never causes
//! a fetch, and neither does a token that is over.
use super::{
    AuthError, InvalidReason, Issuer, IssuerIndex, IssuerSettings, Profile, Revocations, TokenCache, UnverifiedToken,
    VerifiedToken,
    cache::Remembered,
    claims::{self, Claims, Times},
    json::{self, Json, Members},
    jws::{Header, Segments},
    keys::KeyVerdict,
};
use crate::time::Now;
use std::sync::Arc;

/// Verifies tokens of the configured issuers.
#[derive(Debug)]
pub struct Authenticator {
    issuers: Vec<Issuer>,
    token_size: usize,
    revocations: Arc<Revocations>,
}

impl Authenticator {
    /// `token_size`: longest accepted token in bytes.
    #[must_use]
    pub fn new(issuers: Vec<IssuerSettings>, token_size: usize, revocations: Revocations) -> Self {
        Self { issuers: issuers.into_iter().map(Issuer::new).collect(), token_size, revocations: Arc::new(revocations) }
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

    /// Takes over what an earlier configuration knows, before this one is put in its place: the keys of the same issuers, and the
    /// verified tokens of those whose settings are the same.
    pub fn inherit(&mut self, old: &Self) {
        // The same entries are the same revocations: verdicts made under the old ones need not be judged again.
        if self.revocations == old.revocations {
            self.revocations = Arc::clone(&old.revocations);
        }
        for issuer in &mut self.issuers {
            if let Some(old) = old.issuers.iter().find(|old| old.name == issuer.name) {
                issuer.inherit(old);
            }
        }
    }

    /// The token's earlier verification, if it still holds: same bytes, inside its times, signed by a key of the issuer's current
    /// set, judged under the settings now in force, and not revoked. Allocates nothing.
    #[must_use]
    pub fn recall(&self, cache: &TokenCache, token: UnverifiedToken<'_>, now: Now) -> Option<Arc<VerifiedToken>> {
        let UnverifiedToken(token) = token;
        if token.len() > self.token_size {
            return None;
        }
        let mut judged_again = false;
        let found = cache.find(token, |remembered| {
            let Remembered { verified, keys, revocations } = remembered;
            // A ring outlives a reload only with the settings it was used under, and rings never share a set. So this also tells
            // the verdicts of one configuration from those of another, and of an issuer that another place of the list has now.
            let in_force = self.issuers.get(verified.issuer().0).is_some_and(|issuer| issuer.keys.holds(keys));
            judged_again = !std::ptr::eq(revocations.as_ptr(), Arc::as_ptr(&self.revocations));
            let revoked = judged_again && self.revocations.concern(verified.facts());
            verified.times().hold(now.unix_ns) && in_force && !revoked
        })?;
        if judged_again {
            cache.note(token, &found, Arc::downgrade(&self.revocations));
        }
        Some(found)
    }

    /// Verifies the token in full, cheapest checks first, and remembers it.
    ///
    /// # Errors
    /// What is wrong with the token, or that the keys to judge it by are not there.
    pub fn verify(&self, cache: &TokenCache, token: UnverifiedToken<'_>, now: Now) -> Result<Arc<VerifiedToken>, AuthError> {
        let UnverifiedToken(token) = token;
        let refuse = |reason| AuthError::Invalid { reason, issuer: None };
        let (segments, header) = self.form(token).map_err(refuse)?;
        let members = json::object(segments.payload()).ok_or(refuse(InvalidReason::Malformed))?;
        let (index, issuer) = self.named(members.get("iss")).ok_or(refuse(InvalidReason::UnknownIssuer))?;
        let refuse = |reason| AuthError::Invalid { reason, issuer: Some(index) };
        let (claims, times) = judge(&header, &members, &issuer.settings, now).map_err(refuse)?;

        let expired = now.unix_ns >= times.end_ns;
        let keys = issuer.keys.current();
        match keys.verify(&header, segments.signed, segments.signature()) {
            KeyVerdict::Holds => {}
            KeyVerdict::Broken => return Err(refuse(InvalidReason::Signature)),
            KeyVerdict::WrongKind => return Err(refuse(InvalidReason::Algorithm)),
            // Not worth a fetch, and nobody is told "expired" of what may be forged.
            KeyVerdict::NoKeys | KeyVerdict::UnknownKey if expired => return Err(refuse(InvalidReason::UnknownKey)),
            KeyVerdict::NoKeys => return Err(AuthError::NoKeys { issuer: index }),
            KeyVerdict::UnknownKey => return Err(AuthError::UnknownKey { issuer: index }),
        }
        // After the signature: who is revoked is not told to whoever can write a name into a token.
        if self.revocations.concern(claims.holder.facts(&issuer.name, times)) {
            return Err(refuse(InvalidReason::Revoked));
        }
        if expired {
            return Err(refuse(InvalidReason::Expired));
        }
        let verified = Arc::new(VerifiedToken::new(index, Arc::clone(&issuer.name), claims, times));
        let (keys, revocations) = (Arc::downgrade(&keys), Arc::downgrade(&self.revocations));
        cache.remember(token, Remembered { verified: Arc::clone(&verified), keys, revocations }, now.unix_ns);
        Ok(verified)
    }

    /// All that can be judged before the payload is read: size, form, header, and whether the signature is as long as one of its
    /// algorithm is. Whose token it is stands in the payload, so that these refusals count for no issuer.
    fn form<'a>(&self, token: &'a str) -> Result<(Segments<'a>, Header), InvalidReason> {
        if token.len() > self.token_size {
            return Err(InvalidReason::TooLarge);
        }
        let segments = Segments::split(token).ok_or(InvalidReason::Malformed)?;
        let header = segments.header()?;
        if header.algorithm.signature_lengths().contains(&segments.signature().len()) {
            Ok((segments, header))
        } else {
            Err(InvalidReason::Signature)
        }
    }

    /// `iss`, compared exactly (RFC 7519, section 4.1.1): no case folding, no trailing slash forgiven.
    fn named(&self, iss: Option<&Json<'_>>) -> Option<(IssuerIndex, &Issuer)> {
        let name = iss?.as_str()?;
        let index = self.issuers.iter().position(|issuer| &*issuer.name == name)?;
        Some((IssuerIndex(index), &self.issuers[index]))
    }
}

/// All that this issuer's settings say about the token, except its expiry and its signature.
fn judge(header: &Header, members: &Members<'_>, settings: &IssuerSettings, now: Now) -> Result<(Claims, Times), InvalidReason> {
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
    let times = Times::judge(members, settings.leeway, now.unix_ns)?;
    Ok((Claims::judge(members, settings)?, times))
}

#[cfg(test)]
mod tests;
