//! Another reader of JSON finds what we find, whatever the document and however it is cut.

use super::{super::RecordsError, RecordCounter, RecordRules, in_pieces};
use proptest::{prelude::*, sample};
use serde_json::Value;
use std::sync::Arc;

/// Parts of documents, some of which fit.
const PARTS: [&str; 36] = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ",",
    ":",
    "\"",
    "\"records\":",
    "\"items\":[",
    "\"data\"",
    "\"cis\":[1,2",
    "\"\\u0063is\"",
    "\"a\":",
    "1",
    "-0.5e+3",
    "0",
    "true",
    "false",
    "null",
    " ",
    "\n",
    "\\",
    "\\n",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\ud800",
    "é",
    "😀",
    "{}",
    "[]",
    "\"x\"",
    "\u{1}",
    "e",
    "[[",
    "]}",
];

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        any::<f32>().prop_map(|value| Value::from(value).to_string()),
        any::<String>().prop_map(|value| Value::from(value).to_string()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name =
            prop_oneof![sample::select(vec!["records", "items", "data", "cis", "x"]).prop_map(str::to_owned), any::<String>(),];
        let member = (name, inner.clone()).prop_map(|(name, value)| format!("{} : {value}", Value::from(name)));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|values| format!("[{}]", values.join(" ,"))),
            prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn counts_to(max: u64, body: &[u8]) -> Result<(), RecordsError> {
    RecordCounter::new(Arc::new(RecordRules::new(max, Some("cis")))).judge(body)
}

/// Most elements of an array that holds records.
fn most_records(document: &Value) -> usize {
    match document {
        Value::Array(values) => values.len(),
        Value::Object(members) => {
            let names = ["records", "items", "data", "cis"];
            let held = members.iter().filter(|(name, _)| names.contains(&name.to_lowercase().as_str()));
            held.filter_map(|(_, value)| value.as_array()).map(Vec::len).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// The other reader, where it has no word for a number that is too large, is no judge.
fn check(body: &[u8]) -> Result<(), TestCaseError> {
    match (counts_to(u64::MAX, body), serde_json::from_slice::<Value>(body)) {
        (Ok(()), Ok(document)) => {
            let most = most_records(&document) as u64;
            prop_assert_eq!(counts_to(most, body), Ok(()));
            if let Some(less) = most.checked_sub(1) {
                prop_assert_eq!(counts_to(less, body), Err(RecordsError::TooMany(less)));
            }
        }
        (Ok(()), Err(error)) => prop_assert!(error.to_string().starts_with("number out of range"), "it says {}", error),
        // It takes the last of several.
        (Err(RecordsError::Repeated), _) => {}
        (Err(error), read) => prop_assert!(read.is_err(), "we say {}", error),
    }
    Ok(())
}

proptest! {
    #[test]
    fn documents_hold_as_many_records_as_another_reader_finds(document in document()) {
        check(document.as_bytes())?;
    }

    #[test]
    fn what_another_reader_refuses_is_refused(parts in prop::collection::vec(sample::select(&PARTS[..]), 0..16)) {
        check(parts.concat().as_bytes())?;
    }

    #[test]
    fn damaged_documents_are_judged_as_another_reader_judges_them(document in document(), place: sample::Index, byte: u8, cut: bool) {
        let mut bytes = document.into_bytes();
        let place = place.index(bytes.len());
        bytes.splice(place..=place, (!cut).then_some(byte));
        check(&bytes)?;
    }

    #[test]
    fn where_a_body_is_cut_makes_no_difference(
        parts in prop::collection::vec(sample::select(&PARTS[..]), 0..16),
        document in document(),
        whole: bool,
        places in prop::collection::vec(any::<sample::Index>(), 0..6),
    ) {
        let body = if whole { document } else { parts.concat() }.into_bytes();
        let mut places: Vec<_> = places.iter().map(|place| place.index(body.len() + 1)).collect();
        places.extend([0, body.len()]);
        places.sort_unstable();
        let pieces = places.windows(2).map(|place| &body[place[0]..place[1]]);
        prop_assert_eq!(in_pieces(pieces), in_pieces([body.as_slice()].into_iter()));
    }
}
