//! What the reader says of itself, kind by kind, and of the configuration as a whole. That the shipped files are valid by it, and wrong
//! ones are not, a validator says in `tests/schema.rs`.

use super::{Value, describe, json, schema};
use crate::config::{
    not_yet::NOT_YET,
    report::{Fault, Report},
    table::Table,
    value::non_empty,
};
use std::{path::Path, time::Duration};

/// What is said of a table that is read so.
fn described<T>(read: impl FnOnce(&Table<'_>) -> T) -> Value {
    describe(&Report::new(Path::new("gateway.toml"), "", &[]), read)
}

fn check<T>(read: impl FnOnce(&Table<'_>) -> T, expected: &Value) {
    let schema = described(read);
    assert_eq!((&schema["properties"]["key"], &schema["additionalProperties"]), (expected, &json!(false)));
}

#[expect(clippy::unnecessary_wraps, reason = "as readers of texts are")]
fn any(text: &str) -> Result<String, Fault> {
    Ok(text.to_owned())
}

#[test]
fn a_boolean_has_its_default() {
    check(|table| table.boolean("key", true), &json!({ "type": "boolean", "default": true }));
}

#[test]
fn a_whole_number_has_its_range() {
    let expected = json!({ "type": "integer", "minimum": 1, "maximum": 9, "default": 4 });
    check(|table| table.integer("key", 4, &(1..=9)), &expected);
    check(|table| table.integer_u32("key", 4, &(1..=9)), &expected);
}

#[test]
fn a_whole_number_without_default_or_range_has_none() {
    check(|table| table.integer_if_any("key", &(1..=9)), &json!({ "type": "integer", "minimum": 1, "maximum": 9 }));
    check(|table| table.any_integer("key", ""), &json!({ "type": "integer" }));
}

#[test]
fn a_share_is_a_number_up_to_one() {
    check(|table| table.share("key", 0.5), &json!({ "type": "number", "minimum": 0, "maximum": 1, "default": 0.5 }));
}

#[test]
fn a_duration_is_a_text_with_a_unit() {
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    let mut expected = json!({ "type": "string", "pattern": "^[0-9]+(h|m|s|ms)$", "description": "100ms to 1h" });
    check(|table| table.duration_if_any("key", &range), &expected);
    expected["default"] = json!("30s");
    check(|table| table.duration("key", Duration::from_secs(30), &range), &expected);
}

#[test]
fn a_size_is_a_text_with_a_unit() {
    let expected =
        json!({ "type": "string", "pattern": "^[0-9]+(GiB|MiB|KiB|B)$", "description": "64B to 8KiB", "default": "1KiB" });
    check(|table| table.size("key", 1024, &(64..=8192)), &expected);
}

#[test]
fn a_word_is_one_of_its_words() {
    let words = [("plain", 1), ("hash", 2)];
    check(|table| table.word("key", 2, &words), &json!({ "enum": ["plain", "hash"], "default": "hash" }));
    check(|table| table.word("key", 3, &words), &json!({ "enum": ["plain", "hash"] }));
}

#[test]
fn a_text_may_be_empty_if_its_reader_takes_that() {
    check(|table| table.text("key", any), &json!({ "type": "string" }));
    check(|table| table.text("key", non_empty), &json!({ "type": "string", "minLength": 1 }));
    check(|table| table.text_or("key", "a", non_empty), &json!({ "type": "string", "minLength": 1, "default": "a" }));
}

#[test]
fn a_list_says_what_its_elements_are() {
    let texts = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
    check(|table| table.list("key", non_empty), &texts);
    let words = json!({ "type": "array", "items": { "enum": ["a", "b"] }, "default": ["b"] });
    check(|table| table.words("key", &[("a", 1), ("b", 2)], &["b"]), &words);
    check(|table| table.list_of("key", &["a", "b"], &["b"], any), &words);
    let defaults = json!({ "type": "array", "items": { "type": "string" }, "default": ["a"] });
    check(|table| table.list_or("key", &["a"], any), &defaults);
}

#[test]
fn any_is_a_word_and_no_element() {
    let element = json!({ "type": "string", "minLength": 1, "not": { "const": "any" } });
    let expected = json!({ "anyOf": [{ "const": "any" }, { "type": "array", "items": element, "minItems": 1 }] });
    check(|table| table.list_or_any("key"), &expected);
}

#[test]
fn a_secret_is_a_text_or_one_place() {
    let schema = described(|table| table.secret("key", |text| Ok(text.into())));
    let kinds = &schema["properties"]["key"]["anyOf"];
    assert_eq!(kinds[0], json!({ "type": "string" }));
    assert_eq!(
        kinds[1]["properties"].as_object().map(|keys| keys.keys().collect::<Vec<_>>()),
        Some(vec![&"env".to_owned(), &"file".to_owned()])
    );
    assert_eq!(kinds[1]["allOf"], json!([{ "oneOf": [{ "required": ["env"] }, { "required": ["file"] }] }]));
}

#[test]
fn tables_are_entered_once_wherever_they_lie() {
    let inside = |table: &Table<'_>| table.boolean("inside", false);
    let table = described(inside);
    check(|root| root.table("key", inside), &table);
    check(|root| root.tables("key", inside), &json!({ "type": "array", "items": table }));
    check(|root| root.named_tables("key", |_, table| inside(table)), &json!({ "type": "object", "additionalProperties": table }));
    check(|root| root.table_or_tables("key", inside), &json!({ "anyOf": [table, { "type": "array", "items": table }] }));
}

#[test]
fn a_key_that_can_be_two_things_is_either() {
    let read = |table: &Table<'_>| {
        table.boolean("inside", false);
        2
    };
    let inside = described(|table| read(table));
    let expected = json!({ "anyOf": [inside, { "enum": ["off"] }], "default": "off" });
    check(|root| root.word_or_table("key", 1, &[("off", 1)], read), &expected);
}

#[test]
fn what_must_be_there_is_required_and_so_is_the_table_that_it_is_in() {
    let needs = |table: &Table<'_>| table.require("inside", "");
    assert_eq!(described(needs)["required"], json!(["inside"]));
    assert_eq!(described(|root| root.absent("table", needs))["required"], json!(["table"]));
    assert_eq!(described(|root| root.absent("table", |_| ()))["required"], Value::Null);
    assert_eq!(described(|table| table.require_beside("key", ""))["required"], Value::Null);
    let either = json!([{ "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] }]);
    assert_eq!(described(|table| table.require_any(&["a", "b"], ""))["allOf"], either);
}

#[test]
fn what_may_not_be_empty_is_filled() {
    let list = |table: &Table<'_>| {
        table.list("key", any);
        table.refuse_empty("key", "", "");
    };
    check(list, &json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }));
    let named = |table: &Table<'_>| {
        table.named_texts("key", |_, text| any(text));
        table.refuse_empty("key", "", "");
    };
    check(named, &json!({ "type": "object", "additionalProperties": { "type": "string" }, "minProperties": 1 }));
}

