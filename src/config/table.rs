//! One table of the file, read key by key.
//!
//! Invariants: every reader records a problem and goes on with its default, so that one run finds all problems; a key that no reader
//! asked for is reported when the table is done, with the nearest one that was asked for. So what is read and what is known cannot
//! differ; nor can the schema, for which the same readers ask a table that has nothing and notes what it is asked for (`noting`).

mod lists;
mod noting;
mod numbers;

pub(crate) use noting::describe;

use super::{
    not_yet,
    report::{Fault, Placed, Report},
    schema::{self, Shape},
    value::{self, WrittenSecret},
};
use crate::secret::Secret;
use std::{cell::RefCell, path::PathBuf};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The remedy for what should be a text.
const TEXT: &str = "write a text in quotes";

/// A table of the file.
pub(crate) struct Table<'t> {
    report: &'t Report<'t>,
    /// As problems show it: `upstreams.api`; empty for the whole file.
    name: String,
    /// As [`not_yet::NOT_YET`] lists it: `upstreams.*`.
    pattern: String,
    at: usize,
    entries: &'t DeTable<'t>,
    known: RefCell<Vec<&'static str>>,
    /// Never known, and reported already.
    refused: RefCell<Vec<&'static str>>,
    /// Of a table that only notes what it is asked for.
    shape: Option<RefCell<Shape>>,
}

