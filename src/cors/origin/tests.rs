//! Which origins a pattern matches: the spellings that must not pass, then those that do.

use super::{OriginPattern, OriginPatternError};
use proptest::prelude::*;

#[track_caller]
fn refuse(error: &OriginPatternError, texts: &[&str]) {
    for text in texts {
        assert_eq!(OriginPattern::parse(text).as_ref(), Err(error), "{text:?}");
    }
}

#[track_caller]
fn check(pattern: &str, origins: &[&str], expected: bool) {
    let pattern = OriginPattern::parse(pattern).expect(pattern);
    for origin in origins {
        assert_eq!(pattern.matches(origin.as_bytes()), expected, "{origin:?}");
    }
}

#[test]
fn a_pattern_names_its_scheme() {
    refuse(
        &OriginPatternError::Scheme,
        &["", "*", "**", "null", "a.example", "//a.example", "https:", "https:/a", "https:a.example"],
    );
    refuse(
        &OriginPatternError::Scheme,
        &["ftp://a.example", "file://", "://a", "*://a.example", " https://a.example", "wss://a.example"],
    );
}

#[test]
fn a_pattern_has_a_host() {
    refuse(&OriginPatternError::Host, &["https://", "https://:8443", "https://.", "https://.a", "https://a.", "https://a..b"]);
    refuse(
        &OriginPatternError::Host,
        &["https://-a", "https://a-", "https://a_b", "https://a b", "https://u@a", "https://\u{e9}.example"],
    );
    refuse(
        &OriginPatternError::Host,
        &["https://*.", "https://*..a", "https://*.-a", "https://**.a_b", "https://a%2eb", "https://a,b"],
    );
    refuse(&OriginPatternError::Host, &["https://*.127.0.0.1", "https://*.[::1]", "https://*.1", "https://a.0x7f"]);
}

#[test]
fn an_address_is_written_as_browsers_write_it() {
    refuse(
        &OriginPatternError::Host,
        &["http://127.1", "http://2130706433", "http://127.0.0.01", "http://0x7f.0.0.1", "http://256.0.0.1"],
    );
    refuse(&OriginPatternError::Host, &["http://[]", "http://[::1", "http://[0:0:0:0:0:0:0:1]", "http://[::01]"]);
    refuse(&OriginPatternError::Host, &["http://[::1%25eth0]", "http://[::ffff:127.0.0.1]", "http://[1::2::3]", "http://[::1]a"]);
}

#[test]
fn a_port_is_a_number_and_not_the_default() {
    refuse(
        &OriginPatternError::Port,
        &["https://a:", "https://a:0", "https://a:x", "https://a:+1", "https://a:-1", "https://a:65536"],
    );
    refuse(
        &OriginPatternError::Port,
        &["https://a:0443", "https://a:443", "http://a:80", "https://a:1:2", "https://a:*", "http://::1"],
    );
}

#[test]
fn a_wildcard_is_the_first_label() {
    refuse(
        &OriginPatternError::Wildcard,
        &["https://*", "https://**", "https://***.a", "https://*a.b", "https://a*.b", "https://a.*.b"],
    );
    refuse(&OriginPatternError::Wildcard, &["https://a.*", "https://*.*.a", "https://**.*.a", "https://*:8443"]);
}

#[test]
fn nothing_follows_the_host_and_port() {
    refuse(
        &OriginPatternError::Trailing,
        &["https://a/", "https://a/b", "https://a?", "https://a#b", "https://a:8443/", "https://*.a/"],
    );
}

#[test]
fn a_pattern_is_in_lower_case() {
    refuse(&OriginPatternError::NotLowerCase, &["HTTPS://a", "https://A", "https://*.Example", "http://[::A]"]);
}

#[test]
fn names_have_their_greatest_length() {
    let label = "a".repeat(63);
    let host = [label.as_str(); 4].join(".");
    assert!(OriginPattern::parse(&format!("https://{}", &host[..253])).is_ok());
    refuse(&OriginPatternError::Host, &[&format!("https://{}", &host[..254]), &format!("https://{label}a.example")]);
    assert!(OriginPattern::parse(&format!("https://*.{}", &host[..251])).is_ok());
    refuse(&OriginPatternError::Host, &[&format!("https://*.{}", &host[..252])]);
}

#[test]
fn other_spellings_of_an_allowed_origin_are_foreign() {
    let spellings = [
        "",
        "null",
        "*",
        "https://",
        "https://app.stackflow-tech.com:443",
        "https://app.stackflow-tech.com/",
        "https://app.stackflow-tech.com/a",
        "https://app.stackflow-tech.com?",
        "https://app.stackflow-tech.com#",
        "https://app.stackflow-tech.com.",
        "https://app.stackflow-tech.com ",
        " https://app.stackflow-tech.com",
        "HTTPS://app.stackflow-tech.com",
        "Https://app.stackflow-tech.com",
        "https://APP.stackflow-tech.com",
        "https://app.stackflow-tech.COM",
        "https://app.StackFlow-tech.com",
        "https://app.stackflow-tech.com\0",
        "https://app.stackflow-tech.com\t",
        "https:/app.stackflow-tech.com",
        "https:app.stackflow-tech.com",
        "//app.stackflow-tech.com",
        "app.stackflow-tech.com",
        "https://user@app.stackflow-tech.com",
        "https://user:pw@app.stackflow-tech.com",
        "https://app%2estackflow-tech.com",
        "https://app.stackflow-tech.com:",
        "https://app.stackflow-tech.com:8443",
        "https://app.stackflow-tech.com:0443",
        "https://app.stackflow-tech.com, https://b.stackflow-tech.com",
        "https://b.example https://app.stackflow-tech.com",
        "https://app.stackflow-tech.com https://app.stackflow-tech.com",
        "https://b.example, https://app.stackflow-tech.com",
    ];
    check("https://*.stackflow-tech.com", &spellings, false);
    check("https://**.stackflow-tech.com", &spellings, false);
    check("https://app.stackflow-tech.com", &spellings, false);
}