/// Each key of a schema with the tables around it, `*` for chosen names, and what is said of it.
fn keys<'s>(schema: &'s Value, around: &str, found: &mut Vec<(String, &'s Value)>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let name = if around.is_empty() { key.clone() } else { format!("{around}.{key}") };
        found.push((name.clone(), property));
        keys(property, &name, found);
    }
    schema["anyOf"].as_array().into_iter().flatten().for_each(|kind| keys(kind, around, found));
    keys_of(&schema["items"], around, found);
    keys_of(&schema["additionalProperties"], &format!("{around}.*"), found);
}

fn keys_of<'s>(schema: &'s Value, around: &str, found: &mut Vec<(String, &'s Value)>) {
    if schema.is_object() {
        keys(schema, around, found);
    }
}

#[test]
fn every_key_says_of_what_kind_it_is() {
    let (schema, mut found) = (schema(), Vec::new());
    keys(&schema, "", &mut found);
    assert!(found.len() > 100, "{}", found.len());
    let vague: Vec<_> = found.iter().filter(|(_, property)| *property == &json!({})).map(|(name, _)| name).collect();
    assert!(vague.is_empty(), "{vague:?}");
}

#[test]
fn what_is_not_in_this_version_is_not_there() {
    let (schema, mut found) = (schema(), Vec::new());
    keys(&schema, "", &mut found);
    for entry in NOT_YET {
        let said = found.iter().find(|(name, _)| name == entry.key).map(|(_, property)| *property);
        match entry.value {
            None => assert_eq!(said, None, "{}", entry.key),
            Some(value) => assert!(
                !said.is_some_and(|said| said["enum"].as_array().is_some_and(|words| words.contains(&value.into()))),
                "{} = {value}",
                entry.key
            ),
        }
    }
}

#[test]
fn the_least_that_a_gateway_needs_is_required() {
    let schema = schema();
    assert_eq!(schema["required"], json!(["auth", "listeners", "upstreams"]));
    assert_eq!(schema["properties"]["listeners"]["items"]["required"], json!(["address"]));
    assert_eq!(schema["properties"]["upstreams"]["additionalProperties"]["required"], json!(["servers"]));
    assert_eq!(schema["properties"]["auth"]["properties"]["issuers"]["items"]["required"], json!(["issuer"]));
    assert_eq!(schema["properties"]["routes"]["items"]["required"], json!(["path"]));
}
