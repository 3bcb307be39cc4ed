//! URLs.

use super::{absolute, fetchable, host_name, parse};

/// `HOST PORT`, or what is wrong.
fn check(text: &str, expected: &str) {
    let shown = parse(text).map_or_else(|fault| fault.what, |url| format!("{} {}", url.host, url.port));
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn what_is_not_a_url_is_refused() {
    check("issuer.example", "is not an http or https URL");
    check("file:///etc/passwd", "is not an http or https URL");
    check("https://", "has no valid host");
    check("https://a..b", "has no valid host");
    check("https://a b", "has a space or a character outside ASCII");
    check("https://bücher.example", "has a space or a character outside ASCII");
    check("https://a#b", "has a fragment");
    check("https://[::1", "has a bracket that is not closed");
    check("https://[1.2.3.4]", "has something in brackets that is not an IPv6 address");
    check("https://a:x", "has no valid port");
    check("https://a:65536", "has no valid port");
    check("https://[::1]8443", "has no valid port");
}

#[test]
fn a_password_is_refused_and_an_at_sign_in_the_path_is_not_one() {
    check("https://user:pw@a", "has a user name or password");
    check("https://a/@b", "a 443");
}

#[test]
fn the_port_is_the_schemes_unless_written() {
    check("http://A.Example/x?y", "a.example 80");
    check("https://a", "a 443");
    check("https://[2001:db8::1]:8443/", "2001:db8::1 8443");
}

#[test]
fn keys_come_over_tls_or_from_this_machine() {
    for text in ["http://a", "http://10.0.0.1/jwks", "http://127.0.0.1.example/jwks", "http://localhost.example/"] {
        assert!(fetchable(text).is_err(), "{text}");
    }
    for text in ["https://a/jwks", "http://127.0.0.1:9000/jwks", "http://127.1.2.3/", "http://[::1]:1/", "http://localhost/jwks"]
    {
        assert_eq!(fetchable(text).as_deref(), Ok(text));
    }
}

#[test]
fn a_url_is_kept_as_it_is_written() {
    assert_eq!(absolute("https://A.example/Realm/"), Ok("https://A.example/Realm/".to_owned()));
}

#[test]
fn a_host_name_has_labels_of_63_and_253_in_all() {
    assert!(["", ".", "a..b", "a b", "a/b", "a:1", "ä"].iter().all(|text| host_name(text).is_err()));
    assert!(host_name(&"a".repeat(64)).is_err());
    assert!(host_name(&vec!["a".repeat(63); 4].join(".")).is_err());
    assert_eq!(host_name("API.Example."), Ok("api.example.".to_owned()));
}
