//! A configuration and the files beside it: what a test says nothing about is a working installation.
use super::{Gateway, Issuer};
use std::{
    fmt::{self, Write},
    net::SocketAddr,
};

/// The parts of a configuration that tests vary.
pub struct Setup {
    listeners: String,
    issuers: String,
    upstreams: String,
    routes: String,
    rest: String,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

const PLAIN_LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";

/// A few routes of the API; everything else is an unknown path, forwarded.
const ROUTES: &str = r#"
[[routes]]
path = "/incidents"
methods = ["GET", "POST"]

[[routes]]
path = "/incidents/{id}"
methods = ["GET", "PATCH"]

[[routes]]
path = "/incidents/bulk"
methods = ["POST"]
limit = "exempt"
"#;

/// Whose tokens the shipped configuration takes.
pub const SHIPPED_ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_WKK1AVJ2m";

/// conf/gateway.toml with addresses that the system chooses, a server that is there, and keys from here.
pub fn shipped(upstream: SocketAddr, jwks_url: &str) -> String {
    let mut config = include_str!("../../conf/gateway.toml").to_owned();
    for (from, to) in [
        ("address = \"0.0.0.0:8080\"", "address = \"127.0.0.1:0\"".to_owned()),
        ("address = \"127.0.0.1:9901\"", "address = \"127.0.0.1:0\"".to_owned()),
        ("servers = [\"http://127.0.0.1:3000\"]", format!("servers = [\"http://{upstream}\"]")),
        (&format!("jwks_url = \"{SHIPPED_ISSUER}/.well-known/jwks.json\""), format!("jwks_url = \"{jwks_url}\"")),
    ] {
        assert_eq!(config.matches(&format!("\n{from}\n")).count(), 1, "{from}");
        config = config.replace(&format!("\n{from}\n"), &format!("\n{to}\n"));
    }
    config
}

impl Setup {
    /// One plain listener, `issuer` by key set file, and `upstream` as the only upstream.
    pub fn new(upstream: SocketAddr, issuer: &Issuer) -> Self {
        Self::bare(&upstream.to_string())
            .issuer(&format!("issuer = \"{}\"\njwks_file = \"jwks.json\"\nclient_ids = [\"{}\"]", issuer.name, issuer.client_id))
            .file("jwks.json", &issuer.jwks_json())
    }

    /// The same without an issuer.
    pub fn bare(upstream: &str) -> Self {
        Self {
            listeners: PLAIN_LISTENER.to_owned(),
            issuers: String::new(),
            upstreams: format!("[upstreams.api]\nservers = [\"http://{upstream}\"]\n"),
            routes: ROUTES.to_owned(),
            rest: String::new(),
            files: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Adds an `[[auth.issuers]]` table with these lines.
    pub fn issuer(mut self, lines: &str) -> Self {
        add(&mut self.issuers, format_args!("[[auth.issuers]]\n{lines}"));
        self
    }

    /// More lines in `[upstreams.api]`.
    pub fn upstream(mut self, lines: &str) -> Self {
        add(&mut self.upstreams, format_args!("{lines}"));
        self
    }

    /// Instead of the one plain listener.
    pub fn listeners(mut self, tables: &str) -> Self {
        tables.clone_into(&mut self.listeners);
        self
    }

    /// Another route.
    pub fn route(mut self, lines: &str) -> Self {
        add(&mut self.routes, format_args!("[[routes]]\n{lines}"));
        self
    }

    /// Any other tables.
    pub fn with(mut self, tables: &str) -> Self {
        add(&mut self.rest, format_args!("{tables}"));
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// A variable of the gateway's environment; `{DIRECTORY}` in its value is where the configuration and its files are.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The configuration as TOML.
    pub fn toml(&self) -> String {
        let admin = "[admin]\naddress = \"127.0.0.1:0\"\n";
        [admin, &self.rest, &self.listeners, &self.issuers, &self.upstreams, &self.routes].join("\n")
    }

    /// Starts a gateway and waits until it is ready.
    pub fn start(self) -> Gateway {
        let gateway = self.start_unready();
        gateway.wait_ready();
        gateway
    }

    /// Starts a gateway whose standard output nobody reads, and waits until it is ready.
    pub fn start_unread(self) -> Gateway {
        let gateway = Gateway::start_unread(&self.toml(), &self.files);
        gateway.wait_ready();
        gateway
    }

    /// Starts a gateway and waits until it listens.
    pub fn start_unready(self) -> Gateway {
        Gateway::start_in(&self.toml(), &self.files, &self.environment)
    }
}

fn add(text: &mut String, lines: fmt::Arguments<'_>) {
    writeln!(text, "{lines}").expect("BUG: a string takes everything");
}
