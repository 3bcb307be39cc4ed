//! A small installation for tests: a gateway compiled from TOML that holds real keys, and requests in one line.

use super::{Attempt, Decision, decide};
use crate::{
    auth::{
        Profile,
        test_keys::{ALL_KEYS, Draft, ISSUER, NOW_S, at},
    },
    config::{Gateway, Provided, compile_with},
    limit::{Caller, Charge},
    request::Request,
    state::State,
    time::Now,
    token::{ServiceAccounts, SigningAlgorithm, SigningKey},
};
use http::{HeaderName, HeaderValue, Method, Uri, header, request::Parts};
use std::{net::IpAddr, path::Path};

/// The moment of most tests.
pub(crate) fn now() -> Now {
    at(NOW_S)
}

/// What no test varies. There is no account: these tests ask for no token there.
const BASE: &str = r#"
[[listeners]]
address = "127.0.0.1:8080"
[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any"
[auth.token_endpoint]
[upstreams.api]
servers = ["http://127.0.0.1:3000"]
[[routes]]
path = "/incidents"
methods = ["GET", "POST"]
query = { limit = { type = "integer", min = 1, max = 200 } }
[[routes]]
path = "/incidents/{id}"
methods = ["GET", "PATCH"]
[[routes]]
path = "/incidents/bulk"
methods = ["POST"]
limit = "exempt"
[[routes]]
path = "/open"
methods = ["GET", "POST"]
auth = "none"
query = { limit = { type = "integer", min = 1, max = 200 } }
[[routes]]
path = "/strict"
methods = ["POST"]
scopes = ["admin", "write"]
body = "1KiB"
query = { limit = { type = "integer", min = 1, max = 200 } }
"#;

/// Limits whose buckets can be told apart by their size.
const LIMITS: &str = "[limits]\nglobal = { rate = 1, burst = 30 }\nper_user = { rate = 1, burst = 10 }\n\
    per_address = { rate = 1, burst = 20 }\nbulk_in_flight = 2\n";

/// The gateway with `more` in its file, and with the keys of its issuer.
pub(crate) fn gateway(more: &str) -> Gateway {
    let gateway = gateway_without_keys(more);
    gateway.auth.authenticator.issuers()[0].keys.replace(ALL_KEYS.clone());
    gateway
}

/// The same before the issuer's keys are there.
pub(crate) fn gateway_without_keys(more: &str) -> Gateway {
    let limits = if more.contains("[limits]") { "" } else { LIMITS };
    let (signing_key, _) = SigningKey::generate(SigningAlgorithm::Es256).expect("a key");
    let provided = Provided { service_accounts: ServiceAccounts::default(), signing_key };
    compile_with(Path::new("gateway.toml"), &format!("{more}\n{limits}{BASE}"), provided)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// A token of user-1 that the gateway accepts, signed with a real key.
pub(crate) fn good_token() -> Draft {
    Draft::good(Profile::Cognito)
}

/// A request about to be made.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) parts: Parts,
    pub(crate) target: String,
    pub(crate) client: IpAddr,
    pub(crate) redirect_only: bool,
}

impl Ask {
    /// `GET /path`, over HTTP/1.1, with a host and nothing else.
    pub(crate) fn new(line: &str) -> Self {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = Method::from_bytes(method.as_bytes()).expect("a method");
        parts.uri = Uri::try_from(target).unwrap_or_default();
        parts.headers.insert(header::HOST, HeaderValue::from_static("api.example.com"));
        let client = "203.0.113.7".parse().expect("an address");
        Self { parts, target: target.to_owned(), client, redirect_only: false }
    }

    /// One field more.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a field name");
        self.parts.headers.append(name, HeaderValue::try_from(value).expect("a field value"));
        self
    }

    /// Without any field of this name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.parts.headers.remove(name);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// With a token of user-1.
    pub(crate) fn signed_in(self) -> Self {
        self.bearer(&good_token().token())
    }

    /// A preflight for this method.
    pub(crate) fn preflight(self, origin: &str, method: &str) -> Self {
        self.with("origin", origin).with("access-control-request-method", method)
    }

    /// Its listener only redirects.
    pub(crate) fn redirected(mut self) -> Self {
        self.redirect_only = true;
        self
    }

    /// As the stages see it; a body follows where the framing of HTTP/1.1 says so.
    pub(crate) fn request(&self) -> Request<'_> {
        let Self { parts, target, client, redirect_only } = self;
        let request =
            Request { parts, target, client: *client, https: false, redirect_only: *redirect_only, has_body: false, fault: None };
        let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
        Request { has_body: request.content_length().map_or(chunked, |length| length > 0), ..request }
    }
}

/// A gateway with its state, asked again and again.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) state: State,
}

impl World {
    pub(crate) fn new(more: &str) -> Self {
        Self::of(gateway(more))
    }

    pub(crate) fn of(gateway: Gateway) -> Self {
        Self { state: State::new(&gateway), gateway }
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Decision {
        self.ask_again(ask, Attempt::First)
    }

    pub(crate) fn ask_again(&self, ask: &Ask, attempt: Attempt) -> Decision {
        decide(&self.gateway, &self.state, &ask.request(), attempt, now())
    }

    /// What is missing from the buckets of user-1, of the client's address, and of all, in this order.
    pub(crate) fn spent(&self, ask: &Ask) -> Spent {
        let limits = &self.gateway.limits;
        let user = self.state.limits.user_standing(&self.user_1(), now());
        let address = self.state.limits.address_standing(limits, ask.client, now());
        Spent {
            user: user.limit - user.remaining,
            address: address.limit - address.remaining,
            global: limits.global.burst() - self.state.limits.global_tokens(limits, now()),
        }
    }

    /// Under the numbers of all, as long as no plan is for it.
    pub(crate) fn user_1(&self) -> Caller<'static> {
        Caller { issuer: ISSUER, subject: "user-1", terms: self.gateway.limits.terms(None, &[]) }
    }

    /// Takes all of the address' tokens.
    pub(crate) fn drain_address(&self, ask: &Ask) {
        while self.state.limits.charge_address(&self.gateway.limits, ask.client, now()).is_ok() {}
    }

    /// Takes all of user-1's tokens.
    pub(crate) fn drain_user(&self) {
        while self.state.limits.admit(&self.gateway.limits, &self.user_1(), Charge::User, now()).is_ok() {}
    }

    /// Takes all tokens of the global bucket.
    pub(crate) fn drain_global(&self) {
        while self.state.limits.admit_anonymous(&self.gateway.limits, Charge::User, now()).is_ok() {}
    }
}

/// Tokens taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) user: u64,
    pub(crate) address: u64,
    pub(crate) global: u64,
}
