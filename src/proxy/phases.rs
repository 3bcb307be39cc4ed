//! Pingora's hooks: each converts, calls what decides, and writes what was decided.
//!
//! `request_filter` is the only hook where an answer is cheap and the connection lives, so all is decided and done there. Forwarded
//! responses are decorated by `dress_response`, early answers and failures by the writer.

use super::{
    bodies::take_in,
    client::client,
    ctx::{Ctx, Measured},
    direct, framing,
    guard::{Refused, marked_http2},
    heads, peers,
    shared::Shared,
    writer,
};
use crate::{
    observe::UpstreamFailure,
    pipeline::{Action, Attempt, Decision, Forward, Target, decide},
    reply::{Outcome, Rejection, Reply},
    request::header_bytes,
    response_headers::{REQUEST_ID, ResponseHeaders, foreign},
    upstream::{Edit, Hop, edit_request, incoming_trace, server_host, websocket},
};
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header, uri::PathAndQuery};
use pingora_core::{
    Error, ErrorSource, ErrorType, Result, connectors::TransportConnector, modules::http::HttpModules, upstreams::peer::HttpPeer,
};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use std::{any::Any, sync::Arc};

/// Most fields that are set on a request: six of identity, four of forwarding, trace, request id, via, host.
const SET_ON_REQUESTS: usize = 14;
/// Most fields that are set on a response: five of the rate limit, request id, four of CORS.
const SET_ON_RESPONSES: usize = 10;

/// A server may say "103 Early Hints" and the like (RFC 9110, section 15.2), but not for ever.
const MOST_INFORMATIONAL: usize = 8;

/// The `reason` of a request that went on though a limit refused it (`dry_run`).
const WOULD_LIMIT: &str = "would_limit";

/// The gateway as Pingora runs it, for listeners of one kind.
pub struct Phases {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// These listeners only redirect to https.
    pub redirect_only: bool,
    /// Connects to servers for requests that are forwarded directly.
    pub connector: Arc<TransportConnector>,
}

#[async_trait]
impl ProxyHttp for Phases {
    /// Boxed: the framework moves it about within its futures.
    type CTX = Box<Ctx>;

    fn new_ctx(&self) -> Box<Ctx> {
        Box::new(Ctx::new(&self.shared, self.redirect_only))
    }

    /// Called before anything else where the guard has refused the head.
    fn on_connection_reuse(&self, _session: &mut Session, ctx: &mut Box<Ctx>, given: Box<dyn Any + Send + Sync>) {
        ctx.fault = given.downcast_ref().copied();
    }

    /// Whoever was refused waits for a turn. Not a proxy that is believed: others wait behind it.
    fn persist_connection_context(&self, _session: &Session, ctx: &Box<Ctx>) -> Option<Box<dyn Any + Send + Sync>> {
        let refused = matches!(ctx.outcome, Outcome::Rejected | Outcome::Unauthorized | Outcome::Limited);
        (refused && !ctx.client.peer_is_trusted).then(|| Box::new(Refused) as Box<dyn Any + Send + Sync>)
    }

