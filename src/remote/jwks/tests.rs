//! Fetching against a real server; the clock of cooldowns is a number, and what is waited for are events, never a time.
use super::*;
use crate::{
    auth::{
        IssuerSettings, KeySource, Profile,
        test_keys::{self, ISSUER, OTHER_RSA, P256, RSA, key_set},
    },
    remote::{
        FetchResult,
        test_server::{Answer, ScratchFile, Server},
    },
    time::Now,
};
use serde_json::json;
use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};

mod adopted;
mod cached;

const COOLDOWN_S: u64 = 30;

/// A fetcher under test and what it reports.
struct Bench {
    authenticator: Arc<Authenticator>,
    fetcher: Arc<KeyFetcher>,
    now_s: Arc<AtomicU64>,
    events: mpsc::UnboundedReceiver<(String, FetchResult)>,
}

impl Bench {
    fn new(issuers: Vec<IssuerSettings>) -> Self {
        let authenticator = Arc::new(Authenticator::new(issuers, 8192, crate::auth::Revocations::none()));
        let now_s = Arc::new(AtomicU64::new(1000));
        let (sender, events) = mpsc::unbounded_channel();
        let clock: Clock = {
            let now_s = Arc::clone(&now_s);
            Arc::new(move || Now {
                monotonic_ns: now_s.load(Ordering::SeqCst) * 1_000_000_000,
                unix_ns: now_s.load(Ordering::SeqCst) * 1_000_000_000,
            })
        };
        let on_fetch: OnFetch = Arc::new(move |issuer, result| sender.send((issuer.to_owned(), result)).unwrap_or_default());
        let fetcher = Arc::new(KeyFetcher::new(&authenticator, &clock, &on_fetch));
        Self { authenticator, fetcher, now_s, events }
    }

    fn run(&self) -> JoinHandle<()> {
        let fetcher = Arc::clone(&self.fetcher);
        tokio::spawn(async move { fetcher.run().await })
    }

    /// Running, the first keys in place.
    async fn started(issuer: IssuerSettings) -> Self {
        let mut bench = Self::new(vec![issuer]);
        bench.run();
        assert_eq!(bench.next().await, FetchResult::Updated);
        bench
    }

    async fn next(&mut self) -> FetchResult {
        soon(self.events.recv()).await.expect("an event").1
    }

    /// A request with an unknown key, after the cooldown.
    async fn demand(&self) {
        self.now_s.fetch_add(COOLDOWN_S, Ordering::SeqCst);
        self.await_keys().await;
    }

    /// A request with an unknown key, now.
    async fn await_keys(&self) {
        soon(self.fetcher.await_keys(self.first())).await;
    }

    /// The same, beside the test.
    fn waiting(&self) -> JoinHandle<()> {
        let (fetcher, authenticator) = (Arc::clone(&self.fetcher), Arc::clone(&self.authenticator));
        tokio::spawn(async move { fetcher.await_keys(&authenticator.issuers()[0]).await })
    }

    fn first(&self) -> &Issuer {
        &self.authenticator.issuers()[0]
    }

    fn status(&self) -> KeyStatus {
        self.fetcher.status(self.first())
    }

    fn error(&self) -> String {
        self.status().last_error.unwrap_or_default()
    }

    fn keys(&self) -> usize {
        self.first().keys.len()
    }
}

/// Fails instead of hanging.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("it does not end")
}

fn from(keys: KeySource) -> IssuerSettings {
    IssuerSettings { keys, jwks_size: 10_000, ..test_keys::settings(Profile::Generic) }
}

fn one_key() -> Answer {
    Answer::ok(&test_keys::jwks(&[("a", &P256)]))
}

/// A server with one key at `/jwks`, fetched.
async fn started() -> (Server, Bench) {
    let server = Server::start().await;
    server.answer("/jwks", one_key());
    let bench = Bench::started(from(KeySource::Url(server.url("/jwks")))).await;
    (server, bench)
}

