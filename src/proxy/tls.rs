//! TLS of the listeners: certificates chosen by SNI, client certificates where asked for, ALPN, resumption.

use crate::config::{
    TlsCertificate, TlsListener,
    pem::{self, PemError},
};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a TLS listener cannot be set up.
#[derive(Debug)]
pub enum TlsError {
    /// A PEM file cannot be read.
    Pem(PathBuf, PemError),
    /// Its content cannot be used.
    Unusable(PathBuf, String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(path, error) => write!(formatter, "{}: {error}", path.display()),
            Self::Unusable(path, why) => write!(formatter, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for TlsError {}

/// A listener's TLS and when its first certificate ends, in seconds since 1970.
///
/// # Errors
/// A file that cannot be read or used.
pub fn server_config(tls: &TlsListener, http2: bool) -> Result<(Arc<ServerConfig>, f64), TlsError> {
    let keys = tls.certificates.iter().map(certified_key).collect::<Result<Vec<_>, _>>()?;
    let ends = tls.certificates.first().zip(keys.first()).map_or(0.0, |(_, key)| not_after(key));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unusable(PathBuf::from("TLS versions"), error.to_string()))?;
    let builder = match &tls.client_ca {
        Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(BySni { keys }));
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    // Resumption without a store: a returning client costs a third of a new one, and no memory.
    if let Ok(ticketer) = aws_lc_rs::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Ok((Arc::new(config), ends))
}

/// The certificate whose names cover what the client asks for; the first when none does or none is asked for.
#[derive(Debug)]
struct BySni {
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let covering = asked.and_then(|name| self.keys.iter().find(|key| covers(key, &name)));
        covering.or(self.keys.first()).cloned()
    }
}

fn covers(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .and_then(|certificate| rustls::client::verify_server_name(&certificate, name))
        .is_ok()
}

fn certified_key(files: &TlsCertificate) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = pem::certificates(&files.certificate).map_err(|error| TlsError::Pem(files.certificate.clone(), error))?;
    let key = pem::private_key(&files.private_key).map_err(|error| TlsError::Pem(files.private_key.clone(), error))?;
    let unusable = |error: rustls::Error| TlsError::Unusable(files.private_key.clone(), error.to_string());
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map(Arc::new).map_err(unusable)
}

fn client_verifier(path: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = pem::authorities(path).map_err(|error| TlsError::Pem(path.to_owned(), error))?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| TlsError::Unusable(path.to_owned(), error.to_string()))
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a date are far below 2^53")]
fn not_after(key: &CertifiedKey) -> f64 {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let end = key.end_entity_cert().ok().and_then(|der| X509Certificate::from_der(der).ok());
    end.map_or(0.0, |(_, certificate)| certificate.validity().not_after.timestamp() as f64)
}