    /// No modules: the framework would put its compression into the way of every response.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Box<Ctx>) -> Result<bool> {
        self.meet(session, ctx);
        let mut decision = self.decide(session, ctx);
        if matches!(decision.action, Action::AwaitKeys { .. }) {
            decision = Box::pin(self.decide_with_keys(session, ctx, decision)).await?;
        }
        // What is awaited in a branch is part of every request's future, whose bytes are copied to its place: the ways that do
        // not lead to an upstream are large, and kept apart.
        match self.take_up(decision, ctx) {
            Action::Forward(forward) => self.let_through(session, ctx, forward).await,
            Action::Answer(outcome, reply) => {
                ctx.outcome = outcome;
                Box::pin(self.write(session, ctx, &reply)).await
            }
            Action::Reject(rejection) => Box::pin(self.reject(session, ctx, &rejection)).await,
            Action::IssueToken => Box::pin(self.issue_token(session, ctx)).await,
            // Keys are waited for once.
            Action::AwaitKeys { .. } => Box::pin(self.reject(session, ctx, &Rejection::KeysUnavailable)).await,
        }
    }

    /// The framework asks only for what `request_filter` has not answered, and it answers all.
    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Box<Ctx>) -> Result<Box<HttpPeer>> {
        Error::e_explain(ErrorType::InternalError, "nothing is left to be forwarded")
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Box<Ctx>) -> FailToProxy {
        let rejection = Self::judge_failure(error, ctx);
        let Some(rejection) = rejection.filter(|_| final_status(session).is_none()) else {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        let status = rejection.row().0.as_u16();
        // The framework gives up the client's connection after any error once an upstream was asked; the client must be told.
        session.set_keepalive(None);
        drop(self.reject(session, ctx, &rejection).await);
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Box<Ctx>) {
        let ended_ns = self.shared.clock.monotonic_ns();
        // Without an end of its response the upstream was waited for until now.
        let upstream_ns = ctx.upstream_began_ns.map(|began| ctx.upstream_ended_ns.unwrap_or(ended_ns).saturating_sub(began));
        if let (Some(forward), Some(took)) = (&ctx.forward, upstream_ns) {
            ctx.gateway.metrics.upstream_took(forward.upstream(), took);
        }
        let request_bytes = ctx.request_bytes.max(session.body_bytes_read() as u64);
        let response_bytes = ctx.tunnelled + session.body_bytes_sent() as u64;
        // nginx's 499: the client left before there was an answer.
        let status = final_status(session).unwrap_or(if error.is_some() { 499 } else { 0 });
        ctx.record(session, &self.shared, &Measured { status, request_bytes, response_bytes, ended_ns, upstream_ns });
    }

    /// Failures are in the access log and the metrics.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Box<Ctx>, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Box<Ctx>,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

impl Phases {
    /// Counts a failure, and says what it means for the client: nothing when the client is gone.
    pub(super) fn judge_failure(error: &Error, ctx: &mut Ctx) -> Option<Rejection> {
        let rejection = ctx.failure.take().or_else(|| peers::rejection(error));
        if let (Some(forward), ErrorSource::Upstream) = (&ctx.forward, error.esource()) {
            if !matches!(rejection, Some(Rejection::NoUpstream)) {
                ctx.gateway.metrics.upstream_failed(forward.upstream(), peers::failure(error));
            }
            ctx.outcome = Outcome::UpstreamFailed;
            // The error's own words may quote header fields of either side.
            log::debug!(target: "upstream", "{}", error.etype().as_str());
        }
        rejection
    }

    /// Whether a request that failed is sent again: it was not answered, sending it twice does no harm, and it did not take long.
    pub(super) fn retries_after(error: &Error, session: &Session, ctx: &mut Ctx) -> bool {
        let unanswered = final_status(session).is_none() && ctx.upstream_status.is_none();
        let harmless = session.req_header().method.is_idempotent() && ctx.request_bytes == 0;
        let by_upstream = *error.esource() == ErrorSource::Upstream;
        let quick = peers::failure(error) != UpstreamFailure::Timeout;
        unanswered && harmless && by_upstream && quick && Self::may_retry(ctx)
    }

    /// The next server to ask, and how.
    pub(super) fn choose_server(&self, ctx: &mut Ctx) -> Result<HttpPeer> {
        let Some(forward) = &ctx.forward else { return Error::e_explain(ErrorType::InternalError, "no leave to forward") };
        let upstream = ctx.gateway.upstreams.at(forward.upstream());
        ctx.chosen_ns = self.shared.clock.monotonic_ns();
        ctx.upstream_began_ns.get_or_insert(ctx.chosen_ns);
        // A retry sends the body from its beginning.
        ctx.request_bytes = 0;
        ctx.informational = 0;
        ctx.failure = None;
        let Some((place, address)) = upstream.next(ctx.tried) else {
            ctx.gateway.metrics.upstream_failed(forward.upstream(), UpstreamFailure::NoAddress);
            ctx.failure = Some(Rejection::NoUpstream);
            return Err(Error::explain(ErrorType::ConnectNoRoute, "no address is known").into_up());
        };
        ctx.tried.insert(place);
        let server = &upstream.servers[place];
        ctx.server_host = server_host(&upstream.settings, server);
        Ok(peers::peer(&upstream.settings, server, address, forward.response_timeout()))
    }

    /// Makes the upstream's head the client's: bounded, without what is not the upstream's to say, decorated.
    pub(super) fn dress_response(&self, session: &mut Session, head: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        // Before anything is found wrong with it: a server that has answered is not asked again.
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            ctx.upstream_status = Some(head.status.as_u16());
        }
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if switches && let Err(what) = check_switch(session, head, ctx) {
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
        }
        if let Err(what) = framing::settle(head) {
            ctx.failure = Some(Rejection::BadUpstream);
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
        }
        let bounds = &ctx.gateway.bounds;
        if head.headers.len() > bounds.header_count || header_bytes(&head.headers) > bounds.headers {
            ctx.failure = Some(Rejection::BadUpstream);
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, "the response head is over its bound").into_up());
        }
        if head.status.is_informational() && !switches {
            ctx.informational += 1;
            if ctx.informational > MOST_INFORMATIONAL {
                return Err(Error::explain(ErrorType::InvalidHTTPHeader, "informational for ever").into_up());
            }
            return Ok(());
        }
        if self.shared.state.is_draining() {
            session.set_keepalive(None);
        }
        let answered_ns = self.shared.clock.monotonic_ns();
        ctx.upstream_ended_ns = Some(answered_ns);
        let Some(headers) = &ctx.headers else { return Ok(()) };
        let mut parts = heads::take_response(head);
        parts.headers.reserve(SET_ON_RESPONSES);
        let foreign: Vec<_> = foreign(&parts.headers, &ctx.gateway).collect();
        for name in foreign {
            parts.headers.remove(name);
        }
        let vary = merged_vary(&parts.headers);
        headers.write(&ctx.gateway, ctx.began.at(answered_ns), |name, value| drop(parts.headers.insert(name, value)));
        vary.map(|vary| parts.headers.insert(header::VARY, vary));
        // RFC 9112, section 6.1: who speaks HTTP/1.0 knows no chunks, and finds the end of the body in that of the connection.
        if session.req_header().version == Version::HTTP_10 && parts.headers.remove(header::TRANSFER_ENCODING).is_some() {
            session.set_keepalive(None);
        }
        if switches {
            direct::switch(&mut parts.headers);
        }
        // What the server speaks is between it and the gateway (RFC 9110, section 6.2).
        parts.version = Version::HTTP_11;
        *head = ResponseHeader::from(parts);
        Ok(())
    }

    /// Sets the connection's times and finds out who asks.
    fn meet(&self, session: &mut Session, ctx: &mut Ctx) {
        let bounds = &ctx.gateway.bounds;
        if self.shared.state.is_draining() {
            session.set_keepalive(None);
        } else if session.get_keepalive().is_some() {
            // The framework's own default is for ever.
            session.set_keepalive(Some(bounds.idle_timeout.as_secs().max(1)));
        }
        ctx.fault = ctx.fault.or_else(|| marked_http2(session.req_header()));
        ctx.has_body = !session.as_downstream_mut().is_body_empty();
        if websocket::is_opening(session.req_header().as_ref(), ctx.has_body) {
            // What the client sends behind it is a WebSocket's, and never a request, whatever the answer is.
            session.set_keepalive(None);
        }
        // Without this a request that comes while the one before it is answered would end that one with a 400.
        session.as_downstream_mut().set_pipelining_enabled(true);
        // RFC 9110, section 15.2: who speaks HTTP/1.0 would take them for the answer.
        let is_http10 = session.req_header().version == Version::HTTP_10;
        session.as_downstream_mut().set_ignore_info_resp(is_http10);
        session.set_read_timeout(Some(bounds.body_timeout));
        session.set_write_timeout(Some(bounds.write_timeout));
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
        ctx.peer = peer.map(|peer| peer.to_canonical());
        ctx.client = client(peer, &session.req_header().headers, &ctx.gateway.server.trusted_proxies);
        ctx.ids = self.shared.ids.next(session.req_header().headers.get(REQUEST_ID));
        ctx.brings_trace = incoming_trace(&session.req_header().headers).is_some();
        let over_tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
        ctx.https = over_tls || ctx.client.said_https;
    }

    fn decide(&self, session: &Session, ctx: &Ctx) -> Decision {
        decide(&ctx.gateway, &self.shared.state, &ctx.request(session), Attempt::First, ctx.began)
    }

    /// Takes in what can be taken in before a server is asked.
    async fn let_through(&self, session: &mut Session, ctx: &mut Ctx, mut forward: Forward) -> Result<bool> {
        ctx.bulk = forward.take_bulk();
        if !ctx.gateway.upstreams.at(forward.upstream()).has_address() {
            ctx.gateway.metrics.upstream_failed(forward.upstream(), UpstreamFailure::NoAddress);
            return Box::pin(self.reject(session, ctx, &Rejection::NoUpstream)).await;
        }
        ctx.records = forward.take_records();
        ctx.forward = Some(forward);
        ctx.outcome = Outcome::Forwarded;
        if ctx.has_body {
            let began_ns = self.shared.clock.monotonic_ns();
            let judged = Box::pin(take_in(session, ctx)).await?;
            ctx.waited_ns += self.shared.clock.monotonic_ns().saturating_sub(began_ns);
            if let Err(rejection) = judged {
                return Box::pin(self.reject(session, ctx, &rejection)).await;
            }
        }
        self.forward_directly(session, ctx).await.map(|()| true)
    }

    /// Counts a decision and keeps what the response and the record need of it.
    fn take_up(&self, decision: Decision, ctx: &mut Ctx) -> Action {
        ctx.gateway.metrics.token_seen(decision.token);
        self.shared.metrics.judged(&decision.judged);
        ctx.target = decision.target;
        ctx.principal = decision.principal;
        // Should it end with a refusal of another kind, that is the reason, and this still the policy.
        ctx.policy = decision.would_limit;
        ctx.reason = decision.would_limit.map(|_| WOULD_LIMIT);
        let request_id = ctx.ids.request_id.clone();
        ctx.headers = Some(ResponseHeaders::new(decision.shown, decision.origin, request_id, ctx.decided));
        decision.action
    }

    pub(super) async fn reject(&self, session: &mut Session, ctx: &mut Ctx, rejection: &Rejection) -> Result<bool> {
        let (status, ..) = rejection.row();
        // "Not ready" is what a load balancer asked.
        let asked = ctx.target == Target::Ping && status == StatusCode::SERVICE_UNAVAILABLE;
        ctx.outcome = if asked { Outcome::Answered } else { rejection.outcome() };
        ctx.reason = Some(rejection.reason());
        ctx.policy = rejection.policy().or(ctx.policy);
        let reply = rejection.reply(&session.req_header().headers, &ctx.ids.request_id);
        self.write(session, ctx, &reply).await
    }

    pub(super) async fn write(&self, session: &mut Session, ctx: &mut Ctx, reply: &Reply) -> Result<bool> {
        let Some(headers) = &ctx.headers else { return Ok(true) };
        // After a wait for an upstream or a body the moment of the decision is long past.
        let waited = ctx.forward.is_some() || ctx.target == Target::Token;
        let now = if waited { self.shared.clock.now() } else { ctx.decided };
        writer::write(session, reply, headers, &ctx.gateway, now).await?;
        if ctx.has_body && session.req_header().version == Version::HTTP_2 {
            let began_ns = self.shared.clock.monotonic_ns();
            writer::drain_stream(session).await;
            ctx.waited_ns += self.shared.clock.monotonic_ns().saturating_sub(began_ns);
        }
        Ok(true)
    }

    /// Takes a retry if one is left.
    pub(super) fn may_retry(ctx: &mut Ctx) -> bool {
        let Some(forward) = &ctx.forward else { return false };
        let upstream = ctx.gateway.upstreams.at(forward.upstream());
        if ctx.retries >= upstream.settings.retries {
            return false;
        }
        ctx.retries += 1;
        ctx.gateway.metrics.upstream_retried(forward.upstream());
        true
    }
}

