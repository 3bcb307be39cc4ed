//! Which ids are taken over from a client, and that those made here are unique.

use super::RequestIds;
use http::HeaderValue;
use std::collections::HashSet;

fn check(from_client: &[u8], kept: bool) {
    let sent = HeaderValue::from_bytes(from_client).expect("a case is a header value");
    let ids = RequestIds::new([1, 2, 3, 4]).next(Some(&sent));
    assert_eq!(ids.request_id == sent, kept, "{from_client:?}");
    assert!(ids.request_id.len() == 32 || kept, "{from_client:?}");
}

#[test]
fn a_malformed_id_is_replaced() {
    check(b"", false);
    check(b"two words", false);
    check(b"a/b", false);
    check(b"a\"b", false);
    check(b"a;b", false);
    check(b"caf\xc3\xa9", false);
    check(&[b'a'; 129], false);
}

#[test]
fn a_well_formed_id_is_kept() {
    check(b"a", true);
    check(b"A.b_c-9", true);
    check(&[b'a'; 128], true);
}

#[test]
fn ids_made_here_differ_and_are_lower_case_hexadecimal() {
    let ids = RequestIds::new([1, 2, 3, 4]);
    let made: HashSet<String> =
        (0..10_000).map(|_| ids.next(None).request_id.to_str().expect("an id is ASCII").to_owned()).collect();
    assert_eq!(made.len(), 10_000);
    assert!(made.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))));
}

#[test]
fn another_key_makes_other_ids() {
    let first = |key| RequestIds::new(key).next(None).request_id;
    assert_ne!(first([1, 2, 3, 4]), first([1, 2, 3, 5]));
    assert_ne!(first([1, 2, 3, 4]), first([0, 2, 3, 4]));
}

#[test]
fn the_trace_context_is_well_formed_and_names_the_request() {
    let ids = RequestIds::new([5, 6, 7, 8]).next(None);
    let text = ids.traceparent.to_str().expect("ASCII");
    let mut headers = http::HeaderMap::new();
    headers.insert("traceparent", ids.traceparent.clone());
    assert_eq!(crate::upstream::incoming_trace(&headers), ids.request_id.to_str().ok());
    assert!(text.starts_with("00-") && text.ends_with("-00"), "{text}");
}
