//! The request: one header, one scheme, one token, and nowhere else.
use crate::{
    good::{Court, Kind},
    support::{JSON, LIST},
};
use serde_json::json;

const NO_TOKEN: (u16, &str) = (401, "missing_token");
const BAD_TOKEN: (u16, &str) = (401, "invalid_token");
const BAD_REQUEST: (u16, &str) = (400, "invalid_request");

/// Name, the header lines made of a good token, status and code.
pub type Case = (&'static str, fn(&str) -> String, (u16, &'static str));

fn in_header(name: &str, value: &str) -> String {
    format!("{name}: {value}\r\n")
}

fn authorization(value: &str) -> String {
    in_header("Authorization", value)
}

pub const CASES: &[Case] = &[
    ("no header", |_| String::new(), NO_TOKEN),
    ("an empty header", |_| authorization(""), NO_TOKEN),
    ("the token without a scheme", authorization, NO_TOKEN),
    ("the scheme alone", |_| authorization("Bearer"), BAD_TOKEN),
    ("the scheme and a space", |_| authorization("Bearer "), BAD_TOKEN),
    ("another scheme", |token| authorization(&format!("Token {token}")), NO_TOKEN),
    ("the scheme of DPoP", |token| authorization(&format!("DPoP {token}")), NO_TOKEN),
    ("the scheme Basic", |token| authorization(&format!("Basic {token}")), NO_TOKEN),
    ("the scheme in quotes", |token| authorization(&format!("\"Bearer\" {token}")), NO_TOKEN),
    ("a longer scheme", |token| authorization(&format!("Bearers {token}")), NO_TOKEN),
    ("a colon after the scheme", |token| authorization(&format!("Bearer: {token}")), NO_TOKEN),
    ("an equals sign after the scheme", |token| authorization(&format!("Bearer={token}")), NO_TOKEN),
    ("no space after the scheme", |token| authorization(&format!("Bearer{token}")), NO_TOKEN),
    ("a tab after the scheme", |token| authorization(&format!("Bearer\t{token}")), NO_TOKEN),
    ("a space and a tab after the scheme", |token| authorization(&format!("Bearer \t{token}")), BAD_TOKEN),
    ("the scheme after another", |token| authorization(&format!("Basic YTpi, Bearer {token}")), NO_TOKEN),
    ("another scheme after it", |token| authorization(&format!("Bearer {token}, Basic YTpi")), BAD_TOKEN),
    ("two tokens", |token| authorization(&format!("Bearer {token}, Bearer {token}")), BAD_TOKEN),
    ("two tokens with a space", |token| authorization(&format!("Bearer {token} {token}")), BAD_TOKEN),
    ("a parameter", |token| authorization(&format!("Bearer token=\"{token}\"")), BAD_TOKEN),
    ("a realm", |token| authorization(&format!("Bearer realm=\"stackflow\", {token}")), BAD_TOKEN),
    ("two headers", |token| authorization(&format!("Bearer {token}")).repeat(2), BAD_REQUEST),
    ("two headers in two spellings", |token| in_two(token, "authorization"), BAD_REQUEST),
    ("a second header with another scheme", |token| in_two(token, "Authorization"), BAD_REQUEST),
    ("a header with an underscore's twin", |token| in_header("Authorization_", &format!("Bearer {token}")), NO_TOKEN),
    ("a proxy's header", |token| in_header("Proxy-Authorization", &format!("Bearer {token}")), NO_TOKEN),
    ("a header of another kind", |token| in_header("X-Access-Token", token), NO_TOKEN),
    ("a forwarded header", |token| in_header("X-Forwarded-Authorization", &format!("Bearer {token}")), NO_TOKEN),
    ("the original's header", |token| in_header("X-Original-Authorization", &format!("Bearer {token}")), NO_TOKEN),
    ("a load balancer's header", |token| in_header("X-Amzn-Oidc-Data", token), NO_TOKEN),
    ("the identity as a header", |_| in_header("X-Auth-Subject", "ada"), NO_TOKEN),
    ("a cookie", |token| in_header("Cookie", &format!("access_token={token}; Authorization=Bearer {token}")), NO_TOKEN),
    ("a folded line", |token| authorization(&format!("Bearer\r\n {token}")), BAD_REQUEST),
    ("a NUL in it", |token| authorization(&format!("Bearer {token}\0")), BAD_REQUEST),
    ("a lone carriage return in it", |token| authorization(&format!("Bearer {token}\rX: 1")), BAD_REQUEST),
    ("a space before the colon", |token| format!("Authorization : Bearer {token}\r\n"), BAD_REQUEST),
];