/// Makes the client's head the upstream's: another target, other forwarding and identity fields.
pub(super) fn dress_request(session: &Session, parts: &mut http::request::Parts, ctx: &Ctx) -> Result<()> {
    let Some(forward) = &ctx.forward else { return Error::e_explain(ErrorType::InternalError, "no leave to forward") };
    let target = PathAndQuery::from_maybe_shared(forward.target().clone())
        .map_err(|_| Error::explain(ErrorType::InternalError, "a judged path is no request target"))?;
    let hop = Hop {
        peer: ctx.peer,
        peer_is_trusted: ctx.client.peer_is_trusted,
        prefix: ctx.gateway.api.base_paths.get(forward.prefix()).map_or("", String::as_str),
        request_id: &ctx.ids.request_id,
        traceparent: if ctx.brings_trace { None } else { Some(&ctx.ids.traceparent) },
        forward_authorization: ctx.gateway.auth.forward_authorization,
    };
    let request = ctx.request(session);
    let names = &ctx.gateway.auth.identity_headers;
    parts.uri = Uri::from(target);
    // Grown once for all that is set below.
    parts.headers.reserve(SET_ON_REQUESTS);
    edit_request(&request, names, forward.principal().map(Arc::as_ref), hop, |edit| match edit {
        Edit::Remove(name) => drop(parts.headers.remove(name)),
        Edit::Set(name, value) => drop(parts.headers.insert(name, value)),
    });
    let host = match &ctx.server_host {
        None if parts.headers.contains_key(header::HOST) => None,
        None => request.host().and_then(|host| HeaderValue::try_from(host).ok()),
        Some(host) => Some(host.clone()),
    };
    host.map(|host| parts.headers.insert(header::HOST, host));
    Ok(())
}

/// A 101 is passed on only to who asked for it, and only as a WebSocket.
fn check_switch(session: &Session, head: &ResponseHeader, ctx: &Ctx) -> Result<(), &'static str> {
    if !ctx.forward.as_ref().is_some_and(Forward::websocket) || head.version != Version::HTTP_11 {
        return Err("101 without an upgrade");
    }
    websocket::check_agreement(&session.req_header().headers, &head.headers)
}

/// The status of the answer that was written, which "100 Continue" is not.
pub(super) fn final_status(session: &Session) -> Option<u16> {
    let head = session.response_written()?;
    (!head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS).then(|| head.status.as_u16())
}

/// `Vary: Origin` beside what the upstream varies by.
fn merged_vary(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut names = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok()).peekable();
    names.peek()?;
    let upstream = names.collect::<Vec<_>>().join(", ");
    let names_origin = upstream.split(',').any(|name| name.trim().eq_ignore_ascii_case("origin") || name.trim() == "*");
    let merged = if names_origin { upstream } else { format!("{upstream}, Origin") };
    HeaderValue::try_from(merged).ok()
}
