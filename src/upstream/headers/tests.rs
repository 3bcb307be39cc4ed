//! What of a request's head reaches the upstream.

use super::{Edit, Hop, edit_request, incoming_trace, server_host};
use crate::{
    request::Request,
    upstream::{IdentityHeaders, ServerAddress, UpstreamSettings, Upstreams},
};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use std::time::Duration;

fn names() -> IdentityHeaders {
    let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).expect("a field name");
    IdentityHeaders {
        subject: name("x-auth-subject"),
        issuer: name("x-auth-issuer"),
        client_id: name("x-auth-client-id"),
        username: name("x-auth-username"),
        scopes: name("x-auth-scopes"),
        groups: name("x-auth-groups"),
    }
}

/// The header fields at the upstream of a request from 203.0.113.7 that nobody is known to have sent.
fn forwarded(fields: &[(&str, &str)], trusted: bool, prefix: &str) -> HeaderMap {
    let mut parts = http::Request::builder().uri("/x").body(()).expect("a request").into_parts().0;
    parts.headers.insert(header::HOST, HeaderValue::from_static("api.example.com"));
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a field name");
        parts.headers.append(name, HeaderValue::from_str(value).expect("a field value"));
    }
    let request = Request {
        parts: &parts,
        target: "/x",
        client: "203.0.113.7".parse().expect("an address"),
        https: false,
        redirect_only: false,
        has_body: false,
        fault: None,
    };
    let made_here = HeaderValue::from_static("00-11111111111111111111111111111111-2222222222222222-00");
    let hop = Hop {
        peer: "203.0.113.7".parse().ok(),
        peer_is_trusted: trusted,
        prefix,
        request_id: &HeaderValue::from_static("id-1"),
        traceparent: incoming_trace(&parts.headers).is_none().then_some(&made_here),
        forward_authorization: true,
    };
    let mut headers = parts.headers.clone();
    edit_request(&request, &names(), None, hop, |edit| match edit {
        Edit::Remove(name) => drop(headers.remove(name)),
        Edit::Set(name, value) => drop(headers.insert(name, value)),
    });
    headers
}

fn check(sent: (&str, &str), name: &str, expected: Option<&str>) {
    let headers = forwarded(&[sent], false, "/prod/api");
    let found = headers.get(name).map(|value| value.to_str().expect("ASCII"));
    assert_eq!(found, expected, "{sent:?}");
    assert!(headers.get_all(name).iter().count() <= 1, "{sent:?}");
}

#[test]
fn a_client_cannot_say_who_it_is() {
    for name in ["x-auth-subject", "x_auth_subject", "x-auth_subject", "X-AUTH-SUBJECT", "x_auth_groups", "x-auth-client_id"] {
        check((name, "root"), name, None);
    }
}

#[test]
fn a_client_cannot_speak_of_another_path_method_or_address() {
    for name in ["x-original-url", "X_Rewrite_URL", "x-http-method-override", "x-http-method", "x-method-override"] {
        check((name, "DELETE"), name, None);
    }
    for name in ["x-forwarded-path", "x-forwarded-port", "x-real-ip", "forwarded", "proxy-connection"] {
        check((name, "x"), name, None);
    }
    check(("x_forwarded_for", "10.0.0.1"), "x_forwarded_for", None);
    check(("x_request_id", "other"), "x_request_id", None);
}

#[test]
fn what_was_judged_of_a_body_arrives_and_no_twin_of_it() {
    let nominated = ("connection", "content-type, content-encoding");
    let headers = forwarded(&[nominated, ("content-type", "application/json"), ("content-encoding", "identity")], false, "/");
    assert_eq!(
        (&headers["content-type"], &headers["content-encoding"]),
        (&"application/json".parse().expect("a value"), &"identity".parse().expect("a value"))
    );
    for twin in ["content_type", "content_encoding"] {
        check((twin, "x"), twin, None);
    }
}

#[test]
fn what_only_resembles_them_passes() {
    check(("x-auth-subjects", "a"), "x-auth-subjects", Some("a"));
    check(("x-author", "a"), "x-author", Some("a"));
    check(("under_score", "a"), "under_score", Some("a"));
}

