//! A good token as Cognito shapes it, and the means of writing it differently.
use crate::support::{Issuer, JwksServer, KeyServing, Segments, Trial, base64url};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// The token written differently.
type Write = fn(&Good<'_>) -> String;
/// Name, how the token is spoiled, the reason of its refusal.
pub type Case = (&'static str, Write, &'static str);
/// Name, how the token is written: unusual, and good all the same.
pub type Taken = (&'static str, Write);

/// The issuer; another one that is configured too and calls its key the same; one whose key nobody knows.
static ISSUERS: LazyLock<[Issuer; 3]> = LazyLock::new(|| {
    let new = |name| thread::spawn(move || Issuer::new(name));
    ["https://pool.test/one", "https://pool.test/two", "https://pool.test/one"].map(new).map(|key| key.join().expect("a key"))
});

/// The kinds of tokens that a user pool makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Access,
    Id,
}

/// A token that is taken.
pub struct Good<'a> {
    pub parts: Segments,
    /// The URL of keys that are nobody's business.
    pub keys_of_stranger: &'a str,
}

impl Good<'_> {
    fn new(kind: Kind, keys_of_stranger: &str) -> Good<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // No two tokens are the same, so that each is judged anew; all are of one length, so that padding fits all or none.
        let id = format!("token-{:04}", NEXT.fetch_add(1, Ordering::Relaxed));
        let token = ISSUERS[0].token(|claims| {
            claims["jti"] = json!(id);
            if kind == Kind::Id {
                claims["token_use"] = json!("id");
                claims["aud"] = claims["client_id"].take();
                claims["cognito:username"] = claims["username"].take();
                let of_access = |name: &str| matches!(name, "client_id" | "username" | "scope");
                claims.as_object_mut().expect("an object").retain(|name, _| !of_access(name));
            }
        });
        Good { parts: Segments::of(&token), keys_of_stranger }
    }

    /// Another issuer, configured too, whose key has the same name.
    pub fn other() -> &'static Issuer {
        &ISSUERS[1]
    }

    /// Somebody with the same names and another key.
    pub fn stranger() -> &'static Issuer {
        &ISSUERS[2]
    }

    /// The issuer whose tokens these are.
    pub fn issuer() -> &'static Issuer {
        &ISSUERS[0]
    }

    pub fn token(&self) -> String {
        self.parts.token()
    }

    /// The payload's first segment and the second, as they would be signed.
    pub fn signed(&self) -> String {
        format!("{}.{}", self.parts.header, self.parts.claims)
    }

    /// These segments, signed as they stand.
    pub fn sign(header: &str, claims: &str) -> String {
        ISSUERS[0].sign_text(&format!("{header}.{claims}"), Algorithm::RS256)
    }

    /// Signed by the issuer's key with another algorithm.
    pub fn signed_as(&self, name: &str, algorithm: Algorithm) -> String {
        let parts = self.parts.with_header(|header| header["alg"] = json!(name));
        ISSUERS[0].sign_text(&format!("{}.{}", parts.header, parts.claims), algorithm)
    }

    /// With this member in its header.
    pub fn header(&self, name: &str, value: impl Into<Value>) -> String {
        let parts = self.parts.with_header(|header| header[name] = value.into());
        Self::sign(&parts.header, &parts.claims)
    }

    /// Without this member in its header.
    pub fn headless(&self, name: &str) -> String {
        let parts = self.parts.with_header(|header| drop(header.as_object_mut().expect("an object").remove(name)));
        Self::sign(&parts.header, &parts.claims)
    }

    /// With what becomes of the header's text.
    pub fn header_text<T: AsRef<[u8]>>(&self, write: impl FnOnce(String) -> T) -> String {
        Self::sign(&base64url(write(self.parts.header().to_string())), &self.parts.claims)
    }

    /// With this claim.
    pub fn claim(&self, name: &str, value: impl Into<Value>) -> String {
        let parts = self.parts.with_claims(|claims| claims[name] = value.into());
        Self::sign(&parts.header, &parts.claims)
    }

    /// Without this claim.
    pub fn without(&self, name: &str) -> String {
        let parts = self.parts.with_claims(|claims| drop(claims.as_object_mut().expect("an object").remove(name)));
        Self::sign(&parts.header, &parts.claims)
    }

    /// With what becomes of the claims' text.
    pub fn claims_text<T: AsRef<[u8]>>(&self, write: impl FnOnce(String) -> T) -> String {
        Self::sign(&self.parts.header, &base64url(write(self.parts.claims().to_string())))
    }

    /// With this claim, its value as it is written here.
    pub fn claim_text(&self, name: &str, value: &str) -> String {
        let parts = self.parts.with_claims(|claims| drop(claims.as_object_mut().expect("an object").remove(name)));
        Self::sign(&parts.header, &base64url(with(&parts.claims().to_string(), &format!("\"{name}\":{value}"))))
    }
}

/// The object with more members at its end.
pub fn with(object: &str, members: &str) -> String {
    format!("{},{members}}}", object.strip_suffix('}').expect("an object"))
}

/// A gateway with two user pools, and keys that it must never ask for.
pub struct Court {
    pub trial: Trial,
    pub stranger: JwksServer,
    pub issuers: [JwksServer; 2],
}

impl Court {
    pub fn start() -> Self {
        let serve = |issuer: &Issuer| JwksServer::start(KeyServing::Good(issuer.jwks_json()));
        let servers = [serve(&ISSUERS[0]), serve(&ISSUERS[1])];
        let trial = Trial::start(|setup| {
            ISSUERS.iter().zip(&servers).fold(setup, |setup, (issuer, server)| {
                let lines = "profile = \"cognito\"\nclient_ids = [\"test-client\", \"second-client\"]";
                setup.issuer(&format!("issuer = \"{}\"\njwks_url = \"{}\"\n{lines}", issuer.name, server.url()))
            })
        });
        Self { trial, stranger: serve(&ISSUERS[2]), issuers: servers }
    }

    /// A token that nobody has seen yet.
    pub fn good(kind: Kind, keys_of_stranger: &str) -> Good<'_> {
        Good::new(kind, keys_of_stranger)
    }
}

/// Each spoiled token is refused, and the token before it was spoiled is taken, also afterwards.
#[track_caller]
pub fn check(kind: Kind, cases: &[Case]) {
    let court = Court::start();
    let keys_of_stranger = court.stranger.url();
    for (name, spoil, reason) in cases {
        let good = Good::new(kind, &keys_of_stranger);
        court.trial.accept(name, &good.token());
        let spoiled = spoil(&good);
        assert_ne!(spoiled, good.token(), "{name} changes the token");
        court.trial.refuse(name, &spoiled, reason);
        court.trial.accept(name, &good.token());
    }
    assert_eq!(court.stranger.fetches(), 0, "keys that a token names are never asked for");
}

/// Unusual, and taken.
#[track_caller]
pub fn check_taken(kind: Kind, cases: &[Taken]) {
    let court = Court::start();
    let keys_of_stranger = court.stranger.url();
    for (name, write) in cases {
        court.trial.accept(name, &write(&Good::new(kind, &keys_of_stranger)));
    }
    assert_eq!(court.stranger.fetches(), 0, "keys that a token names are never asked for");
}
