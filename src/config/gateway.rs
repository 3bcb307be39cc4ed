//! The compiled configuration: immutable, shared by all requests that began under it.
//!
//! What counts or caches lives apart, in `State`, so that a reload replaces this whole and loses nothing.

use crate::{
    auth::{Authenticator, Issuer, KeySet, KeySource},
    cors::CorsPolicy,
    limit::{Charge, Limits},
    route::{Pattern, RouteTable},
    secret::Secret,
    time::Now,
    token::TokenEndpoint,
    upstream::{IdentityHeaders, UpstreamIndex, Upstreams},
    validate::{QueryRules, RecordRules},
};
use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// The whole configuration, compiled.
#[derive(Debug)]
pub struct Gateway {
    /// `[server]`.
    pub server: Server,
    /// `[[listeners]]`, at least one.
    pub listeners: Vec<Listener>,
    /// `[admin]`.
    pub admin: Admin,
    /// `[api]`.
    pub api: Api,
    /// `[bounds]`.
    pub bounds: Bounds,
    /// `[auth]`.
    pub auth: Auth,
    /// `[limits]`.
    pub limits: Limits,
    /// `X-RateLimit-Reset` as epoch or delta seconds.
    pub reset: ResetForm,
    /// Also `RateLimit` and `RateLimit-Policy`.
    pub ietf_headers: bool,
    /// Where quotas are kept over restarts.
    pub state_file: Option<PathBuf>,
    /// `[cors]`.
    pub cors: CorsPolicy,
    /// `[response_headers]`.
    pub response_headers: HeaderEdits,
    /// `[upstreams]`, at least one.
    pub upstreams: Upstreams,
    /// From paths to `routes`.
    pub table: RouteTable,
    /// By `RouteIndex`.
    pub routes: Vec<Route>,
    /// `[log]`.
    pub log: Log,
    /// The token endpoint's signing key when it was made just now: to be written, mode 0600, before the first token is issued.
    pub new_signing_key: Option<NewKeyFile>,
}

/// A key that has no file yet.
#[derive(Clone, Debug)]
pub struct NewKeyFile {
    /// Where it belongs.
    pub path: PathBuf,
    /// PKCS #8 PEM.
    pub pem: Secret,
}

impl Gateway {
    /// Accepts the gateway's own tokens by the keys of that moment: a retired key ends by time, without a reload. Called every
    /// second; does nothing without a retired key.
    pub fn accept_own_keys(&self, now: Now) {
        let Some(endpoint) = &self.auth.token_endpoint else { return };
        if endpoint.has_retired_keys() {
            self.set_own_keys(endpoint.accepted_keys(now));
        }
    }

    /// Accepts the gateway's own tokens by these keys.
    pub(crate) fn set_own_keys(&self, keys: &KeySet) {
        let is_own = |issuer: &&Issuer| matches!(issuer.settings.keys, KeySource::Own(_));
        for issuer in self.auth.authenticator.issuers().iter().filter(is_own) {
            issuer.keys.replace(keys.clone());
        }
    }

    /// Port of the first TLS listener: where plain listeners redirect to.
    #[must_use]
    pub fn https_port(&self) -> Option<u16> {
        self.listeners.iter().find(|listener| listener.tls.is_some()).and_then(|listener| match &listener.address {
            ListenerAddress::Tcp(address) => Some(address.port()),
            ListenerAddress::Unix(_) => None,
        })
    }
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Worker threads; `threads = 0` is already resolved to the number of cores.
    pub threads: usize,
    /// Still serving, told to close, after SIGTERM.
    pub drain_delay: Duration,
    /// For what is in flight, after the listeners closed.
    pub drain_timeout: Duration,
    /// Whose `X-Forwarded-For` and PROXY header are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where a process that takes over waits for the listeners.
    pub upgrade_socket: PathBuf,
}

/// Where a listener or the admin listener is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenerAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl std::fmt::Display for ListenerAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// `[[listeners]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: ListenerAddress,
    /// TLS, off when absent.
    pub tls: Option<TlsListener>,
    /// ALPN on TLS, prior knowledge on plain text.
    pub http2: bool,
    /// Only redirects to https.
    pub redirect_https: bool,
    /// What comes before everything else.
    pub proxy_protocol: ProxyProtocol,
}

/// `proxy_protocol`: whether connections begin with a header that tells the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None does: such a header is no request.
    Off,
    /// Some do.
    Optional,
    /// Others are closed.
    Required,
}

/// TLS of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsListener {
    /// Chosen from by SNI; the first when nothing matches.
    pub certificates: Vec<TlsCertificate>,
    /// Asks for client certificates signed by one of these.
    pub client_ca: Option<PathBuf>,
}

