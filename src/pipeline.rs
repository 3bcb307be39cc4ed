//! The order of decisions, on one screen: bounds → path → route → address → preflight or 404 → token → 405 → scopes →
//! user and global together → validation → forward.
//!
//! Synchronous and free of clocks and I/O. Where a token's key must be fetched first it says so ([`Action::AwaitKeys`]); the
//! caller waits for the keys and asks again. The server and `explain` call the same [`decide`].

use crate::{
    auth::{AuthError, Credentials, InvalidReason, IssuerIndex, UnverifiedToken, VerifiedToken, credentials},
    config::{Gateway, Route, RouteAuth, RouteLimit, UnknownPaths},
    cors::{CorsPolicy, RequestOrigin},
    limit::{AddressCharge, BulkSlot, Policy, Standing},
    reply::{Rejection, Reply},
    request::Request,
    route::{Place, RouteIndex, judge},
    state::{NotReady, State},
    time::Now,
    upstream::UpstreamIndex,
    validate,
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// What an unknown path is allowed, and what its preflight is told.
const GENERAL_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

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
    /// The gateway answers: ping, key set, an allowed preflight.
    Answer(Reply),
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
    /// The bucket that the headers show.
    pub shown: Standing,
    /// Who it has proven to be.
    pub principal: Option<Arc<VerifiedToken>>,
    /// How the token fared.
    pub token: TokenSeen,
    /// By [`Policy`].
    pub judged: [Judged; Policy::ALL.len()],
}

/// Leave to go to an upstream. Only this module makes one: from a verified token, or from a route that says `auth = "none"`.
#[derive(Debug)]
pub struct Forward {
    principal: Option<Arc<VerifiedToken>>,
    bulk: Option<BulkSlot>,
    upstream: UpstreamIndex,
    path: String,
    prefix: usize,
    body_bound: u64,
    response_timeout: Option<Duration>,
}

impl Forward {
    /// Who asks; `None` only on routes with `auth = "none"`.
    #[must_use]
    pub fn principal(&self) -> Option<&Arc<VerifiedToken>> {
        self.principal.as_ref()
    }

    /// The upstream group.
    #[must_use]
    pub fn upstream(&self) -> UpstreamIndex {
        self.upstream
    }

    /// The target at the upstream: path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Index of the base path by which the request came.
    #[must_use]
    pub fn prefix(&self) -> usize {
        self.prefix
    }

    /// Longest request body, bytes.
    #[must_use]
    pub fn body_bound(&self) -> u64 {
        self.body_bound
    }

    /// The route's time to the response head.
    #[must_use]
    pub fn response_timeout(&self) -> Option<Duration> {
        self.response_timeout
    }

    /// The place among the user's bulk requests in flight; held until the exchange ends.
    pub fn take_bulk(&mut self) -> Option<BulkSlot> {
        self.bulk.take()
    }
}

/// Judges a request.
#[must_use]
pub fn decide(gateway: &Gateway, state: &State, request: &Request<'_>, attempt: Attempt, now: Now) -> Decision {
    let mut walk = Walk {
        gateway,
        state,
        request,
        now,
        attempt: Some(attempt),
        target: Target::None,
        origin: gateway.cors.origin(request.headers()),
        shown: None,
        principal: None,
        token: TokenSeen::No,
        judged: [Judged::No; Policy::ALL.len()],
    };
    let action = walk.run().unwrap_or_else(Action::Reject);
    if let Action::Reject(Rejection::RateLimited(refusal)) = &action {
        walk.shown = Some(refusal.standing);
    }
    let shown =
        walk.shown.unwrap_or_else(|| state.limits.address_standing(&gateway.limits, request.client, now));
    Decision {
        action,
        target: walk.target,
        origin: walk.origin,
        shown,
        principal: walk.principal,
        token: walk.token,
        judged: walk.judged,
    }
}

