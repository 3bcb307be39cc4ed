//! The files that the configuration names: certificates with their keys, authorities, key sets and their caches, the state of the
//! limits, sockets, the log, secrets.
//!
//! They are looked at before anything is bound, so that a start fails whole instead of half. Nothing is written, so whether a folder
//! lets a new file be made shows only when it is made. Expiry is not judged: it is a matter of the moment, not of the configuration.

use crate::{
    auth::{KeySet, KeySetError},
    config::{
        file::Attached,
        files::{LARGE, SMALL, folder, read_bytes, read_text},
        pem::{self, PemError},
        report::{Fault, Placed, Report},
        value::{WrittenSecret, excerpt},
    },
    secret::Secret,
};
use rustls::{
    crypto::aws_lc_rs,
    sign::{CertifiedKey, SigningKey},
};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

const CERTIFICATE: &str = "listeners.tls.certificate";
const PRIVATE_KEY: &str = "listeners.tls.private_key";
const KEY_CACHE: &str = "auth.issuers.jwks_cache_file";
const ADMIN_TOKEN: &str = "admin.token";
/// Of a secret, in characters.
const SHORTEST_SECRET: usize = 16;
const LIMIT_STATE: &str = "limits.state_file";

/// Reads each file and reports what cannot be used. Gives the admin listener's token, the one content that is kept.
pub(super) fn check(report: &Report<'_>, attached: &[Attached]) -> Option<Secret> {
    let mut admin_token = None;
    for file in attached {
        match file {
            Attached::Certificate { certificate, private_key } => check_certificate(report, certificate, private_key),
            Attached::Authorities { key, path } => {
                let wrong = |error| report.add(path.at, key, pem_fault(&path.value, error));
                pem::authorities(&path.value).map_or_else(wrong, drop);
            }
            Attached::KeySet { path, limit } => {
                key_set(&path.value, *limit).unwrap_or_else(|fault| report.add(path.at, "auth.issuers.jwks_file", fault));
            }
            Attached::KeyCache { path } => {
                let wrong = |fault| report.add(path.at, KEY_CACHE, fault);
                own_file(&path.value).unwrap_or_else(wrong);
            }
            Attached::LimitState { path } => {
                let wrong = |fault| report.add(path.at, LIMIT_STATE, fault);
                limit_state(&path.value).unwrap_or_else(wrong);
            }
            Attached::Socket { key, path } => {
                socket(&path.value).unwrap_or_else(|fault| report.add(path.at, key, fault));
            }
            Attached::Log { path } => {
                log(&path.value).unwrap_or_else(|fault| report.add(path.at, "log.output", fault));
            }
            Attached::AdminToken(token) => {
                secret(&token.value)
                    .map_or_else(|fault| report.add(token.at, ADMIN_TOKEN, fault), |read| admin_token = Some(read));
            }
        }
    }
    admin_token
}

/// The whole of a text file.
pub(super) fn text(path: &Path) -> Result<String, Fault> {
    read_text(path, LARGE).map_err(|error| unreadable(path, &error))
}

/// A file that decides who is let in may not be one that every user may write: whoever does is let in. What cannot be asked is not
/// judged here.
pub(super) fn guarded(path: &Path) -> Result<(), Fault> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o002 != 0 => {
            let what = format!("`{}` may be written by every user of this machine", path.display());
            Err(Fault::new(what, "take that right away, as with `chmod o-w`"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Why a file cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Fault::new(format!("there is no file `{path}`"), "write the path of a file that exists"),
        io::ErrorKind::PermissionDenied => Fault::new(
            format!("`{path}` may not be read"),
            "let the gateway's user read it, and run this as that user or as root",
        ),
        io::ErrorKind::IsADirectory => Fault::new(format!("`{path}` is a folder"), "write the path of a file"),
        io::ErrorKind::InvalidInput => {
            Fault::new(format!("`{path}` {error}"), "write the path of a file, not of a pipe or a device")
        }
        io::ErrorKind::FileTooLarge => Fault::new(format!("`{path}` {error}"), "write the path of a smaller file"),
        io::ErrorKind::InvalidData => Fault::new(format!("`{path}` is not UTF-8"), "write a text file in UTF-8"),
        _ => Fault::new(format!("`{path}` cannot be read: {error}"), "write the path of a readable file"),
    }
}

/// That a file can be made here, as far as that can be told without making it.
pub(super) fn has_folder(path: &Path) -> Result<(), Fault> {
    let folder = folder(path);
    if folder.is_dir() {
        return Ok(());
    }
    let what = format!("cannot be made: there is no folder `{}`", folder.display());
    Err(Fault::new(what, "make the folder, or write another path"))
}

fn check_certificate(report: &Report<'_>, certificate: &Placed<PathBuf>, private_key: &Placed<PathBuf>) {
    let wrong = |error| report.add(certificate.at, CERTIFICATE, pem_fault(&certificate.value, error));
    let chain = pem::certificates(&certificate.value).map_err(wrong);
    let key = key(&private_key.value).map_err(|fault| report.add(private_key.at, PRIVATE_KEY, fault));
    let (Ok(chain), Ok(key)) = (chain, key) else { return };
    match CertifiedKey::new(chain, key).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            let fault = Fault::new(
                "is not the key of the first certificate of the chain",
                "write the key that the certificate was made for",
            );
            report.add(private_key.at, PRIVATE_KEY, fault);
        }
        Err(error) => {
            report.add(certificate.at, CERTIFICATE, Fault::new(format!("cannot be used: {error}"), "write an X.509 certificate"));
        }
    }
}

