//! Which records the sample API takes.

use super::super::fields::parse_object;
use super::*;
use http::StatusCode;

fn refusal(body: &str) -> Option<StatusCode> {
    parse_object::<NewIncident>(body.as_bytes()).err().map(|refusal| refusal.into_answer().status())
}

#[test]
fn what_is_no_json_object_is_a_bad_request() {
    for body in ["", "nonsense", "{", "[\"VPN down\"]", "\"text\"", "{\"short_description\":}", "{\"short_description\":\"a\"} x"]
    {
        assert_eq!(refusal(body), Some(StatusCode::BAD_REQUEST), "{body}");
    }
}

#[test]
fn an_object_with_wrong_fields_is_unprocessable() {
    let long = format!("{{\"short_description\":\"{}\"}}", "a".repeat(161));
    for body in [
        "{}",
        "{\"short_description\":\"\"}",
        "{\"short_description\":7}",
        "{\"short_description\":\"a\",\"priority\":6}",
        "{\"short_description\":\"a\",\"priority\":\"high\"}",
        long.as_str(),
    ] {
        assert_eq!(refusal(body), Some(StatusCode::UNPROCESSABLE_ENTITY), "{body}");
    }
}

#[test]
fn a_description_is_enough_and_unknown_fields_are_ignored() {
    assert_eq!(refusal(" {\"short_description\":\"VPN down\",\"caller\":{\"name\":\"ada\"}}"), None);
}

#[test]
fn only_the_number_as_it_is_written_names_an_incident() {
    for number in ["", "INC", "INC1001", "INC00001001", "inc0001001", "INC+001001", "INC0001000", "INC99999999999999999999"] {
        assert_eq!(Incident::place(number), None, "{number}");
    }
    assert_eq!(Incident::place("INC0001001"), Some(0));
    assert_eq!(Incident::place(&Incident::number(10_000_000)), Some(10_000_000));
}
