//! One issuer under a clock that stands still until everybody waits: each moment here is exact, whatever the machine does.
use super::*;
use crate::{
    auth::{
        Authenticator, Profile,
        test_keys::{self, P256, RSA},
    },
    remote::test_server::ScratchFile,
    time::Now,
};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::{
    task::{JoinHandle, yield_now},
    time::Instant,
};

const SECOND: Duration = Duration::from_secs(1);
/// How long before its time a refresh may come.
const EARLIER: Duration = Duration::from_secs(60);

/// How the key server takes the next fetch, and for how long; then as the one before.
#[derive(Clone, Copy, Debug)]
enum Serving {
    Good,
    OtherKeys,
    Broken,
    Hanging,
}

/// An issuer with a key server that is a script, and what happened, each with its second since the start.
struct Bench {
    authenticator: Authenticator,
    watched: Arc<Watched>,
    served: Arc<Served>,
    results: Arc<Mutex<Vec<FetchResult>>>,
    began: Instant,
}

#[derive(Default)]
struct Served {
    script: Mutex<VecDeque<(Serving, Duration)>>,
    begun: Mutex<Vec<Instant>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Served {
    async fn fetch(self: Arc<Self>) -> Result<Vec<u8>, FetchError> {
        lock(&self.begun).push(Instant::now());
        let (serving, pause) = {
            let mut script = lock(&self.script);
            let next = script.front().copied().expect("a script");
            if script.len() > 1 {
                script.pop_front();
            }
            next
        };
        let _counted = Counted::new(&self);
        sleep(pause).await;
        match serving {
            Serving::Good => Ok(test_keys::jwks(&[("a", &P256)]).into_bytes()),
            Serving::OtherKeys => Ok(test_keys::jwks(&[("a", &RSA), ("b", &P256)]).into_bytes()),
            Serving::Broken => Ok(b"{}".to_vec()),
            Serving::Hanging => std::future::pending().await,
        }
    }
}

/// Fetches at the same time, also those that are dropped.
struct Counted<'a>(&'a Served);

