//! `api-keys.toml`: `[[service_accounts]]` with `name`, `client_id`, `secret_sha256` (hex), `scopes`, `expires` (optional).
//!
//! Read as strictly as the configuration itself, with the places of that file and all problems at once.
//!
//! Invariants: no two accounts have one name or one client id; no problem shows what was written for a secret.

use super::{
    Problems,
    report::{Fault, Report},
    table::{Table, read_document},
    value::{self, excerpt},
};
use crate::{
    hex,
    token::{Account, SecretHash, end_of, is_name},
};
use std::{cell::RefCell, collections::HashMap, path::Path};
use toml::de::{DeTable, DeValue};

const SHA256: &str = "write `secret_sha256`, from `printf %s \"$SECRET\" | sha256sum`";
const END: &str = "write a date (midnight UTC), or a date and time with its offset, as in 2030-01-31T12:00:00Z";

/// The accounts of the text of `file`, in its order.
///
/// # Errors
/// Every problem at once.
pub fn read_accounts(file: &Path, text: &str) -> Result<Vec<Account>, Problems> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let report = Report::new(file, text, &syntax);
    let (names, ids) = (Lines::default(), Lines::default());
    let read = |table: &Table<'_>| account(table, &names, &ids);
    let accounts = read_document(&report, document.get_ref(), |root| root.tables("service_accounts", read));
    let problems = report.into_problems();
    if problems.0.is_empty() { Ok(accounts.into_iter().flatten().collect()) } else { Err(problems) }
}

/// What is taken, and the line of the account that has it.
type Lines = RefCell<HashMap<String, usize>>;

/// One `[[service_accounts]]`; `None` where something of it is wrong.
fn account(table: &Table<'_>, names: &Lines, ids: &Lines) -> Option<Account> {
    let line = table.report().line_of(table.at());
    let free = |taken: &Lines, text: &str| match taken.borrow_mut().insert(text.to_owned(), line) {
        None => Ok(text.to_owned()),
        Some(other) => Err(Fault::new(format!("is that of the account in line {other}"), "write another one")),
    };
    let name = table.required("name", "write what people call the account", |text| name(text).and_then(|()| free(names, text)));
    let client_id = table
        .required("client_id", "write the name that its programs say", |text| client_id(text).and_then(|()| free(ids, text)));
    let secret_sha256 = secret_sha256(table);
    let scopes = table.list("scopes", value::scope).unwrap_or_default();
    let (expires, expires_unix_s) = expires(table).unzip();
    Some(Account {
        name: name?.value,
        client_id: client_id?.value,
        secret_sha256: secret_sha256?,
        scopes: scopes.into_iter().map(|placed| placed.value).collect(),
        expires,
        expires_unix_s,
    })
}

fn name(text: &str) -> Result<(), Fault> {
    if is_name(text) { Ok(()) } else { Err(Fault::new("is empty, or has control characters", "write a text on one line")) }
}

fn client_id(text: &str) -> Result<(), Fault> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Fault::new(format!("`{}` is not a client id", excerpt(text)), "write visible ASCII without spaces"))
}

/// Whoever writes the secret itself is told how to hash it, instead of that the key is unknown and another missing.
fn secret_sha256(table: &Table<'_>) -> Option<SecretHash> {
    let mut in_clear = false;
    for key in ["secret", "client_secret"] {
        in_clear |= table.forbid(key, "would be a secret in clear, and only its hash is kept", SHA256);
    }
    if !in_clear {
        table.require("secret_sha256", SHA256);
    }
    let hash = |text: &str| hex::decode(text).ok_or_else(|| Fault::new("is not 64 hexadecimal digits", SHA256));
    table.text("secret_sha256", hash).map(|placed| SecretHash(placed.value))
}

/// As it is written, and in seconds since 1970. In quotes or without: it is one thing.
fn expires(table: &Table<'_>) -> Option<(String, u64)> {
    let value = table.value("expires")?;
    let written = match value.get_ref() {
        DeValue::Datetime(datetime) => Some(*datetime),
        DeValue::String(text) => text.parse().ok(),
        _ => None,
    };
    let end = written.and_then(|written| Some((written.to_string(), end_of(&written)?)));
    if end.is_none() {
        table.fault(value.span().start, "expires", Fault::new("is not a moment", END));
    }
    end
}

#[cfg(test)]
mod tests;