/// After a good fetch the server answers so: the fetch fails for that reason, and the old keys stay.
async fn refused(answer: Answer, expected: &str) {
    let (server, mut bench) = started().await;
    server.answer("/jwks", answer);
    bench.demand().await;
    assert_eq!(bench.next().await, FetchResult::Failed);
    assert!(bench.error().contains(expected), "{}", bench.error());
    assert_eq!(bench.keys(), 1);
}

#[tokio::test]
async fn answers_that_are_no_keys_are_refused() {
    refused(Answer::ok(""), "not a key set").await;
    refused(Answer::ok("<html>login</html>"), "not a key set").await;
    refused(Answer::ok("{}"), "missing field `keys`").await;
    refused(Answer::ok("{\"keys\":[]}"), "no key in the set can be used").await;
    refused(Answer::ok("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"), "no key in the set can be used").await;
    refused(Answer::with_status("503 Busy", ""), "status 503").await;
    refused(Answer::Raw(b"garbage".to_vec()), "no answer").await;
    refused(
        Answer::Raw(format!("HTTP/1.1 302 Found\r\nlocation: {ISSUER}/jwks\r\ncontent-length: 0\r\n\r\n").into_bytes()),
        "status 302",
    )
    .await;
}

#[tokio::test]
async fn an_oversized_answer_is_refused() {
    refused(Answer::ok(&" ".repeat(10_001)), "larger than 10000 bytes").await;
}

#[tokio::test]
async fn a_dripping_or_silent_server_is_given_up() {
    let server = Server::start().await;
    for answer in [Answer::Drip, Answer::Held(Arc::new(Semaphore::new(0)), Vec::new())] {
        server.answer("/jwks", answer);
        let fetch_timeout = Duration::from_millis(50);
        let mut bench = Bench::new(vec![IssuerSettings { fetch_timeout, ..from(KeySource::Url(server.url("/jwks"))) }]);
        bench.run();
        assert_eq!(bench.next().await, FetchResult::Failed);
        assert_eq!(bench.error(), "not complete within 50ms");
        bench.demand().await;
        assert_eq!(bench.keys(), 0);
    }
}

#[tokio::test]
async fn what_a_server_writes_is_shortened_and_made_printable() {
    let text = json!({ "keys": format!("\u{1b}[31m\n{}", "x".repeat(1000)) }).to_string();
    let (server, mut bench) = started().await;
    server.answer("/jwks", Answer::ok(&text));
    bench.demand().await;
    assert_eq!(bench.next().await, FetchResult::Failed);
    assert!(bench.error().len() <= 300 && !bench.error().chars().any(char::is_control), "{}", bench.error());
}

#[tokio::test]
async fn after_a_failure_good_keys_are_taken_again() {
    let (server, mut bench) = started().await;
    server.answer("/jwks", Answer::ok("{}"));
    bench.demand().await;
    assert_eq!(bench.next().await, FetchResult::Failed);
    server.answer("/jwks", Answer::ok(&test_keys::jwks(&[("a", &P256), ("b", &RSA)])));
    bench.demand().await;
    // A retry that began before the answer changed may fail once more.
    while bench.next().await != FetchResult::Updated {}
    let status = bench.status();
    assert!(status.last_success_unix_s > Some(1000));
    assert_eq!((status.last_error, status.keys), (None, 2));
}

#[tokio::test]
async fn the_refresh_takes_new_keys_without_any_request() {
    let server = Server::start().await;
    server.answer("/jwks", one_key());
    let refresh = Duration::from_millis(1);
    let mut bench = Bench::started(IssuerSettings { refresh, ..from(KeySource::Url(server.url("/jwks"))) }).await;
    assert_eq!(bench.next().await, FetchResult::Unchanged);
    server.answer("/jwks", Answer::ok(&test_keys::jwks(&[("a", &OTHER_RSA)])));
    while bench.next().await != FetchResult::Updated {}
    assert_eq!(bench.keys(), 1);
}

