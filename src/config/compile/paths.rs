//! Paths of the API and of the gateway's own answers: each as it is matched and forwarded, and no two of the gateway's own the same.

use crate::{
    config::{
        file::{WrittenApi, WrittenTokenEndpoint},
        report::{Fault, Placed, Report},
        value::excerpt,
    },
    route::judge,
};

/// Checks all paths outside the routes.
pub(super) fn check(report: &Report<'_>, api: &WrittenApi, token_endpoint: Option<&WrittenTokenEndpoint>) {
    for path in &api.base_paths {
        check_judged(report, "api.base_paths", path);
    }
    check_judged(report, "api.upstream_base_path", &api.upstream_base_path);
    let mut own = vec![("api.ping_path", &api.ping_path)];
    if let Some(endpoint) = token_endpoint {
        own.extend([("auth.token_endpoint.path", &endpoint.path), ("auth.token_endpoint.jwks_path", &endpoint.jwks_path)]);
    }
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