/// Reads the whole file with `read`.
pub(crate) fn read_document<T>(report: &Report<'_>, document: &DeTable<'_>, read: impl FnOnce(&Table<'_>) -> T) -> T {
    let table = Table::new(report, String::new(), String::new(), 0, document);
    let file = read(&table);
    table.report_unknown();
    file
}

impl<'t> Table<'t> {
    fn new(report: &'t Report<'t>, name: String, pattern: String, at: usize, entries: &'t DeTable<'t>) -> Self {
        Self { report, name, pattern, at, entries, known: RefCell::default(), refused: RefCell::default(), shape: None }
    }

    /// Where its header is.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Where problems go.
    pub(crate) fn report(&self) -> &'t Report<'t> {
        self.report
    }

    /// `key` with the tables around it.
    pub(crate) fn full_name(&self, key: &str) -> String {
        join(&self.name, key)
    }

    /// Where the value of `key` is, if it is there.
    pub(crate) fn place_of(&self, key: &str) -> Option<usize> {
        self.entries.get(key).map(|value| value.span().start)
    }

    /// Whether the value of `key` is a list without elements, or a table without keys.
    pub(crate) fn is_empty(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| match value.get_ref() {
            DeValue::Array(list) => list.is_empty(),
            DeValue::Table(table) => table.is_empty(),
            _ => false,
        })
    }

    /// A problem with `key` at `at`.
    pub(crate) fn fault(&self, at: usize, key: &str, fault: Fault) {
        self.report.add(at, self.full_name(key), fault);
    }

    /// A problem with `key`, if it is there: it has no meaning beside something else.
    pub(crate) fn refuse(&self, key: &str, what: &str, remedy: &str) {
        if let Some(at) = self.place_of(key) {
            self.fault(at, key, Fault::new(what, remedy));
        }
    }

    /// A problem with `key`, if it is an empty list or table.
    pub(crate) fn refuse_empty(&self, key: &'static str, what: &str, remedy: &str) {
        self.note(|shape| shape.filled(key));
        if self.is_empty(key) {
            self.refuse(key, what, remedy);
        }
    }

    /// A problem with a key that this table never has, and that is nobody's nearest one. Whether it is there.
    pub(crate) fn forbid(&self, key: &'static str, what: &str, remedy: &str) -> bool {
        self.refused.borrow_mut().push(key);
        self.refuse(key, what, remedy);
        self.place_of(key).is_some()
    }

    /// A problem when `key` is not there.
    pub(crate) fn require(&self, key: &'static str, remedy: &str) {
        self.note(|shape| shape.required(key));
        self.require_beside(key, remedy);
    }

    /// The same where it is another key that decides it, which the schema leaves to the reader.
    pub(crate) fn require_beside(&self, key: &str, remedy: &str) {
        if self.place_of(key).is_none() {
            self.report.add_missing(self.at, self.full_name(key), remedy);
        }
    }

    /// A problem, called the first one's, when none of `keys` is there.
    pub(crate) fn require_any(&self, keys: &[&'static str], remedy: &str) {
        self.needs_any(keys);
        if keys.iter().all(|key| self.place_of(key).is_none()) {
            self.require_beside(keys[0], remedy);
        }
    }

    /// For the schema: at least one of `keys` is there, which whoever reads them demands.
    pub(crate) fn needs_any(&self, keys: &[&'static str]) {
        self.note(|shape| shape.choice("anyOf", keys));
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &'static str, default: bool) -> bool {
        self.note_value(key, || schema::of_type("boolean"));
        self.note_default(key, || default.into());
        let Some(value) = self.entry(key) else { return default };
        match value.get_ref() {
            DeValue::Boolean(boolean) => *boolean,
            _ => self.wrong_type(value, key, "write true or false", default),
        }
    }

    /// A date and time with its offset from UTC; in nanoseconds since 1970.
    pub(crate) fn moment(&self, key: &'static str) -> Option<Placed<u64>> {
        let value = self.value(key)?;
        let at = value.span().start;
        let DeValue::Datetime(datetime) = value.get_ref() else { return self.wrong_type(value, key, value::MOMENT, None) };
        match value::moment(datetime) {
            Ok(value) => Some(Placed { at, value }),
            Err(fault) => {
                self.fault(at, key, fault);
                None
            }
        }
    }

    /// One of `words`; those that are not in this version are refused as such.
    pub(crate) fn word<T: Copy + PartialEq>(&self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        self.note_value(key, || schema::one_of(words.iter().map(|(word, _)| *word)));
        if let Some((word, _)) = words.iter().find(|(_, meaning)| *meaning == default) {
            self.note_default(key, || (*word).into());
        }
        let Some(value) = self.entry(key) else { return default };
        let remedy = value::one_of(words.iter().map(|(word, _)| *word));
        self.parsed(key, value, &remedy, &|text: &str| self.meaning(key, text, words)).map_or(default, |placed| placed.value)
    }

    /// The same, or a table.
    pub(crate) fn word_or_table<T: Copy + PartialEq>(
        &self,
        key: &'static str,
        default: T,
        words: &[(&str, T)],
        read: impl FnOnce(&Table<'_>) -> T,
    ) -> T {
        if self.entries.get(key).is_some_and(|value| value.get_ref().is_table()) {
            return self.table(key, read).unwrap_or(default);
        }
        self.note_table(key, read, schema::itself);
        self.word(key, default, words)
    }

    /// A text that `parse` understands; `None` when it is not there, or is wrong.
    pub(crate) fn text<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Placed<T>> {
        self.note_value(key, || schema::text(&parse));
        let value = self.entry(key)?;
        self.parsed(key, value, TEXT, &parse)
    }

    /// The same with a default as it would be written, whose place is the table's.
    pub(crate) fn text_or<T>(&self, key: &'static str, default: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Placed<T> {
        self.note_default(key, || default.into());
        self.text(key, &parse).unwrap_or_else(|| self.as_written(default, parse))
    }

    /// The same for a text that must be there.
    pub(crate) fn required<T>(
        &self,
        key: &'static str,
        remedy: &str,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<Placed<T>> {
        self.require(key, remedy);
        self.text(key, parse)
    }

    /// A secret: a text, `{ env = "NAME" }` or `{ file = "PATH" }`. No problem shows it.
    pub(crate) fn secret(
        &self,
        key: &'static str,
        path: impl Fn(&str) -> Result<PathBuf, Fault>,
    ) -> Option<Placed<WrittenSecret>> {
        const REMEDY: &str = "write { file = \"PATH\" } or { env = \"NAME\" }";
        let place = |table: &Table<'_>| {
            table.note(|shape| shape.choice("oneOf", &["env", "file"]));
            let variable = table.text("env", value::non_empty).map(|name| WrittenSecret::Variable(name.value));
            let file = table.text("file", &path).map(|path| WrittenSecret::File(path.value));
            if table.place_of("env").is_some() == table.place_of("file").is_some() {
                self.fault(table.at, key, Fault::new("is not said to be in one place", REMEDY));
            }
            variable.or(file)
        };
        let Some(value) = self.entry(key) else {
            self.note_value(key, || schema::of_type("string"));
            self.note_table(key, place, schema::itself);
            return None;
        };
        let at = value.span().start;
        let secret = match value.get_ref() {
            DeValue::String(text) => Some(WrittenSecret::Plain(Secret::new(text.to_string()))),
            DeValue::Table(_) => self.nested(key, key, value, place)?,
            _ => self.wrong_type(value, key, REMEDY, None),
        };
        secret.map(|value| Placed { at, value })
    }

    /// A table in this one.
    pub(crate) fn table<T>(&self, key: &'static str, read: impl FnOnce(&Table<'_>) -> T) -> Option<T> {
        let Some(value) = self.entry(key) else {
            self.note_table(key, read, schema::itself);
            return None;
        };
        self.nested(key, key, value, read)
    }

    /// What `read` makes of a table that is not there: all defaults, and what must be there is missing from this table.
    pub(crate) fn absent<T>(&self, key: &'static str, read: impl FnOnce(&Table<'_>) -> T) -> T {
        let (name, pattern, entries) = (join(&self.name, key), join(&self.pattern, key), DeTable::new());
        let table = Table { shape: self.noting(), ..Table::new(self.report, name, pattern, self.at, &entries) };
        let absent = read(&table);
        if table.needs_something() {
            self.note(|shape| shape.required(key));
        }
        absent
    }

    /// A list of tables.
    pub(crate) fn tables<T>(&self, key: &'static str, mut read: impl FnMut(&Table<'_>) -> T) -> Vec<T> {
        let Some(value) = self.entry(key) else {
            self.note_table(key, read, schema::list_of);
            return Vec::new();
        };
        let DeValue::Array(elements) = value.get_ref() else {
            return self.wrong_type(value, key, &format!("write [[{}]]", self.full_name(key)), Vec::new());
        };
        elements.iter().filter_map(|element| self.nested(key, key, element, &mut read)).collect()
    }

    /// One table, or a list of them.
    pub(crate) fn table_or_tables<T>(&self, key: &'static str, mut read: impl FnMut(&Table<'_>) -> T) -> Option<Vec<T>> {
        match self.entry(key).map(Spanned::get_ref) {
            Some(DeValue::Array(_)) => Some(self.tables(key, read)),
            Some(_) => Some(self.table(key, &mut read).into_iter().collect()),
            None => {
                self.note_table(key, &mut read, schema::itself);
                self.note_table(key, read, schema::list_of);
                None
            }
        }
    }

    /// A table whose keys the operator chooses, each with a table; in the order of the file.
    pub(crate) fn named_tables<T>(&self, key: &'static str, mut read: impl FnMut(&str, &Table<'_>) -> T) -> Vec<T> {
        let read_one = |(name, value): Chosen<'_>| {
            let (shown, pattern) = (join(key, name), join(key, "*"));
            self.nested(&shown, &pattern, value, |table| read(name, table))
        };
        let written = self.chosen(key).into_iter().filter_map(read_one).collect();
        self.note_table(key, |table| read("NAME", table), schema::named);
        written
    }

    /// A table whose keys the operator chooses, each with a text; in the order of the file.
    pub(crate) fn named_texts<T>(&self, key: &'static str, parse: impl Fn(&str, &str) -> Result<T, Fault>) -> Vec<Placed<T>> {
        self.note_value(key, || schema::named(schema::of_type("string")));
        let read_one = |(name, value): Chosen<'_>| self.parsed(&join(key, name), value, TEXT, &|text: &str| parse(name, text));
        self.chosen(key).into_iter().filter_map(read_one).collect()
    }

    /// The value of `key` as it stands, of any type; from now on the key is known.
    pub(crate) fn value(&self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.note_value(key, schema::anything);
        self.entry(key)
    }

    fn entry(&self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
        }
        self.entries.get(key)
    }

    /// What a default is, read as it would be written.
    fn as_written<T>(&self, default: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Placed<T> {
        Placed { at: self.at, value: parse(default).expect("BUG: the documented defaults can be written") }
    }

    fn chosen(&self, key: &'static str) -> Vec<Chosen<'t>> {
        let Some(value) = self.entry(key) else { return Vec::new() };
        let DeValue::Table(entries) = value.get_ref() else {
            return self.wrong_type(value, key, "write a table of names, as in { NAME = … }", Vec::new());
        };
        let mut in_order: Vec<_> = entries.iter().collect();
        in_order.sort_by_key(|(name, _)| name.span().start);
        in_order.into_iter().map(|(name, value)| (name.get_ref().as_ref(), value)).collect()
    }

    fn meaning<T: Copy>(&self, key: &str, text: &str, words: &[(&str, T)]) -> Result<T, Fault> {
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*meaning);
        }
        Err(not_yet::refused_value(&join(&self.pattern, key), text).unwrap_or_else(|| {
            let known = value::one_of(words.iter().map(|(word, _)| *word));
            Fault::new(format!("`{}` is not known", value::excerpt(text)), known)
        }))
    }

    fn parsed<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        remedy: &str,
        parse: &impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<Placed<T>> {
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else { return self.wrong_type(value, key, remedy, None) };
        match parse(text) {
            Ok(value) => Some(Placed { at, value }),
            Err(fault) => {
                self.fault(at, key, fault);
                None
            }
        }
    }

    fn nested<T>(
        &self,
        name: &str,
        pattern: &str,
        value: &Spanned<DeValue<'_>>,
        read: impl FnOnce(&Table<'_>) -> T,
    ) -> Option<T> {
        let DeValue::Table(entries) = value.get_ref() else {
            return self.wrong_type(value, name, "write a table, as in { … }", None);
        };
        let (name, pattern) = (join(&self.name, name), join(&self.pattern, pattern));
        let table = Table::new(self.report, name, pattern, value.span().start, entries);
        let read = read(&table);
        table.report_unknown();
        Some(read)
    }

    fn wrong_type<T>(&self, value: &Spanned<DeValue<'_>>, key: &str, remedy: &str, instead: T) -> T {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(value.span().start, key, Fault::new(format!("is {found}"), remedy));
        instead
    }

    fn report_unknown(&self) {
        let known = self.known.borrow();
        let told = |key: &str| known.contains(&key) || self.refused.borrow().contains(&key);
        for (key, _) in self.entries.iter().filter(|(key, _)| !told(key.get_ref())) {
            let (at, name) = (key.span().start, self.full_name(&value::excerpt(key.get_ref())));
            match not_yet::refused_key(&join(&self.pattern, key.get_ref())) {
                Some(fault) => self.report.add(at, name, fault),
                None => self.report.add_unknown(at, name, suggestion(key.get_ref(), known.iter().copied(), "known here are")),
            }
        }
    }
}

type Chosen<'t> = (&'t str, &'t Spanned<DeValue<'t>>);

/// `did you mean …`, or, when nothing is near, `others` and all of them.
pub(crate) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone, others: &str) -> String {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word.to_lowercase(), candidate);
    match known.clone().map(|candidate| (distance(candidate), candidate)).min() {
        // A third of the letters: `drain_dealy` finds its key, `foo` finds none.
        Some((distance, nearest)) if distance * 3 <= nearest.len().max(3) => format!("did you mean `{nearest}`?"),
        _ => format!("{others} {}", known.map(|candidate| format!("`{candidate}`")).collect::<Vec<_>>().join(", ")),
    }
}

fn join(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}.{inner}") }
}
