//! The order of decisions, on one screen: bounds → path → route → address → preflight or 404 → token → 405 → scopes →
//! the limits (user, route, quota, bulk, global) together → validation → forward.
//!
//! Synchronous and free of clocks and I/O. Where a token's key must be fetched first it says so ([`Action::AwaitKeys`]); the
//! caller waits for the keys and asks again. The server and `explain` call the same [`decide`].

mod forward;
mod limiting;
mod verdict;

pub use forward::Forward;
pub use verdict::{Action, Attempt, Decision, Judged, Target, TokenSeen};

use crate::{
    auth::{AuthError, Credentials, InvalidReason, IssuerIndex, UnverifiedToken, VerifiedToken, credentials},
    config::{GENERAL_ALLOW, GENERAL_METHODS, Gateway, Route, UnknownPaths},
    cors::{CorsPolicy, RequestOrigin},
    limit::{AddressCharge, Policy, Refusal, Shown},
    reply::{Outcome, Rejection, Reply},
    request::{HeadFault, Request},
    route::{Place, judge},
    state::{NotReady, State},
    time::Now,
    validate::{self, RecordsError},
};
use bytes::Bytes;
use forward::{Way, opens_websocket};
use http::{HeaderValue, Method, StatusCode, header};
use limiting::charge_of;
use std::{borrow::Cow, sync::Arc};

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
        would_limit: None,
        principal: None,
        token: TokenSeen::No,
        judged: [Judged::No; Policy::ALL.len()],
    };
    let action = walk.run().unwrap_or_else(Action::Reject);
    let refused = if let Action::Reject(Rejection::RateLimited(refusal)) = &action { Some(refusal) } else { None };
    let shown = match refused.or(walk.would_limit.as_ref()) {
        Some(refusal) => walk.shown_refusal(refusal),
        None => walk.shown.unwrap_or_else(|| walk.address_as_it_is()),
    };
    Decision {
        action,
        target: walk.target,
        origin: walk.origin,
        shown,
        principal: walk.principal,
        token: walk.token,
        judged: walk.judged,
        would_limit: walk.would_limit.map(|refusal| refusal.numbers.policy),
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
    shown: Option<Shown>,
    /// The first refusal that `dry_run` let pass.
    would_limit: Option<Refusal>,
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
        self.check_largest_body()?;
        if self.request.redirect_only {
            return Err(Rejection::RedirectHttps(self.https_location()?));
        }
        let path = self.judged_path()?;
        if let Some(action) = self.own_answer(&path)? {
            return Ok(action);
        }
        let place = self.gateway.table.find(&path);
        let route = self.locate(place);
        if self.is_preflight() && place != Place::Outside {
            let general = HeaderValue::from_static(GENERAL_ALLOW);
            return self.preflight(route.map_or(&general, |route| &route.allow));
        }
        let (rest, prefix) = match place {
            Place::Outside => {
                self.charge_address()?;
                return Err(Rejection::NotFound);
            }
            Place::Known { rest, base, .. } | Place::Unknown { rest, base } => (rest, base),
            // Refused once it is authenticated.
            Place::Lookalike => ("", 0),
        };
        let way = Way { route, rest, prefix };
        if let Some(open) = Forward::open(self.gateway, self.request, way) {
            return self.open_route(way, open);
        }
        let principal = match self.authenticate()? {
            Authenticated::Token(principal) => principal,
            Authenticated::AwaitKeys { issuer, reserved } => return Ok(Action::AwaitKeys { issuer, reserved }),
        };
        self.principal = Some(Arc::clone(&principal));
        self.authorize(route, place, &principal)?;
        let bulk = self.admit(charge_of(route), &principal)?;
        self.validate(route)?;
        Ok(Action::Forward(Forward::proven(self.gateway, self.request, way, principal, bulk)))
    }

    /// Target and header fields within `[bounds]`, a host to speak of.
    fn check_head_bounds(&self) -> Result<(), Rejection> {
        if let Some(fault) = self.request.fault {
            return Err(refused_head(fault));
        }
        let bounds = &self.gateway.bounds;
        if self.request.target.len() > bounds.uri {
            return Err(Rejection::UriTooLong(bounds.uri));
        }
        let headers = self.request.headers();
        if headers.len() > bounds.header_count || self.request.header_bytes() > bounds.headers {
            return Err(Rejection::HeadersTooLarge);
        }
        if !self.request.has_plain_length() {
            return Err(Rejection::InvalidRequest("the request must tell the length of its body once, in digits"));
        }
        if !self.request.has_plain_connection() {
            return Err(Rejection::InvalidRequest("Connection names what is no field of one connection, or too much"));
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
            if self.is_preflight() {
                return self.preflight(&HeaderValue::from_static("GET, HEAD")).map(Some);
            }
            self.allow_only(&[Method::GET, Method::HEAD], "GET, HEAD")?;
            return self.ping().map(|reply| Some(Action::Answer(Outcome::Answered, reply)));
        }
        let Some(endpoint) = &self.gateway.auth.token_endpoint else { return Ok(None) };
        if path == endpoint.settings().path {
            self.target = Target::Token;
            if self.is_preflight() {
                return self.preflight(&HeaderValue::from_static("POST")).map(Some);
            }
            self.charge_address()?;
            self.allow_only(&[Method::POST], "POST")?;
            return Ok(Some(Action::IssueToken));
        }
        if path == endpoint.settings().jwks_path {
            self.target = Target::Jwks;
            if self.is_preflight() {
                return self.preflight(&HeaderValue::from_static("GET, HEAD")).map(Some);
            }
            self.charge_address()?;
            self.allow_only(&[Method::GET, Method::HEAD], "GET, HEAD")?;
            let mut reply = Reply::json(StatusCode::OK, endpoint.jwks(self.now).clone());
            reply.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60")));
            return Ok(Some(Action::Answer(Outcome::Answered, reply)));
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

    /// A told length over every bound there is, is refused at once. A route's own bound waits for the token, so that routes
    /// cannot be told apart without one.
    fn check_largest_body(&self) -> Result<(), Rejection> {
        let bound = self.gateway.bounds.body;
        let Some(length) = self.told_length().filter(|length| *length > bound) else { return Ok(()) };
        let largest = self.gateway.routes.iter().map(|route| route.body).max().unwrap_or(0).max(bound);
        if length > largest { Err(Rejection::BodyTooLarge(largest)) } else { Ok(()) }
    }

    /// A told length over the place's own bound is refused before the body is read.
    fn check_body_bound(&self, route: Option<&Route>) -> Result<(), Rejection> {
        let bound = route.map_or(self.gateway.bounds.body, |route| route.body);
        match self.told_length() {
            Some(length) if length > bound => Err(Rejection::BodyTooLarge(bound)),
            _ => Ok(()),
        }
    }

    /// The length of a body that follows, if the head tells it.
    fn told_length(&self) -> Option<u64> {
        if self.request.has_body { self.request.content_length() } else { None }
    }

    fn is_preflight(&self) -> bool {
        CorsPolicy::is_preflight(self.request.method(), self.request.headers())
    }

    /// A preflight (Fetch, section 4.8): no token, no upstream, the route's methods.
    fn preflight(&mut self, methods: &HeaderValue) -> Result<Action, Rejection> {
        self.charge_address()?;
        if self.origin == RequestOrigin::Foreign {
            return Err(Rejection::OriginNotAllowed);
        }
        let mut headers = Vec::with_capacity(3);
        self.gateway.cors.write_preflight(methods, |name, value| headers.push((name, value)));
        Ok(Action::Answer(Outcome::Preflight, Reply::no_content(headers)))
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
            Some(Attempt::KeysAwaited(held)) if held.is_taken() => {
                // The first attempt's verdict went unrecorded; what the address paid is told with this one.
                self.judged[Policy::Address as usize] = Judged::Admitted;
                (held, true)
            }
            // The bucket was empty, and limits are only tried: it is asked again, and says it again.
            Some(Attempt::KeysAwaited(_)) => (self.reserve_address()?, true),
            Some(Attempt::First) | None => (self.reserve_address()?, false),
        };
        self.show_address(&reserved);
        match self.gateway.auth.authenticator.verify(&self.state.tokens, token, self.now) {
            Ok(principal) => {
                self.refund_address(reserved);
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
            self.show_user(principal);
        }
        verdict
    }

    fn authorized(&self, route: Option<&Route>, place: Place<'_>, principal: &VerifiedToken) -> Result<(), Rejection> {
        let Some(route) = route else {
            if place == Place::Lookalike || self.gateway.api.unknown_paths == UnknownPaths::Reject {
                return Err(Rejection::NotFound);
            }
            self.allow_only(&GENERAL_METHODS, GENERAL_ALLOW)?;
            return self.check_body_bound(None);
        };
        check_method(route, self.request.method())?;
        self.check_body_bound(Some(route))?;
        if !route.scopes.is_empty() && !route.scopes.iter().any(|scope| principal.scopes().contains(scope)) {
            return Err(Rejection::InsufficientScope(route.scopes.clone()));
        }
        self.check_websocket_origin(Some(route))
    }

    /// Browsers let any page open a WebSocket and read from it, and tell only where the page is from (RFC 6455, section 10.2):
    /// nobody but the gateway keeps a foreign one out.
    fn check_websocket_origin(&self, route: Option<&Route>) -> Result<(), Rejection> {
        if self.origin == RequestOrigin::Foreign && opens_websocket(self.request, route) {
            return Err(Rejection::ForeignWebSocket);
        }
        Ok(())
    }

    /// Media type, query, and whether the records of a body can be counted. What is refused here stays charged.
    fn validate(&self, route: Option<&Route>) -> Result<(), Rejection> {
        if self.gateway.api.require_json && self.request.has_body && !validate::is_json(self.request.headers()) {
            return Err(Rejection::UnsupportedMediaType);
        }
        let Some(route) = route else { return Ok(()) };
        self.check_query(route)?;
        if route.records.is_some() { self.check_readable_body() } else { Ok(()) }
    }

    fn check_query(&self, route: &Route) -> Result<(), Rejection> {
        route
            .query
            .check(self.request.query())
            .map_err(|error| Rejection::InvalidParameter { parameter: error.parameter.to_owned(), detail: error.detail })
    }

    /// Of a body that is to be read: what could be something else to the upstream than it is here.
    fn check_readable_body(&self) -> Result<(), Rejection> {
        let headers = self.request.headers();
        if !self.request.has_body {
            // Where a body is meant, none is not JSON either (RFC 8259, section 2).
            let is_meant = [Method::POST, Method::PUT, Method::PATCH].contains(self.request.method());
            return if is_meant { Err(RecordsError::Empty.into()) } else { Ok(()) };
        }
        let codings = headers.get_all(header::CONTENT_ENCODING);
        if codings.iter().any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
            return Err(Rejection::UnsupportedCoding);
        }
        if validate::is_foreign_charset(headers) { Err(Rejection::UnsupportedCharset) } else { Ok(()) }
    }

    /// A route that says `auth = "none"`: its address pays, then the route's limit and the global one judge.
    fn open_route(&mut self, way: Way<'_>, forward: Forward) -> Result<Action, Rejection> {
        let charge = self.reserve_address()?;
        self.show_address(&charge);
        if let several @ Credentials::Several = credentials(self.request.headers()) {
            return Err(self.credentials_rejection(several));
        }
        way.route.map_or(Ok(()), |route| check_method(route, self.request.method()))?;
        self.check_body_bound(way.route)?;
        self.check_websocket_origin(way.route)?;
        self.admit_anonymous(charge_of(way.route), charge)?;
        self.validate(way.route)?;
        Ok(Action::Forward(forward))
    }
}

fn check_method(route: &Route, method: &Method) -> Result<(), Rejection> {
    if route.methods.contains(method) {
        return Ok(());
    }
    Err(Rejection::MethodNotAllowed(route.allow.clone()))
}

#[cfg(test)]
pub(crate) mod test_gateway;
fn refused_head(fault: HeadFault) -> Rejection {
    match fault {
        HeadFault::Invalid(what) => Rejection::InvalidRequest(what),
        HeadFault::TargetTooLong(bound) => Rejection::UriTooLong(bound),
        HeadFault::FieldsTooLarge => Rejection::HeadersTooLarge,
        HeadFault::Late => Rejection::RequestTimeout,
        HeadFault::Overloaded => Rejection::Overloaded,
        HeadFault::Connect => Rejection::MethodNotAllowed(HeaderValue::from_static(GENERAL_ALLOW)),
    }
}

#[cfg(test)]
mod tests;
