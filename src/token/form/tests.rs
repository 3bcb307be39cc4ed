//! The request's form and the client it names.
use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).expect("a header value"));
    }
    headers
}

fn form(body: &str) -> Result<Form, &'static str> {
    Form::read(&headers(&[("content-type", FORM)]), body.as_bytes())
}

fn refused(body: &[u8], expected: &str) {
    let found = Form::read(&headers(&[("content-type", FORM)]), body);
    assert_eq!(found.err(), Some(expected), "{}", String::from_utf8_lossy(body));
}

#[test]
fn other_media_types_are_refused() {
    let wrong = "the Content-Type must be application/x-www-form-urlencoded";
    for pairs in [
        &[][..],
        &[("content-type", "")],
        &[("content-type", "application/json")],
        &[("content-type", "multipart/form-data")],
        &[("content-type", "application/x-www-form-urlencoded-x")],
        &[("content-type", "text/plain; application/x-www-form-urlencoded")],
        &[("content-type", FORM), ("content-type", FORM)],
    ] {
        assert_eq!(Form::read(&headers(pairs), b"a=1").err(), Some(wrong), "{pairs:?}");
    }
    for written in [
        FORM,
        "Application/X-WWW-Form-URLencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded ;a=b",
    ] {
        assert!(Form::read(&headers(&[("content-type", written)]), b"a=1").is_ok());
    }
}

#[test]
fn bad_escapes_and_bytes_are_refused() {
    for body in
        [&b"a=%"[..], b"a=%4", b"a=%4g", b"a=%g4", b"%zz=1", b"a=%ff", b"a=%C3", b"a=\xff", b"\xc3\xa9=\xe9", b"a=%+1", b"a=%-1"]
    {
        refused(body, "the body is not a form");
    }
}

#[test]
fn repeated_parameters_are_refused() {
    for body in ["a=1&a=1", "a=1&b=2&a=3", "a&a", "a=1&%61=2", "a=&a=1", "x+y=1&x%20y=2", "=1&=2"] {
        refused(body.as_bytes(), "a parameter is repeated");
    }
}

#[test]
fn parameters_are_decoded_and_empty_ones_are_absent() {
    let form = form("a=x+y%2Bz%26%3D&b=&c&&d=%C3%A9&e=1=2&").expect("a form");
    let expected = [("a", Some("x y+z&=")), ("b", None), ("c", None), ("d", Some("é")), ("e", Some("1=2")), ("f", None)];
    for (name, value) in expected {
        assert_eq!(form.value(name), value, "{name}");
    }
}

fn check(authorization: &[&str], body: &str, expected: Result<(&str, &str), ClientError>) {
    let pairs: Vec<(&str, &str)> = authorization.iter().map(|&value| ("authorization", value)).collect();
    let found = Client::read(&headers(&pairs), &form(body).expect("a form"));
    let found = found.map(|client| (client.id, client.secret.expose().to_owned()));
    assert_eq!(found, expected.map(|(id, secret)| (id.to_owned(), secret.to_owned())), "{authorization:?} {body}");
}

fn basic_of(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[test]
fn two_ways_or_two_clients_at_once_are_refused() {
    let basic = basic_of("id:secret");
    let ambiguous = |what| Err(ClientError::Ambiguous(what));
    check(&[&basic, &basic], "", ambiguous("several Authorization headers"));
    check(&[&basic], "client_secret=secret", ambiguous("the client authenticates in two ways"));
    check(&[&basic], "client_id=id&client_secret=secret", ambiguous("the client authenticates in two ways"));
    check(&["Bearer x"], "client_id=id&client_secret=secret", ambiguous("the client authenticates in two ways"));
    check(&[&basic], "client_assertion=x", ambiguous("the client authenticates in two ways"));
    check(&[], "client_id=id&client_secret=s&client_assertion_type=x", ambiguous("the client authenticates in two ways"));
    check(&[&basic], "client_id=other", ambiguous("client_id is not the client that authenticates"));
}

#[test]
fn a_client_that_cannot_be_read_is_missing() {
    for body in ["", "client_id=id", "client_secret=s", "client_id=id&client_secret=", "client_id=&client_secret=s"] {
        check(&[], body, Err(ClientError::Missing));
    }
    for value in [
        "",
        "Basic",
        "Basic ",
        "Basic !",
        "Basic aWQ",
        "Basic aWQ=",
        "Basic aWQ6cw",
        "Basic aWQ6cw== x",
        "Bearer aWQ6cw==",
        "Digest aWQ6cw==",
        "Basic /w==",
    ] {
        check(&[value], "", Err(ClientError::Missing));
    }
    check(&[&basic_of("id:%zz")], "", Err(ClientError::Missing));
}

#[test]
fn a_client_is_read_from_either_place() {
    check(&[], "client_id=id&client_secret=a%2Bb", Ok(("id", "a+b")));
    check(&[&basic_of("id:a%2Bb+c:d")], "", Ok(("id", "a+b c:d")));
    check(&[&basic_of("id:secret").replace("Basic", "bAsIc ")], "client_id=id", Ok(("id", "secret")));
    check(&[&basic_of(":")], "", Ok(("", "")));
}

#[test]
fn secrets_are_not_printed() {
    let client = Client { id: "id".to_owned(), secret: Secret::new("hidden".to_owned()) };
    assert!(!format!("{client:?}").contains("hidden"));
}

proptest::proptest! {
    #[test]
    fn any_body_is_judged(body: Vec<u8>) {
        let _ = Form::read(&headers(&[("content-type", FORM)]), &body);
    }

    #[test]
    fn any_header_is_judged(value in "[ -~]{0,40}") {
        let _ = Client::read(&headers(&[("authorization", &value)]), &Form(Vec::new()));
    }
}