#[tokio::test]
async fn many_waiting_requests_share_one_fetch() {
    let (server, mut bench) = started().await;
    let gate = Arc::new(Semaphore::new(0));
    let Answer::Raw(good) = Answer::ok(&test_keys::jwks(&[("b", &P256)])) else { panic!("bytes") };
    server.answer("/jwks", Answer::Held(Arc::clone(&gate), good));
    bench.now_s.fetch_add(COOLDOWN_S, Ordering::SeqCst);
    let waiting: Vec<_> = (0..200).map(|_| bench.waiting()).collect();
    tokio::task::yield_now().await;
    gate.add_permits(1);
    for request in waiting {
        soon(request).await.expect("it ends");
    }
    assert_eq!(bench.next().await, FetchResult::Updated);
    assert_eq!(server.heads().len(), 2);
}

#[tokio::test]
async fn within_the_cooldown_nothing_is_fetched() {
    let (server, bench) = started().await;
    bench.demand().await;
    assert_eq!(server.heads().len(), 2);
    for (after_s, fetches) in [(0, 2), (29, 2), (1, 3), (1, 3)] {
        bench.now_s.fetch_add(after_s, Ordering::SeqCst);
        bench.await_keys().await;
        assert_eq!(server.heads().len(), fetches);
    }
}

#[tokio::test]
async fn a_failing_server_is_asked_once_per_cooldown_too() {
    let (server, bench) = started().await;
    server.answer("/jwks", Answer::with_status("500 Oops", ""));
    bench.demand().await;
    let before = server.heads().len();
    for _ in 0..100 {
        bench.await_keys().await;
    }
    // The background's first retry comes a second later.
    assert!(server.heads().len() <= before + 1);
}

#[tokio::test]
async fn a_request_that_goes_away_spoils_nothing() {
    let (server, mut bench) = started().await;
    let gate = Arc::new(Semaphore::new(0));
    let Answer::Raw(good) = Answer::ok(&test_keys::jwks(&[("b", &P256)])) else { panic!("bytes") };
    server.answer("/jwks", Answer::Held(Arc::clone(&gate), good));
    bench.now_s.fetch_add(COOLDOWN_S, Ordering::SeqCst);
    for _ in 0..3 {
        tokio::select! {
            biased;
            () = bench.fetcher.await_keys(bench.first()) => panic!("the server holds its answer"),
            () = tokio::task::yield_now() => {}
        }
    }
    gate.add_permits(1);
    bench.await_keys().await;
    assert_eq!((bench.next().await, server.heads().len()), (FetchResult::Updated, 2));
}

#[tokio::test]
async fn one_dead_issuer_does_not_touch_another() {
    let server = Server::start().await;
    server.answer("/dead", Answer::Held(Arc::new(Semaphore::new(0)), Vec::new()));
    server.answer("/jwks", one_key());
    let alive = IssuerSettings { issuer: "https://second.example".to_owned(), ..from(KeySource::Url(server.url("/jwks"))) };
    let mut bench = Bench::new(vec![from(KeySource::Url(server.url("/dead"))), alive]);
    bench.run();
    assert_eq!(soon(bench.events.recv()).await, Some(("https://second.example".to_owned(), FetchResult::Updated)));
    let second = &bench.authenticator.issuers()[1];
    soon(bench.fetcher.await_keys(second)).await;
    assert_eq!((bench.status().keys, bench.fetcher.status(second).keys), (0, 1));
}

#[tokio::test]
async fn when_fetching_has_ended_nobody_waits() {
    let server = Server::start().await;
    server.answer("/jwks", Answer::Held(Arc::new(Semaphore::new(0)), Vec::new()));
    let hour = Duration::from_secs(3600);
    let bench = Bench::new(vec![IssuerSettings { fetch_timeout: hour, ..from(KeySource::Url(server.url("/jwks"))) }]);
    let running = bench.run();
    let waiting = bench.waiting();
    tokio::task::yield_now().await;
    running.abort();
    soon(waiting).await.expect("it ends");
    bench.await_keys().await;
}

/// The discovery document says this; the first fetch fails for that reason.
async fn refused_discovery(document: &str, expected: &str) {
    let server = Server::start().await;
    server.answer("/jwks", one_key());
    server.answer("/discovery", Answer::ok(&document.replace("SERVER", &server.url(""))));
    let mut bench = Bench::new(vec![from(KeySource::Discovery(server.url("/discovery")))]);
    bench.run();
    assert_eq!(bench.next().await, FetchResult::Failed);
    assert!(bench.error().contains(expected), "{}", bench.error());
    assert!(server.heads().iter().all(|head| head.starts_with("GET /discovery ")));
}

