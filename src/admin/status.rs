//! `GET /status`: what the gateway is doing, in one JSON object. It holds nothing that the configuration keeps secret, and names users
//! as the access log does.

use crate::{
    config::{LogSubject, Route, RouteAuth},
    limit::{Charge, LimitState, Limits, Quota},
    observe::{LimitedUser, logged_subject},
    proxy::{InForce, LastReload, ReloadError, Shared},
    time::Now,
    upstream::{Server, Upstream},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Limited users that are shown.
const SHOWN: usize = 10;

/// The whole of it.
pub(super) fn status(shared: &Shared) -> Value {
    let (gateway, now) = (shared.gateway.load(), shared.clock.now());
    let reload = shared.last_reload.load();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": shared.state.readiness(&gateway).is_ok(),
        "draining": shared.state.is_draining(),
        "configuration": {
            "generation": gateway.generation,
            "last_reload": reload.as_deref().map(last_reload),
        },
        "routes": gateway.routes.iter().map(|route| self::route(&gateway, route)).collect::<Vec<_>>(),
        "limits": limits(&gateway.limits, &shared.state.limits),
        "issuers": issuers(shared, &gateway, now),
        "upstreams": gateway.upstreams.0.iter().map(upstream).collect::<Vec<_>>(),
        "limited_users": limited_users(&shared.limited.top(SHOWN, now.monotonic_ns), gateway.log.subject),
    })
}

fn last_reload(reload: &LastReload) -> Value {
    let result = match &*reload.result {
        Ok(_) => "reloaded",
        Err(ReloadError::Wrong(_)) => "wrong",
        Err(ReloadError::NeedsRestart(_)) => "needs_restart",
        Err(ReloadError::Draining | ReloadError::NoFile) => "unavailable",
    };
    let problems = match &*reload.result {
        Err(ReloadError::Wrong(problems) | ReloadError::NeedsRestart(problems)) => problems.to_json(),
        _ => json!([]),
    };
    json!({ "result": result, "unix_seconds": reload.unix_s, "problems": problems })
}

fn route(gateway: &InForce, route: &Route) -> Value {
    json!({
        "path": route.pattern.as_str(),
        "methods": route.methods.iter().map(http::Method::as_str).collect::<Vec<_>>(),
        "auth": if route.auth == RouteAuth::Required { "required" } else { "none" },
        "scopes": route.scopes,
        "limit": match route.limit {
            Charge::User => json!("user"),
            Charge::Exempt => json!("exempt"),
            Charge::Route(route) => quota(route.quota),
        },
        "upstream": gateway.upstreams.at(route.upstream).settings.name,
    })
}

fn quota(quota: Quota) -> Value {
    json!({ "rate": quota.rate(), "burst": quota.burst() })
}

fn limits(limits: &Limits, state: &LimitState) -> Value {
    json!({
        "global": quota(limits.global),
        "per_user": quota(limits.per_user),
        "per_address": quota(limits.per_address),
        "bulk_in_flight": limits.bulk_in_flight,
        "max_users": limits.max_users,
        "dry_run": limits.dry_run,
        "users": state.users(),
    })
}

fn issuers(shared: &Shared, gateway: &InForce, now: Now) -> Vec<Value> {
    let issuer = |issuer| {
        let status = shared.keys.status(issuer);
        json!({
            "issuer": issuer.settings.issuer,
            "keys": status.keys,
            "fetched_seconds_ago": status.last_success_unix_s.map(|then| now.unix_s().saturating_sub(then)),
            "restored": status.restored,
            "last_error": status.last_error,
        })
    };
    gateway.auth.authenticator.issuers().iter().map(issuer).collect()
}

fn upstream(upstream: &Upstream) -> Value {
    let server = |server: &Arc<Server>| {
        json!({
            "server": server.address.to_string(),
            "addresses": server.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    json!({ "name": upstream.settings.name, "servers": upstream.servers.iter().map(server).collect::<Vec<_>>() })
}

fn limited_users(users: &[LimitedUser], form: LogSubject) -> Vec<Value> {
    let user = |user: &LimitedUser| json!({ "issuer": user.issuer, "subject": logged_subject(&user.subject, form), "refusals": user.refusals });
    users.iter().map(user).collect()
}
