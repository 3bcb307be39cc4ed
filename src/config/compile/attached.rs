//! The files that the configuration names: certificates with their keys, authorities, key sets.
//!
//! They are looked at before anything is bound, so that a running gateway's reload fails whole instead of half. Expiry is not judged: a
//! certificate that is over is replaced by a reload, which it must not prevent.

use crate::{
    auth::{KeySet, KeySetError},
    config::{
        file::Attached,
        report::{Fault, Placed, Report},
    },
};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    sign::{CertifiedKey, SigningKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const CERTIFICATE: &str = "listeners.tls.certificate";
const PRIVATE_KEY: &str = "listeners.tls.private_key";

/// Reads each file and reports what cannot be used.
pub(super) fn check(report: &Report<'_>, attached: &[Attached]) {
    for file in attached {
        match file {
            Attached::Certificate { certificate, private_key } => check_certificate(report, certificate, private_key),
            Attached::Authorities { key, path } => {
                authorities(&path.value).unwrap_or_else(|fault| report.add(path.at, key, fault));
            }
            Attached::KeySet { path } => {
                key_set(&path.value).unwrap_or_else(|fault| report.add(path.at, "auth.issuers.jwks_file", fault));
            }
        }
    }
}

/// Why a file cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Fault::new(format!("there is no file `{path}`"), "write the path of a file that exists"),
        io::ErrorKind::PermissionDenied => Fault::new(format!("`{path}` may not be read"), "let the gateway's user read it"),
        io::ErrorKind::IsADirectory => Fault::new(format!("`{path}` is a folder"), "write the path of a file"),
        io::ErrorKind::InvalidData => Fault::new(format!("`{path}` is not UTF-8"), "write a text file in UTF-8"),
        _ => Fault::new(format!("`{path}` cannot be read: {error}"), "write the path of a readable file"),
    }
}

fn check_certificate(report: &Report<'_>, certificate: &Placed<PathBuf>, private_key: &Placed<PathBuf>) {
    let chain = chain(&certificate.value).map_err(|fault| report.add(certificate.at, CERTIFICATE, fault));
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

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let wrong = || Fault::new(format!("`{}` holds no certificate", path.display()), "write a PEM file with `BEGIN CERTIFICATE`");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|_| wrong())?;
    if chain.is_empty() { Err(wrong()) } else { Ok(chain) }
}

fn key(path: &Path) -> Result<Arc<dyn SigningKey>, Fault> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let wrong = |what| {
        Fault::new(format!("`{}` {what}", path.display()), "write a PEM file with an unencrypted RSA, ECDSA or Ed25519 key")
    };
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| wrong("holds no private key"))?;
    aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(|_| wrong("holds a private key that cannot be used"))
}

fn authorities(path: &Path) -> Result<(), Fault> {
    let mut store = RootCertStore::empty();
    chain(path)?.into_iter().try_for_each(|certificate| store.add(certificate)).map_err(|error| {
        let what = format!("`{}` holds a certificate that cannot be trusted: {error}", path.display());
        Fault::new(what, "write X.509 certificates of authorities")
    })
}

fn key_set(path: &Path) -> Result<(), Fault> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
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

#[cfg(test)]
mod tests;
