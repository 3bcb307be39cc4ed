//! What `[[routes]]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};
use crate::{
    config::{GENERAL_ALLOW, GENERAL_METHODS, RouteAuth},
    limit::Charge,
};

#[test]
fn a_route_has_a_path() {
    check(
        r#"[[routes]]
methods = ["GET"]"#,
        r#"1:1: routes.path: is missing; write a path behind the base paths, as in "/incidents/{id}""#,
    );
}

#[test]
fn a_method_is_in_capitals() {
    check(
        r#"[[routes]]
path = "/incidents"
methods = ["get"]"#,
        r#"3:12: routes.methods: `get` is not in capitals, and methods are case-sensitive; write one of "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS""#,
    );
}

#[test]
fn trace_and_connect_are_never_forwarded() {
    check(
        r#"[[routes]]
path = "/incidents"
methods = ["TRACE", "CONNECT"]"#,
        r#"3:12: routes.methods: `TRACE` is not a method that is forwarded; write one of "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"
3:21: routes.methods: `CONNECT` is not a method that is forwarded; write one of "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS""#,
    );
}

#[test]
fn a_route_allows_something() {
    check(
        r#"[[routes]]
path = "/incidents"
methods = []"#,
        "3:11: routes.methods: is empty and would allow nothing; list the methods, or remove it to allow the general ones",
    );
}

#[test]
fn a_method_is_listed_once() {
    check(
        r#"[[routes]]
path = "/incidents"
methods = ["GET", "POST", "GET"]"#,
        "3:27: routes.methods: lists GET twice; write each method once",
    );
}

#[test]
fn a_route_is_open_only_by_a_written_word() {
    check(
        r#"[[routes]]
path = "/incidents"
auth = false"#,
        r#"3:8: routes.auth: is a boolean; write one of "required", "none""#,
    );
}

#[test]
fn scopes_need_a_token() {
    check(
        r#"[[routes]]
path = "/incidents"
auth = "none"
scopes = ["read"]"#,
        r#"4:10: routes.scopes: cannot be checked with `auth = "none"`; remove one of them"#,
    );
}

#[test]
fn an_exemption_needs_a_user() {
    check(
        r#"[[routes]]
path = "/incidents"
auth = "none"
limit = "exempt""#,
        r#"4:9: routes.limit: "exempt" with `auth = "none"` would let anyone send without a limit of their own; remove one of them"#,
    );
}

#[test]
fn a_scope_is_one_word() {
    check(
        r#"[[routes]]
path = "/incidents"
scopes = ["read write", "a\"b"]"#,
        r#"3:11: routes.scopes: `read write` is not a scope; write one scope an element, without spaces, quotes and backslashes
3:25: routes.scopes: `a\"b` is not a scope; write one scope an element, without spaces, quotes and backslashes"#,
    );
}

#[test]
fn a_mistyped_upstream_is_refused_with_the_nearest_one() {
    check(
        r#"[[routes]]
path = "/incidents"
upstream = "ap1""#,
        "3:12: routes.upstream: there is no upstream `ap1`; did you mean `api`?",
    );
}

#[test]
fn an_integer_parameter_has_its_smaller_bound_first() {
    check(
        r#"[[routes]]
path = "/incidents"
query = { limit = { type = "integer", min = 200, max = 1 } }"#,
        "3:45: routes.query.limit.min: is above `max`; write the smaller number as `min`",
    );
}

#[test]
fn bounds_are_for_integers() {
    check(
        r#"[[routes]]
path = "/incidents"
query = { limit = { min = 1, max = 200 } }"#,
        r#"3:19: routes.query.limit.type: is missing; write `type = "integer"`"#,
    );
}

#[test]
fn a_text_has_no_bounds() {
    check(
        r#"[[routes]]
path = "/incidents"
query = { cursor = { type = "text", min = 1 } }"#,
        r#"3:20: routes.query.cursor.max_length: is missing; write the most characters that the value may have
3:43: routes.query.cursor.min: is for integers; write `type = "integer"`, or remove it"#,
    );
}

#[test]
fn an_integer_has_no_length() {
    check(
        r#"[[routes]]
path = "/incidents"
query = { limit = { type = "integer", max_length = 3 } }"#,
        "3:52: routes.query.limit.max_length: is for texts; remove it; write `min` and `max`",
    );
}

#[test]
fn a_rule_says_something() {
    check(
        r#"[[routes]]
path = "/incidents"
query = { limit = {} }"#,
        "3:19: routes.query.limit.max_length: is missing; write the most characters that the value may have",
    );
}

#[test]
fn a_limit_is_a_word() {
    check(
        r#"[[routes]]
path = "/incidents"
limit = "none""#,
        r#"3:9: routes.limit: `none` is not known; write one of "default", "exempt""#,
    );
}

#[test]
fn an_upgrade_without_get_is_refused() {
    check(
        r#"[[routes]]
path = "/incidents"
methods = ["POST"]
upgrade = true"#,
        r#"4:11: routes.upgrade: is of no use where GET is not allowed; add "GET" to `methods`, or remove it"#,
    );
}