fn key(path: &Path) -> Result<Arc<dyn SigningKey>, Fault> {
    let key = pem::private_key(path).map_err(|error| pem_fault(path, error))?;
    let unusable = |_| key_fault(path, "holds a private key that cannot be used");
    aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(unusable)
}

fn pem_fault(path: &Path, error: PemError) -> Fault {
    let shown = path.display();
    match error {
        PemError::Unreadable(error) => unreadable(path, &error),
        PemError::NoCertificate => {
            Fault::new(format!("`{shown}` holds no certificate"), "write a PEM file with `BEGIN CERTIFICATE`")
        }
        PemError::NoPrivateKey => key_fault(path, "holds no private key"),
        PemError::Untrusted(error) => Fault::new(
            format!("`{shown}` holds a certificate that cannot be trusted: {error}"),
            "write X.509 certificates of authorities",
        ),
    }
}

fn key_fault(path: &Path, what: &str) -> Fault {
    Fault::new(format!("`{}` {what}", path.display()), "write a PEM file with an unencrypted RSA, ECDSA or Ed25519 key")
}

/// `limit`: `jwks_size`, which a running gateway holds it to.
fn key_set(path: &Path, limit: usize) -> Result<(), Fault> {
    guarded(path)?;
    let bytes = read_bytes(path, u64::try_from(limit).unwrap_or(u64::MAX)).map_err(|error| {
        let Fault { what, remedy } = unreadable(path, &error);
        let large = error.kind() == io::ErrorKind::FileTooLarge;
        Fault::new(what, if large { "write a larger `jwks_size`, or the path of a smaller file".to_owned() } else { remedy })
    })?;
    let (what, remedy) = match KeySet::parse(&bytes) {
        Ok(_) => return Ok(()),
        Err(KeySetError::Malformed(detail)) => {
            (format!("is not a key set: {detail}"), "write the issuer's JWKS, an object with `keys`")
        }
        Err(KeySetError::NoUsableKey) => {
            ("holds no key that can verify".to_owned(), "write a set with an RSA, EC or Ed25519 public key")
        }
    };
    Err(Fault::new(format!("`{}` {what}", path.display()), remedy))
}

/// A file that the gateway writes for itself. What it holds is not judged: a damaged one is passed over, and must not keep the
/// gateway from starting. A link would be neither read nor replaced (`remote`).
fn own_file(path: &Path) -> Result<(), Fault> {
    has_folder(path)?;
    let what = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => "is a symbolic link",
        Ok(found) if !found.is_file() => "is not a regular file",
        Ok(_) | Err(_) => return Ok(()),
    };
    Err(Fault::new(format!("`{}` {what}", path.display()), "write the path of a file of its own"))
}

/// A damaged file must not keep the gateway from starting, but one that it may not read would be replaced by an empty one.
fn limit_state(path: &Path) -> Result<(), Fault> {
    own_file(path)?;
    match fs::File::open(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(path, &error)),
        _ => Ok(()),
    }
}

/// The secret itself, without the end of its line. One that could be guessed, or sent in no header, is refused.
fn secret(written: &WrittenSecret) -> Result<Secret, Fault> {
    let text = match written {
        WrittenSecret::Plain(secret) => Ok(secret.expose().to_owned()),
        WrittenSecret::Variable(name) => std::env::var(name).map_err(|_| {
            let what = format!("there is no environment variable `{}`", excerpt(name));
            Fault::new(what, "set it for the gateway's process, or write { file = \"PATH\" }")
        }),
        WrittenSecret::File(path) => read_text(path, SMALL).map_err(|error| unreadable(path, &error)),
    }?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.len() < SHORTEST_SECRET || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("is not {SHORTEST_SECRET} or more printable characters without spaces");
        return Err(Fault::new(what, "make one with `openssl rand -hex 32`"));
    }
    Ok(Secret::new(text.to_owned()))
}

/// A socket of a process that is gone is replaced when it is bound, and one that somebody listens on is said to be in use: it may be
/// that of the gateway that runs. Any other file is not to be lost.
fn socket(path: &Path) -> Result<(), Fault> {
    has_folder(path)?;
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let what = format!("`{}` is there, and no socket", path.display());
            Err(Fault::new(what, "write the path of a socket, or one where nothing is"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Only a regular file is opened: to open a pipe waits for its reader.
fn log(path: &Path) -> Result<(), Fault> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => OpenOptions::new().append(true).open(path).map(drop).map_err(|error| {
            Fault::new(format!("`{}` cannot be written: {error}", path.display()), "let the gateway's user write it")
        }),
        Ok(found) if found.is_dir() => Err(unreadable(path, &io::ErrorKind::IsADirectory.into())),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => has_folder(path),
        Err(error) => Err(unreadable(path, &error)),
    }
}

#[cfg(test)]
mod tests;