impl<'a> Counted<'a> {
    fn new(served: &'a Served) -> Self {
        let now = served.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        served.most_at_once.fetch_max(now, Ordering::SeqCst);
        Self(served)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Bench {
    /// An issuer with the defaults: refresh 10 minutes, cooldown 30 s, time-out 5 s.
    fn new(script: &[(Serving, Duration)]) -> Self {
        let authenticator =
            Authenticator::new(vec![test_keys::settings(Profile::Generic)], 8192, crate::auth::Revocations::none());
        let served = Arc::new(Served { script: Mutex::new(script.iter().copied().collect()), ..Served::default() });
        let (began, results) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let clock: Clock = Arc::new(move || {
            let ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Now { monotonic_ns: ns, unix_ns: ns }
        });
        let noted = Arc::clone(&results);
        let on_fetch: OnFetch = Arc::new(move |_, result| lock(&noted).push(result));
        let fetched = Arc::clone(&served);
        let source = KeyDocument::Scripted(Box::new(move || Box::pin(Arc::clone(&fetched).fetch())));
        let watched = Arc::new(Watched::new(&authenticator.issuers()[0], source, clock, on_fetch));
        Self { authenticator, watched, served, results, began }
    }

    /// Its task runs, and the first fetch has ended.
    async fn started(script: &[(Serving, Duration)]) -> Self {
        let bench = Self::new(script);
        bench.run();
        // Without asking, which would begin the cooldown.
        while lock(&bench.results).is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        bench
    }

    fn run(&self) -> JoinHandle<()> {
        tokio::spawn(self.watched.task().expect("once"))
    }

    fn serve(&self, serving: Serving, pause: Duration) {
        *lock(&self.served.script) = VecDeque::from([(serving, pause)]);
    }

    /// A request with an unknown key, beside the test; it has begun to wait when this returns.
    async fn waiting(&self) -> JoinHandle<()> {
        let watched = Arc::clone(&self.watched);
        let task = tokio::spawn(async move { watched.await_fetch().await });
        yield_now().await;
        task
    }

    fn fetches(&self) -> usize {
        lock(&self.served.begun).len()
    }

    /// Between the beginnings of fetches.
    fn pauses(&self) -> Vec<Duration> {
        lock(&self.served.begun).windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn keys(&self) -> usize {
        self.authenticator.issuers()[0].keys.len()
    }

    /// How long a request waits now.
    async fn wait(&self) -> Duration {
        let began = Instant::now();
        self.watched.await_fetch().await;
        began.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_in_time_without_any_request() {
    let bench = Bench::started(&[(Serving::Good, SECOND)]).await;
    sleep(3601 * SECOND).await;
    assert!((6..=7).contains(&bench.fetches()), "{}", bench.fetches());
    for pause in bench.pauses() {
        assert!(pause <= 601 * SECOND && pause + EARLIER >= 601 * SECOND, "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_issuer_is_asked_again_soon_and_then_every_half_minute() {
    let bench = Bench::new(&[(Serving::Broken, Duration::ZERO)]);
    bench.run();
    sleep(600 * SECOND).await;
    let seconds: Vec<_> = bench.pauses().iter().map(|pause| pause.as_secs_f64().ceil()).collect();
    assert!(seconds.starts_with(&[1.0, 2.0, 4.0, 8.0]), "{seconds:?}");
    assert!(seconds.iter().skip(5).all(|pause| (27.0..=30.0).contains(pause)), "{seconds:?}");
    bench.serve(Serving::Good, Duration::ZERO);
    sleep(30 * SECOND).await;
    assert_eq!((bench.keys(), bench.watched.status().last_error), (1, None), "and it is back within half a minute");
}

#[tokio::test(start_paused = true)]
async fn one_request_asks_and_the_cooldown_begins() {
    let bench = Bench::started(&[(Serving::Good, SECOND)]).await;
    // Nobody asked for the first fetch: a key that it did not bring is looked for at once.
    let before = bench.fetches();
    assert_eq!(bench.wait().await, SECOND);
    for _ in 0..100 {
        assert_eq!(bench.wait().await, Duration::ZERO);
    }
    assert_eq!(bench.fetches(), before + 1);
    sleep(Duration::from_millis(28_999)).await;
    assert_eq!(bench.wait().await, Duration::ZERO, "1 ms before its end");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(bench.wait().await, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_flood_asks_once_in_a_cooldown() {
    let bench = Bench::started(&[(Serving::Good, SECOND)]).await;
    let before = bench.fetches();
    // 10 minutes, ten requests a second, as fast as the cooldown allows and no faster.
    for _ in 0..6000 {
        drop(bench.waiting().await);
        sleep(Duration::from_millis(100)).await;
    }
    let asked = bench.fetches() - before;
    // 20 of the requests, 1 or 2 of the refresh.
    assert!((20..=23).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn who_asked_before_the_first_fetch_gets_that_one() {
    let bench = Bench::new(&[(Serving::Good, SECOND)]);
    let early = bench.waiting().await;
    bench.run();
    early.await.expect("it ends");
    sleep(60 * SECOND).await;
    assert_eq!((bench.fetches(), bench.keys()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn all_share_the_fetch_under_way_whoever_began_it() {
    let bench = Bench::new(&[(Serving::Good, 4 * SECOND)]);
    bench.run();
    yield_now().await;
    let early: Vec<_> = [bench.waiting().await, bench.waiting().await].into();
    sleep(3 * SECOND).await;
    let late = bench.waiting().await;
    for request in early.into_iter().chain([late]) {
        request.await.expect("it ends");
    }
    assert_eq!((bench.began.elapsed(), bench.fetches(), bench.keys()), (4 * SECOND, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_the_time_out() {
    let bench = Bench::new(&[(Serving::Hanging, Duration::ZERO)]);
    assert_eq!(bench.wait().await, 5 * SECOND, "also while nothing fetches");
    bench.run();
    yield_now().await;
    assert_eq!(bench.wait().await, 5 * SECOND);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(*lock(&bench.results), [FetchResult::Failed]);
    assert_eq!(bench.watched.status().last_error.as_deref(), Some("not complete within 5s"));
}

#[tokio::test(start_paused = true)]
async fn requests_that_give_up_spoil_nothing() {
    let bench = Bench::started(&[(Serving::Good, 2 * SECOND)]).await;
    bench.serve(Serving::OtherKeys, 2 * SECOND);
    let first = bench.waiting().await;
    let others = [bench.waiting().await, bench.waiting().await];
    // The one that asked goes away first.
    first.abort();
    others[0].abort();
    sleep(SECOND).await;
    let [_, stays] = others;
    stays.await.expect("it ends");
    assert_eq!((bench.keys(), bench.fetches()), (2, 2));
    assert_eq!(bench.watched.waiting.available_permits(), WAITING);
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_there_are_places() {
    let bench = Bench::new(&[(Serving::Hanging, Duration::ZERO)]);
    bench.run();
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting.push(bench.waiting().await);
    }
    assert_eq!(bench.wait().await, Duration::ZERO);
    waiting.pop().expect("one").abort();
    yield_now().await;
    assert_eq!(bench.wait().await, 5 * SECOND, "a place is free again");
}

#[tokio::test(start_paused = true)]
async fn the_end_ends_waits_and_fetches() {
    let bench = Bench::new(&[(Serving::Hanging, Duration::ZERO)]);
    let running = bench.run();
    let waiting = bench.waiting().await;
    sleep(SECOND).await;
    bench.watched.end();
    waiting.await.expect("it ends");
    running.await.expect("it ends");
    assert_eq!(bench.began.elapsed(), SECOND);
    assert_eq!((bench.wait().await, bench.fetches()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn an_end_before_the_beginning_counts() {
    let bench = Bench::new(&[(Serving::Good, SECOND)]);
    bench.watched.end();
    bench.run().await.expect("it ends");
    assert!(bench.fetches() <= 1 && bench.keys() == 0);
}

#[tokio::test(start_paused = true)]
async fn kept_keys_wait_for_half_a_second_and_no_longer() {
    for (serving, pause, keys_after) in [(Serving::Hanging, 0, 2), (Serving::Good, 499, 1), (Serving::Good, 501, 2)] {
        let bench = Bench::new(&[(serving, Duration::from_millis(pause))]);
        let set = test_keys::key_set(&[("kept", &P256), ("old", &RSA)]);
        lock(&bench.watched.progress).kept = Some(KeptKeys { set, fetched_unix_s: 7 });
        bench.run();
        sleep(Duration::from_millis(498)).await;
        assert_eq!(bench.keys(), 0, "{serving:?} {pause}");
        sleep(Duration::from_millis(3)).await;
        assert_eq!(bench.keys(), keys_after, "{serving:?} {pause}");
        assert_eq!(bench.watched.status().restored, keys_after == 2);
        // What answers late answers the next time.
        sleep(10 * SECOND).await;
        assert_eq!(bench.keys(), if matches!(serving, Serving::Good) { 1 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_the_file_is_written_is_written_after_it() {
    let (bench, file) = (Bench::new(&[(Serving::Good, SECOND)]), ScratchFile::new("cache"));
    let url = IssuerSettings {
        keys: KeySource::Url("https://issuer.example/keys".to_owned()),
        jwks_cache_file: Some(file.path().to_owned()),
        ..test_keys::settings(Profile::Generic)
    };
    let (clock, on_fetch) = (Arc::clone(&bench.watched.clock), Arc::clone(&bench.watched.on_fetch));
    let source = KeyDocument::Scripted(Box::new(|| Box::pin(std::future::pending())));
    let mut watched = Watched::new(&bench.authenticator.issuers()[0], source, clock, on_fetch);
    watched.cache = KeyCache::new(&url);
    let watched = Arc::new(watched);
    let fetch = |kids: &[(&str, &'static test_keys::TestKey)]| {
        let document = watched.settle(judge(test_keys::jwks(kids).into_bytes())).expect("good keys");
        watched.save(document);
    };
    // The disk is slow: the first set is still on its way.
    watched.settle(judge(test_keys::jwks(&[("a", &P256), ("b", &RSA)]).into_bytes())).expect("good keys");
    lock(&watched.progress).saving.under_way = Some(1);
    fetch(&[("a", &P256), ("b", &RSA)]);
    assert!(lock(&watched.progress).saving.next.is_none(), "that one is being written");
    fetch(&[("b", &RSA)]);
    fetch(&[("c", &P256)]);
    let next = watched.note_saved(Ok(None)).expect("a set that has changed");
    assert_eq!((next.version, lock(&watched.progress).saving.under_way), (3, Some(3)), "the last one is enough");
    assert!(watched.note_saved(watched.write(&next)).is_none());
    assert!(watched.is_saved());
    let text = std::fs::read_to_string(file.path()).expect("the file");
    assert!(text.contains("\"c\"") && !text.contains("\"b\""), "{text}");
}

fn serving() -> impl Strategy<Value = (Serving, Duration)> {
    let kind = prop_oneof![Just(Serving::Good), Just(Serving::OtherKeys), Just(Serving::Broken), Just(Serving::Hanging)];
    (kind, (0u64..7000).prop_map(Duration::from_millis))
}

/// Requests come and some go away, the key server does as it likes, hours pass.
async fn live(script: Vec<(Serving, Duration)>, requests: Vec<(u64, bool)>) -> Result<(), TestCaseError> {
    let bench = Bench::new(&script);
    bench.run();
    let mut waits = Vec::new();
    for (pause_ms, goes_away) in requests {
        sleep(Duration::from_millis(pause_ms)).await;
        let watched = Arc::clone(&bench.watched);
        let request = tokio::spawn(async move {
            let began = Instant::now();
            watched.await_fetch().await;
            began.elapsed()
        });
        yield_now().await;
        if goes_away {
            request.abort();
        }
        waits.push(request);
    }
    for wait in waits {
        // Of those that went away there is nothing to say.
        let waited = wait.await.unwrap_or_default();
        prop_assert!(waited <= 5 * SECOND, "{waited:?}");
    }
    prop_assert!(bench.served.most_at_once.load(Ordering::SeqCst) <= 1, "one task, one fetch");
    prop_assert_eq!(bench.watched.waiting.available_permits(), WAITING);
    let (elapsed_s, fetches) = (bench.began.elapsed().as_secs(), bench.fetches() as u64);
    // By requests: one in a cooldown. By itself: the first, one for each refresh, and the retries, which come at least 0.9 s apart
    // and add up to four soon ones after each success.
    let failures = lock(&bench.results).iter().filter(|result| **result == FetchResult::Failed).count() as u64;
    prop_assert!(fetches <= 3 + elapsed_s / 30 + elapsed_s / 540 + failures, "{fetches} in {elapsed_s} s, {failures} failed");
    let good = lock(&bench.results).iter().any(|result| *result != FetchResult::Failed);
    prop_assert_eq!(bench.keys() > 0, good, "keys stay once they were there");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_requests_and_servers_do_fetches_are_few_and_waits_are_short(
        script in prop::collection::vec(serving(), 1..20),
        requests in prop::collection::vec((0u64..60_000, any::<bool>()), 0..100),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(live(script, requests))?;
    }
}
