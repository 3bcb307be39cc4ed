//! `api-key`: service accounts in the file that the configuration names.
//!
//! What was asked for goes to standard output, what to do next to standard error. A secret is 256 random bits and is shown
//! once; nothing but its hash is written.

use super::{ApiKey, Failure, Format, Place, TAKE_UP, note, print, unprinted};
use crate::{
    config::{
        Problem, Problems, TokenFiles,
        files::{LARGE, read_text, regular},
        read_accounts, token_files,
    },
    hex,
    proxy::Clock,
    remote::LockedFile,
    secret::Secret,
    token::{Account, EditError, NewAccount, add_account, remove_account},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{io, path::Path, process::ExitCode};

/// Runs one of them.
pub fn api_key(command: ApiKey) -> ExitCode {
    let done = match command {
        ApiKey::Create { name, scopes, expires, place } => create(name, scopes, expires, &place),
        ApiKey::List { place } => list(&place),
        ApiKey::Revoke { who, place } => revoke(&who, &place),
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

fn create(name: String, scopes: Vec<String>, expires: Option<String>, place: &Place) -> Result<(), Failure> {
    let TokenFiles { api_keys: path, .. } = files(place)?;
    let new = NewAccount { name, client_id: random_client_id()?, secret: random_secret()?, scopes: each_once(scopes), expires };
    // Before the file is made.
    let (_, account) = add_account(&path, "", &new).map_err(edit_failure)?;
    let now = Clock::start().now().unix_s();
    if let Some(expires) = account.expires.as_ref().filter(|_| account.is_over(now)) {
        let what = format!("--expires: {expires} is in the past: write a later date or moment, or leave it out");
        return Err(Failure::Usage(what));
    }
    let (locked, before) = lock(&path, LockedFile::open_or_create)?;
    let (after, account) = add_account(&path, &before, &new).map_err(edit_failure)?;
    locked.replace(&after).map_err(|error| failure("cannot write", &path, &error))?;
    if let Err(error) = print(&shown_once(&account, &new.secret, place.format, now)) {
        return Err(taken_back(&path, &before, &after, &account, &error));
    }
    note(&format!("The secret is not shown again: {} holds only its hash.", path.display()));
    note(&format!("A gateway that runs takes the account up {TAKE_UP}."));
    if let Some(scope) = account.scopes.iter().find(|scope| scope.contains(',')) {
        note(&format!("{scope} is one scope, comma and all: if several are meant, revoke this and write --scope once for each."));
    }
    Ok(())
}

fn shown_once(account: &Account, secret: &Secret, format: Format, now: u64) -> String {
    let secret = secret.expose();
    match format {
        Format::Json => {
            let mut shown = shown(account);
            shown["client_secret"] = secret.into();
            format!("{shown:#}\n")
        }
        Format::Text => format!(
            "name           {}\nclient_id      {}\nclient_secret  {secret}\nscopes         {}\nexpires        {}\n",
            account.name,
            account.client_id,
            scopes_of(account),
            expiry_of(account, now)
        ),
    }
}

/// Nobody has the secret: the account goes, and the file is as it was unless others have changed it meanwhile.
fn taken_back(path: &Path, before: &str, after: &str, account: &Account, error: &io::Error) -> Failure {
    let take_back = || {
        let (locked, text) = lock(path, LockedFile::open)?;
        let text = if text == after {
            before.to_owned()
        } else {
            remove_account(path, &text, &account.client_id).map_err(edit_failure)?.0
        };
        locked.replace(&text).map_err(|error| failure("cannot write", path, &error))
    };
    let end = match take_back() {
        Ok(()) => "the account was not made".to_owned(),
        Err(why) => format!("nobody has the secret of {}, which cannot be removed again: {why}", account.client_id),
    };
    unprinted(error, &end)
}

fn list(place: &Place) -> Result<(), Failure> {
    let path = files(place)?.api_keys;
    let text = match read_text(&path, LARGE) {
        Ok(text) => text,
        // There are no accounts yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failure("cannot read", &path, &error)),
    };
    let accounts = read_accounts(&path, &text)?;
    let shown = match place.format {
        Format::Json => format!("{:#}\n", accounts.iter().map(shown).collect::<Value>()),
        Format::Text => table(&accounts, Clock::start().now().unix_s()),
    };
    print(&shown).map_err(|error| unprinted(&error, "nothing was changed"))
}

fn revoke(who: &str, place: &Place) -> Result<(), Failure> {
    let TokenFiles { api_keys: path, token_lifetime, .. } = files(place)?;
    if matches!(path.try_exists(), Ok(false)) {
        return Err(Failure::Usage(format!("there are no accounts yet: no file {}", path.display())));
    }
    let (locked, text) = lock(&path, LockedFile::open)?;
    let (changed, account) = remove_account(&path, &text, who).map_err(edit_failure)?;
    locked.replace(&changed).map_err(|error| failure("cannot write", &path, &error))?;
    let shown = match place.format {
        Format::Json => format!("{:#}\n", shown(&account)),
        Format::Text => format!("revoked {} ({})\n", account.name, account.client_id),
    };
    print(&shown).map_err(|error| unprinted(&error, "the account is revoked all the same"))?;
    note(&format!("A gateway that runs gives it no more tokens {TAKE_UP}."));
    note(&format!(
        "Tokens that it has live on, at most {} s. To cut them too, add this to the file that",
        token_lifetime.as_secs()
    ));
    let client_id = Value::from(account.client_id);
    note(&format!("`auth.revocations` names before the reload:\n\n[[revoked]]\nclient_id = {client_id}"));
    Ok(())
}

fn files(place: &Place) -> Result<TokenFiles, Failure> {
    Ok(token_files(&place.config)?)
}

/// The file, which nobody else changes from now on, and its text. To wait for a pipe's writer would hold the lock.
fn lock(path: &Path, open: impl Fn(&Path) -> io::Result<LockedFile>) -> Result<(LockedFile, String), Failure> {
    let there = match regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        there => there.map(drop),
    };
    let locked = there.and_then(|()| open(path)).map_err(|error| failure("cannot open", path, &error))?;
    let text = locked.read().map_err(|error| failure("cannot read", path, &error))?;
    Ok((locked, text))
}

/// 120 random bits in 24 characters: never one that was there before, whose tokens may be revoked by name.
fn random_client_id() -> Result<String, Failure> {
    random::<15>().map(|bytes| format!("sa-{}", hex::encode(&bytes)))
}

/// With a beginning by which scanners find it where it should not be.
fn random_secret() -> Result<Secret, Failure> {
    random::<32>().map(|bytes| Secret::new(format!("sfgw_{}", URL_SAFE_NO_PAD.encode(bytes))))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Failure> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Failure::System(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

fn each_once(scopes: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::with_capacity(scopes.len());
    for scope in scopes {
        if !once.contains(&scope) {
            once.push(scope);
        }
    }
    once
}

fn shown(account: &Account) -> Value {
    json!({"name": account.name, "client_id": account.client_id, "scopes": account.scopes, "expires": account.expires})
}

/// Columns as wide as they need to be.
fn table(accounts: &[Account], now: u64) -> String {
    let head = ["NAME", "CLIENT_ID", "EXPIRES", "SCOPES"].map(str::to_owned);
    let row = |account: &Account| [account.name.clone(), account.client_id.clone(), expiry_of(account, now), scopes_of(account)];
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(accounts.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let [name, client_id, expires, scopes] = row;
        let [w0, w1, w2] = widths;
        let line = format!("{name:w0$}  {client_id:w1$}  {expires:w2$}  {scopes}");
        line.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn scopes_of(account: &Account) -> String {
    if account.scopes.is_empty() { "none".to_owned() } else { account.scopes.join(" ") }
}

fn expiry_of(account: &Account, now: u64) -> String {
    let expires = account.expires.clone().unwrap_or_else(|| "never".to_owned());
    if account.is_over(now) { format!("{expires} (over)") } else { expires }
}

fn edit_failure(error: EditError) -> Failure {
    match error {
        EditError::Unreadable(problems) => Failure::File(problems),
        error => Failure::Usage(error.to_string()),
    }
}

/// What is no list of accounts is a bad file; anything else is the operating system's.
fn failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    const ELSEWHERE: &str = "write another path for `auth.token_endpoint.api_keys`";
    let (wrong, remedy) = match error.kind() {
        io::ErrorKind::InvalidData => ("is not UTF-8", "write a text file in UTF-8"),
        io::ErrorKind::InvalidInput => ("is not a regular file", ELSEWHERE),
        io::ErrorKind::IsADirectory => ("is a folder", ELSEWHERE),
        io::ErrorKind::FileTooLarge => ("is too large", ELSEWHERE),
        _ => return Failure::system(error, &format!("{what} {}", path.display())),
    };
    Failure::File(Problems(vec![Problem::of_file(path, "service_accounts", wrong, remedy)]))
}

#[cfg(test)]
mod tests;
