//! What a decision consists of: what becomes of the request, and what its response, its metrics and its log line need.

use super::Forward;
use crate::{
    auth::{InvalidReason, IssuerIndex, VerifiedToken},
    cors::RequestOrigin,
    limit::{AddressCharge, Policy, Shown},
    reply::{Outcome, Rejection, Reply},
    route::RouteIndex,
};
use std::sync::Arc;

/// Which place of the API a request asked for: the `route` label of metrics and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Not judged: refused before.
    None,
    /// Outside every base path.
    Outside,
    /// Under a base path, no route.
    Unknown,
    /// A configured route.
    Route(RouteIndex),
    /// The gateway's own answers.
    Ping,
    /// The token endpoint.
    Token,
    /// The token endpoint's key set.
    Jwks,
}

/// What becomes of the request.
#[derive(Debug)]
pub enum Action {
    /// It goes to an upstream.
    Forward(Forward),
    /// The gateway answers: ping, key set, an allowed preflight; how that is counted.
    Answer(Outcome, Reply),
    /// The gateway refuses.
    Reject(Rejection),
    /// The token endpoint answers once the body is read.
    IssueToken,
    /// The issuer's keys must be looked for first; then ask again with [`Attempt::KeysAwaited`].
    AwaitKeys {
        /// Whose.
        issuer: IssuerIndex,
        /// The address' token that is held meanwhile.
        reserved: AddressCharge,
    },
}

/// Whether keys were waited for already.
#[derive(Debug)]
pub enum Attempt {
    /// No.
    First,
    /// Yes; the address' token that was held.
    KeysAwaited(AddressCharge),
}

/// How a policy judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judged {
    /// It was not asked, or its charge was given back.
    #[default]
    No,
    /// Charged.
    Admitted,
    /// Refused.
    Refused,
}

/// How a presented token fared, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSeen {
    /// None was presented.
    No,
    /// Verified before and still good.
    Recalled(IssuerIndex),
    /// Verified now.
    Verified(IssuerIndex),
    /// Refused.
    Refused(Option<IssuerIndex>, InvalidReason),
    /// Its issuer has no keys.
    NoKeys(IssuerIndex),
}

/// The verdict on a request and what its response carries.
#[derive(Debug)]
pub struct Decision {
    /// What becomes of it.
    pub action: Action,
    /// Which place it asked for.
    pub target: Target,
    /// What its `Origin` means.
    pub origin: RequestOrigin,
    /// The policies that the headers show.
    pub shown: Shown,
    /// Who it has proven to be.
    pub principal: Option<Arc<VerifiedToken>>,
    /// How the token fared.
    pub token: TokenSeen,
    /// By [`Policy`].
    pub judged: [Judged; Policy::ALL.len()],
    /// The policy that would have refused it, had limits not only been tried (`dry_run`).
    pub would_limit: Option<Policy>,
}