#[test]
fn a_bound_on_records_is_a_number_of_at_least_one() {
    let remedy = "write a whole number from 1 to 1000000000000";
    let route = |bound: &str| format!("[[routes]]\npath = \"/incidents/bulk\"\nmax_records = {bound}");
    check(&route("0"), &format!("3:15: routes.max_records: 0 is out of range; {remedy}"));
    check(&route("-1"), &format!("3:15: routes.max_records: -1 is out of range; {remedy}"));
    check(&route("\"100\""), &format!("3:15: routes.max_records: is a text; {remedy}"));
}

#[test]
fn a_routes_records_are_named_as_its_resource_is() {
    let rules = |path: &str| {
        accepted(&format!("[[routes]]\npath = \"{path}\"\nmax_records = 100")).routes[0]
            .route
            .records
            .clone()
            .expect("it is bounded")
    };
    for (path, resource) in [
        ("/incidents/bulk", Some("incidents")),
        ("/cmdb/cis/bulk", Some("cis")),
        ("/incidents/{id}/notes/bulk", Some("notes")),
        ("/cmdb/{class}/bulk", Some("cmdb")),
        ("/incidents", Some("incidents")),
        ("/bulk", None),
        ("/{kind}/bulk", None),
        ("/Vorf%C3%A4lle/bulk", Some("vorfälle")),
    ] {
        assert_eq!(*rules(path), crate::validate::RecordRules::new(100, resource), "{path}");
    }
}

#[test]
fn a_route_can_have_a_limit_of_its_own() {
    let route =
        |limit: &str| accepted(&format!("[[routes]]\npath = \"/incidents\"\nlimit = {limit}")).routes[0].route.limit.route();
    let quota = route("{ rate = 10, burst = 20 }").map(|own| (own.quota.rate(), own.quota.burst()));
    assert_eq!(quota, Some((10, 20)));
    assert_eq!((route("\"default\""), route("\"exempt\"")), (None, None));
    // What is swept is what is charged.
    let file = accepted("[[routes]]\npath = \"/x\"\n[[routes]]\npath = \"/y\"\nlimit = { rate = 1, burst = 2 }\nauth = \"none\"");
    assert_eq!(file.limits.routes, [file.routes[1].route.limit.route().expect("it has one")]);
}

#[test]
fn a_routes_own_limit_has_a_rate_and_a_burst() {
    check(
        r#"[[routes]]
path = "/incidents"
limit = { rate = 0, burst = 20 }"#,
        "3:18: routes.limit.rate: 0 is out of range; write a whole number from 1 to 1000000",
    );
    check(
        r#"[[routes]]
path = "/incidents"
limit = { rate = 10, per = "user" }"#,
        r"3:9: routes.limit.burst: is missing; write { rate = …, burst = … }: requests per second, and capacity in requests
3:22: routes.limit.per: unknown key; known here are `rate`, `burst`",
    );
}

#[test]
fn a_path_alone_has_the_documented_defaults() {
    let route = &accepted("[bounds]\nbody = \"1KiB\"\n[[routes]]\npath = \"/x\"").routes[0].route;
    assert_eq!((&route.methods[..], route.allow.to_str().ok()), (&GENERAL_METHODS[..], Some(GENERAL_ALLOW)));
    assert_eq!((route.auth, route.limit), (RouteAuth::Required, Charge::User));
    assert_eq!((route.body, route.line, route.response_timeout), (1024, 3, None));
    assert!(route.scopes.is_empty() && route.query == crate::validate::QueryRules::default());
}

#[test]
fn head_is_allowed_where_get_is_and_only_there() {
    let allow =
        |methods: &str| accepted(&format!("[[routes]]\npath = \"/x\"\nmethods = [{methods}]")).routes[0].route.allow.clone();
    assert_eq!(allow("\"POST\", \"GET\"").as_bytes(), b"GET, HEAD, POST");
    assert_eq!(allow("\"PUT\", \"PATCH\"").as_bytes(), b"PUT, PATCH");
    assert_eq!(allow("\"HEAD\"").as_bytes(), b"HEAD");
    assert_eq!(allow("\"OPTIONS\", \"GET\"").as_bytes(), b"GET, HEAD, OPTIONS");
}

#[test]
fn what_does_nothing_may_be_written() {
    accepted("[[routes]]\npath = \"/x\"\nupgrade = false\nscopes = []\nlimit = \"default\"\nauth = \"required\"");
}

#[test]
fn parameters_are_numbers_or_texts() {
    let text = "query = { limit = { type = \"integer\", min = 1, max = 200 }, cursor = { max_length = 4096 } }";
    let rules = format!("{:?}", accepted(&format!("[[routes]]\npath = \"/x\"\n{text}")).routes[0].route.query);
    assert!(rules.contains("Integer { min: 1, max: 200 }") && rules.contains("Text { max_length: 4096 }"), "{rules}");
}
