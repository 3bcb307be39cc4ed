//! What `[api]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};

#[test]
fn a_base_path_is_absolute() {
    check(
        r#"[api]
base_paths = ["api"]"#,
        "2:15: api.base_paths: `api` is not an absolute path; begin it with `/`",
    );
}

#[test]
fn a_base_path_does_not_end_with_a_slash() {
    check(
        r#"[api]
base_paths = ["/api/"]"#,
        "2:15: api.base_paths: `/api/` ends with a slash; remove the slash at the end",
    );
}

#[test]
fn a_base_path_is_listed_once() {
    check(
        r#"[api]
base_paths = ["/api", "/v1", "/api"]"#,
        "2:30: api.base_paths: lists `/api` twice; remove one of them",
    );
}

#[test]
fn there_is_a_base_path() {
    check(
        r"[api]
base_paths = []",
        r#"2:14: api.base_paths: is empty, and every path would be outside; list the API's base paths; "/" is allowed"#,
    );
}

#[test]
fn a_path_has_no_query() {
    check(
        r#"[api]
ping_path = "/ping?x""#,
        "2:13: api.ping_path: `/ping?x` is more than a path; remove the query and the fragment",
    );
}

#[test]
fn unknown_paths_are_forwarded_or_rejected() {
    check(
        r#"[api]
unknown_paths = "drop""#,
        r#"2:17: api.unknown_paths: `drop` is not known; write one of "forward", "reject""#,
    );
}

#[test]
fn a_mistyped_upstream_is_refused_with_the_nearest_one() {
    check(
        r#"[api]
upstream = "apu""#,
        "2:12: api.upstream: there is no upstream `apu`; did you mean `api`?",
    );
}

#[test]
fn several_upstreams_need_a_default_for_unknown_paths() {
    check(
        r#"[upstreams.a]
servers = ["http://a"]
[upstreams.b]
servers = ["http://b"]"#,
        r#"1:1: api.upstream: is missing; write the upstream of unknown paths, or `unknown_paths = "reject"`"#,
    );
}

#[test]
fn several_upstreams_need_one_named_by_each_route() {
    check(
        r#"[api]
unknown_paths = "reject"
[[routes]]
path = "/x"
[upstreams.a]
servers = ["http://a"]
[upstreams.b]
servers = ["http://b"]"#,
        "3:1: routes.upstream: is missing; name one of the upstreams, or write `api.upstream` for all routes that name none",
    );
}

#[test]
fn a_single_upstream_needs_no_name() {
    let api = accepted("").api;
    assert_eq!(api.upstream.map(|index| index.0), Some(0));
    assert_eq!(api.base_paths.iter().map(|path| path.value.as_str()).collect::<Vec<_>>(), ["/prod/api/v1", "/prod/api"]);
    assert_eq!(
        (api.upstream_base_path.value.as_str(), api.ping_path.value.as_str(), api.require_json),
        ("/api/v1", "/ping", true)
    );
}

#[test]
fn upstreams_count_in_the_order_of_the_file() {
    let api =
        accepted("[api]\nupstream = \"a\"\n[upstreams.b]\nservers = [\"http://b\"]\n[upstreams.a]\nservers = [\"http://a\"]").api;
    assert_eq!(api.upstream.map(|index| index.0), Some(1));
}

#[test]
fn several_upstreams_need_no_default_where_each_route_names_one() {
    let two = "[upstreams.a]\nservers = [\"http://a\"]\n[upstreams.b]\nservers = [\"http://b\"]\n";
    accepted(&format!("{two}[api]\nunknown_paths = \"reject\"\n[[routes]]\npath = \"/x\"\nupstream = \"b\""));
}

#[test]
fn the_root_is_a_base_path() {
    accepted("[api]\nbase_paths = [\"/\"]\nupstream_base_path = \"/\"");
}
