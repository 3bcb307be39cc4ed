//! One document by HTTP: where it may come from, how much of it is read.
//!
//! Invariants: https, or http to a loopback address, looked up here and connected to as looked up, so that a name cannot
//! mean something else a moment later. Only a 200 is an answer: a redirect is a failure, because whoever can redirect could
//! choose the keys. Never more than `limit` bytes are kept, nor much more than twice as many read. The total time is the
//! caller's to bound.
mod metered;

use self::metered::MeteredConnector;
use crate::config::pem;
use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Uri,
    header::{ACCEPT, HOST, USER_AGENT},
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// Why there is no document.
#[derive(Debug)]
pub(super) enum DownloadError {
    /// Not a URL to fetch from.
    Url(&'static str),
    /// The certificates to trust could not be read.
    Trust(String),
    /// The name could not be looked up.
    Lookup(io::Error),
    /// http, and the address is not of this machine.
    NotLoopback,
    /// No connection, or no answer on it.
    Exchange(ClientError),
    /// Another status than 200.
    Status(StatusCode),
    /// The body is longer than that many bytes.
    TooLarge(usize),
    /// The body broke off.
    Body(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for DownloadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(what) => write!(formatter, "the URL {what}"),
            Self::Trust(what) => write!(formatter, "the certificates to trust cannot be read: {what}"),
            Self::Lookup(_) => formatter.write_str("the name cannot be looked up"),
            Self::NotLoopback => formatter.write_str("http to an address that is not of this machine"),
            Self::Exchange(_) => formatter.write_str("no answer"),
            Self::Status(status) => write!(formatter, "status {}", status.as_u16()),
            Self::TooLarge(limit) => write!(formatter, "larger than {limit} bytes"),
            Self::Body(_) => formatter.write_str("the answer broke off"),
        }
    }
}

impl Error for DownloadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lookup(error) => Some(error),
            Self::Exchange(error) => Some(error),
            Self::Body(error) => Some(&**error),
            Self::Url(_) | Self::Trust(_) | Self::NotLoopback | Self::Status(_) | Self::TooLarge(_) => None,
        }
    }
}

/// Fetches documents of at most `limit` bytes.
pub(super) struct Downloader {
    /// Instead of the operating system's certificates.
    ca_file: Option<PathBuf>,
    /// What to trust is read by the first fetch, which waits for the disk where no request is held up by that; where it could not be
    /// read, every fetch says so.
    client: OnceCell<Result<HttpClient, String>>,
    limit: usize,
}

type HttpClient = Client<HttpsConnector<MeteredConnector>, Empty<Bytes>>;

impl Downloader {
    /// Trusts the certificates of `ca_file`, or else the operating system's.
    pub(super) fn new(ca_file: Option<&Path>, limit: usize) -> Self {
        Self { ca_file: ca_file.map(Path::to_owned), client: OnceCell::new(), limit }
    }

    /// The document at `url`.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, DownloadError> {
        let url = parse_url(url).map_err(DownloadError::Url)?;
        let client = self.client().await.as_ref().map_err(|what| DownloadError::Trust(what.clone()))?;
        let mut outcome = Err(DownloadError::NotLoopback);
        for target in targets(&url).await? {
            outcome = client.request(request(target, &url)?).await.map_err(DownloadError::Exchange);
            if !matches!(&outcome, Err(DownloadError::Exchange(error)) if error.is_connect()) {
                break;
            }
        }
        self.read(outcome?).await
    }

    async fn client(&self) -> &Result<HttpClient, String> {
        let read = || async {
            let (ca_file, limit) = (self.ca_file.clone(), self.limit);
            let read = spawn_blocking(move || tls(ca_file.as_deref()).map(|tls| client(tls, limit))).await;
            read.unwrap_or_else(|_| Err("interrupted".to_owned()))
        };
        self.client.get_or_init(read).await
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Bytes, DownloadError> {
        if answer.status() != StatusCode::OK {
            return Err(DownloadError::Status(answer.status()));
        }
        // A length that is said to be too large is believed, and nothing is read.
        if answer.body().size_hint().lower() > self.limit as u64 {
            return Err(DownloadError::TooLarge(self.limit));
        }
        match Limited::new(answer.into_body(), self.limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(DownloadError::TooLarge(self.limit)),
            Err(error) => Err(DownloadError::Body(error)),
        }
    }
}

/// What an answer may take on the connection beside twice its body: TLS handshake, heads and framing.
const AROUND_AN_ANSWER: u64 = 256 * 1024;

fn client(tls: ClientConfig, limit: usize) -> HttpClient {
    let connector = MeteredConnector::new(AROUND_AN_ANSWER.saturating_add((limit as u64).saturating_mul(2)));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
    // No connection is kept: the next fetch is minutes away, and a fresh one follows a changed address.
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca_file {
        Some(path) => pem::authorities(path).map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{}: {error}{cause}", path.display())
        })?,
        None => system_roots(),
    };
    // The provider is named so that it does not matter which one the process installed, or whether it has yet.
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Whether it is in the clear.
pub(super) fn is_http(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|url| url.scheme() == Some(&Scheme::HTTP))
}

/// A URL that may be fetched from: https, or http to what may be a loopback address.
fn parse_url(url: &str) -> Result<Uri, &'static str> {
    let parsed: Uri = url.parse().map_err(|_| "is not one")?;
    let authority = parsed.authority().ok_or("has no host")?;
    if authority.as_str().contains('@') {
        return Err("has a user name in it");
    }
    match (parsed.scheme_str(), literal(authority)) {
        (Some("https"), _) | (Some("http"), None) => Ok(parsed),
        (Some("http"), Some(address)) if address.is_loopback() => Ok(parsed),
        (Some("http"), Some(_)) => Err("is http to an address that is not of this machine"),
        _ => Err("is neither https nor http"),
    }
}

fn literal(authority: &Authority) -> Option<IpAddr> {
    authority.host().trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Where to connect: https as written, since the certificate proves the host; http to each loopback address of the name.
async fn targets(url: &Uri) -> Result<Vec<Uri>, DownloadError> {
    let authority = url.authority().ok_or(DownloadError::Url("has no host"))?;
    if url.scheme() != Some(&Scheme::HTTP) {
        return Ok(vec![url.clone()]);
    }
    let port = authority.port_u16().unwrap_or(80);
    let addresses: Vec<SocketAddr> = match literal(authority) {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => tokio::net::lookup_host((authority.host(), port)).await.map_err(DownloadError::Lookup)?.collect(),
    };
    let loopback = addresses.into_iter().filter(|address| address.ip().is_loopback());
    loopback.map(|address| at_address(url, address)).collect()
}

fn at_address(url: &Uri, address: SocketAddr) -> Result<Uri, DownloadError> {
    let path = url.path_and_query().map_or("/", PathAndQuery::as_str);
    let target = Uri::builder().scheme(Scheme::HTTP).authority(address.to_string()).path_and_query(path).build();
    target.map_err(|_| DownloadError::Url("is not one"))
}

/// `Host` is as in the URL, also where the connection goes to an address.
fn request(target: Uri, url: &Uri) -> Result<Request<Empty<Bytes>>, DownloadError> {
    let host = url.authority().map_or("", Authority::as_str);
    let request =
        Request::get(target).header(HOST, host).header(ACCEPT, "application/json").header(USER_AGENT, "stackflow-gateway");
    request.body(Empty::new()).map_err(|_| DownloadError::Url("is not one"))
}

#[cfg(test)]
mod tests;
