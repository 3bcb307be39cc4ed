//! What is known of one request, from its head to its record.

use super::{
    client::Client,
    shared::{InForce, Shared},
};
use crate::{
    auth::VerifiedToken,
    limit::{BulkSlot, Policy},
    observe::{Exchange, Ids},
    pipeline::{Forward, Target},
    reply::{Outcome, Rejection},
    request::{HeadFault, Request},
    response_headers::ResponseHeaders,
    time::Now,
    upstream::{Tried, incoming_trace},
    validate::RecordCounter,
};
use bytes::Bytes;
use http::{HeaderValue, Version, header, uri::PathAndQuery};
use pingora_proxy::Session;
use prometheus::IntGauge;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// Bytes that nearly every log line fits in.
const LINE: usize = 1024;

/// What is known of one request, from its head to its record.
#[expect(clippy::struct_excessive_bools, reason = "facts of the request that have nothing to do with each other")]
pub struct Ctx {
    pub(super) gateway: Arc<InForce>,
    pub(super) began: Now,
    pub(super) client: Client,
    /// The connection's other end; `None` on a unix socket.
    pub(super) peer: Option<IpAddr>,
    pub(super) https: bool,
    pub(super) ids: Ids,
    /// It brings a well-formed `traceparent`, which goes on in place of the one made here.
    pub(super) brings_trace: bool,
    pub(super) target: Target,
    pub(super) principal: Option<Arc<VerifiedToken>>,
    pub(super) headers: Option<ResponseHeaders>,
    pub(super) forward: Option<Forward>,
    /// Held until the exchange ends.
    pub(super) bulk: Option<BulkSlot>,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'static str>,
    pub(super) policy: Option<Policy>,
    /// What a hook found wrong before it raised an error.
    pub(super) failure: Option<Rejection>,
    pub(super) request_bytes: u64,
    /// Bytes of a WebSocket towards the client.
    pub(super) tunnelled: u64,
    pub(super) server_host: Option<HeaderValue>,
    pub(super) upstream_began_ns: Option<u64>,
    /// When the server of this attempt was chosen.
    pub(super) chosen_ns: u64,
    pub(super) upstream_ended_ns: Option<u64>,
    pub(super) upstream_status: Option<u16>,
    /// Interim answers of this attempt.
    pub(super) informational: usize,
    pub(super) tried: Tried,
    /// Spent waiting for keys or for a body, which is nobody's work.
    pub(super) waited_ns: u64,
    /// The moment of the decision: `began`, or later when keys were waited for.
    pub(super) decided: Now,
    /// A body follows the head.
    pub(super) has_body: bool,
    /// What is wrong with the head that the request's stands for.
    pub(super) fault: Option<HeadFault>,
    /// The service account at the token endpoint.
    pub(super) account: Option<String>,
    pub(super) retries: u32,
    /// The request's body is sent on as it comes, behind what is held of it.
    pub(super) streamed: bool,
    /// Reads the body; there is none where bodies are not read.
    pub(super) records: Option<RecordCounter>,
    /// What of the body was taken in before a server was asked; all of it, unless the rest is streamed.
    pub(super) held: Option<Bytes>,
    /// Its listener only redirects to https.
    pub(super) redirect_only: bool,
    _in_flight: InFlight,
}

/// Counts a request as in flight for as long as it lives.
struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What was measured of an exchange at its end.
pub(super) struct Measured {
    pub(super) status: u16,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) ended_ns: u64,
    pub(super) upstream_ns: Option<u64>,
}

