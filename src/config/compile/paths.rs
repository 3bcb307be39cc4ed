//! Paths of the API and of the gateway's own answers: each as it is matched and forwarded, no two of the gateway's own the same,
//! and no route where the gateway answers itself.

use crate::{
    config::{
        file::{File, WrittenApi, WrittenRoute, WrittenTokenEndpoint},
        report::{Fault, Placed, Report},
        value::excerpt,
    },
    route::judge,
};

/// Checks all paths outside the routes, and that no route is hidden by one of the gateway's own.
pub(super) fn check(report: &Report<'_>, written: &File) {
    let api = &written.api;
    for path in &api.base_paths {
        check_judged(report, "api.base_paths", path);
    }
    check_judged(report, "api.upstream_base_path", &api.upstream_base_path);
    let own = own_paths(api, written.auth.token_endpoint.as_ref());
    for (index, (key, path)) in own.iter().enumerate() {
        check_judged(report, key, path);
        if let Some((other, _)) = own[..index].iter().find(|(_, earlier)| earlier.value == path.value) {
            report.add(
                path.at,
                *key,
                Fault::new(format!("`{}` is the path of `{other}`", excerpt(&path.value)), "write another path"),
            );
        }
    }
    written.routes.iter().for_each(|route| check_reached(report, route, api, &own));
}

/// Where the gateway answers itself, by the key that says so.
fn own_paths<'a>(
    api: &'a WrittenApi,
    token_endpoint: Option<&'a WrittenTokenEndpoint>,
) -> Vec<(&'static str, &'a Placed<String>)> {
    let mut own = vec![("api.ping_path", &api.ping_path)];
    if let Some(endpoint) = token_endpoint {
        own.extend([("auth.token_endpoint.path", &endpoint.path), ("auth.token_endpoint.jwks_path", &endpoint.jwks_path)]);
    }
    own
}

/// The gateway's own paths come before the base paths: a route at one of them would never be asked.
fn check_reached(report: &Report<'_>, route: &WrittenRoute, api: &WrittenApi, own: &[(&str, &Placed<String>)]) {
    let pattern = route.route.pattern.as_str();
    for base in &api.base_paths {
        let path = format!("{}{pattern}", base.value.trim_end_matches('/'));
        if let Some((key, _)) = own.iter().find(|(_, own)| own.value == path) {
            let what = format!("`{}` is answered by the gateway itself (`{key}`)", excerpt(&path));
            report.add(route.at, "routes.path", Fault::new(what, format!("remove the route, or write another `{key}`")));
        }
    }
}

/// Requests are judged before they are matched, so a path in another form would never match.
fn check_judged(report: &Report<'_>, key: &str, path: &Placed<String>) {
    let fault = match judge(&path.value) {
        Ok(judged) if judged == path.value => return,
        Ok(judged) => {
            Fault::new(format!("`{}` is never matched as it is written", excerpt(&path.value)), format!("write \"{judged}\""))
        }
        Err(error) => {
            Fault::new(format!("`{}` would be refused: {}", excerpt(&path.value), error.detail()), "write a path without it")
        }
    };
    report.add(path.at, key, fault);
}
