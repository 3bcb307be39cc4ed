//! Leave to go to an upstream: only a verified token, or a route that says `auth = "none"`, can bring it about.

use crate::{
    auth::VerifiedToken,
    config::{Gateway, Route, RouteAuth},
    limit::BulkSlot,
    request::Request,
    upstream::{UpstreamIndex, websocket},
    validate::RecordCounter,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// Leave to go to an upstream. Only this module makes one: from a verified token, or from a route that says `auth = "none"`.
///
/// Others may hold one,
///
/// ```
/// use stackflow_gateway::pipeline::Forward;
/// fn kept(leave: Forward) -> Forward { leave }
/// ```
///
/// and cannot make one, not even out of another:
///
/// ```compile_fail,E0451
/// use stackflow_gateway::pipeline::Forward;
/// fn forged(leave: Forward) -> Forward { Forward { ..leave } }
/// ```
#[derive(Debug)]
pub struct Forward {
    principal: Option<Arc<VerifiedToken>>,
    bulk: Option<BulkSlot>,
    upstream: UpstreamIndex,
    target: Bytes,
    prefix: usize,
    body_bound: u64,
    records: Option<RecordCounter>,
    response_timeout: Option<Duration>,
    websocket: bool,
}

/// Where a request is to go, found before anybody is let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    /// `None` under a base path where no route matches.
    pub(super) route: Option<&'a Route>,
    /// What follows the base path, judged.
    pub(super) rest: &'a str,
    /// Index of the base path.
    pub(super) prefix: usize,
}

impl Forward {
    /// For a request whose token was verified.
    pub(super) fn proven(
        gateway: &Gateway,
        request: &Request<'_>,
        way: Way<'_>,
        principal: Arc<VerifiedToken>,
        bulk: Option<BulkSlot>,
    ) -> Self {
        Self { principal: Some(principal), bulk, ..Self::anonymous(gateway, request, way) }
    }

    /// For anybody; `None` unless the route says so.
    pub(super) fn open(gateway: &Gateway, request: &Request<'_>, way: Way<'_>) -> Option<Self> {
        let open = way.route.is_some_and(|route| route.auth == RouteAuth::None);
        open.then(|| Self::anonymous(gateway, request, way))
    }

    fn anonymous(gateway: &Gateway, request: &Request<'_>, way: Way<'_>) -> Self {
        let api = &gateway.api;
        Self {
            principal: None,
            bulk: None,
            upstream: way.route.map_or(api.upstream, |route| route.upstream),
            target: target(&api.upstream_base_path, way.rest, request.query()),
            prefix: way.prefix,
            body_bound: way.route.map_or(gateway.bounds.body, |route| route.body),
            records: way.route.and_then(|route| route.records.as_ref()).map(|rules| RecordCounter::new(Arc::clone(rules))),
            response_timeout: way.route.and_then(|route| route.response_timeout),
            websocket: opens_websocket(request, way.route),
        }
    }

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

    /// The target at the upstream: the judged path under the upstream's base path, and the query, byte for byte.
    #[must_use]
    pub fn target(&self) -> &Bytes {
        &self.target
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

    /// What must read the request's body, which goes no further than that lets it.
    pub fn take_records(&mut self) -> Option<RecordCounter> {
        self.records.take()
    }

    /// The route's time to the response head.
    #[must_use]
    pub fn response_timeout(&self) -> Option<Duration> {
        self.response_timeout
    }

    /// The upstream may be asked to go on as a WebSocket.
    #[must_use]
    pub fn websocket(&self) -> bool {
        self.websocket
    }

    /// The place among the user's bulk requests in flight; held until the exchange ends.
    pub fn take_bulk(&mut self) -> Option<BulkSlot> {
        self.bulk.take()
    }
}

/// Whether the request begins a WebSocket where one may be. Anything else that asks for another protocol is taken for what it is
/// without that (RFC 9110, section 7.8).
pub(super) fn opens_websocket(request: &Request<'_>, route: Option<&Route>) -> bool {
    route.is_some_and(|route| route.upgrade) && websocket::is_opening(request.parts, request.has_body)
}

/// One allocation, which the request towards the upstream then shares.
fn target(base_path: &str, rest: &str, query: Option<&str>) -> Bytes {
    let mut target = String::with_capacity(base_path.len() + rest.len() + query.map_or(0, |query| query.len() + 1));
    target.push_str(base_path);
    target.push_str(rest);
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    Bytes::from(target)
}
