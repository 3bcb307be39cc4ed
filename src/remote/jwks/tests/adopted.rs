//! What a reload leaves as it was, begins and ends.
use super::*;

impl Bench {
    /// Another configuration is in force. Those of `kept` have the ring of the issuer that was first, as equal settings have it.
    fn adopt(&mut self, issuers: Vec<IssuerSettings>, kept: &[usize]) {
        let mut new = Authenticator::new(issuers, 8192, crate::auth::Revocations::none());
        for index in kept {
            new.issuers_mut()[*index].keys = Arc::clone(&self.first().keys);
        }
        self.fetcher.adopt(&new);
        self.authenticator = Arc::new(new);
    }
}

fn at(server: &Server, path: &str) -> IssuerSettings {
    from(KeySource::Url(server.url(path)))
}

fn named(issuer: &str, settings: IssuerSettings) -> IssuerSettings {
    IssuerSettings { issuer: issuer.to_owned(), ..settings }
}

#[tokio::test]
async fn an_issuer_whose_ring_stays_keeps_its_cooldown_and_is_not_fetched() {
    let (server, mut bench) = started().await;
    bench.demand().await;
    bench.adopt(vec![at(&server, "/jwks")], &[0]);
    bench.await_keys().await;
    assert_eq!(server.heads().len(), 2, "still within the cooldown");
    assert_eq!((bench.status().last_success_unix_s, bench.keys()), (Some(1030), 1));
    bench.demand().await;
    assert_eq!(server.heads().len(), 3, "and its task goes on");
}

#[tokio::test]
async fn its_failures_are_remembered_too() {
    let (server, mut bench) = started().await;
    server.answer("/jwks", Answer::with_status("500 Oops", ""));
    bench.demand().await;
    bench.adopt(vec![at(&server, "/jwks")], &[0]);
    assert_eq!(bench.error(), "status 500");
}

#[tokio::test]
async fn requests_that_wait_for_it_go_on_waiting_and_are_served() {
    let (server, mut bench) = started().await;
    let gate = Arc::new(Semaphore::new(0));
    let Answer::Raw(good) = Answer::ok(&test_keys::jwks(&[("b", &P256)])) else { panic!("bytes") };
    server.answer("/jwks", Answer::Held(Arc::clone(&gate), good));
    bench.now_s.fetch_add(COOLDOWN_S, Ordering::SeqCst);
    let waiting = bench.waiting();
    tokio::task::yield_now().await;
    bench.adopt(vec![at(&server, "/jwks"), named("https://new.example", at(&server, "/none"))], &[0]);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    gate.add_permits(1);
    soon(waiting).await.expect("it ends");
    assert_eq!(server.heads().iter().filter(|head| head.starts_with("GET /jwks ")).count(), 2);
}

#[tokio::test]
async fn a_new_issuer_is_fetched_at_once() {
    let (server, mut bench) = started().await;
    server.answer("/new", one_key());
    bench.adopt(vec![at(&server, "/jwks"), named("https://new.example", at(&server, "/new"))], &[0]);
    assert_eq!(soon(bench.events.recv()).await, Some(("https://new.example".to_owned(), FetchResult::Updated)));
    assert_eq!(bench.authenticator.issuers()[1].keys.len(), 1);
}

#[tokio::test]
async fn an_issuer_with_a_new_ring_is_fetched_anew() {
    let (server, mut bench) = started().await;
    bench.adopt(vec![at(&server, "/jwks")], &[]);
    assert_eq!(bench.status(), KeyStatus::default());
    assert_eq!(bench.next().await, FetchResult::Updated);
    assert_eq!((server.heads().len(), bench.keys()), (2, 1));
}

#[tokio::test]
async fn an_issuer_that_is_gone_is_not_asked_any_more_and_nobody_waits_for_it() {
    let server = Server::start().await;
    server.answer("/jwks", one_key());
    let hour = Duration::from_secs(3600);
    let mut bench = Bench::started(IssuerSettings { fetch_timeout: hour, ..at(&server, "/jwks") }).await;
    server.answer("/jwks", Answer::Held(Arc::new(Semaphore::new(0)), Vec::new()));
    bench.now_s.fetch_add(COOLDOWN_S, Ordering::SeqCst);
    let waiting = bench.waiting();
    let is_asked = async {
        while server.heads().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon(is_asked).await;
    let old = Arc::clone(&bench.authenticator);
    server.answer("/other", one_key());
    bench.adopt(vec![named("https://other.example", at(&server, "/other"))], &[]);
    soon(waiting).await.expect("its fetch has ended");
    assert_eq!(bench.next().await, FetchResult::Updated);
    // A request that began under the old configuration is judged by the keys that there are.
    bench.now_s.fetch_add(COOLDOWN_S, Ordering::SeqCst);
    soon(bench.fetcher.await_keys(&old.issuers()[0])).await;
    assert_eq!(server.heads().iter().filter(|head| head.starts_with("GET /jwks ")).count(), 2);
}

#[tokio::test]
async fn what_is_adopted_before_fetching_begins_is_fetched_then() {
    let server = Server::start().await;
    server.answer("/jwks", one_key());
    let mut bench = Bench::new(vec![at(&server, "/gone")]);
    bench.adopt(vec![at(&server, "/jwks")], &[]);
    bench.run();
    assert_eq!(bench.next().await, FetchResult::Updated);
    assert!(server.heads().iter().all(|head| head.starts_with("GET /jwks ")));
}

#[tokio::test]
async fn a_key_file_of_an_issuer_that_stays_is_read_again() {
    let file = ScratchFile::containing("keys.json", &test_keys::jwks(&[("a", &P256)]));
    let settings = from(KeySource::File(file.path().to_owned()));
    let mut bench = Bench::started(settings.clone()).await;
    file.write(&test_keys::jwks(&[("a", &P256), ("b", &RSA)]));
    bench.adopt(vec![settings], &[0]);
    assert_eq!(bench.next().await, FetchResult::Updated);
    assert_eq!(bench.keys(), 2);
}
