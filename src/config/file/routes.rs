//! `[[routes]]`.

use super::{WrittenApi, limits, upstreams};
use crate::{
    config::{
        Bounds, GENERAL_METHODS, Route, RouteAuth,
        report::{Fault, Placed},
        table::Table,
        value::{GIB, excerpt, non_empty, one_of, scope},
    },
    limit::{Charge, RouteQuota},
    route::{Pattern, PatternError},
    upstream::{UpstreamIndex, UpstreamSettings},
    validate::{ParameterRule, QueryRules, RecordRules},
};
use http::{HeaderValue, Method};
use std::{sync::Arc, time::Duration};

/// All that a route may list, in the order in which `Allow` shows them: the general ones, and one that is only by being listed.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// More than fit into the largest body.
const MOST_RECORDS: u64 = 1_000_000_000_000;

/// A route and the place of its path.
pub(crate) struct WrittenRoute {
    pub(crate) at: usize,
    pub(crate) route: Route,
}

/// All of them, in the order of the file.
pub(super) fn routes(root: &Table<'_>, api: &WrittenApi, bounds: &Bounds, known: &[UpstreamSettings]) -> Vec<WrittenRoute> {
    root.tables("routes", |table| route(table, api, bounds, known)).into_iter().flatten().collect()
}

fn route(table: &Table<'_>, api: &WrittenApi, bounds: &Bounds, known: &[UpstreamSettings]) -> Option<WrittenRoute> {
    let path = table.required("path", "write a path behind the base paths, as in \"/incidents/{id}\"", pattern);
    let methods = methods(table);
    let auth = table.word("auth", RouteAuth::Required, &[("required", RouteAuth::Required), ("none", RouteAuth::None)]);
    let scopes = table.list("scopes", scope).map(super::values).unwrap_or_default();
    let limit = limit(table, path.as_ref());
    let query = QueryRules::new(table.named_tables("query", |name, table| (name.to_owned(), parameter_rule(table))));
    let records = records(table, path.as_ref());
    let body = table.size("body", bounds.body, &(0..=1024 * GIB));
    let upgrade = upgrade(table, &methods);
    let upstream = upstream(table, api, known);
    let range = Duration::from_millis(1)..=Duration::from_secs(3600);
    let response_timeout = table.duration_if_any("response_timeout", &range);
    refuse_without_user(table, auth, limit);
    let Placed { at, value: pattern } = path?;
    let (allow, line) = (allow(&methods), table.report().line_of(table.at()));
    Some(WrittenRoute {
        at,
        route: Route {
            pattern,
            methods,
            allow,
            auth,
            scopes,
            limit,
            query,
            records,
            body,
            upgrade,
            upstream,
            response_timeout,
            line,
        },
    })
}

fn pattern(text: &str) -> Result<Pattern, Fault> {
    Pattern::parse(text).map_err(|error| {
        let (what, remedy) = match error {
            PatternError::NotAbsolute => {
                ("does not begin with a slash", "write it as behind the base path, as in \"/incidents\"")
            }
            PatternError::EmptySegment => ("has an empty segment", "write single slashes"),
            PatternError::TrailingSlash => ("ends with a slash", "remove the slash at the end"),
            PatternError::BadName => ("has a parameter without a proper name", "write {name} with letters, digits and `_`"),
            PatternError::RepeatedName => ("uses a parameter's name twice", "write another name"),
            PatternError::PartOfSegment => ("has a parameter that is only part of a segment", "write {name} for a whole segment"),
            PatternError::RestNotLast => ("has something after {*rest}", "write {*rest} at the end"),
            PatternError::BadCharacter => {
                ("has a character that a forwarded path never has", "write it decoded, without `?` and `#`")
            }
            PatternError::DotSegment => ("has a dot segment", "write the path that it leads to"),
        };
        Fault::new(format!("`{}` {what}", excerpt(text)), remedy)
    })
}

/// In one order and complete: HEAD is allowed where GET is (RFC 9110, section 9.3.2).
fn methods(table: &Table<'_>) -> Vec<Method> {
    let (names, general) = (METHODS.each_ref().map(Method::as_str), GENERAL_METHODS.each_ref().map(Method::as_str));
    let written = table.list_of("methods", &names, &general, method);
    let remedy = "list the methods, or remove it to allow the general ones";
    table.refuse_empty("methods", "is empty and would allow nothing", remedy);
    for (index, later) in written.iter().enumerate() {
        if written[..index].iter().any(|earlier| earlier.value == later.value) {
            table.fault(later.at, "methods", Fault::new(format!("lists {} twice", later.value), "write each method once"));
        }
    }
    let written = super::values(written);
    let allowed = |method: &Method| written.contains(method) || (*method == Method::HEAD && written.contains(&Method::GET));
    METHODS.into_iter().filter(allowed).collect()
}