fn in_two(token: &str, second: &str) -> String {
    authorization(&format!("Bearer {token}")) + &in_header(second, "Basic YTpi")
}

#[test]
fn a_token_comes_in_one_header_of_one_scheme() {
    let court = Court::start();
    for (name, lines, (status, code)) in CASES {
        let token = Court::good(Kind::Access, "").token();
        court.trial.accept(name, &token);
        let before = court.trial.backend.requests().len();
        let mut client = court.trial.gateway.connect();
        client.send(format!("GET {LIST} HTTP/1.1\r\nHost: api.test\r\n{}\r\n", lines(&token)).as_bytes());
        let response = client.read_response("GET");
        assert_eq!(response.status, *status, "{name}: {response:?}");
        assert_eq!(court.trial.backend.requests().len(), before, "{name}: nothing reached the upstream");
        // Where no head can be made out the answer has no body.
        if !response.body.is_empty() {
            assert_eq!(response.json()["code"], json!(code), "{name}");
        }
        let challenge = match *code {
            "missing_token" => Some("Bearer realm=\"stackflow\""),
            "invalid_token" => Some("Bearer realm=\"stackflow\", error=\"invalid_token\""),
            _ => None,
        };
        assert_eq!(response.header("WWW-Authenticate"), challenge, "{name}");
        assert!(!response.text().contains(&token[..40]), "{name}: {response:?}");
    }
}

#[test]
fn a_token_in_the_query_or_the_body_is_not_looked_for() {
    let court = Court::start();
    let token = Court::good(Kind::Access, "").token();
    court.trial.accept("before", &token);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let body = format!("access_token={token}");
    let json_body = json!({"access_token": token, "Authorization": format!("Bearer {token}")}).to_string();
    for (method, target, headers, body) in [
        ("GET", format!("{LIST}?access_token={token}"), vec![], ""),
        ("GET", format!("{LIST}?Authorization=Bearer%20{token}"), vec![], ""),
        ("GET", format!("{LIST}?token={token}&bearer={token}&jwt={token}"), vec![], ""),
        ("POST", LIST.to_owned(), vec![form], &body),
        ("POST", LIST.to_owned(), vec![JSON], &json_body),
    ] {
        let response = court.trial.gateway.connect().exchange(method, &target, &headers, body.as_bytes());
        assert_eq!((response.status, &response.json()["code"]), (401, &json!("missing_token")), "{method} {target} {headers:?}");
    }
    assert_eq!(court.trial.backend.requests().len(), 1, "only the good one reached the upstream");
}

#[test]
fn the_scheme_may_be_written_in_any_case_and_followed_by_spaces() {
    let court = Court::start();
    for value in ["bearer ", "BEARER ", "bEaReR ", "Bearer   "] {
        let token = Court::good(Kind::Access, "").token();
        let response = court.trial.gateway.connect().get(LIST, &[("aUTHORIZATION", &format!("{value}{token}"))]);
        assert_eq!(response.status, 200, "{value:?}: {response:?}");
        let head = court.trial.backend.last().head;
        assert_eq!(head.only("Authorization"), format!("{value}{token}"), "the upstream gets it as it came");
    }
}
