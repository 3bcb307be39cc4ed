//! `[limits]`.

use super::{Attached, path, section, values};
use crate::{
    config::{
        ResetForm,
        report::Fault,
        table::Table,
        value::{excerpt, non_empty},
    },
    limit::{Limits, Period, PeriodQuota, Plan, Plans, Quota, Terms},
};
use serde_json::json;
use std::path::PathBuf;

/// `[limits]`, and what of it is no limit.
pub(crate) struct WrittenLimits {
    pub(crate) limits: Limits,
    pub(crate) reset: ResetForm,
    pub(crate) ietf_headers: bool,
    pub(crate) state_file: Option<PathBuf>,
}

/// `[limits]`; the routes' own limits, and that of failures, are written elsewhere and not there yet.
pub(super) fn limits(root: &Table<'_>, attached: &mut Vec<Attached>) -> WrittenLimits {
    section(root, "limits", |table| {
        let per_user = quota(table, "per_user", 100, 100);
        let state_file = table.text("state_file", path(table));
        let limits = Limits {
            global: quota(table, "global", 5000, 10_000),
            per_user,
            per_address: quota(table, "per_address", 1000, 2000),
            // Of no effect without a token endpoint, which brings its own.
            failures: documented(1, 100),
            bulk_in_flight: table.integer_u32("bulk_in_flight", 4, &(0..=1_000_000)),
            max_users: usize::try_from(table.integer("max_users", 1_000_000, &(1..=100_000_000))).unwrap_or(usize::MAX),
            plans: Plans::new(plans(table, per_user)),
            routes: Vec::new(),
            dry_run: table.boolean("dry_run", false),
        };
        attached.extend(state_file.clone().map(|path| Attached::LimitState { path }));
        let words = [("epoch", ResetForm::Epoch), ("delta", ResetForm::Delta)];
        WrittenLimits {
            limits,
            reset: table.word("reset", ResetForm::Epoch, &words),
            ietf_headers: table.boolean("ietf_headers", false),
            state_file: state_file.map(|path| path.value),
        }
    })
}

/// A plan as written, to be compared with those before it.
struct WrittenPlan {
    name: String,
    client_ids: Vec<String>,
    groups: Vec<String>,
    terms: Terms,
}

/// `[[limits.plans]]`, in the order in which they are asked.
fn plans(limits: &Table<'_>, per_user: Quota) -> Vec<Plan> {
    let mut known: Vec<WrittenPlan> = Vec::new();
    limits.tables("plans", |table| {
        let plan = plan(table, per_user, &known);
        known.push(plan);
    });
    if known.iter().any(|plan| plan.terms.quota.is_some()) {
        limits.require_beside("state_file", "write the path of a file in which quotas are kept over restarts");
    }
    known.into_iter().map(|WrittenPlan { client_ids, groups, terms, .. }| Plan { client_ids, groups, terms }).collect()
}

fn plan(table: &Table<'_>, per_user: Quota, known: &[WrittenPlan]) -> WrittenPlan {
    let unused = |text: &str| {
        if known.iter().any(|plan| plan.name == text) {
            return Err(Fault::new(format!("`{}` is the name of another plan", excerpt(text)), "write another name"));
        }
        non_empty(text)
    };
    let name = table.required("name", "write a name, as in \"gold\"", unused).map(|name| name.value).unwrap_or_default();
    let client_ids = names(table, "client_ids", known, |plan| &plan.client_ids);
    let groups = names(table, "groups", known, |plan| &plan.groups);
    table.needs_any(&["client_ids", "groups"]);
    if table.place_of("client_ids").is_none_or(|_| table.is_empty("client_ids"))
        && table.place_of("groups").is_none_or(|_| table.is_empty("groups"))
    {
        let fault = Fault::new("is for nobody", "list `client_ids`, `groups` or both");
        table.report().add(table.at(), table.full_name("client_ids"), fault);
    }
    let own = table.table("per_user", written_quota).flatten();
    let quota = table.table("quota", period_quota).flatten();
    table.needs_any(&["per_user", "quota"]);
    if table.place_of("per_user").is_none() && table.place_of("quota").is_none() {
        let fault = Fault::new("changes nothing", "write `per_user`, `quota` or both");
        table.report().add(table.at(), table.full_name("per_user"), fault);
    }
    WrittenPlan { name, client_ids, groups, terms: Terms { per_user: own.unwrap_or(per_user), quota } }
}

/// The names of a list that no earlier plan has: there they would decide nothing.
fn names(
    table: &Table<'_>,
    key: &'static str,
    known: &[WrittenPlan],
    listed: impl Fn(&WrittenPlan) -> &Vec<String>,
) -> Vec<String> {
    let first = |text: &str| match known.iter().find(|plan| listed(plan).iter().any(|name| name == text)) {
        Some(plan) => {
            let what = format!("`{}` is in the plan `{}`, which comes first", excerpt(text), excerpt(&plan.name));
            Err(Fault::new(what, "remove one of them"))
        }
        None => non_empty(text),
    };
    table.list(key, first).map(values).unwrap_or_default()
}

fn period_quota(table: &Table<'_>) -> Option<PeriodQuota> {
    const REMEDY: &str = "write { requests = …, period = \"day\" } or \"month\"";
    table.require("requests", REMEDY);
    table.require("period", REMEDY);
    let requests = table.integer_if_any("requests", &(1..=PeriodQuota::MAX_REQUESTS));
    let period = table.word("period", None, &[("day", Some(Period::Day)), ("month", Some(Period::Month))]);
    requests.zip(period).map(|(requests, period)| PeriodQuota { requests, period })
}

/// A quota of one table.
pub(super) fn quota(table: &Table<'_>, key: &'static str, rate: u64, burst: u64) -> Quota {
    let default = || documented(rate, burst);
    table.note_default(key, || json!({ "rate": rate, "burst": burst }));
    table.table(key, |table| written_quota(table).unwrap_or_else(default)).unwrap_or_else(default)
}

fn documented(rate: u64, burst: u64) -> Quota {
    Quota::new(rate, burst).expect("BUG: the documented defaults are quotas")
}

pub(super) fn written_quota(table: &Table<'_>) -> Option<Quota> {
    const REMEDY: &str = "write { rate = …, burst = … }: requests per second, and capacity in requests";
    table.require("rate", REMEDY);
    table.require("burst", REMEDY);
    let rate = table.integer_if_any("rate", &(1..=Quota::MAX_RATE));
    let burst = table.integer_if_any("burst", &(1..=Quota::MAX_BURST));
    Some(Quota::new(rate?, burst?).expect("BUG: numbers within these ranges are a quota"))
}

#[cfg(test)]
mod tests;