fn method(text: &str) -> Result<Method, Fault> {
    if let Some(method) = METHODS.into_iter().find(|method| method.as_str() == text) {
        return Ok(method);
    }
    let known = one_of(METHODS.iter().map(Method::as_str));
    let what = match METHODS.iter().find(|method| method.as_str().eq_ignore_ascii_case(text)) {
        Some(_) => "is not in capitals, and methods are case-sensitive",
        None => "is not a method that is forwarded",
    };
    Err(Fault::new(format!("`{}` {what}", excerpt(text)), known))
}

fn allow(methods: &[Method]) -> HeaderValue {
    let joined = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    HeaderValue::from_str(&joined).expect("BUG: names of methods are letters")
}

/// A word, or a table with the route's own numbers.
fn limit(table: &Table<'_>, pattern: Option<&Placed<Pattern>>) -> Charge {
    let words = [("default", Charge::User), ("exempt", Charge::Exempt)];
    table.word_or_table("limit", Charge::User, &words, |table| {
        let own = pattern.zip(limits::written_quota(table));
        own.map_or(Charge::User, |(pattern, quota)| Charge::Route(RouteQuota::new(pattern.value.as_str(), quota)))
    })
}

fn records(table: &Table<'_>, pattern: Option<&Placed<Pattern>>) -> Option<Arc<RecordRules>> {
    let max = table.integer_if_any("max_records", &(1..=MOST_RECORDS))?;
    let resource = pattern.and_then(|pattern| pattern.value.resource());
    Some(Arc::new(RecordRules::new(max, resource.as_deref())))
}

/// RFC 6455, section 4.1: a WebSocket begins with GET.
fn upgrade(table: &Table<'_>, methods: &[Method]) -> bool {
    let upgrade = table.boolean("upgrade", false);
    if upgrade && !methods.contains(&Method::GET) {
        table.refuse("upgrade", "is of no use where GET is not allowed", "add \"GET\" to `methods`, or remove it");
    }
    upgrade
}

fn upstream(table: &Table<'_>, api: &WrittenApi, known: &[UpstreamSettings]) -> UpstreamIndex {
    if let Some(written) = table.text("upstream", non_empty) {
        return upstreams::resolve(table, "upstream", &written, known);
    }
    if api.upstream.is_none() {
        table.require_beside("upstream", "name one of the upstreams, or write `api.upstream` for all routes that name none");
    }
    api.upstream.unwrap_or(UpstreamIndex(0))
}

/// What needs to know who asks cannot be had on a route that asks nobody.
fn refuse_without_user(table: &Table<'_>, auth: RouteAuth, limit: Charge) {
    if auth == RouteAuth::Required {
        return;
    }
    table.refuse("scopes", "cannot be checked with `auth = \"none\"`", "remove one of them");
    if limit == Charge::Exempt {
        let what = "\"exempt\" with `auth = \"none\"` would let anyone send without a limit of their own";
        table.refuse("limit", what, "remove one of them");
    }
}

fn parameter_rule(table: &Table<'_>) -> ParameterRule {
    let written = table.word("type", None, &[("integer", Some(true)), ("text", Some(false))]);
    let is_number = written.unwrap_or(table.place_of("min").is_some() || table.place_of("max").is_some());
    table.needs_any(&["type", "max_length"]);
    let min = table.any_integer("min", "write a whole number");
    let max = table.any_integer("max", "write a whole number");
    let max_length = table.integer("max_length", 4096, &(1..=65_536));
    if !is_number {
        table.refuse("min", "is for integers", "write `type = \"integer\"`, or remove it");
        table.refuse("max", "is for integers", "write `type = \"integer\"`, or remove it");
        table.require_beside("max_length", "write the most characters that the value may have");
        return ParameterRule::Text { max_length: usize::try_from(max_length).unwrap_or(usize::MAX) };
    }
    table.refuse("max_length", "is for texts", "remove it; write `min` and `max`");
    if written.is_none() {
        table.require_beside("type", "write `type = \"integer\"`");
    }
    let bound = |placed: Option<Placed<i64>>, none| placed.map_or(none, |placed| placed.value);
    let (min, max) = (bound(min, i64::MIN), bound(max, i64::MAX));
    if min > max {
        table.refuse("min", "is above `max`", "write the smaller number as `min`");
    }
    ParameterRule::Integer { min, max }
}

#[cfg(test)]
mod tests;