/// A request on its way through the stages, with what they found out so far.
struct Walk<'a> {
    gateway: &'a Gateway,
    state: &'a State,
    request: &'a Request<'a>,
    now: Now,
    attempt: Option<Attempt>,
    target: Target,
    origin: RequestOrigin,
    shown: Option<Standing>,
    principal: Option<Arc<VerifiedToken>>,
    token: TokenSeen,
    judged: [Judged; Policy::ALL.len()],
}

/// What authentication came to.
enum Authenticated {
    Token(Arc<VerifiedToken>),
    AwaitKeys { issuer: IssuerIndex, reserved: AddressCharge },
}

impl<'a> Walk<'a> {
    fn run(&mut self) -> Result<Action, Rejection> {
        self.check_head_bounds()?;
        if self.request.redirect_only {
            return Err(Rejection::RedirectHttps(self.https_location()?));
        }
        let path = self.judged_path()?;
        if let Some(action) = self.own_answer(&path)? {
            return Ok(action);
        }
        let place = self.gateway.table.find(&path);
        let route = self.locate(place);
        self.check_body_bound(route)?;
        if CorsPolicy::is_preflight(self.request.method(), self.request.headers()) && place != Place::Outside {
            return self.preflight(route.map_or(HeaderValue::from_static(GENERAL_METHODS), |route| route.allow.clone()));
        }
        let (rest, prefix) = match place {
            Place::Outside => {
                self.charge_address()?;
                return Err(Rejection::NotFound);
            }
            Place::Known { rest, base, .. } | Place::Unknown { rest, base } => (rest, base),
            Place::Lookalike => ("", 0),
        };
        if let Some(route) = route.filter(|route| route.auth == RouteAuth::None) {
            return self.open_route(route, rest, prefix);
        }
        let principal = match self.authenticate()? {
            Authenticated::Token(principal) => principal,
            Authenticated::AwaitKeys { issuer, reserved } => return Ok(Action::AwaitKeys { issuer, reserved }),
        };
        self.principal = Some(Arc::clone(&principal));
        self.authorize(route, place, &principal)?;
        let bulk = self.admit(route, &principal)?;
        self.validate(route)?;
        Ok(Action::Forward(self.forward(route, rest, prefix, Some(principal), bulk)))
    }

    /// Target and header fields within `[bounds]`, a host to speak of.
    fn check_head_bounds(&self) -> Result<(), Rejection> {
        let bounds = &self.gateway.bounds;
        if self.request.target.len() > bounds.uri {
            return Err(Rejection::UriTooLong(bounds.uri));
        }
        let headers = self.request.headers();
        if headers.len() > bounds.header_count || self.request.header_bytes() > bounds.headers {
            return Err(Rejection::HeadersTooLarge);
        }
        if self.request.host().is_none_or(str::is_empty) {
            return Err(Rejection::InvalidRequest("the request must name its host exactly once"));
        }
        Ok(())
    }

