//! The JSON Schema (draft 2020-12) of the configuration: what its reader says of itself (`table::describe`).
//!
//! Invariants: no key is named here; whatever the reader accepts is valid. Not every file that it refuses is invalid: what texts say,
//! how keys fit each other and what files hold is left to it.

use super::{
    file,
    report::{Fault, Report},
    table::describe,
    value::{show_duration, show_size, unit_pattern},
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::Path,
    time::Duration,
};

/// The schema of the configuration file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = describe(&Report::new(Path::new("gateway.toml"), "", &[]), file::whole);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = format!("Configuration of stackflow-gateway {}", env!("CARGO_PKG_VERSION")).into();
    schema
}

/// What a reader asked one table for.
#[derive(Default)]
pub(super) struct Shape {
    /// By key: each kind of value that it may have.
    values: BTreeMap<&'static str, Vec<Value>>,
    defaults: BTreeMap<&'static str, Value>,
    required: BTreeSet<&'static str>,
    /// Not empty, if they are there.
    filled: BTreeSet<&'static str>,
    /// `anyOf` or `oneOf`, and the keys of which so many must be there.
    choices: Vec<(&'static str, Vec<&'static str>)>,
}

impl Shape {
    pub(super) fn value(&mut self, key: &'static str, value: Value) {
        let values = self.values.entry(key).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    pub(super) fn default(&mut self, key: &'static str, default: Value) {
        self.defaults.insert(key, default);
    }

    pub(super) fn required(&mut self, key: &'static str) {
        self.required.insert(key);
    }

    pub(super) fn filled(&mut self, key: &'static str) {
        self.filled.insert(key);
    }

    pub(super) fn choice(&mut self, how: &'static str, keys: &[&'static str]) {
        self.choices.push((how, keys.to_vec()));
    }

    pub(super) fn needs_something(&self) -> bool {
        !self.required.is_empty() || !self.choices.is_empty()
    }

    /// An object with these keys and no others.
    pub(super) fn into_schema(self) -> Value {
        let Self { values, mut defaults, required, filled, choices } = self;
        let properties = values.into_iter().map(|(key, mut kinds)| {
            if filled.contains(key) {
                kinds.iter_mut().for_each(fill);
            }
            let mut property = if kinds.len() == 1 { kinds.remove(0) } else { json!({ "anyOf": kinds }) };
            if let Some(default) = defaults.remove(key) {
                property["default"] = default;
            }
            (key.to_owned(), property)
        });
        let mut schema =
            json!({ "type": "object", "properties": properties.collect::<Map<_, _>>(), "additionalProperties": false });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if !choices.is_empty() {
            let choice = |(how, keys): (&str, Vec<&str>)| {
                let there = keys.iter().map(|key| json!({ "required": [key] }));
                json!({ how: there.collect::<Vec<_>>() })
            };
            schema["allOf"] = choices.into_iter().map(choice).collect();
        }
        schema
    }
}

/// Of a list or table: never an empty one.
fn fill(kind: &mut Value) {
    if kind["type"] == "array" {
        kind["minItems"] = 1.into();
    } else if kind["type"] == "object" {
        kind["minProperties"] = 1.into();
    }
}

pub(super) fn anything() -> Value {
    json!({})
}

pub(super) fn of_type(name: &str) -> Value {
    json!({ "type": name })
}

pub(super) fn integer(range: &RangeInclusive<u64>) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

pub(super) fn share() -> Value {
    json!({ "type": "number", "minimum": 0, "maximum": 1 })
}

/// What a range of texts with units is, is said to people only.
pub(super) fn duration(range: &RangeInclusive<Duration>) -> Value {
    let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
    json!({ "type": "string", "pattern": unit_pattern(&super::value::DURATION_UNITS), "description": format!("{least} to {most}") })
}

pub(super) fn size(range: &RangeInclusive<u64>) -> Value {
    let (least, most) = (show_size(*range.start()), show_size(*range.end()));
    json!({ "type": "string", "pattern": unit_pattern(&super::value::SIZE_UNITS), "description": format!("{least} to {most}") })
}

/// A text that `parse` is asked about: whether it may be empty.
pub(super) fn text<T>(parse: impl Fn(&str) -> Result<T, Fault>) -> Value {
    if parse("").is_ok() { of_type("string") } else { json!({ "type": "string", "minLength": 1 }) }
}

pub(super) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    json!({ "enum": words.collect::<Vec<_>>() })
}

pub(super) fn itself(schema: Value) -> Value {
    schema
}

pub(super) fn list_of(element: Value) -> Value {
    let mut list = of_type("array");
    list["items"] = element;
    list
}

/// An object whose keys the operator chooses.
pub(super) fn named(element: Value) -> Value {
    let mut table = of_type("object");
    table["additionalProperties"] = element;
    table
}

/// The word "any", or a list in which it is none.
pub(super) fn list_or_any() -> Value {
    let element = json!({ "type": "string", "minLength": 1, "not": { "const": "any" } });
    json!({ "anyOf": [{ "const": "any" }, { "type": "array", "items": element, "minItems": 1 }] })
}

#[cfg(test)]
mod tests;
