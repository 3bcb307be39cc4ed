//! A table that has nothing and notes what it is asked for: so the reader describes the configuration itself.
//!
//! Tables within are entered once. What a reader asks for only when something else is there is not noted.

use super::{DeTable, Report, Shape, Table, join};
use serde_json::Value;
use std::cell::RefCell;

/// What `read` asks a table for.
pub(crate) fn describe<T>(report: &Report<'_>, read: impl FnOnce(&Table<'_>) -> T) -> Value {
    let nothing = DeTable::new();
    noted(Table::new(report, String::new(), String::new(), 0, &nothing), read)
}

fn noted<T>(table: Table<'_>, read: impl FnOnce(&Table<'_>) -> T) -> Value {
    let table = Table { shape: Some(RefCell::default()), ..table };
    read(&table);
    table.shape.map(RefCell::into_inner).unwrap_or_default().into_schema()
}

impl Table<'_> {
    pub(super) fn note(&self, note: impl FnOnce(&mut Shape)) {
        if let Some(shape) = &self.shape {
            note(&mut shape.borrow_mut());
        }
    }

    /// A value that `key` may have, besides those that were noted before.
    pub(super) fn note_value(&self, key: &'static str, value: impl FnOnce() -> Value) {
        self.note(|shape| shape.value(key, value()));
    }

    /// What holds when `key` is not there.
    pub(crate) fn note_default(&self, key: &'static str, default: impl FnOnce() -> Value) {
        self.note(|shape| shape.default(key, default()));
    }

    /// Tables as `read` reads them; `form` says how they lie in this one.
    pub(super) fn note_table<T>(&self, key: &'static str, read: impl FnOnce(&Table<'_>) -> T, form: fn(Value) -> Value) {
        if self.shape.is_none() {
            return;
        }
        let nothing = DeTable::new();
        let table = Table::new(self.report, join(&self.name, key), join(&self.pattern, key), self.at, &nothing);
        let schema = form(noted(table, read));
        self.note(|shape| shape.value(key, schema));
    }

    /// The start of another one, if this one notes.
    pub(super) fn noting(&self) -> Option<RefCell<Shape>> {
        self.shape.as_ref().map(|_| RefCell::default())
    }

    /// Whether it was asked for something that must be there.
    pub(super) fn needs_something(&self) -> bool {
        self.shape.as_ref().is_some_and(|shape| shape.borrow().needs_something())
    }
}
