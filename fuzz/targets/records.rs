//! A bulk body: how it is cut makes no difference to the verdict, and another reader of JSON finds as many records in it.
use serde_json::Value;
use stackflow_gateway::validate::{RecordCounter, RecordRules, RecordsError};
use std::sync::Arc;

const NAMES: [&str; 4] = ["records", "items", "data", "cis"];

/// The most records, in one byte; then the body.
pub fn records(input: &[u8]) {
    let Some((&most, body)) = input.split_first() else { return };
    let bounded = judge(most.into(), [body].into_iter());
    assert_eq!(judge(most.into(), body.chunks(1)), bounded, "byte by byte");
    assert_eq!(judge(most.into(), body.chunks(usize::from(most) + 2)), bounded, "in pieces");
    let unbounded = judge(u64::MAX, [body].into_iter());
    match (unbounded, serde_json::from_slice::<Value>(body)) {
        (Ok(()), Ok(document)) => {
            let is_bounded = most_records(&document) <= usize::from(most);
            assert_eq!(bounded, if is_bounded { Ok(()) } else { Err(RecordsError::TooMany(most.into())) });
        }
        // It has no word for some numbers, and is satisfied with less depth.
        (Ok(()), Err(error)) => {
            let error = error.to_string();
            let excused = ["number out of range", "recursion limit exceeded"].iter().any(|excuse| error.starts_with(excuse));
            assert!(excused, "the other reader says {error}");
        }
        // It takes the last of several.
        (Err(RecordsError::Repeated), _) => {}
        (Err(error), other) => assert!(other.is_err(), "we say {error}"),
    }
    if bounded.is_ok() {
        assert_eq!(unbounded, Ok(()));
    }
}

fn judge<'b>(most: u64, mut pieces: impl Iterator<Item = &'b [u8]>) -> Result<(), RecordsError> {
    let mut counter = RecordCounter::new(Arc::new(RecordRules::new(most, Some("cis"))));
    pieces.try_for_each(|piece| counter.read(piece))?;
    counter.finish()
}

/// Most elements of an array that holds records.
fn most_records(document: &Value) -> usize {
    let fold = |name: &str| {
        let cut = name.split('\0').next().unwrap_or_default();
        cut.replace(['\u{130}', '\u{131}'], "i").replace('\u{17f}', "s").to_lowercase()
    };
    match document {
        Value::Array(values) => values.len(),
        Value::Object(members) => {
            let named = members.iter().filter(|(name, _)| NAMES.contains(&fold(name).as_str()));
            named.filter_map(|(_, value)| value.as_array()).map(Vec::len).max().unwrap_or(0)
        }
        _ => 0,
    }
}
