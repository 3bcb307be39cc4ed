//! Certificates and keys in PEM files (RFC 7468), read in one place, so that what `check` takes is what is taken when it is used.

use super::files::{LARGE, SMALL, read_bytes};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{error::Error, fmt, io, path::Path};

/// Why a file does not hold what it should.
#[derive(Debug)]
pub enum PemError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// No `CERTIFICATE`, or a damaged one.
    NoCertificate,
    /// No private key (PKCS #8, PKCS #1 or SEC 1, not encrypted), or a damaged one.
    NoPrivateKey,
    /// A certificate that no trust can begin at.
    Untrusted(rustls::Error),
}

impl fmt::Display for PemError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unreadable(_) => "it cannot be read",
            Self::NoCertificate => "no certificate in it",
            Self::NoPrivateKey => "no private key in it",
            Self::Untrusted(_) => "a certificate in it cannot be trusted",
        })
    }
}

impl Error for PemError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Untrusted(error) => Some(error),
            Self::NoCertificate | Self::NoPrivateKey => None,
        }
    }
}

/// All certificates of a file, in its order; at least one.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read_bytes(path, LARGE).map_err(PemError::Unreadable)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(PemError::NoCertificate)
}

/// The first private key of a file.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let text = read_bytes(path, SMALL).map_err(PemError::Unreadable)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| PemError::NoPrivateKey)
}

/// All certificates of a file as those that trust begins at.
///
/// # Errors
/// The file cannot be read, holds none, or one that cannot be trusted.
pub fn authorities(path: &Path) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    certificates(path)?.into_iter().try_for_each(|certificate| roots.add(certificate)).map_err(PemError::Untrusted)?;
    Ok(roots)
}

#[cfg(test)]
pub(in crate::config) mod tests;
