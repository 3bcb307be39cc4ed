//! The text of an issuer's key set, from where it is kept: a URL, the URL that the issuer's discovery document names, a file.
//!
//! An http URL of this machine is the operator's choice, never that of a document from elsewhere: what answers at a local port, and
//! lets strangers in, must not be chosen from afar. So a discovery document read over https leads to https.
//!
//! What arrives is bounded in size here and in time by the caller; whether it is a key set `auth` says.
use super::download::{DownloadError, Downloader, is_http};
use crate::{
    auth::{IssuerSettings, KeySetError, KeySource},
    config::files::read_bytes,
};
use serde::Deserialize;
use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::task::spawn_blocking;

/// One issuer's key set document.
pub(super) enum KeyDocument {
    /// At this URL.
    Url(String, Downloader),
    /// Named by the discovery document at `url`, which must be of `issuer`.
    Discovery { url: String, issuer: String, downloader: Downloader },
    /// In this file, of at most `limit` bytes.
    File { path: PathBuf, limit: usize },
    /// Known from the start.
    Own,
    /// As a test says, without a socket, so that its clock may stand still.
    #[cfg(test)]
    Scripted(Script),
}

/// What each fetch waits for, and what it then gives.
#[cfg(test)]
pub(super) type Script =
    Box<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send>> + Send + Sync>;

impl KeyDocument {
    pub(super) fn new(settings: &IssuerSettings) -> Self {
        let downloader = || Downloader::new(settings.ca_file.as_deref(), settings.jwks_size);
        match &settings.keys {
            KeySource::Url(url) => Self::Url(url.clone(), downloader()),
            KeySource::Discovery(url) => {
                Self::Discovery { url: url.clone(), issuer: settings.issuer.clone(), downloader: downloader() }
            }
            KeySource::File(path) => Self::File { path: path.clone(), limit: settings.jwks_size },
            KeySource::Own(_) => Self::Own,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// The text, where no waiting is needed for it.
    pub(super) fn read_at_once(&self) -> Option<Result<Vec<u8>, FetchError>> {
        match self {
            Self::File { path, limit } => Some(read_file(path, *limit)),
            Self::Url(..) | Self::Discovery { .. } | Self::Own => None,
            #[cfg(test)]
            Self::Scripted(_) => None,
        }
    }

    /// The text as it is now.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        match self {
            Self::Url(url, downloader) => Ok(downloader.get(url).await?.to_vec()),
            Self::Discovery { url, issuer, downloader } => {
                let jwks_uri = jwks_uri(&downloader.get(url).await?, issuer)?;
                if is_http(&jwks_uri) && !is_http(url) {
                    return Err(FetchError::Discovery("leads from https to http"));
                }
                Ok(downloader.get(&jwks_uri).await?.to_vec())
            }
            Self::File { path, limit } => {
                let (path, limit) = (path.clone(), *limit);
                spawn_blocking(move || read_file(&path, limit)).await.map_err(|_| FetchError::Interrupted)?
            }
            Self::Own => Err(FetchError::NotFetched),
            #[cfg(test)]
            Self::Scripted(script) => script().await,
        }
    }
}

/// `jwks_uri` of a discovery document that is the issuer's own (`OpenID` Connect Discovery 1.0, section 4.3; RFC 8414, section 3.3:
/// `issuer` must be identical, or one issuer could speak for another).
fn jwks_uri(document: &[u8], issuer: &str) -> Result<String, FetchError> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let document: Document =
        serde_json::from_slice(document).map_err(|_| FetchError::Discovery("is not one, or lacks issuer or jwks_uri"))?;
    if document.issuer != issuer {
        return Err(FetchError::Discovery("names another issuer"));
    }
    Ok(document.jwks_uri)
}

fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, FetchError> {
    read_bytes(path, u64::try_from(limit).unwrap_or(u64::MAX)).map_err(FetchError::File)
}

/// Why there are no new keys.
#[derive(Debug)]
pub(super) enum FetchError {
    /// From the network.
    Download(DownloadError),
    /// From the file.
    File(io::Error),
    /// Not complete within the deadline.
    TooLate(Duration),
    /// What came is not a key set.
    Keys(KeySetError),
    /// The discovery document; what is wrong with it.
    Discovery(&'static str),
    /// The gateway's own keys are known.
    NotFetched,
    /// The runtime ended.
    Interrupted,
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Download(error) => error.fmt(formatter),
            Self::File(_) => formatter.write_str("the file cannot be read"),
            Self::TooLate(deadline) => write!(formatter, "not complete within {deadline:?}"),
            Self::Keys(error) => error.fmt(formatter),
            Self::Discovery(what) => write!(formatter, "the discovery document {what}"),
            Self::NotFetched => formatter.write_str("the gateway's own keys are not fetched"),
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Download(error) => error.source(),
            Self::File(error) => Some(error),
            Self::Keys(error) => error.source(),
            Self::TooLate(_) | Self::Discovery(_) | Self::NotFetched | Self::Interrupted => None,
        }
    }
}

impl From<DownloadError> for FetchError {
    fn from(error: DownloadError) -> Self {
        Self::Download(error)
    }
}

/// The error with its causes on one line. Key servers write part of it, so control characters are escaped and it is cut.
pub(super) fn printable(error: &dyn Error) -> String {
    const LENGTH: usize = 300;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    let escaped = text.chars().flat_map(|character| {
        let control = character.is_control();
        let escape = control.then(|| character.escape_default()).into_iter().flatten();
        escape.chain((!control).then_some(character))
    });
    escaped.take(LENGTH).collect()
}
