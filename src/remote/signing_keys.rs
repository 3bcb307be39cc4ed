//! The files of the token endpoint's keys: made, rotated, and dated once a new key is loaded.
//!
//! The private key is at `signing_key`; retired public keys are beside it (`token::RetiredKeys`). Both change under one lock,
//! that of the private key's file. A rotation writes the retired keys first and the new key after that: at each moment, also
//! after a crash between the two, there is a signing key, and every key that may have signed a live token is in one file or in
//! both. A key that is in both signs on; the next rotation adds it anew.

use super::{
    files::{Like, Old, metadata_of_folder, write_whole},
    locked_file::LockedFile,
};
use crate::{
    config::{
        Gateway, MOST_RETIRED, NewKeyFile, TokenFiles,
        files::{SMALL, read_text, regular},
        retired_keys_file,
    },
    time::Now,
    token::{PublicKey, RetiredKeys, SigningKey},
};
use std::{fmt, fs, io, path::Path, time::Duration};

/// Writes what a loaded configuration brings: a key that was made for it, and the ends of keys that its key has replaced. To be
/// called before it is served: it also makes the gateway accept its own tokens by the keys of this moment.
///
/// # Errors
/// The operating system's, with the file's name; the configuration must not be served then.
pub fn settle_signing_keys(gateway: &mut Gateway, now: Now) -> io::Result<()> {
    if let Some(new) = gateway.new_signing_key.take() {
        let wrong = |error| named(&error, "cannot write the new signing key to", &new.path);
        if !write_new_key(&new).map_err(wrong)? {
            take_other_key(gateway, &new.path)?;
        }
    }
    date_retired_keys(gateway, now)?;
    if let Some(endpoint) = &gateway.auth.token_endpoint {
        gateway.set_own_keys(endpoint.accepted_keys(now));
    }
    Ok(())
}

/// Whether it was written; not when there is a file by now.
fn write_new_key(NewKeyFile { path, pem }: &NewKeyFile) -> io::Result<bool> {
    let folder = metadata_of_folder(path)?;
    let like = Like { owner: Some(&folder), mode: 0o600, old: Old::Stays };
    match write_whole(path, pem.expose().as_bytes(), like) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Of two gateways that start at once without a key, the second signs with the first one's.
fn take_other_key(gateway: &mut Gateway, path: &Path) -> io::Result<()> {
    let Some(endpoint) = &mut gateway.auth.token_endpoint else { return Ok(()) };
    let pem = read_text(path, SMALL).map_err(|error| named(&error, "cannot read the signing key", path))?;
    let key = SigningKey::from_pem(&pem, endpoint.signs_as().algorithm())
        .map_err(|error| named(&io::Error::other(error), "cannot use the signing key", path))?;
    endpoint.set_key(key);
    Ok(())
}

fn date_retired_keys(gateway: &mut Gateway, now: Now) -> io::Result<()> {
    let Some(endpoint) = &mut gateway.auth.token_endpoint else { return Ok(()) };
    let Some(path) = endpoint.settings().signing_key.clone().filter(|_| endpoint.retired().needs_dates(endpoint.signs_as()))
    else {
        return Ok(());
    };
    let (lifetime, leeway) = (endpoint.settings().token_lifetime, endpoint.settings().leeway);
    let beside = retired_keys_file(&path);
    let locked = LockedFile::open(&path).map_err(|error| named(&error, "cannot lock", &path))?;
    // As they are by now: another gateway may have dated them.
    let mut retired = read_retired(&beside)?;
    if retired.needs_dates(endpoint.signs_as()) {
        retired.date(endpoint.signs_as(), lifetime, leeway, now);
        let written = locked.replace_beside(&beside, &retired.render());
        written.map_err(|error| named(&error, "cannot write", &beside))?;
    }
    endpoint.set_retired(retired);
    Ok(())
}

/// What a rotation did.
#[derive(Debug)]
pub struct Rotation {
    /// The key that signs once it is loaded.
    pub new: PublicKey,
    /// The key until then; `None`: there was none.
    pub old: Option<PublicKey>,
}

/// Why there is no new key.
#[derive(Debug)]
pub enum RotateError {
    /// A file is not what it should be; a sentence with its name and what to do.
    BadFile(String),
    /// The operating system's, with the file's name.
    Io(io::Error),
}

impl fmt::Display for RotateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadFile(what) => formatter.write_str(what),
            Self::Io(error) => write!(formatter, "{error}"),
        }
    }
}

impl std::error::Error for RotateError {}

/// Puts a new signing key in place of the old one, and the old one's public half among the retired keys; unless it is to be
/// forgotten, with all that were retired before.
///
/// # Errors
/// A file that is there is not what it should be, or the operating system refuses; the old key is still there.
pub fn rotate_signing_key(files: &TokenFiles, forget_old: bool, now: Now) -> Result<Rotation, RotateError> {
    // Takes its time, so before the lock.
    let (key, pem) = SigningKey::generate(files.algorithm).map_err(|error| RotateError::Io(io::Error::other(error)))?;
    let path = files.signing_key.clone();
    let retired = retired_keys_file(&path);
    let io = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| RotateError::Io(named(&error, what, &path))
    };
    let rotation = |old| Rotation { new: key.public().clone(), old };
    let new = NewKeyFile { path: path.clone(), pem: crate::secret::Secret::new(pem) };
    if !path.exists() && write_new_key(&new).map_err(io("cannot write", &path))? {
        return Ok(rotation(None));
    }
    let locked = regular(&path).and_then(|_| LockedFile::open(&path)).map_err(io("cannot lock", &path))?;
    let old = locked.read().map_err(io("cannot read", &path))?;
    let old = SigningKey::from_any_pem(&old).map_err(|error| {
        RotateError::BadFile(format!(
            "{} is {error}: move it away, and start or reload the gateway, which makes a new one",
            path.display()
        ))
    })?;
    if forget_old {
        let removed =
            fs::remove_file(&retired).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) });
        removed.map_err(io("cannot remove", &retired))?;
    } else {
        let text = with_retired(&retired, old.public(), files.token_lifetime, now)?;
        locked.replace_beside(&retired, &text).map_err(io("cannot write", &retired))?;
    }
    locked.replace_secret(new.pem.expose()).map_err(io("cannot write", &path))?;
    Ok(rotation(Some(old.public().clone())))
}

/// The text of the retired keys with this one at their end.
fn with_retired(path: &Path, old: &PublicKey, token_lifetime: Duration, now: Now) -> Result<String, RotateError> {
    const FORGET: &str = "or rotate with `--forget-old`, after which all tokens that were signed before are refused";
    let mut keys = read_retired(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidInput => {
            RotateError::BadFile(format!("{error}: correct it, {FORGET}"))
        }
        _ => RotateError::Io(error),
    })?;
    keys.retire(old, token_lifetime, now);
    let text = keys.render();
    // What no gateway would load.
    if u64::try_from(text.len()).is_ok_and(|length| length <= MOST_RETIRED) {
        return Ok(text);
    }
    let remedy = "reload the gateways that share it and wait until retired keys have ended";
    Err(RotateError::BadFile(format!("{} has no room for one more key: {remedy}, {FORGET}", path.display())))
}

/// The retired keys; none where there is no file.
fn read_retired(path: &Path) -> io::Result<RetiredKeys> {
    match read_text(path, MOST_RETIRED) {
        Ok(text) => RetiredKeys::parse(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{} {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RetiredKeys::default()),
        Err(error) => Err(named(&error, "cannot read", path)),
    }
}

fn named(error: &io::Error, what: &str, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
