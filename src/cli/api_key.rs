//! `api-key`: service accounts in the file that the configuration names.
//!
//! What was asked for goes to standard output, what to do next to standard error. A secret is 256 random bits and is shown
//! once; nothing but its hash is written.

use super::{ApiKey, Failure, Format, Place, TAKE_UP};
use crate::{
    config::{Problem, Problems, TokenFiles, render_text, token_files},
    proxy::Clock,
    remote::LockedFile,
    secret::Secret,
    token::{Account, AccountsError, EditError, NewAccount, ServiceAccounts, add_account, remove_account},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{fs, io, path::Path, process::ExitCode};

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
    let files = files(place)?;
    let new = NewAccount { name, client_id: random_client_id()?, secret: random_secret()?, scopes: each_once(scopes), expires };
    // Before the file is made.
    let (_, account) = add_account("", &new).map_err(|error| edit_failure(&files.api_keys, "", error))?;
    let now = Clock::start().now().unix_s();
    if account.expires_unix_s.is_some_and(|end| end <= now) {
        return Err(Failure::Usage("--expires is in the past: the account could not be used".to_owned()));
    }
    let path = &files.api_keys;
    let mut locked = LockedFile::open_or_create(path).map_err(|error| system("cannot open", path, &error))?;
    let text = locked.read().map_err(|error| system("cannot read", path, &error))?;
    let (changed, account) = add_account(&text, &new).map_err(|error| edit_failure(path, &text, error))?;
    locked.replace(&changed).map_err(|error| system("cannot write", path, &error))?;
    let secret = new.secret.expose();
    match place.format {
        Format::Json => {
            let mut shown = shown(&account);
            shown["client_secret"] = secret.into();
            println!("{shown:#}");
        }
        Format::Text => {
            println!("name           {}", account.name);
            println!("client_id      {}", account.client_id);
            println!("client_secret  {secret}");
            println!("scopes         {}", scopes_of(&account));
            println!("expires        {}", expiry_of(&account, now));
        }
    }
    eprintln!("The secret is not shown again: {} holds only its hash.", path.display());
    eprintln!("A gateway that runs takes the account up {TAKE_UP}.");
    Ok(())
}

fn list(place: &Place) -> Result<(), Failure> {
    let path = files(place)?.api_keys;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // There are no accounts yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(system("cannot read", &path, &error)),
    };
    let accounts = ServiceAccounts::list(&text).map_err(|error| unreadable(&path, &text, &error))?;
    match place.format {
        Format::Json => println!("{:#}", accounts.iter().map(shown).collect::<Value>()),
        Format::Text => print!("{}", table(&accounts, Clock::start().now().unix_s())),
    }
    Ok(())
}

fn revoke(who: &str, place: &Place) -> Result<(), Failure> {
    let files = files(place)?;
    let path = &files.api_keys;
    let mut locked = LockedFile::open(path).map_err(|error| system("cannot open", path, &error))?;
    let text = locked.read().map_err(|error| system("cannot read", path, &error))?;
    let (changed, account) = remove_account(&text, who).map_err(|error| edit_failure(path, &text, error))?;
    locked.replace(&changed).map_err(|error| system("cannot write", path, &error))?;
    match place.format {
        Format::Json => println!("{:#}", shown(&account)),
        Format::Text => println!("revoked {} ({})", account.name, account.client_id),
    }
    eprintln!("A gateway that runs gives it no more tokens {TAKE_UP}.");
    eprintln!(
        "Tokens that it has live on, at most {} s. To cut them too, add this to the file that",
        files.token_lifetime.as_secs()
    );
    eprintln!("`auth.revocations` names before the reload:\n\n[[revoked]]\nclient_id = {}", Value::from(account.client_id));
    Ok(())
}

fn files(place: &Place) -> Result<TokenFiles, Failure> {
    token_files(&place.config).map_err(|problems| Failure::Usage(render_text(&problems)))
}

/// 120 random bits in 24 characters: never one that was there before, whose tokens may be revoked by name.
fn random_client_id() -> Result<String, Failure> {
    random::<15>().map(|bytes| bytes.iter().fold("sa-".to_owned(), |id, byte| id + &format!("{byte:02x}")))
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
    let over = account.expires_unix_s.is_some_and(|end| end <= now);
    let expires = account.expires.clone().unwrap_or_else(|| "never".to_owned());
    if over { format!("{expires} (over)") } else { expires }
}

fn edit_failure(path: &Path, text: &str, error: EditError) -> Failure {
    match error {
        EditError::Unreadable(error) => unreadable(path, text, &error),
        error => Failure::Usage(format!("stackflow-gateway: {error}")),
    }
}

fn unreadable(path: &Path, text: &str, error: &AccountsError) -> Failure {
    let (line, column) = error.place_in(text);
    let (key, remedy) = ("service_accounts".to_owned(), "correct the entry".to_owned());
    let problem = Problem { file: path.to_owned(), line, column, key, what: error.what.clone(), remedy };
    Failure::Usage(render_text(&Problems(vec![problem])))
}

fn system(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::System(format!("{what} {}: {error}", path.display()))
}
