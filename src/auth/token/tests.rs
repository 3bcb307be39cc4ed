//! Claims as header values, and the names of the reasons.
use super::*;
use std::collections::HashSet;

fn check(text: &str, expected: Option<&str>) {
    assert_eq!(header_value(text).as_ref().map(|value| value.to_str().expect("ASCII")), expected, "{text:?}");
}

#[test]
fn text_that_could_be_read_as_something_else_is_no_header_value() {
    for text in [
        "",
        " ",
        " a",
        "a ",
        "a\r\nX-Auth-Groups: admin",
        "a\nb",
        "a\rb",
        "a\0",
        "\u{1}",
        "a\tb",
        "a\u{7f}",
        "zoë",
        "\u{feff}a",
        "a\u{85}b",
    ] {
        check(text, None);
    }
}

#[test]
fn visible_ascii_with_spaces_inside_is_a_header_value() {
    for text in ["a", "user-1", "Ann Example", "a  b", "!~", "https://issuer.example/x?y#z", "\"quoted\",;="] {
        check(text, Some(text));
    }
}

fn groups(groups: &[&str]) -> Option<String> {
    let claims = Claims {
        holder: Holder {
            subject: "a".to_owned(),
            client_id: None,
            scopes: Vec::new(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            jti: None,
        },
        username: None,
    };
    Identity::new(&claims, "i").groups.map(|value| value.to_str().expect("ASCII").to_owned())
}

#[test]
fn a_group_cannot_pose_as_several() {
    assert_eq!(groups(&["a,admin"]), None);
    assert_eq!(groups(&["a", "b,admin"]), None);
    for changed in [["users", " admin"], ["users ", "admin"], ["", "admin"], ["admin", ""]] {
        assert_eq!(groups(&changed), None, "{changed:?}");
    }
    assert_eq!(groups(&["a", "b\r\nx"]), None);
    assert_eq!(groups(&[]), None);
    assert_eq!(groups(&["a", "b c"]).as_deref(), Some("a,b c"));
}

#[test]
fn every_reason_has_its_own_label() {
    let labels: HashSet<&str> = InvalidReason::ALL.iter().map(|reason| reason.label()).collect();
    assert_eq!(labels.len(), InvalidReason::ALL.len());
    assert!(labels.iter().all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}
