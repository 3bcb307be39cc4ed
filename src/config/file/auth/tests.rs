//! What `[auth]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check, check_whole};

#[test]
fn someone_must_issue_tokens() {
    check_whole(
        r#"[[listeners]]
address = "127.0.0.1:8080"
[upstreams.api]
servers = ["http://127.0.0.1:3000"]
[auth]
leeway = "1s""#,
        "5:1: auth.issuers: is missing; write [[auth.issuers]] with `issuer` and `client_ids`, or [auth.token_endpoint]",
    );
}

#[test]
fn a_list_without_issuers_is_refused() {
    check_whole(
        r#"auth.issuers = []
[[listeners]]
address = "127.0.0.1:8080"
[upstreams.api]
servers = ["http://127.0.0.1:3000"]
"#,
        "1:16: auth.issuers: is empty; write [[auth.issuers]] with `issuer` and `client_ids`, or remove it",
    );
}

#[test]
fn clocks_differ_by_five_minutes_at_most() {
    check(
        r#"[auth]
leeway = "6m""#,
        r#"2:10: auth.leeway: `6m` is out of range; write "0s" to "5m""#,
    );
}

#[test]
fn a_cache_of_nothing_is_refused() {
    check(
        r"[auth]
token_cache = 0",
        "2:15: auth.token_cache: 0 is out of range; write a whole number from 1 to 10000000",
    );
}

#[test]
fn revocations_is_the_path_of_a_file() {
    check(
        r#"[auth]
revocations = """#,
        "2:15: auth.revocations: is not the path of a file; write a path; a relative one starts from this file's folder",
    );
    check("[auth]\nrevocations = \"revocations.toml\"", "");
}

#[test]
fn an_issuer_is_listed_once() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any""#,
        "5:10: auth.issuers.issuer: is the issuer of another entry; write each issuer once; lists can hold several values",
    );
}

#[test]
fn the_gateways_own_issuer_is_not_listed() {
    check(
        r#"[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
[auth.token_endpoint]
issuer = "https://issuer.example""#,
        "5:10: auth.token_endpoint.issuer: is the issuer of another entry; write each issuer once; lists can hold several values",
    );
}

#[test]
fn an_identity_header_has_a_name_of_its_own() {
    check(
        r#"[auth.identity_headers]
subject = "X-User"
username = "x_user""#,
        "3:12: auth.identity_headers.username: is the header of `subject`; write a name of its own",
    );
}

#[test]
fn an_identity_header_is_not_a_header_with_another_meaning() {
    check(
        r#"[auth.identity_headers]
subject = "Authorization"
issuer = "Host"
groups = "Connection"
scopes = "X-Forwarded-For""#,
        r#"2:11: auth.identity_headers.subject: `Authorization` has another meaning; write a name of its own, as in "X-Auth-Subject"
3:10: auth.identity_headers.issuer: `Host` has another meaning; write a name of its own, as in "X-Auth-Subject"
4:10: auth.identity_headers.groups: `Connection` has another meaning; write a name of its own, as in "X-Auth-Subject"
5:10: auth.identity_headers.scopes: `X-Forwarded-For` has another meaning; write a name of its own, as in "X-Auth-Subject""#,
    );
}

#[test]
fn an_identity_header_is_a_header_name() {
    check(
        r#"[auth.identity_headers]
subject = "X User""#,
        "2:11: auth.identity_headers.subject: `X User` is not a header name; write letters, digits and hyphens",
    );
}

#[test]
fn identity_headers_have_the_documented_names() {
    let headers = accepted("").auth.identity_headers;
    assert_eq!((headers.subject.as_str(), headers.groups.as_str()), ("x-auth-subject", "x-auth-groups"));
}

#[test]
fn the_token_endpoint_is_enough_of_an_issuer() {
    let text = "[[listeners]]\naddress = \"0.0.0.0:80\"\n[upstreams.a]\nservers = [\"http://a\"]\n[auth.token_endpoint]\n";
    crate::config::file::tests::check_whole(text, "");
}
