//! The table of answers, row by row as the contract has it.

use super::{Outcome, Rejection, Reply};
use crate::{
    auth::InvalidReason,
    limit::{Numbers, Policy, Quota, Refusal, Standing},
    validate::RecordsError,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

const ID: HeaderValue = HeaderValue::from_static("id-1");

fn reply_to(accept: &[&str], rejection: &Rejection) -> Reply {
    let mut headers = HeaderMap::new();
    for value in accept {
        headers.append(header::ACCEPT, HeaderValue::try_from(*value).expect("a field value"));
    }
    rejection.reply(&headers, &ID)
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("every answer is JSON")
}

/// The fields that an answer has beside type and length, `name: value`, one a line.
fn own_fields(reply: &Reply) -> String {
    let own = reply.headers.iter().filter(|(name, _)| *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH);
    own.map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII"))).collect::<Vec<_>>().join("\n")
}

/// One row: status, code and message; the fields beside type and length.
fn check(rejection: &Rejection, status: u16, code: &str, message: &str, fields: &str) {
    let reply = reply_to(&[], rejection);
    let body = body(&reply);
    let row = (reply.status.as_u16(), body["status"].as_u64(), body["code"].as_str(), body["message"].as_str());
    assert_eq!(row, (status, Some(u64::from(status)), Some(code), Some(message)));
    assert_eq!(own_fields(&reply), fields, "{code}");
    assert_eq!(body["request_id"], "id-1", "{code}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{code}");
    let length = reply.headers.iter().find(|(name, _)| name == header::CONTENT_LENGTH).map(|(_, value)| value.clone());
    assert_eq!(length, Some(HeaderValue::from(reply.body.len())), "{code}");
    assert_eq!((rejection.row().0, rejection.row().1, rejection.row().2), (reply.status, code, message));
}

fn refusal(policy: Policy) -> Refusal {
    let standing = Standing { limit: 150, remaining: 0, full_in_ns: 1 };
    let quota = Quota::new(100, 150).expect("a quota");
    Refusal { numbers: Numbers::of_bucket(policy, quota, standing), retry_after_s: 7 }
}

fn parameter() -> Rejection {
    Rejection::InvalidParameter { parameter: "limit".to_owned(), detail: "must be from 1 to 200".to_owned() }
}

const INVALID: &str = "www-authenticate: Bearer realm=\"stackflow\", error=\"invalid_token\"";

#[test]
fn what_is_malformed_is_a_400() {
    check(&Rejection::InvalidRequest("why"), 400, "invalid_request", "Bad Request", "");
    check(&parameter(), 400, "invalid_parameter", "Invalid request parameters", "");
}

#[test]
fn who_is_not_proven_is_a_401_with_a_challenge() {
    let challenge = "www-authenticate: Bearer realm=\"stackflow\"";
    check(&Rejection::MissingToken, 401, "missing_token", "Unauthorized", challenge);
    for reason in InvalidReason::ALL {
        let message = if *reason == InvalidReason::Expired { "The incoming token has expired" } else { "Unauthorized" };
        check(&Rejection::InvalidToken(*reason), 401, "invalid_token", message, INVALID);
    }
}

#[test]
fn what_is_not_allowed_is_a_403() {
    let scopes = Rejection::InsufficientScope(vec!["a".to_owned(), "b/c.d".to_owned()]);
    let challenge = "www-authenticate: Bearer realm=\"stackflow\", error=\"insufficient_scope\", scope=\"a b/c.d\"";
    check(&scopes, 403, "insufficient_scope", "Forbidden", challenge);
    check(&Rejection::OriginNotAllowed, 403, "origin_not_allowed", "Forbidden", "");
    check(&Rejection::ForeignWebSocket, 403, "origin_not_allowed", "Forbidden", "");
}

#[test]
fn what_is_not_there_is_a_404_or_a_405_that_says_what_is() {
    check(&Rejection::NotFound, 404, "not_found", "Not Found", "");
    let allow = Rejection::MethodNotAllowed(HeaderValue::from_static("GET, HEAD"));
    check(&allow, 405, "method_not_allowed", "Method Not Allowed", "allow: GET, HEAD");
}

#[test]
fn what_is_too_slow_or_too_large_has_a_status_each() {
    check(&Rejection::RequestTimeout, 408, "request_timeout", "Request Timeout", "");
    check(&Rejection::BodyTooLarge(7), 413, "body_too_large", "Request Too Long", "");
    check(&Rejection::UriTooLong(7), 414, "uri_too_long", "URI Too Long", "");
    check(&Rejection::UnsupportedMediaType, 415, "unsupported_media_type", "Unsupported Media Type", "");
    check(&Rejection::UnsupportedCharset, 415, "unsupported_media_type", "Unsupported Media Type", "");
    let coding = "accept-encoding: identity";
    check(&Rejection::UnsupportedCoding, 415, "unsupported_media_type", "Unsupported Media Type", coding);
    check(&Rejection::TooManyRecords(7), 400, "too_many_records", "Invalid request body", "");
    check(&Rejection::HeadersTooLarge, 431, "headers_too_large", "Request Header Fields Too Large", "");
}

#[test]
fn a_limit_is_a_429_that_says_when_to_come_back() {
    for policy in Policy::ALL {
        let fields = "retry-after: 7\ncache-control: no-store";
        check(&Rejection::RateLimited(refusal(*policy)), 429, "rate_limited", "Too Many Requests", fields);
    }
}

#[test]
fn what_an_upstream_fails_is_a_502_or_a_504() {
    check(&Rejection::BadUpstream, 502, "bad_upstream", "Bad Gateway", "");
    check(&Rejection::UpstreamTimeout, 504, "upstream_timeout", "Endpoint request timed out", "");
}

#[test]
fn what_may_pass_is_a_503_that_says_when_to_come_back() {
    for (rejection, code) in [
        (Rejection::NoUpstream, "no_upstream"),
        (Rejection::KeysUnavailable, "keys_unavailable"),
        (Rejection::Overloaded, "overloaded"),
        (Rejection::Draining, "draining"),
    ] {
        check(&rejection, 503, code, "Service Unavailable", "retry-after: 1");
    }
}

#[test]
fn a_redirect_keeps_method_and_body() {
    let location = HeaderValue::from_static("https://a/b");
    check(&Rejection::RedirectHttps(location), 308, "redirect_https", "Permanent Redirect", "location: https://a/b");
}

#[test]
fn what_the_gateway_fails_is_a_500() {
    check(&Rejection::Internal, 500, "internal_error", "Internal Server Error", "");
}

/// The whole body as it is sent.
fn sent(accept: &[&str], rejection: &Rejection, expected: &str) {
    assert_eq!(reply_to(accept, rejection).body, expected.as_bytes());
}

#[test]
fn members_stand_in_the_order_of_the_contract() {
    let limited = Rejection::RateLimited(refusal(Policy::User));
    let plain = r#"{"message":"Too Many Requests","code":"rate_limited","status":429,"detail":"per-user limit of 100 requests per second exceeded","policy":"user","request_id":"id-1"}"#;
    sent(&[], &limited, plain);
    let problem = r#"{"type":"about:blank","title":"Not Found","message":"Not Found","code":"not_found","status":404,"detail":"there is nothing at this path","request_id":"id-1"}"#;
    sent(&["application/problem+json"], &Rejection::NotFound, problem);
    let named = r#"{"message":"Invalid request parameters","code":"invalid_parameter","status":400,"detail":"must be from 1 to 200","parameter":"limit","request_id":"id-1"}"#;
    sent(&[], &parameter(), named);
}

#[test]
fn only_a_limit_names_a_policy_and_only_a_parameter_is_named() {
    for policy in Policy::ALL {
        assert_eq!(body(&reply_to(&[], &Rejection::RateLimited(refusal(*policy))))["policy"], policy.label());
    }
    assert!(body(&reply_to(&[], &Rejection::NotFound)).get("policy").is_none());
    assert!(body(&reply_to(&[], &Rejection::NotFound)).get("parameter").is_none());
}

/// Which media type an answer has for these `Accept` fields.
fn negotiated(accept: &[&str], problem: bool) {
    let reply = reply_to(accept, &Rejection::NotFound);
    let media_type = if problem { "application/problem+json" } else { "application/json" };
    let sent = reply.headers.iter().find(|(name, _)| name == header::CONTENT_TYPE).map(|(_, value)| value.clone());
    assert_eq!(sent, Some(HeaderValue::from_static(media_type)), "{accept:?}");
    assert_eq!(body(&reply).get("title").is_some(), problem, "{accept:?}");
}

#[test]
fn problem_json_is_for_those_who_ask_for_it_by_name() {
    negotiated(&[], false);
    negotiated(&["*/*"], false);
    negotiated(&["application/*"], false);
    negotiated(&["application/json"], false);
    negotiated(&["application/problem+xml"], false);
    negotiated(&["text/html;x=\"application/problem+json\""], false);
    negotiated(&["application/problem+json"], true);
    negotiated(&["Application/Problem+JSON"], true);
    negotiated(&["application/json, application/problem+json"], true);
    negotiated(&["application/json,application/problem+json;q=0.5"], true);
    negotiated(&["application/json", "application/problem+json"], true);
    negotiated(&[" application/problem+json ; charset=utf-8 "], true);
}

#[test]
fn a_weight_of_zero_is_a_no() {
    for weight in ["q=0", "q=0.", "q=0.0", "q=0.00", "q=0.000", "Q=0", " q=0 ", "charset=utf-8;q=0.0"] {
        negotiated(&[&format!("application/problem+json;{weight}")], false);
    }
    for weight in ["q=1", "q=0.001", "q=1.000"] {
        negotiated(&[&format!("application/problem+json;{weight}")], true);
    }
}

/// Every rejection there is, once.
fn all() -> Vec<Rejection> {
    let mut all = vec![
        Rejection::InvalidRequest("why"),
        parameter(),
        Rejection::MissingToken,
        Rejection::InsufficientScope(vec!["a".to_owned()]),
        Rejection::OriginNotAllowed,
        Rejection::ForeignWebSocket,
        Rejection::NotFound,
        Rejection::MethodNotAllowed(HeaderValue::from_static("GET")),
        Rejection::RequestTimeout,
        Rejection::BodyTooLarge(7),
        Rejection::UriTooLong(7),
        Rejection::HeadersTooLarge,
        Rejection::TooManyRecords(7),
        Rejection::UnsupportedMediaType,
        Rejection::UnsupportedCoding,
        Rejection::UnsupportedCharset,
        Rejection::RedirectHttps(HeaderValue::from_static("https://a/b")),
        Rejection::BadUpstream,
        Rejection::NoUpstream,
        Rejection::KeysUnavailable,
        Rejection::Overloaded,
        Rejection::Draining,
        Rejection::UpstreamTimeout,
        Rejection::Internal,
    ];
    all.extend(InvalidReason::ALL.iter().map(|reason| Rejection::InvalidToken(*reason)));
    all.extend(Policy::ALL.iter().map(|policy| Rejection::RateLimited(refusal(*policy))));
    all
}

#[test]
fn too_many_records_are_told_how_many_are_not() {
    let body: serde_json::Value = serde_json::from_slice(&reply_to(&[], &Rejection::TooManyRecords(100)).body).expect("JSON");
    assert_eq!((&body["max_records"], &body["detail"]), (&100.into(), &"the body may hold at most 100 records".into()));
}

#[test]
fn a_body_that_is_no_json_is_told_what_is_wrong_with_it() {
    let rejection = Rejection::from(RecordsError::Incomplete);
    assert_eq!((rejection.row().1, &*rejection.detail()), ("invalid_request", RecordsError::Incomplete.detail()));
    assert_eq!(Rejection::from(RecordsError::TooMany(3)).row().1, "too_many_records");
}

#[test]
fn a_client_is_not_told_which_check_its_token_failed() {
    let replies: Vec<_> = InvalidReason::ALL
        .iter()
        .filter(|reason| **reason != InvalidReason::Expired)
        .map(|reason| reply_to(&[], &Rejection::InvalidToken(*reason)).body)
        .collect();
    assert!(replies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_operator_is_told_which_check_a_token_failed() {
    assert_eq!(Rejection::InvalidToken(InvalidReason::Signature).reason(), "signature");
    assert_eq!(Rejection::MissingToken.reason(), "missing_token");
    assert_eq!(Rejection::RateLimited(refusal(Policy::Bulk)).reason(), "rate_limited");
}

#[test]
fn only_doubt_about_what_follows_closes_the_connection() {
    for rejection in all() {
        let expected = matches!(rejection, Rejection::RequestTimeout | Rejection::BodyTooLarge(_) | Rejection::Internal);
        assert_eq!(reply_to(&[], &rejection).close, expected, "{rejection:?}");
    }
}

#[test]
fn every_rejection_has_an_outcome() {
    let outcome = |rejection: &Rejection| match rejection.row().0.as_u16() {
        401 => Outcome::Unauthorized,
        429 => Outcome::Limited,
        502 | 504 => Outcome::UpstreamFailed,
        308 => Outcome::Answered,
        _ => match rejection.row().1 {
            // The request itself, and no preflight, is refused.
            _ if matches!(rejection, Rejection::ForeignWebSocket) => Outcome::Rejected,
            "insufficient_scope" | "keys_unavailable" => Outcome::Unauthorized,
            "origin_not_allowed" => Outcome::Preflight,
            "no_upstream" => Outcome::UpstreamFailed,
            _ => Outcome::Rejected,
        },
    };
    for rejection in all() {
        assert_eq!(rejection.outcome(), outcome(&rejection), "{rejection:?}");
    }
}

#[test]
fn a_scope_that_is_no_field_value_leaves_the_challenge_without_it() {
    let reply = reply_to(&[], &Rejection::InsufficientScope(vec!["a\nb".to_owned()]));
    assert_eq!(own_fields(&reply), "www-authenticate: Bearer realm=\"stackflow\", error=\"insufficient_scope\"");
}

#[test]
fn an_answer_that_is_no_error_has_type_and_length_and_204_neither() {
    let reply = Reply::json(StatusCode::OK, bytes::Bytes::from_static(b"{}"));
    assert_eq!((own_fields(&reply).as_str(), reply.headers.len(), reply.close), ("", 2, false));
    let reply = Reply::no_content(Vec::new());
    assert_eq!((reply.status, reply.headers.len(), reply.body.len()), (StatusCode::NO_CONTENT, 0, 0));
}
