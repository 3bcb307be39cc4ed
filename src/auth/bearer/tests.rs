//! Which credentials a request presents.
use super::*;
use crate::auth::jws::Segments;
use http::HeaderValue;

fn check(values: &[&[u8]], expected: &str) {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).expect("a header value"));
    }
    let found = match credentials(&headers) {
        Credentials::None => "none".to_owned(),
        Credentials::OtherScheme => "other scheme".to_owned(),
        Credentials::Several => "several".to_owned(),
        Credentials::Malformed => "malformed".to_owned(),
        Credentials::Bearer(UnverifiedToken(token)) => format!("bearer {token}"),
    };
    assert_eq!(found, expected, "{values:?}");
}

#[test]
fn two_headers_are_never_chosen_from() {
    check(&[b"Bearer a", b"Bearer b"], "several");
    check(&[b"Bearer a", b"Bearer a"], "several");
    check(&[b"Basic a", b"Bearer b"], "several");
    check(&[b"", b"Bearer b"], "several");
}

#[test]
fn other_schemes_are_no_bearer_token() {
    for value in [
        &b""[..],
        b"Basic dXNlcjpwYXNz",
        b"Bearerx a",
        b"Bear a",
        b"Digest a",
        b"Bearer\ta",
        b"Bearer,a",
        b"\xffBearer a",
        b"DPoP a",
    ] {
        check(&[value], "other scheme");
    }
}

#[test]
fn a_scheme_without_a_token_or_with_bytes_that_are_no_text_is_malformed() {
    for value in [&b"Bearer"[..], b"Bearer ", b"Bearer   ", b"Bearer \xff", b"Bearer a\xc3"] {
        check(&[value], "malformed");
    }
}

#[test]
fn what_is_not_one_token_is_no_token_of_any_issuer() {
    for text in [
        "a b",
        "a ",
        "a,b",
        "a, Bearer b",
        "a;q=1",
        "\"a\"",
        "a=b",
        "=",
        "==a",
        "a\tb",
        "\ta",
        "aé",
        "a%2Eb",
        "{a}",
        "a:b",
        "a.b.c=",
    ] {
        check(&[format!("Bearer {text}").as_bytes()], &format!("bearer {text}"));
        assert!(Segments::split(text).is_none(), "{text}");
    }
}

#[test]
fn without_the_header_there_are_no_credentials() {
    check(&[], "none");
    let mut headers = HeaderMap::new();
    headers.insert("proxy-authorization", HeaderValue::from_static("Bearer a"));
    headers.insert("cookie", HeaderValue::from_static("access_token=a"));
    assert!(matches!(credentials(&headers), Credentials::None));
}

#[test]
fn one_token_is_read_whatever_the_case_of_the_scheme() {
    for value in
        [&b"Bearer a.b-c_d~e+f/g=="[..], b"bearer a.b-c_d~e+f/g==", b"BEARER a.b-c_d~e+f/g==", b"bEaReR   a.b-c_d~e+f/g=="]
    {
        check(&[value], "bearer a.b-c_d~e+f/g==");
    }
}

#[test]
fn a_token_is_not_printed() {
    assert_eq!(format!("{:?}", Credentials::Bearer(UnverifiedToken("secret"))), "Bearer([redacted])");
}

proptest::proptest! {
    #[test]
    fn any_header_value_is_judged(bytes: Vec<u8>) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value);
            let _ = credentials(&headers);
        }
    }
}
