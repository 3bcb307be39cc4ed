//! Lists of texts. Each element is judged by itself; those that are wrong are reported and left out.

use super::{DeValue, Fault, Placed, TEXT, Table, schema, value};

impl Table<'_> {
    /// A list of texts that `parse` understands; elements that are wrong are left out.
    pub(crate) fn list<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<Placed<T>>> {
        self.note_value(key, || schema::list_of(schema::text(&parse)));
        self.parsed_list(key, parse)
    }

    /// The same with a default as it would be written, whose place is the table's.
    pub(crate) fn list_or<T>(
        &self,
        key: &'static str,
        default: &[&str],
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Vec<Placed<T>> {
        self.note_default(key, || default.into());
        self.list(key, &parse).unwrap_or_else(|| default.iter().map(|text| self.as_written(text, &parse)).collect())
    }

    /// The same of texts that can all be named; `parse` says why another one is none.
    pub(crate) fn list_of<T>(
        &self,
        key: &'static str,
        names: &[&str],
        default: &[&str],
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Vec<Placed<T>> {
        self.note_value(key, || schema::list_of(schema::one_of(names.iter().copied())));
        self.note_default(key, || default.into());
        let written = self.parsed_list(key, &parse);
        written.unwrap_or_else(|| default.iter().map(|text| self.as_written(text, &parse)).collect())
    }

    fn parsed_list<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<Placed<T>>> {
        let value = self.entry(key)?;
        let DeValue::Array(elements) = value.get_ref() else {
            return self.wrong_type(value, key, "write a list, as in [ … ]", None);
        };
        Some(elements.iter().filter_map(|element| self.parsed(key, element, TEXT, &parse)).collect())
    }

    /// A list of `words`.
    pub(crate) fn words<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: &[&str]) -> Vec<Placed<T>> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.list_of(key, &names, default, |text| self.meaning(key, text, words))
    }

    /// A list, or the word "any" (`None`), for checks that only a written word switches off; whoever reads it requires the key.
    pub(crate) fn list_or_any(&self, key: &'static str) -> Option<Vec<String>> {
        self.note_value(key, schema::list_or_any);
        let value = self.entry(key)?;
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
}
