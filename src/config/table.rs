//! One table of the file, read key by key.
//!
//! Invariants: every reader records a problem and goes on with its default, so that one run finds all problems; a key that no reader
//! asked for is reported when the table is done, with the nearest one that was asked for. So what is read and what is known cannot
//! differ.

use super::{
    not_yet,
    report::{Fault, Placed, Report},
    value::{self, WrittenSecret},
};
use crate::secret::Secret;
use std::{cell::RefCell, ops::RangeInclusive, path::PathBuf, time::Duration};
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
        Self { report, name, pattern, at, entries, known: RefCell::default(), refused: RefCell::default() }
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

    /// Whether the value of `key` is a list without elements.
    pub(crate) fn is_empty_list(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
    }

    /// Whether the value of `key` is a table.
    pub(crate) fn is_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| value.get_ref().is_table())
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

    /// The same for a key that this table never has, and that is nobody's nearest one. Whether it is there.
    pub(crate) fn forbid(&self, key: &'static str, what: &str, remedy: &str) -> bool {
        self.refused.borrow_mut().push(key);
        self.refuse(key, what, remedy);
        self.place_of(key).is_some()
    }

    /// A problem when `key` is not there.
    pub(crate) fn require(&self, key: &str, remedy: &str) {
        if self.place_of(key).is_none() {
            self.report.add_missing(self.at, self.full_name(key), remedy);
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        match value.get_ref() {
            DeValue::Boolean(boolean) => *boolean,
            _ => self.wrong_type(value, key, "write true or false", default),
        }
    }

    /// A whole number within `range`.
    pub(crate) fn integer(&self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        let remedy = format!("write a whole number from {} to {}", range.start(), range.end());
        match self.any_integer(key, &remedy) {
            None => default,
            Some(Placed { at, value }) => u64::try_from(value).ok().filter(|value| range.contains(value)).unwrap_or_else(|| {
                self.fault(at, key, Fault::new(format!("{value} is out of range"), remedy));
                default
            }),
        }
    }

    /// A whole number of any size and sign.
    pub(crate) fn any_integer(&self, key: &'static str, remedy: &str) -> Option<Placed<i64>> {
        let value = self.value(key)?;
        let DeValue::Integer(integer) = value.get_ref() else { return self.wrong_type(value, key, remedy, None) };
        let parsed = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if parsed.is_none() {
            self.fault(value.span().start, key, Fault::new("is too large a number", remedy));
        }
        parsed.map(|number| Placed { at: value.span().start, value: number })
    }

    /// A share, 0.0 to 1.0.
    pub(crate) fn share(&self, key: &'static str, default: f64) -> f64 {
        const REMEDY: &str = "write a number from 0.0 to 1.0";
        let Some(value) = self.value(key) else { return default };
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => integer.as_str().parse().ok(),
            _ => return self.wrong_type(value, key, REMEDY, default),
        };
        number.filter(|number| (0.0..=1.0).contains(number)).unwrap_or_else(|| {
            self.fault(value.span().start, key, Fault::new("is not a share", REMEDY));
            default
        })
    }

    /// A duration within `range`.
    pub(crate) fn duration(&self, key: &'static str, default: Duration, range: &RangeInclusive<Duration>) -> Duration {
        self.duration_if_any(key, range).unwrap_or(default)
    }

    /// The same without a default.
    pub(crate) fn duration_if_any(&self, key: &'static str, range: &RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.value(key)?;
        self.parsed(key, value, value::DURATION, &|text: &str| value::duration(text, range)).map(|placed| placed.value)
    }

    /// A size in bytes within `range`.
    pub(crate) fn size(&self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        let Some(value) = self.value(key) else { return default };
        self.parsed(key, value, value::SIZE, &|text: &str| value::size(text, range)).map_or(default, |placed| placed.value)
    }

    /// A size within `range` of something that is held in memory.
    pub(crate) fn size_in_memory(&self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> usize {
        usize::try_from(self.size(key, default, range)).unwrap_or(usize::MAX)
    }

    /// A whole number within `range`, which fits in 32 bits.
    pub(crate) fn integer_u32(&self, key: &'static str, default: u32, range: &RangeInclusive<u32>) -> u32 {
        let range = u64::from(*range.start())..=u64::from(*range.end());
        u32::try_from(self.integer(key, u64::from(default), &range)).unwrap_or(default)
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
    pub(crate) fn word<T: Copy>(&self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let Some(value) = self.value(key) else { return default };
        let remedy = value::one_of(words.iter().map(|(word, _)| *word));
        self.parsed(key, value, &remedy, &|text: &str| self.meaning(key, text, words)).map_or(default, |placed| placed.value)
    }

    /// A list of `words`.
    pub(crate) fn words<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<Vec<Placed<T>>> {
        self.list(key, |text| self.meaning(key, text, words))
    }

    /// A text that `parse` understands; `None` when it is not there, or is wrong.
    pub(crate) fn text<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Placed<T>> {
        let value = self.value(key)?;
        self.parsed(key, value, TEXT, &parse)
    }

    /// The same with a default, whose place is the table's.
    pub(crate) fn text_or<T>(&self, key: &'static str, default: T, parse: impl Fn(&str) -> Result<T, Fault>) -> Placed<T> {
        self.text(key, parse).unwrap_or(Placed { at: self.at, value: default })
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
        let value = self.value(key)?;
        let at = value.span().start;
        let secret = match value.get_ref() {
            DeValue::String(text) => Some(WrittenSecret::Plain(Secret::new(text.to_string()))),
            DeValue::Table(_) => self.nested(key, key, value, |table| {
                let variable = table.text("env", value::non_empty).map(|name| WrittenSecret::Variable(name.value));
                let file = table.text("file", &path).map(|path| WrittenSecret::File(path.value));
                if table.place_of("env").is_some() == table.place_of("file").is_some() {
                    self.fault(at, key, Fault::new("is not said to be in one place", REMEDY));
                }
                variable.or(file)
            })?,
            _ => self.wrong_type(value, key, REMEDY, None),
        };
        secret.map(|value| Placed { at, value })
    }

    /// A list of texts that `parse` understands; elements that are wrong are left out.
    pub(crate) fn list<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<Placed<T>>> {
        let value = self.value(key)?;
        let DeValue::Array(elements) = value.get_ref() else {
            return self.wrong_type(value, key, "write a list, as in [ … ]", None);
        };
        Some(elements.iter().filter_map(|element| self.parsed(key, element, TEXT, &parse)).collect())
    }

    /// A list, or the word "any" (`None`), for checks that only a written word switches off; whoever reads it requires the key.
    pub(crate) fn list_or_any(&self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(word) if word == "any" => None,
            DeValue::Array(elements) if elements.is_empty() => {
                self.fault(
                    value.span().start,
                    key,
                    Fault::new("is empty and would accept nobody", "list values, or write \"any\""),
                );
                None
            }
            DeValue::Array(elements) => {
                // Compared exactly it would accept nobody, and whoever writes it means the opposite.
                let listed = |text: &str| match text {
                    "any" => Err(Fault::new("lists `any`, which is not a word in a list", "write \"any\" without brackets")),
                    _ => value::non_empty(text),
                };
                let parsed = elements.iter().filter_map(|element| self.parsed(key, element, TEXT, &listed));
                Some(parsed.map(|placed| placed.value).collect())
            }
            _ => self.wrong_type(value, key, "write a list, or \"any\"", None),
        }
    }

    /// A table in this one.
    pub(crate) fn table<T>(&self, key: &'static str, read: impl FnOnce(&Table<'_>) -> T) -> Option<T> {
        let value = self.value(key)?;
        self.nested(key, key, value, read)
    }

    /// What `read` makes of a table that is not there: all defaults, and what must be there is missing from this table.
    pub(crate) fn absent<T>(&self, key: &'static str, read: impl FnOnce(&Table<'_>) -> T) -> T {
        let (name, pattern, entries) = (join(&self.name, key), join(&self.pattern, key), DeTable::new());
        read(&Table::new(self.report, name, pattern, self.at, &entries))
    }

    /// A list of tables.
    pub(crate) fn tables<T>(&self, key: &'static str, mut read: impl FnMut(&Table<'_>) -> T) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(elements) = value.get_ref() else {
            return self.wrong_type(value, key, &format!("write [[{}]]", self.full_name(key)), Vec::new());
        };
        elements.iter().filter_map(|element| self.nested(key, key, element, &mut read)).collect()
    }

    /// One table, or a list of them.
    pub(crate) fn table_or_tables<T>(&self, key: &'static str, mut read: impl FnMut(&Table<'_>) -> T) -> Option<Vec<T>> {
        match self.value(key)?.get_ref() {
            DeValue::Array(_) => Some(self.tables(key, read)),
            _ => Some(self.table(key, &mut read).into_iter().collect()),
        }
    }

    /// A table whose keys the operator chooses, each with a table; in the order of the file.
    pub(crate) fn named_tables<T>(&self, key: &'static str, mut read: impl FnMut(&str, &Table<'_>) -> T) -> Vec<T> {
        let read_one = |(name, value): Chosen<'_>| {
            let (shown, pattern) = (join(key, name), join(key, "*"));
            self.nested(&shown, &pattern, value, |table| read(name, table))
        };
        self.chosen(key).into_iter().filter_map(read_one).collect()
    }

    /// A table whose keys the operator chooses, each with a text; in the order of the file.
    pub(crate) fn named_texts<T>(&self, key: &'static str, parse: impl Fn(&str, &str) -> Result<T, Fault>) -> Vec<Placed<T>> {
        let read_one = |(name, value): Chosen<'_>| self.parsed(&join(key, name), value, TEXT, &|text: &str| parse(name, text));
        self.chosen(key).into_iter().filter_map(read_one).collect()
    }

    /// The value of `key` as it stands; from now on the key is known.
    pub(crate) fn value(&self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
        }
        self.entries.get(key)
    }

    fn chosen(&self, key: &'static str) -> Vec<Chosen<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
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