    /// The one reading of the path.
    fn judged_path(&self) -> Result<Cow<'a, str>, Rejection> {
        judge(self.request.raw_path()).map_err(|error| Rejection::InvalidRequest(error.detail()))
    }

    /// Where a redirecting listener sends the client: the same target over https.
    fn https_location(&mut self) -> Result<HeaderValue, Rejection> {
        self.charge_address()?;
        let host = self.request.host().unwrap_or_default();
        let name = match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => &host[..colon],
            _ => host,
        };
        let port = self.gateway.https_port().filter(|port| *port != 443).map_or(String::new(), |port| format!(":{port}"));
        let path = self.judged_path()?;
        let query = self.request.query().map_or(String::new(), |query| format!("?{query}"));
        HeaderValue::try_from(format!("https://{name}{port}{path}{query}"))
            .map_err(|_| Rejection::InvalidRequest("the host or the target cannot be redirected to"))
    }

    /// Paths that the gateway answers itself; they come before the base paths.
    fn own_answer(&mut self, path: &str) -> Result<Option<Action>, Rejection> {
        if path == self.gateway.api.ping_path {
            self.target = Target::Ping;
            self.allow_only(&[Method::GET, Method::HEAD], "GET, HEAD")?;
            return self.ping().map(|reply| Some(Action::Answer(reply)));
        }
        let Some(endpoint) = &self.gateway.auth.token_endpoint else { return Ok(None) };
        if path == endpoint.settings().path {
            self.target = Target::Token;
            if CorsPolicy::is_preflight(self.request.method(), self.request.headers()) {
                return self.preflight(HeaderValue::from_static("POST")).map(Some);
            }
            self.charge_address()?;
            self.allow_only(&[Method::POST], "POST")?;
            return Ok(Some(Action::IssueToken));
        }
        if path == endpoint.settings().jwks_path {
            self.target = Target::Jwks;
            self.charge_address()?;
            self.allow_only(&[Method::GET, Method::HEAD], "GET, HEAD")?;
            let mut reply = Reply::json(StatusCode::OK, endpoint.jwks().clone());
            reply.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")));
            return Ok(Some(Action::Answer(reply)));
        }
        Ok(None)
    }

    fn allow_only(&self, methods: &[Method], allow: &'static str) -> Result<(), Rejection> {
        if methods.contains(self.request.method()) {
            return Ok(());
        }
        Err(Rejection::MethodNotAllowed(HeaderValue::from_static(allow)))
    }

    /// 200 while the gateway can serve, 503 while it drains or has no keys. Charged to nobody: load balancers ask often.
    fn ping(&self) -> Result<Reply, Rejection> {
        self.state.readiness(self.gateway).map_err(|not_ready| match not_ready {
            NotReady::Draining => Rejection::Draining,
            NotReady::NoKeys => Rejection::KeysUnavailable,
        })?;
        let mut reply = Reply::json(StatusCode::OK, Bytes::from_static(b"{\"status\":\"ok\"}"));
        reply.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        Ok(reply)
    }

    /// The route of a place, and the label of the exchange.
    fn locate(&mut self, place: Place<'_>) -> Option<&'a Route> {
        self.target = match place {
            Place::Outside => Target::Outside,
            Place::Known { index, .. } => Target::Route(index),
            Place::Unknown { .. } | Place::Lookalike => Target::Unknown,
        };
        match place {
            Place::Known { index, .. } => self.gateway.routes.get(index.0),
            Place::Outside | Place::Unknown { .. } | Place::Lookalike => None,
        }
    }

    /// A told length over the bound is refused before the body is read.
    fn check_body_bound(&self, route: Option<&Route>) -> Result<(), Rejection> {
        let bound = route.map_or(self.gateway.bounds.body, |route| route.body);
        match self.request.content_length() {
            Some(length) if length > bound => Err(Rejection::BodyTooLarge(bound)),
            _ => Ok(()),
        }
    }

    /// A preflight (Fetch, section 4.8): no token, no upstream, the route's methods.
    fn preflight(&mut self, methods: HeaderValue) -> Result<Action, Rejection> {
        self.charge_address()?;
        if self.origin == RequestOrigin::Foreign {
            return Err(Rejection::OriginNotAllowed);
        }
        let mut headers = Vec::with_capacity(3);
        self.gateway.cors.write_preflight(&methods, |name, value| headers.push((name, value)));
        Ok(Action::Answer(Reply::no_content(headers)))
    }

    /// `per_address` pays for all that does not end authenticated.
    fn charge_address(&mut self) -> Result<(), Rejection> {
        self.reserve_address().map(|charge| self.shown = Some(charge.standing))
    }

    fn reserve_address(&mut self) -> Result<AddressCharge, Rejection> {
        match self.state.limits.charge_address(&self.gateway.limits, self.request.client, self.now) {
            Ok(charge) => {
                self.judged[Policy::Address as usize] = Judged::Admitted;
                Ok(charge)
            }
            Err(refusal) => {
                self.judged[Policy::Address as usize] = Judged::Refused;
                Err(Rejection::RateLimited(refusal))
            }
        }
    }

    /// From the request's credentials to a verified token. A token seen before passes untouched; any other reserves its
    /// address' token before the work of verifying and gets it back when it proves good.
    fn authenticate(&mut self) -> Result<Authenticated, Rejection> {
        let token = match credentials(self.request.headers()) {
            Credentials::Bearer(token) => token,
            refused => {
                self.charge_address()?;
                return Err(self.credentials_rejection(refused));
            }
        };
        let authenticator = &self.gateway.auth.authenticator;
        if let Some(principal) = authenticator.recall(&self.state.tokens, token, self.now) {
            // A retry after waiting for keys may find what another request verified meanwhile.
            if let Some(Attempt::KeysAwaited(held)) = self.attempt.take() {
                self.state.limits.refund_address(held);
            }
            self.token = TokenSeen::Recalled(principal.issuer());
            return Ok(Authenticated::Token(principal));
        }
        self.verify(token)
    }

    fn credentials_rejection(&mut self, credentials: Credentials<'_>) -> Rejection {
        match credentials {
            Credentials::None | Credentials::OtherScheme => Rejection::MissingToken,
            Credentials::Several => Rejection::InvalidRequest("the request has several Authorization headers"),
            Credentials::Malformed | Credentials::Bearer(_) => {
                self.token = TokenSeen::Refused(None, InvalidReason::Malformed);
                Rejection::InvalidToken(InvalidReason::Malformed)
            }
        }
    }

    fn verify(&mut self, token: UnverifiedToken<'_>) -> Result<Authenticated, Rejection> {
        let (reserved, awaited) = match self.attempt.take() {
            Some(Attempt::KeysAwaited(held)) => (held, true),
            Some(Attempt::First) | None => (self.reserve_address()?, false),
        };
        self.shown = Some(reserved.standing);
        match self.gateway.auth.authenticator.verify(&self.state.tokens, token, self.now) {
            Ok(principal) => {
                self.state.limits.refund_address(reserved);
                self.judged[Policy::Address as usize] = Judged::No;
                self.token = TokenSeen::Verified(principal.issuer());
                Ok(Authenticated::Token(principal))
            }
            Err(AuthError::UnknownKey { issuer } | AuthError::NoKeys { issuer }) if !awaited => {
                Ok(Authenticated::AwaitKeys { issuer, reserved })
            }
            Err(AuthError::Invalid { reason, issuer }) => Err(self.refuse_token(issuer, reason)),
            Err(AuthError::UnknownKey { issuer }) => Err(self.refuse_token(Some(issuer), InvalidReason::UnknownKey)),
            Err(AuthError::NoKeys { issuer }) => {
                self.token = TokenSeen::NoKeys(issuer);
                Err(Rejection::KeysUnavailable)
            }
        }
    }

    fn refuse_token(&mut self, issuer: Option<IssuerIndex>, reason: InvalidReason) -> Rejection {
        self.token = TokenSeen::Refused(issuer, reason);
        Rejection::InvalidToken(reason)
    }

    /// What an authenticated request may ask for: 404 for look-alikes, 405, 403. Nothing of it is charged.
    fn authorize(&mut self, route: Option<&Route>, place: Place<'_>, principal: &VerifiedToken) -> Result<(), Rejection> {
        let verdict = self.authorized(route, place, principal);
        if verdict.is_err() {
            let limits = &self.gateway.limits;
            let standing = self.state.limits.user_standing(limits, principal.issuer_name(), principal.subject(), self.now);
            self.shown = Some(standing);
        }
        verdict
    }

    fn authorized(&self, route: Option<&Route>, place: Place<'_>, principal: &VerifiedToken) -> Result<(), Rejection> {
        let Some(route) = route else {
            if place == Place::Lookalike || self.gateway.api.unknown_paths == UnknownPaths::Reject {
                return Err(Rejection::NotFound);
            }
            return self.allow_only(general_methods(), GENERAL_METHODS);
        };
        check_method(route, self.request.method())?;
        if route.scopes.is_empty() || route.scopes.iter().any(|scope| principal.scopes().contains(scope)) {
            return Ok(());
        }
        Err(Rejection::InsufficientScope(route.scopes.clone()))
    }

    /// User and global, judged and charged together; on exempt routes global and the places in flight.
    fn admit(&mut self, route: Option<&Route>, principal: &VerifiedToken) -> Result<Option<BulkSlot>, Rejection> {
        let exempt = route.is_some_and(|route| route.limit == RouteLimit::Exempt);
        let limits = &self.gateway.limits;
        let own = if exempt { Policy::Bulk } else { Policy::User };
        match self.state.limits.admit(limits, principal.issuer_name(), principal.subject(), exempt, self.now) {
            Ok(admission) => {
                self.judged[own as usize] = Judged::Admitted;
                self.judged[Policy::Global as usize] = Judged::Admitted;
                self.shown = Some(admission.user);
                Ok(admission.bulk)
            }
            Err(refusal) => {
                self.judged[refusal.policy as usize] = Judged::Refused;
                Err(Rejection::RateLimited(refusal))
            }
        }
    }

    /// Media type and query. What is refused here stays charged.
    fn validate(&self, route: Option<&Route>) -> Result<(), Rejection> {
        if self.gateway.api.require_json && self.request.has_body() && !validate::is_json(self.request.headers()) {
            return Err(Rejection::UnsupportedMediaType);
        }
        let Some(route) = route else { return Ok(()) };
        route.query.check(self.request.query()).map_err(|error| Rejection::InvalidParameter {
            parameter: error.parameter.to_owned(),
            detail: error.detail,
        })
    }

    /// A route that says `auth = "none"`: its address pays, then the global policy judges alone.
    fn open_route(&mut self, route: &Route, rest: &str, prefix: usize) -> Result<Action, Rejection> {
        let charge = self.reserve_address()?;
        self.shown = Some(charge.standing);
        check_method(route, self.request.method())?;
        if let Err(refusal) = self.state.limits.admit_anonymous(&self.gateway.limits, self.now) {
            self.state.limits.refund_address(charge);
            self.judged[Policy::Address as usize] = Judged::No;
            self.judged[Policy::Global as usize] = Judged::Refused;
            return Err(Rejection::RateLimited(refusal));
        }
        self.judged[Policy::Global as usize] = Judged::Admitted;
        self.validate(Some(route))?;
        Ok(Action::Forward(self.forward(Some(route), rest, prefix, None, None)))
    }

    fn forward(
        &self,
        route: Option<&Route>,
        rest: &str,
        prefix: usize,
        principal: Option<Arc<VerifiedToken>>,
        bulk: Option<BulkSlot>,
    ) -> Forward {
        let api = &self.gateway.api;
        let query = self.request.query();
        let mut path = String::with_capacity(api.upstream_base_path.len() + rest.len() + query.map_or(0, |query| query.len() + 1));
        path.push_str(&api.upstream_base_path);
        path.push_str(rest);
        if let Some(query) = query {
            path.push('?');
            path.push_str(query);
        }
        Forward {
            principal,
            bulk,
            upstream: route.map_or(api.upstream, |route| route.upstream),
            path,
            prefix,
            body_bound: route.map_or(self.gateway.bounds.body, |route| route.body),
            response_timeout: route.and_then(|route| route.response_timeout),
        }
    }
}

fn check_method(route: &Route, method: &Method) -> Result<(), Rejection> {
    if route.methods.contains(method) {
        return Ok(());
    }
    Err(Rejection::MethodNotAllowed(route.allow.clone()))
}

fn general_methods() -> &'static [Method] {
    const METHODS: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    &METHODS
}

#[cfg(test)]
mod tests;
