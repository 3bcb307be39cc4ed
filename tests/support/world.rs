//! A gateway with what it stands between: an upstream behind it, an issuer whose tokens it takes, and `ada`, who holds one.
use super::{Backend, Client, Gateway, Issuer, Response, Setup};

/// The media type that the API takes.
pub const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A running gateway and both its neighbours.
pub struct World {
    pub gateway: Gateway,
    pub backend: Backend,
    pub issuer: Issuer,
    /// `Bearer` and a token of `ada`.
    pub bearer: String,
}

impl World {
    /// With what a configuration has when nothing is said.
    pub fn start() -> Self {
        Self::with(|setup| setup)
    }

    /// With what `change` makes of that.
    pub fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::behind(Backend::start(), change)
    }

    /// The same in front of this upstream.
    pub fn behind(backend: Backend, change: impl FnOnce(Setup) -> Setup) -> Self {
        let issuer = Issuer::new("https://pool.test/one");
        let gateway = change(Setup::new(backend.address(), &issuer)).start();
        let bearer = format!("Bearer {}", issuer.user("ada"));
        Self { gateway, backend, issuer, bearer }
    }

    /// What its gateway would run with after `change`, issuer and upstream being the same.
    pub fn changed(&self, change: impl FnOnce(Setup) -> Setup) -> String {
        change(Setup::new(self.backend.address(), &self.issuer)).toml()
    }

    /// The gateway takes that up.
    #[track_caller]
    pub fn take_up(&self, change: impl FnOnce(Setup) -> Setup) {
        self.gateway.rewrite(&self.changed(change));
        self.gateway.take_up();
    }

    /// The header by which `ada` is known.
    pub fn auth(&self) -> (&str, &str) {
        ("Authorization", &self.bearer)
    }

    /// `ada` asks, on a connection of its own.
    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.ask_on(&mut self.gateway.connect(), method, target, headers, body)
    }

    /// `ada` asks, on this connection.
    #[track_caller]
    pub fn ask_on(&self, client: &mut Client, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        client.exchange(method, target, &[&[self.auth()], headers].concat(), body)
    }

    /// `ada` gets, on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.ask("GET", target, &[], b"")
    }

    /// `ada` posts JSON, on a connection of its own.
    #[track_caller]
    pub fn post(&self, target: &str, body: &[u8]) -> Response {
        self.ask("POST", target, &[JSON], body)
    }
}