impl Ctx {
    /// A request whose head was read just now; one `Arc` of the configuration from here to its end.
    pub(super) fn new(shared: &Shared, redirect_only: bool) -> Self {
        let in_flight = shared.metrics.in_flight.clone();
        in_flight.inc();
        let began = shared.clock.now();
        Self {
            gateway: shared.gateway.load_full(),
            began,
            client: Client { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), peer_is_trusted: false, said_https: false },
            peer: None,
            https: false,
            ids: Ids { request_id: HeaderValue::from_static("-"), traceparent: HeaderValue::from_static("-") },
            brings_trace: false,
            target: Target::None,
            principal: None,
            headers: None,
            forward: None,
            bulk: None,
            outcome: Outcome::Rejected,
            reason: None,
            policy: None,
            failure: None,
            request_bytes: 0,
            tunnelled: 0,
            server_host: None,
            upstream_began_ns: None,
            chosen_ns: 0,
            upstream_ended_ns: None,
            upstream_status: None,
            informational: 0,
            tried: Tried::default(),
            waited_ns: 0,
            decided: began,
            has_body: false,
            fault: None,
            account: None,
            retries: 0,
            streamed: false,
            records: None,
            held: None,
            redirect_only,
            _in_flight: InFlight(in_flight),
        }
    }

    /// The request as the stages see it.
    pub(super) fn request<'s>(&self, session: &'s Session) -> Request<'s> {
        let head = session.req_header();
        let raw = head.raw_path();
        // Of an origin form the parsed URI has the same bytes, known to be UTF-8.
        let parsed = head.uri.path_and_query().map(PathAndQuery::as_str).filter(|parsed| std::ptr::eq(parsed.as_bytes(), raw));
        let target = parsed.unwrap_or_else(|| std::str::from_utf8(raw).unwrap_or_default());
        Request {
            parts: head.as_ref(),
            target,
            client: self.client.address,
            https: self.https,
            redirect_only: self.redirect_only,
            has_body: self.has_body,
            fault: self.fault,
        }
    }

    /// Counts the exchange and writes its line.
    pub(super) fn record(&self, session: &Session, shared: &Shared, measured: &Measured) {
        let request = self.request(session);
        let upstream = self.forward.as_ref().map(|forward| self.gateway.upstreams.at(forward.upstream()));
        let principal = self.principal.as_deref();
        let text = |name| request.header(name).and_then(|value| value.to_str().ok());
        let made_here = self.ids.traceparent.to_str().ok().and_then(|text| text.get(3..35)).unwrap_or_default();
        let exchange = Exchange {
            began_unix_ns: self.began.unix_ns,
            request_id: self.ids.request_id.to_str().unwrap_or_default(),
            trace_id: if self.brings_trace { incoming_trace(request.headers()).unwrap_or(made_here) } else { made_here },
            client: self.client.address,
            method: request.method().as_str(),
            scheme: if self.https { "https" } else { "http" },
            host: request.host().unwrap_or_default(),
            path: request.raw_path(),
            target: self.target,
            route: self.gateway.metrics.place_name(self.target),
            protocol: protocol(request.parts.version),
            status: measured.status,
            outcome: self.outcome,
            reason: self.reason,
            policy: self.policy,
            subject: principal.map(VerifiedToken::subject),
            client_id: principal.and_then(VerifiedToken::client_id).or(self.account.as_deref()),
            issuer: principal.map(VerifiedToken::issuer_name),
            request_bytes: measured.request_bytes,
            response_bytes: measured.response_bytes,
            duration_ns: measured.ended_ns.saturating_sub(self.began.monotonic_ns),
            upstream_ns: measured.upstream_ns,
            waited_ns: self.waited_ns,
            upstream: upstream.map(|upstream| upstream.settings.name.as_str()),
            upstream_status: self.upstream_status,
            retries: self.retries,
            user_agent: text(header::USER_AGENT),
            origin: text(header::ORIGIN),
        };
        shared.metrics.record(&self.gateway.metrics, &exchange);
        if let (Outcome::Limited, Some(issuer), Some(subject)) = (exchange.outcome, exchange.issuer, exchange.subject) {
            shared.limited.count(issuer, subject, measured.ended_ns);
        }
        let log = &self.gateway.log;
        if exchange.is_logged(log, || chance(&self.ids.traceparent)) {
            // Formatted before the queue is touched: all workers share its lock.
            let mut line = Vec::with_capacity(LINE);
            exchange.write_line(log, &mut line);
            shared.log.push(|out| out.extend_from_slice(&line));
        }
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// A number from 0 to 1 out of the request's own random name: no other source of chance is needed for sampling.
fn chance(traceparent: &HeaderValue) -> f64 {
    let digits = traceparent.to_str().ok().and_then(|text| text.get(3..11)).unwrap_or("0");
    f64::from(u32::from_str_radix(digits, 16).unwrap_or(0)) / f64::from(u32::MAX)
}
