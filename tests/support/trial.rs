//! A gateway that judges tokens, and what came of it: the answer, the log, the upstream.
use super::{Backend, Client, Gateway, Head, Response, Setup};
use serde_json::json;
use std::{cell::RefCell, thread};

/// A list of the API.
pub const LIST: &str = "/prod/api/incidents";

/// A gateway and the upstream behind it. The log is compared at the end, because it is written ten times a second and a refusal
/// takes a fraction of a millisecond.
pub struct Trial {
    pub gateway: Gateway,
    pub backend: Backend,
    refused: RefCell<Vec<Refused>>,
}

struct Refused {
    name: String,
    request_id: String,
    reason: &'static str,
}

impl Trial {
    /// With what `change` makes of a configuration without issuers. Limits are out of the way: a test asks more often than a user.
    pub fn start(change: impl FnOnce(Setup) -> Setup) -> Self {
        let backend = Backend::start();
        let limits = "[limits]\nper_user = { rate = 100000, burst = 100000 }\nper_address = { rate = 100000, burst = 100000 }";
        let gateway = change(Setup::bare(&backend.address().to_string()).with(limits)).start();
        Self { gateway, backend, refused: RefCell::default() }
    }

    /// What comes of this token, on a connection of its own.
    pub fn ask(&self, token: &str) -> Response {
        Client::connect(self.gateway.address()).get_as(token, LIST)
    }

    /// The token is good; as the upstream saw the request.
    #[track_caller]
    pub fn accept(&self, name: &str, token: &str) -> Head {
        let before = self.backend.requests().len();
        let response = self.ask(token);
        assert_eq!(response.status, 200, "{name}: {response:?}; {token}");
        let seen = self.backend.requests();
        assert_eq!(seen.len(), before + 1, "{name}: it reached the upstream");
        seen[before].head.clone()
    }

    /// The token is refused for this reason, which the log knows and the client does not, and the upstream saw nothing.
    #[track_caller]
    pub fn refuse(&self, name: &str, token: &str, reason: &'static str) {
        let before = self.backend.requests().len();
        let response = self.ask(token);
        assert_eq!(response.status, 401, "{name}: {response:?}; {token}");
        assert_eq!(response.only("WWW-Authenticate"), "Bearer realm=\"stackflow\", error=\"invalid_token\"", "{name}");
        let body = response.json();
        let message = if reason == "expired" { "The incoming token has expired" } else { "Unauthorized" };
        assert_eq!((&body["code"], &body["message"]), (&json!("invalid_token"), &json!(message)), "{name}: {body}");
        assert!(reason == "expired" || !response.text().contains(reason), "{name}: the client is not told why: {body}");
        assert_eq!(self.backend.requests().len(), before, "{name}: nothing reached the upstream");
        let request_id = response.only("X-Request-Id").to_owned();
        self.refused.borrow_mut().push(Refused { name: name.to_owned(), request_id, reason });
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        for Refused { name, request_id, reason } in self.refused.take() {
            let entry = self.gateway.access_log(&request_id);
            assert_eq!((&entry["outcome"], &entry["reason"]), (&json!("unauthorized"), &json!(reason)), "{name}: {entry}");
        }
    }
}
