//! The admin listener: metrics, probes, status, and reloading. Never on a public address.

mod reload;
mod status;

use crate::{proxy::Shared, state::NotReady};
use async_trait::async_trait;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora_core::{apps::http_app::ServeHttp, protocols::http::ServerSession};
use std::{fmt::Write, net::IpAddr, sync::Arc};

/// The application of the admin listener.
pub struct Admin {
    shared: Arc<Shared>,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        if !self.may_be_called(host) {
            return text(StatusCode::MISDIRECTED_REQUEST, "this host name is not one of the admin listener's\n");
        }
        let allowed: &[Method] = if head.uri.path() == "/reload" { &[Method::POST] } else { &[Method::GET, Method::HEAD] };
        if !allowed.contains(&head.method) {
            return not_allowed(allowed);
        }
        let mut answer = match head.uri.path() {
            "/metrics" => self.metrics(),
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" => self.readiness(),
            "/status" => answer(StatusCode::OK, "application/json", format!("{:#}\n", status::status(&self.shared)).into_bytes()),
            "/reload" => self.reload(session).await,
            _ => text(StatusCode::NOT_FOUND, "here are /metrics, /livez, /readyz, /status and, for POST, /reload\n"),
        };
        if head.method == Method::HEAD {
            answer.body_mut().clear();
        }
        answer
    }
}

impl Admin {
    /// The admin of one gateway.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// DNS rebinding: a page in an operator's browser can make a foreign name lead here, but not send another name as `Host`.
    fn may_be_called(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return false };
        let name = match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => &host[..colon],
            _ => host,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let hosts = &self.shared.gateway.load().admin.hosts;
        bare.parse::<IpAddr>().is_ok()
            || bare.eq_ignore_ascii_case("localhost")
            || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn metrics(&self) -> Response<Vec<u8>> {
        let shared = &self.shared;
        let body = shared.metrics.scrape(&shared.gateway.load(), &shared.state.limits, shared.log.dropped(), shared.clock.now());
        answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body)
    }

    /// Reloads for who may ask for it.
    async fn reload(&self, session: &ServerSession) -> Response<Vec<u8>> {
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
        let allowed = reload::may_post(&session.req_header().headers, peer, self.shared.gateway.load().admin.token.as_ref());
        if let Err(refusal) = allowed {
            let (status, words) = refusal.answer();
            let mut answer = text(status, words);
            if status == StatusCode::UNAUTHORIZED {
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"admin\""));
            }
            return answer;
        }
        let (status, body) = reload::reload(&self.shared).await;
        answer(status, "application/json", format!("{body}\n").into_bytes())
    }

    /// 200 when some issuer has keys and the process is not about to stop; always with what is missing or degraded.
    fn readiness(&self) -> Response<Vec<u8>> {
        let gateway = self.shared.gateway.load();
        let verdict = self.shared.state.readiness(&gateway);
        let mut lines = String::from(match verdict {
            Ok(()) => "ready\n",
            Err(NotReady::Draining) => "not ready: draining\n",
            Err(NotReady::NoKeys) => "not ready: no issuer has keys\n",
        });
        for issuer in gateway.auth.authenticator.issuers() {
            let status = self.shared.keys.status(issuer);
            let restored = if status.restored { " of jwks_cache_file" } else { "" };
            let error = status.last_error.map_or(String::new(), |error| format!("; last error: {error}"));
            if status.keys == 0 || !error.is_empty() {
                // Writing to memory cannot fail.
                let _ = writeln!(lines, "issuer {}: {} keys{restored}{error}", issuer.settings.issuer, status.keys);
            }
        }
        text(if verdict.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &lines)
    }
}

fn not_allowed(allowed: &[Method]) -> Response<Vec<u8>> {
    let names = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, &format!("{names} only\n"));
    answer.headers_mut().extend(HeaderValue::try_from(names).ok().map(|names| (header::ALLOW, names)));
    answer
}

fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    answer(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn answer(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut answer = Response::new(Vec::new());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The metrics name issuers and routes; no page may read them through a browser.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    *answer.body_mut() = body;
    answer
}