/// A certificate chain and its key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsCertificate {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where.
    pub address: ListenerAddress,
    /// Names that requests may carry as Host, besides the address and IP literals.
    pub hosts: Vec<String>,
    /// What POST must bring; without it POST is for loopback addresses and the unix socket.
    pub token: Option<Secret>,
}

/// `[api]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Aliases of one API: each `/` or without a trailing slash.
    pub base_paths: Vec<String>,
    /// Replaces the matched base path towards the upstream; empty for `/`.
    pub upstream_base_path: String,
    /// 415 for a request body that is not JSON.
    pub require_json: bool,
    /// What happens under a base path where no route matches.
    pub unknown_paths: UnknownPaths,
    /// Of unknown paths.
    pub upstream: UpstreamIndex,
    /// The gateway's own answer for load balancers.
    pub ping_path: String,
}

/// `unknown_paths`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownPaths {
    /// Authenticated, limited, to the default upstream.
    Forward,
    /// 404, after authentication.
    Reject,
}

/// `[bounds]`; sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The request target: 414.
    pub uri: usize,
    /// Names, values and separators of one head together: 431 (502).
    pub headers: usize,
    /// Fields of one head: 431 (502).
    pub header_count: usize,
    /// A request's body, unless its route says otherwise: 413.
    pub body: u64,
    /// From the first byte of a request head to its end: 408.
    pub header_timeout: Duration,
    /// Between two reads of a request body; after that long also an average under 240 bytes a second: 408.
    pub body_timeout: Duration,
    /// A client that does not read.
    pub write_timeout: Duration,
    /// A connection without requests.
    pub idle_timeout: Duration,
    /// Connections of all listeners together; 0: what the file descriptor limit allows.
    pub connections: usize,
    /// Of one IPv4 address or IPv6 /64; 0: half of them.
    pub connections_per_address: usize,
    /// Concurrent HTTP/2 streams of one connection.
    pub h2_streams: u32,
}

/// `[auth]`.
#[derive(Debug)]
pub struct Auth {
    /// Verifies tokens.
    pub authenticator: Authenticator,
    /// The bearer token goes on to the upstream unchanged.
    pub forward_authorization: bool,
    /// Verified tokens kept.
    pub token_cache: usize,
    /// Towards the upstream.
    pub identity_headers: IdentityHeaders,
    /// Off when absent.
    pub token_endpoint: Option<TokenEndpoint>,
}

/// `X-RateLimit-Reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetForm {
    /// Seconds since 1970.
    Epoch,
    /// Seconds from now.
    Delta,
}

/// `[response_headers]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Each replaces what the response has under that name.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// None of these is in `set`.
    pub remove: Vec<HeaderName>,
}

/// What is allowed where no methods were written: on unknown paths, and on routes without `methods`.
///
/// OPTIONS is not among them. Preflights are answered by the gateway itself, and a browser sends no other.
pub const GENERAL_METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// [`GENERAL_METHODS`] as a field value of `Allow`.
pub const GENERAL_ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// `[[routes]]`, compiled.
#[derive(Clone, Debug)]
pub struct Route {
    /// As written; the metric label.
    pub pattern: Pattern,
    /// HEAD is added where GET is. Absent in the file: [`GENERAL_METHODS`].
    pub methods: Vec<Method>,
    /// The `Allow` header and `Access-Control-Allow-Methods`: the methods joined with `, `.
    pub allow: HeaderValue,
    /// Whether a token is needed.
    pub auth: RouteAuth,
    /// Any of them; empty: none needed.
    pub scopes: Vec<String>,
    /// Which policies are charged.
    pub limit: Charge,
    /// Rules for query parameters.
    pub query: QueryRules,
    /// Most records of a bulk body; without it bodies are not read.
    pub records: Option<Arc<RecordRules>>,
    /// Longest request body in bytes.
    pub body: u64,
    /// WebSocket is let through.
    pub upgrade: bool,
    /// Where it goes.
    pub upstream: UpstreamIndex,
    /// To the response head; instead of the upstream's.
    pub response_timeout: Option<Duration>,
    /// Line in the configuration file.
    pub line: usize,
}

/// `auth` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAuth {
    /// A valid token.
    Required,
    /// None, by a written word.
    None,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Where to.
    pub output: LogOutput,
    /// In which form.
    pub format: LogFormat,
    /// From which level on.
    pub level: log::LevelFilter,
    /// Whether requests are logged.
    pub access: bool,
    /// How users are named.
    pub subject: LogSubject,
    /// Share of 2xx and 3xx that is written, 0.0 to 1.0.
    pub sample_ok: f64,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard output.
    Stdout,
    /// A file, opened again on SIGHUP.
    File(PathBuf),
}

/// How an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

/// How a user's name stands in the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSubject {
    /// As in the token.
    Plain,
    /// The same for the same user, and not to be turned back.
    Hash,
    /// Not at all.
    Off,
}
