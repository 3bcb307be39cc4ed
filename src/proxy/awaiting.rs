//! A request that waits for its issuer's keys, and the client that may leave meanwhile.
//!
//! Invariants: keys are waited for once, and no longer than `await_keys` says. A client that is gone gives its place among the waiting
//! to another at once; what it was charged stays charged. Only where a request has no body: what comes of one is not to be taken for a
//! client's leaving, and is left to be read where it is wanted.

use super::{ctx::Ctx, phases::Phases};
use crate::{
    auth::Issuer,
    pipeline::{Action, Attempt, Decision, decide},
    reply::Outcome,
};
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;

impl Phases {
    /// Decides again, as of then, once the keys were looked for that this decision asks for.
    pub(super) async fn decide_with_keys(&self, session: &mut Session, ctx: &mut Ctx, first: Decision) -> Result<Decision> {
        let Decision { action: Action::AwaitKeys { issuer, reserved }, target, .. } = first else { return Ok(first) };
        // What is recorded of it, should the client leave.
        (ctx.target, ctx.outcome) = (target, Outcome::Unauthorized);
        let gateway = ctx.gateway.clone();
        if let Some(issuer) = gateway.auth.authenticator.issuers().get(issuer.0) {
            self.keys_or_end(session, issuer, ctx.has_body).await?;
        }
        ctx.decided = self.shared.clock.now();
        ctx.waited_ns += ctx.decided.monotonic_ns.saturating_sub(ctx.began.monotonic_ns);
        let attempt = Attempt::KeysAwaited(reserved);
        Ok(decide(&ctx.gateway, &self.shared.state, &ctx.request(session), attempt, ctx.decided))
    }

    async fn keys_or_end(&self, session: &mut Session, issuer: &Issuer, has_body: bool) -> Result<()> {
        let keys = self.shared.keys.await_keys(issuer);
        if has_body {
            keys.await;
            return Ok(());
        }
        tokio::select! {
            biased;
            () = keys => Ok(()),
            left = session.as_downstream_mut().read_body_or_idle(true) => {
                Err(left.err().unwrap_or_else(|| Error::new(ErrorType::ConnectionClosed)).into_down())
            }
        }
    }
}
