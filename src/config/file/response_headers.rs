//! `[response_headers]`: set on and removed from every response, never those that the gateway decides.

use super::section;
use crate::config::{
    HeaderEdits, header,
    report::{Fault, Placed},
    table::Table,
};
use http::HeaderName;

/// `[response_headers]`.
pub(super) fn response_headers(root: &Table<'_>, ietf_headers: bool) -> HeaderEdits {
    let editable = |name: &str| header::editable(name, ietf_headers);
    section(root, "response_headers", |table| {
        let set = table.named_texts("set", |name, value| Ok((editable(name)?, header::value(value)?)));
        let remove = table.list("remove", editable).unwrap_or_default();
        let set_names = set.iter().map(|Placed { at, value: (name, _) }| (*at, name, "set"));
        refuse_repeated(table, set_names.chain(remove.iter().map(|Placed { at, value }| (*at, value, "remove"))));
        HeaderEdits { set: super::values(set), remove: super::values(remove) }
    })
}

fn refuse_repeated<'a>(table: &Table<'_>, names: impl Iterator<Item = (usize, &'a HeaderName, &'static str)>) {
    let mut seen: Vec<&HeaderName> = Vec::new();
    for (at, name, key) in names {
        if seen.contains(&name) {
            table.fault(at, key, Fault::new(format!("names `{name}` again"), "write each header once, in `set` or in `remove`"));
        }
        seen.push(name);
    }
}

#[cfg(test)]
mod tests;