#[tokio::test]
async fn a_discovery_document_that_is_not_the_issuers_is_refused() {
    let of = |issuer: &str, jwks_uri: &str| json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
    refused_discovery(&of("https://other.example", "SERVER/jwks"), "names another issuer").await;
    refused_discovery(&of("https://issuer.example/", "SERVER/jwks"), "names another issuer").await;
    refused_discovery(&json!({ "issuer": ISSUER }).to_string(), "lacks issuer or jwks_uri").await;
    refused_discovery(&json!({"jwks_uri": "SERVER/jwks"}).to_string(), "lacks issuer or jwks_uri").await;
    refused_discovery("[]", "is not one").await;
    refused_discovery(&of(ISSUER, "file:///etc/passwd"), "the URL is").await;
    refused_discovery(&of(ISSUER, "http://192.0.2.1/jwks"), "not of this machine").await;
    refused_discovery(&of(ISSUER, "/jwks"), "the URL has no host").await;
}

#[tokio::test]
async fn a_discovery_document_leads_to_the_keys() {
    let server = Server::start().await;
    server.answer("/elsewhere", one_key());
    server.answer(
        "/discovery",
        Answer::ok(&json!({"issuer": ISSUER, "jwks_uri": server.url("/elsewhere"), "more": 1}).to_string()),
    );
    let bench = Bench::started(from(KeySource::Discovery(server.url("/discovery")))).await;
    assert_eq!((bench.keys(), server.heads().len()), (1, 2));
}

#[test]
fn a_key_file_is_read_at_once() {
    let file = ScratchFile::new("keys.json");
    let mut missing = Bench::new(vec![from(KeySource::File(file.path().to_owned()))]);
    assert_eq!(missing.events.try_recv(), Ok((ISSUER.to_owned(), FetchResult::Failed)));
    assert!(missing.error().starts_with("the file cannot be read"), "{}", missing.error());
    file.write(&test_keys::jwks(&[("a", &P256)]));
    let present = Bench::new(vec![from(KeySource::File(file.path().to_owned()))]);
    assert_eq!((present.keys(), present.status().last_success_unix_s), (1, Some(1000)));
}

#[tokio::test]
async fn a_key_file_is_read_again() {
    let file = ScratchFile::containing("keys.json", &test_keys::jwks(&[("a", &P256)]));
    let mut bench = Bench::started(from(KeySource::File(file.path().to_owned()))).await;
    file.write(&" ".repeat(10_001));
    bench.demand().await;
    let error = "the file cannot be read: is larger than 10000B";
    assert_eq!((bench.next().await, bench.error().as_str(), bench.keys()), (FetchResult::Failed, error, 1));
    file.write(&test_keys::jwks(&[("a", &P256), ("b", &RSA)]));
    bench.demand().await;
    while bench.next().await != FetchResult::Updated {}
    assert_eq!(bench.keys(), 2);
}

#[tokio::test]
async fn own_keys_are_never_fetched() {
    let bench = Bench::new(vec![from(KeySource::Own(Arc::new(key_set(&[("a", &P256)]))))]);
    bench.run();
    bench.await_keys().await;
    assert_eq!(bench.status(), KeyStatus { keys: 1, ..KeyStatus::default() });
}

#[tokio::test]
async fn for_an_issuer_of_another_configuration_nobody_waits() {
    let bench = Bench::new(vec![from(KeySource::Url("http://127.0.0.1:1/".to_owned()))]);
    let other = Authenticator::new(
        vec![from(KeySource::Own(Arc::new(key_set(&[("a", &P256)]))))],
        8192,
        crate::auth::Revocations::none(),
    );
    soon(bench.fetcher.await_keys(&other.issuers()[0])).await;
    assert_eq!(bench.fetcher.status(&other.issuers()[0]), KeyStatus { keys: 1, ..KeyStatus::default() });
}
