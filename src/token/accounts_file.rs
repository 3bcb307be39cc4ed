//! Changes to the text of the service accounts' file: an account more, an account less.
//!
//! Comments, order and spelling of all else stay as they are. A text that has a problem is not changed at all.

use super::accounts::{Account, SecretHash, end_of, is_name, is_scope};
use crate::{
    config::{Problem, Problems, read_accounts},
    hex,
    secret::Secret,
};
use std::{fmt, path::Path};
use toml_edit::{Array, ArrayOfTables, Datetime, DocumentMut, InlineTable, Item, Value};

const ACCOUNTS: &str = "service_accounts";

/// An account to be added.
#[derive(Debug)]
pub struct NewAccount {
    /// For people; no other account may have it.
    pub name: String,
    /// For the token endpoint.
    pub client_id: String,
    /// Only its hash is written.
    pub secret: Secret,
    /// What its tokens may do.
    pub scopes: Vec<String>,
    /// An RFC 3339 date-time with an offset, or a date, which begins at midnight UTC.
    pub expires: Option<String>,
}

/// Why a text is not changed.
#[derive(Debug, PartialEq, Eq)]
pub enum EditError {
    /// It has problems.
    Unreadable(Problems),
    /// An account has this name.
    NameTaken(String),
    /// Not fit for a name.
    Name(String),
    /// Not fit for a scope.
    Scope(String),
    /// Not a moment.
    Moment(String),
    /// No account has this name or client id.
    Unknown(String),
    /// The name of one account is the client id of another.
    Ambiguous(String),
}

impl fmt::Display for EditError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => formatter.write_str("the file of service accounts has problems"),
            Self::NameTaken(name) => {
                write!(formatter, "an account is called {name} already: choose another name, or revoke that one")
            }
            Self::Name(name) if name.is_empty() => formatter.write_str("the name is empty: write what people call the account"),
            Self::Name(_) => formatter.write_str("the name has control characters: write a text on one line"),
            Self::Scope(scope) => {
                write!(formatter, "{scope:?} is no scope: write visible ASCII without spaces, quotes and backslashes")
            }
            Self::Moment(text) => {
                write!(formatter, "--expires: {text:?} is no moment: write it like 2030-01-31 or 2030-01-31T12:00:00Z")
            }
            Self::Unknown(who) => {
                write!(formatter, "no account has the name or client_id {who:?}: see `stackflow-gateway api-key list`")
            }
            Self::Ambiguous(who) => {
                write!(formatter, "{who} is the name of one account and the client_id of another: name the other way")
            }
        }
    }
}

impl std::error::Error for EditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

/// The text of `file` with the account at its end, and what the account came to be.
///
/// # Errors
/// The text or the account has a problem.
pub fn add_account(file: &Path, text: &str, new: &NewAccount) -> Result<(String, Account), EditError> {
    let before = read_accounts(file, text).map_err(EditError::Unreadable)?;
    if !is_name(&new.name) {
        return Err(EditError::Name(new.name.clone()));
    }
    if before.iter().any(|account| account.name == new.name) {
        return Err(EditError::NameTaken(new.name.clone()));
    }
    if let Some(scope) = new.scopes.iter().find(|scope| !is_scope(scope)) {
        return Err(EditError::Scope(scope.clone()));
    }
    let entry = entry(new)?;
    let mut document = parsed(file, text)?;
    let changed = match document.get_mut(ACCOUNTS).and_then(Item::as_array_mut) {
        Some(list) => {
            list.push(entry);
            document.to_string()
        }
        None => appended(text, &entry),
    };
    let mut after = read_accounts(file, &changed).map_err(EditError::Unreadable)?;
    let made = after.pop().filter(|made| made.name == new.name);
    Ok((changed, made.ok_or_else(|| EditError::Unknown(new.name.clone()))?))
}

/// The text of `file` without the account of that name or client id, and the account.
///
/// # Errors
/// The text has a problem, or no such account.
pub fn remove_account(file: &Path, text: &str, who: &str) -> Result<(String, Account), EditError> {
    let accounts = read_accounts(file, text).map_err(EditError::Unreadable)?;
    let mut meant = accounts.iter().enumerate().filter(|(_, account)| account.name == who || account.client_id == who);
    let (index, account) = meant.next().ok_or_else(|| EditError::Unknown(who.to_owned()))?;
    if meant.next().is_some() {
        return Err(EditError::Ambiguous(who.to_owned()));
    }
    let mut document = parsed(file, text)?;
    let tables = document.get_mut(ACCOUNTS).and_then(Item::as_array_of_tables_mut);
    if let Some(left_over) = tables.map(|tables| remove_table(tables, index)) {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(joined(&left_over, &trailing));
    } else if let Some(list) = document.get_mut(ACCOUNTS).and_then(Item::as_array_mut) {
        drop(list.remove(index));
    }
    Ok((document.to_string(), account.clone()))
}

fn parsed(file: &Path, text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        // Of the same family as the parser that has just read it: not to be expected.
        EditError::Unreadable(Problems(vec![Problem::of_file(file, "TOML", error.message(), "correct the line")]))
    })
}

fn entry(new: &NewAccount) -> Result<InlineTable, EditError> {
    let SecretHash(hash) = SecretHash::of(&new.secret);
    let hash = hex::encode(&hash);
    let mut entry = InlineTable::new();
    for (key, value) in [("name", new.name.as_str()), ("client_id", &new.client_id), ("secret_sha256", &hash)] {
        entry.insert(key, value.into());
    }
    entry.insert("scopes", Value::Array(new.scopes.iter().map(String::as_str).collect::<Array>()));
    if let Some(text) = &new.expires {
        let wrong = || EditError::Moment(text.clone());
        let moment: toml::value::Datetime = text.parse().map_err(|_| wrong())?;
        end_of(&moment).ok_or_else(wrong)?;
        // In full, so that nobody who reads it has to know what a date alone means.
        let full = if moment.time.is_none() { format!("{moment}T00:00:00Z") } else { moment.to_string() };
        let moment: Datetime = full.parse().map_err(|_| wrong())?;
        entry.insert("expires", moment.into());
    }
    Ok(entry)
}

/// Everything before stays byte for byte.
fn appended(text: &str, entry: &InlineTable) -> String {
    let between = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let lines: Vec<String> = entry.iter().map(|(key, value)| format!("{key} = {}\n", value.to_string().trim())).collect();
    format!("{text}{between}[[service_accounts]]\n{}", lines.concat())
}

/// Comments right above a table go with it, those that a blank line sets apart stay: before the next table, or, of the last
/// one, as what is returned.
fn remove_table(tables: &mut ArrayOfTables, index: usize) -> String {
    let removed = tables.remove(index);
    let above = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let apart = above.rfind("\n\n").map_or("", |blank| &above[..blank + 2]).to_owned();
    let Some(next) = tables.get_mut(index) else { return apart };
    let prefix = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let joined = joined(&apart, prefix);
    next.decor_mut().set_prefix(joined);
    String::new()
}

/// With one blank line between, not two.
fn joined(above: &str, below: &str) -> String {
    let below = if above.is_empty() { below } else { below.trim_start_matches('\n') };
    format!("{above}{below}")
}

#[cfg(test)]
mod tests;
