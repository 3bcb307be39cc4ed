//! Which numbers hold for a user: those of the first plan that names the token's client or one of its groups, else the defaults.
//!
//! Names are looked up, not compared one by one, so that many plans cost a request no more than one; without plans nothing is looked
//! at. The lookup is made for each request and not remembered with the token: a reload holds at once.

use super::{gcra::Quota, period::PeriodQuota};
use std::collections::HashMap;

/// `[[limits.plans]]`, compiled.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    terms: Vec<Terms>,
    /// Which plan, by name; the first that has it.
    by_client_id: HashMap<String, usize>,
    by_group: HashMap<String, usize>,
}

/// What a plan grants each of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Of the user's bucket.
    pub per_user: Quota,
    /// On top, by day or month.
    pub quota: Option<PeriodQuota>,
}

/// For whom a plan is, and what it grants.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tokens issued to these clients.
    pub client_ids: Vec<String>,
    /// Tokens of users in any of these groups.
    pub groups: Vec<String>,
    /// What they get.
    pub terms: Terms,
}

impl Plans {
    /// In the order in which they are asked.
    #[must_use]
    pub fn new(plans: Vec<Plan>) -> Self {
        let mut all = Self::default();
        for (index, plan) in plans.into_iter().enumerate() {
            for client_id in plan.client_ids {
                all.by_client_id.entry(client_id).or_insert(index);
            }
            for group in plan.groups {
                all.by_group.entry(group).or_insert(index);
            }
            all.terms.push(plan.terms);
        }
        all
    }

    /// The terms of the first plan for this client or one of these groups.
    #[must_use]
    pub fn find(&self, client_id: Option<&str>, groups: &[String]) -> Option<Terms> {
        if self.terms.is_empty() {
            return None;
        }
        let by_client_id = client_id.and_then(|client_id| self.by_client_id.get(client_id));
        let groups = if self.by_group.is_empty() { &[] } else { groups };
        let by_group = groups.iter().filter_map(|group| self.by_group.get(group)).min();
        let first = by_client_id.into_iter().chain(by_group).min()?;
        self.terms.get(*first).copied()
    }

    /// What all of them grant.
    pub(super) fn terms(&self) -> &[Terms] {
        &self.terms
    }
}

#[cfg(test)]
mod tests;