#[test]
fn other_schemes_and_hosts_are_foreign() {
    let others = [
        "http://app.stackflow-tech.com",
        "wss://app.stackflow-tech.com",
        "ftp://app.stackflow-tech.com",
        "httpss://app.stackflow-tech.com",
        "https://stackflow-tech.com",
        "https://.stackflow-tech.com",
        "https://evilstackflow-tech.com",
        "https://app.stackflow-tech.com.evil.example",
        "https://app-stackflow-tech.com",
        "https://appstackflow-tech.com",
        "https://app.stackflow-tech.co",
        "https://app.stackflow-tech.comm",
        "https://evil.example/.stackflow-tech.com",
        "https://evil.example#.stackflow-tech.com",
        "https://evil.example?.stackflow-tech.com",
        "https://evil.example\\.stackflow-tech.com",
        "https://evil.example:80.stackflow-tech.com",
        "https://a@b.stackflow-tech.com",
    ];
    check("https://*.stackflow-tech.com", &others, false);
    check("https://**.stackflow-tech.com", &others, false);
}

#[test]
fn a_label_is_letters_digits_and_inner_hyphens() {
    let bad = ["-a", "a-", "-", "_a", "a_b", "a b", "a%62", "\u{e9}", "a,b", "*", "a\0", "[::1]", "a..b", ".a", "a."];
    for label in bad.map(str::to_owned).into_iter().chain(["a".repeat(64)]) {
        let origin = format!("https://{label}.stackflow-tech.com");
        check("https://*.stackflow-tech.com", &[&origin], false);
        check("https://**.stackflow-tech.com", &[&origin], false);
    }
    for label in ["a", "0", "a-b", "a--b", "xn--bcher-kva", "app1", &"a".repeat(63)] {
        check("https://*.stackflow-tech.com", &[&format!("https://{label}.stackflow-tech.com")], true);
    }
}

#[test]
fn one_asterisk_is_one_label_and_two_are_one_or_more() {
    check("https://*.a.example", &["https://x.y.a.example", "https://a.example", "https://x.a.example.a.example"], false);
    check("https://*.a.example", &["https://x.a.example"], true);
    check("https://**.a.example", &["https://a.example", "https://.a.example", "https://x..a.example"], false);
    check("https://**.a.example", &["https://x.a.example", "https://x.y.a.example", "https://x.y.z.a.example"], true);
}

#[test]
fn a_host_that_is_too_long_is_foreign() {
    let labels = [&*"a".repeat(61); 4].join(".");
    let tail = ".example";
    let (fits, too_long) = (&labels[..253 - tail.len()], &labels[..254 - tail.len()]);
    check("https://**.example", &[&format!("https://{fits}{tail}")], true);
    check("https://**.example", &[&format!("https://{too_long}{tail}")], false);
    check("https://**.example:8443", &[&format!("https://{fits}{tail}:8443")], true);
    check("https://**.example:8443", &[&format!("https://{too_long}{tail}:8443")], false);
}

#[test]
fn a_written_port_is_that_port() {
    check("https://*.a.example:8443", &["https://x.a.example", "https://x.a.example:844", "https://x.a.example:84433"], false);
    check(
        "https://*.a.example:8443",
        &["https://x.a.example:08443", "https://x.a.example:443", "https://x.a.example:8443/"],
        false,
    );
    check("https://*.a.example:8443", &["https://x.a.example:8443"], true);
    check("http://localhost:3000", &["http://localhost", "http://localhost:3001", "https://localhost:3000"], false);
    check("http://localhost:3000", &["http://localhost:3000"], true);
    check("http://a.example:443", &["http://a.example:443"], true);
    check("https://a.example:80", &["https://a.example:80"], true);
}

#[test]
fn addresses_match_as_they_are_written() {
    check("http://[::1]:3000", &["http://[::1]", "http://[0:0:0:0:0:0:0:1]:3000", "http://::1:3000"], false);
    check("http://[::1]:3000", &["http://[::1]:3000"], true);
    check("https://[2001:db8::a]", &["https://[2001:db8::a]"], true);
    check("https://[2001:db8::a]", &["https://[2001:DB8::A]", "https://[2001:db8::a]:443"], false);
    check("https://[::ffff:7f00:1]", &["https://[::ffff:7f00:1]"], true);
    check("http://127.0.0.1:8080", &["http://127.0.0.1:8080"], true);
    check("http://127.0.0.1:8080", &["http://127.1:8080", "http://localhost:8080"], false);
}

#[test]
fn bytes_that_are_not_text_are_foreign() {
    let pattern = OriginPattern::parse("https://*.a.example").expect("a pattern");
    assert!(!pattern.matches(b"https://\xff.a.example"));
    assert!(!pattern.matches(b"\xff"));
}

proptest! {
    #[test]
    fn what_matches_is_a_serialized_origin(host in "[a-zA-Z0-9._:@/*-]{0,20}") {
        let pattern = OriginPattern::parse("https://**.a.example").expect("a pattern");
        let origin = format!("https://{host}.a.example");
        let is_exact = OriginPattern::parse(&origin).is_ok_and(|exact| !host.contains('*') && exact.matches(origin.as_bytes()));
        prop_assert_eq!(pattern.matches(origin.as_bytes()), is_exact);
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(text in any::<String>(), origin in any::<Vec<u8>>()) {
        if let Ok(pattern) = OriginPattern::parse(&format!("https://{text}")) {
            let _ = pattern.matches(&origin);
        }
        let _ = OriginPattern::parse(&text);
    }
}
