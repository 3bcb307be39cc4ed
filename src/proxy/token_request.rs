//! A request to the token endpoint: its body is read here, what it gets is the endpoint's to say.

use super::{bodies::read_form, ctx::Ctx, phases::Phases};
use crate::{
    limit::{Attempts, Numbers, Policy},
    pipeline::Judged,
    reply::{Outcome, Rejection, Reply},
    response_headers::ResponseHeaders,
    token::{Limited, TokenAnswer, TokenEndpoint, TokenRequest},
};
use http::{HeaderValue, header};
use pingora_core::Result;
use pingora_proxy::Session;
use std::sync::Arc;

impl Phases {
    /// Reads the form and lets the token endpoint answer it.
    pub(super) async fn issue_token(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let gateway = Arc::clone(&ctx.gateway);
        let Some(endpoint) = &gateway.auth.token_endpoint else {
            return self.reject(session, ctx, &Rejection::NotFound).await;
        };
        let began_ns = self.shared.clock.monotonic_ns();
        let body = read_form(session).await?;
        ctx.waited_ns += self.shared.clock.monotonic_ns().saturating_sub(began_ns);
        let Some(body) = body else {
            return self.reject(session, ctx, &Rejection::BodyTooLarge(TokenEndpoint::MAX_BODY as u64)).await;
        };
        ctx.request_bytes = body.len() as u64;
        let now = self.shared.clock.now();
        let attempts = Attempts { state: &self.shared.state.limits, limits: &gateway.limits, address: ctx.client.address, now };
        let head = session.req_header();
        match endpoint.grant(&TokenRequest { headers: &head.headers, query: head.uri.query(), body: &body }, &attempts) {
            Ok(answer) => {
                ctx.outcome = if answer.status.is_success() { Outcome::Answered } else { Outcome::Unauthorized };
                ctx.reason = (!answer.status.is_success()).then_some(answer.outcome);
                ctx.account.clone_from(&answer.client_id);
                self.write(session, ctx, &token_reply(answer)).await
            }
            Err(Limited { refusal, client_id }) => {
                ctx.account = client_id;
                self.shared.metrics.judged(&refused(Policy::Address));
                if let Some(headers) = &mut ctx.headers {
                    let shown = Numbers::of_bucket(Policy::Address, refusal.quota, refusal.standing).into();
                    *headers = ResponseHeaders::new(shown, headers.origin.clone(), headers.request_id.clone(), now);
                }
                self.reject(session, ctx, &Rejection::TooManyFailures(refusal)).await
            }
        }
    }
}

/// One policy's refusal, and no other's judgement.
fn refused(policy: Policy) -> [Judged; Policy::ALL.len()] {
    let mut judged = [Judged::No; Policy::ALL.len()];
    judged[policy as usize] = Judged::Refused;
    judged
}

/// RFC 6749, section 5: JSON that nobody may store.
fn token_reply(answer: TokenAnswer) -> Reply {
    let mut reply = Reply::json(answer.status, answer.body);
    reply.headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    reply.headers.push((header::PRAGMA, HeaderValue::from_static("no-cache")));
    if answer.challenge_basic {
        reply.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"stackflow\"")));
    }
    reply
}