#[test]
fn an_untrusted_peers_forwarding_fields_are_replaced() {
    check(("x-forwarded-for", "10.0.0.1"), "x-forwarded-for", Some("203.0.113.7"));
    check(("x-forwarded-proto", "https"), "x-forwarded-proto", Some("http"));
    check(("x-forwarded-host", "evil.example"), "x-forwarded-host", Some("api.example.com"));
    check(("x-forwarded-prefix", "/evil"), "x-forwarded-prefix", Some("/prod/api"));
}

#[test]
fn a_trusted_peers_forwarding_fields_are_continued() {
    let sent = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-host", "www.example.com"), ("x-forwarded-prefix", "/edge")];
    let headers = forwarded(&sent, true, "/prod/api");
    assert_eq!(headers["x-forwarded-for"], "198.51.100.1, 203.0.113.7");
    assert_eq!(headers["x-forwarded-host"], "www.example.com");
    assert_eq!(headers["x-forwarded-prefix"], "/edge/prod/api");
}

#[test]
fn every_field_of_a_trusted_peers_chain_is_continued() {
    let headers = forwarded(&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")], true, "/");
    assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 203.0.113.7");
}

#[test]
fn the_root_as_base_path_is_no_prefix() {
    assert!(!forwarded(&[("x-forwarded-prefix", "/evil")], false, "/").contains_key("x-forwarded-prefix"));
}

#[test]
fn via_names_this_hop_after_those_before() {
    check(("x", "y"), "via", Some("1.1 stackflow-gateway"));
    check(("via", "1.0 edge"), "via", Some("1.0 edge, 1.1 stackflow-gateway"));
}

#[test]
fn a_good_trace_context_goes_on_and_a_bad_one_is_replaced() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    check(("traceparent", good), "traceparent", Some(good));
    let own = Some("00-11111111111111111111111111111111-2222222222222222-00");
    check(("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"), "traceparent", own);
    check(("traceparent", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "traceparent", own);
    check(("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"), "traceparent", own);
    check(("traceparent", "garbage"), "traceparent", own);
    check(("tracestate", "a=1"), "tracestate", None);
}

#[test]
fn two_trace_contexts_are_none() {
    let mut headers = HeaderMap::new();
    let good = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    headers.append("traceparent", good.clone());
    assert_eq!(incoming_trace(&headers), Some("0af7651916cd43dd8448eb211c80319c"));
    headers.append("traceparent", good);
    assert_eq!(incoming_trace(&headers), None);
}

#[test]
fn the_request_id_is_the_gateways() {
    check(("x-request-id", "anything"), "x-request-id", Some("id-1"));
}

#[test]
fn the_servers_name_is_its_host_with_a_port_that_is_not_the_schemes() {
    let host = |tls, host: &str, port, preserve_host| {
        let settings = UpstreamSettings {
            name: "api".to_owned(),
            servers: vec![ServerAddress { tls, host: host.to_owned(), port }],
            preserve_host,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(29),
            retries: 1,
        };
        let upstreams = Upstreams::new(vec![settings]);
        server_host(&upstreams.0[0].settings, &upstreams.0[0].servers[0]).map(|value| value.to_str().expect("ASCII").to_owned())
    };
    assert_eq!(host(false, "api", 80, true), None);
    assert_eq!(host(false, "api", 80, false).as_deref(), Some("api"));
    assert_eq!(host(false, "api", 3000, false).as_deref(), Some("api:3000"));
    assert_eq!(host(true, "api", 443, false).as_deref(), Some("api"));
    assert_eq!(host(true, "api", 80, false).as_deref(), Some("api:80"));
    assert_eq!(host(false, "::1", 3000, false).as_deref(), Some("[::1]:3000"));
}

#[test]
fn a_request_over_http_2_says_so_in_via() {
    let mut parts =
        http::Request::builder().uri("https://api.example.com/x").version(Version::HTTP_2).body(()).expect("a request");
    let parts = std::mem::replace(&mut parts, http::Request::new(())).into_parts().0;
    let request = Request {
        parts: &parts,
        target: "/x",
        client: [127, 0, 0, 1].into(),
        https: true,
        redirect_only: false,
        has_body: false,
        fault: None,
    };
    assert_eq!(super::via(&request), "2 stackflow-gateway");
}
