//! The limits of a request on its way: who pays, what a refusal becomes, what the headers show.
//!
//! Where `dry_run` only tries limits, a refusal is kept and the request goes on; here is the one place that knows.

use super::{Judged, Target, Walk};
use crate::{
    auth::VerifiedToken,
    config::Route,
    limit::{AddressCharge, BulkSlot, Caller, Charge, Numbers, Policy, Refusal, Shown},
    reply::Rejection,
};

/// What a request to this route is charged; without a route, what all are.
pub(super) fn charge_of(route: Option<&Route>) -> Charge {
    route.map_or(Charge::User, |route| route.limit)
}

impl Walk<'_> {
    /// `per_address` pays for all that does not end authenticated.
    pub(super) fn charge_address(&mut self) -> Result<(), Rejection> {
        self.reserve_address().map(|charge| self.show_address(&charge))
    }

    pub(super) fn reserve_address(&mut self) -> Result<AddressCharge, Rejection> {
        match self.state.limits.charge_address(&self.gateway.limits, self.request.client, self.now) {
            Ok(charge) => {
                self.judged[Policy::Address as usize] = Judged::Admitted;
                Ok(charge)
            }
            Err(refusal) => {
                self.refuse(refusal)?;
                Ok(self.state.limits.no_charge(&self.gateway.limits, refusal.numbers.standing))
            }
        }
    }

    /// Gives the address its token back. A refusal that was let pass stays counted.
    pub(super) fn refund_address(&mut self, charge: AddressCharge) {
        if charge.is_taken() {
            self.judged[Policy::Address as usize] = Judged::No;
        }
        self.state.limits.refund_address(charge);
    }

    /// A limit refuses: the answer, unless limits are only tried.
    fn refuse(&mut self, refusal: Refusal) -> Result<(), Rejection> {
        self.judged[refusal.numbers.policy as usize] = Judged::Refused;
        if !self.gateway.limits.dry_run {
            return Err(Rejection::RateLimited(refusal));
        }
        self.would_limit.get_or_insert(refusal);
        Ok(())
    }

    pub(super) fn show_address(&mut self, charge: &AddressCharge) {
        let quota = self.gateway.limits.per_address;
        self.shown = Some(Numbers::of_bucket(Policy::Address, quota, charge.standing).into());
    }

    pub(super) fn address_as_it_is(&self) -> Shown {
        let limits = &self.gateway.limits;
        let standing = self.state.limits.address_standing(limits, self.request.client, self.now);
        Numbers::of_bucket(Policy::Address, limits.per_address, standing).into()
    }

    /// The user of a token, under the numbers of the plan that is for it.
    fn caller<'p>(&self, principal: &'p VerifiedToken) -> Caller<'p> {
        Caller {
            issuer: principal.issuer_name(),
            subject: principal.subject(),
            terms: self.gateway.limits.terms(principal.client_id(), principal.groups()),
        }
    }

    /// The user's bucket and quota as they are, for an answer that charges nothing.
    pub(super) fn show_user(&mut self, principal: &VerifiedToken) {
        let caller = self.caller(principal);
        let also = [self.quota_as_it_is(&caller), None, None];
        self.shown = Some(Shown { main: self.user_as_it_is(&caller), also });
    }

    fn user_as_it_is(&self, caller: &Caller<'_>) -> Numbers {
        let standing = self.state.limits.user_standing(caller, self.now);
        Numbers::of_bucket(Policy::User, caller.terms.per_user, standing)
    }

    /// Only the IETF's fields show it beside another policy.
    fn quota_as_it_is(&self, caller: &Caller<'_>) -> Option<Numbers> {
        self.gateway.ietf_headers.then(|| self.state.limits.quota_numbers(caller, self.now)).flatten()
    }

    /// User, route, quota and global, judged and charged together; on exempt routes global and the places in flight.
    pub(super) fn admit(&mut self, charge: Charge, principal: &VerifiedToken) -> Result<Option<BulkSlot>, Rejection> {
        let caller = self.caller(principal);
        let admission = match self.state.limits.admit(&self.gateway.limits, &caller, charge, self.now) {
            Ok(admission) => admission,
            Err(refusal) => return self.refuse(refusal).map(|()| None),
        };
        let own = if charge == Charge::Exempt { Policy::Bulk } else { Policy::User };
        self.judged[own as usize] = Judged::Admitted;
        self.judged[Policy::Global as usize] = Judged::Admitted;
        for numbers in [&admission.route, &admission.quota].into_iter().flatten() {
            self.judged[numbers.policy as usize] = Judged::Admitted;
        }
        let main = Numbers::of_bucket(Policy::User, caller.terms.per_user, admission.user);
        // Exempt routes do not charge the quota, and show it as it is.
        let quota = admission.quota.or_else(|| self.quota_as_it_is(&caller));
        self.shown = Some(Shown { main, also: [admission.route, quota, None] });
        Ok(admission.bulk)
    }

    /// A refusal shows the policy that refuses. The IETF's field of policies should not change from one response to the next, so
    /// it keeps the others of a user's request.
    pub(super) fn shown_refusal(&self, refusal: &Refusal) -> Shown {
        let main = refusal.numbers;
        let (true, Some(principal)) = (self.gateway.ietf_headers, &self.principal) else { return main.into() };
        let (caller, limits) = (self.caller(principal), &self.state.limits);
        let route = if let Target::Route(index) = self.target { self.gateway.routes.get(index.0) } else { None };
        let charge = charge_of(route);
        let user = Some(self.user_as_it_is(&caller));
        let others = [user, limits.route_numbers(charge, self.now), self.quota_as_it_is(&caller)];
        Shown { main, also: others.map(|other| other.filter(|other| other.policy != main.policy)) }
    }

    /// The route's limit and the global one; a refusal gives the address its token back.
    pub(super) fn admit_anonymous(&mut self, limit: Charge, charge: AddressCharge) -> Result<(), Rejection> {
        match self.state.limits.admit_anonymous(&self.gateway.limits, limit, self.now) {
            Ok(route) => {
                self.judged[Policy::Global as usize] = Judged::Admitted;
                if let (Some(route), Some(shown)) = (route, &mut self.shown) {
                    self.judged[Policy::Route as usize] = Judged::Admitted;
                    shown.also[0] = Some(route);
                }
                Ok(())
            }
            Err(refusal) => {
                self.refund_address(charge);
                self.refuse(refusal)
            }
        }
    }
}
