//! The cache file: when it is written, when its keys are used, and when not.
use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn cached(server: &Server, path: &str, file: &ScratchFile) -> IssuerSettings {
    IssuerSettings { jwks_cache_file: Some(file.path().to_owned()), ..from(KeySource::Url(server.url(path))) }
}

/// Writing has no event: it is nobody's business when it ends. So this looks again until it has, or fails.
async fn written(file: &ScratchFile, is_there: impl Fn(&str) -> bool) -> String {
    soon(async {
        loop {
            match std::fs::read_to_string(file.path()) {
                Ok(text) if is_there(&text) => return text,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    })
    .await
}

/// A server whose key `a` was fetched and kept.
async fn kept() -> (Server, ScratchFile) {
    let (server, file) = (Server::start().await, ScratchFile::new("cache"));
    server.answer("/jwks", one_key());
    let _bench = Bench::started(cached(&server, "/jwks", &file)).await;
    written(&file, |text| text.contains("\"a\"")).await;
    (server, file)
}

#[tokio::test]
async fn what_was_fetched_is_kept_and_private() {
    let (_server, file) = kept().await;
    let mode = std::fs::metadata(file.path()).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn when_the_issuer_fails_the_kept_keys_are_in_place() {
    let (server, file) = kept().await;
    server.answer("/jwks", Answer::with_status("503 Busy", ""));
    let mut bench = Bench::new(vec![cached(&server, "/jwks", &file)]);
    assert_eq!(bench.keys(), 0, "not before the issuer was asked");
    bench.now_s.store(5000, Ordering::SeqCst);
    bench.run();
    assert_eq!((bench.next().await, bench.next().await), (FetchResult::Failed, FetchResult::Restored));
    let expected =
        KeyStatus { last_success_unix_s: Some(1000), restored: true, last_error: Some("status 503".to_owned()), keys: 1 };
    assert_eq!(bench.status(), expected);
    server.answer("/jwks", Answer::ok(&test_keys::jwks(&[("b", &P256), ("c", &RSA)])));
    while bench.next().await != FetchResult::Updated {}
    let expected = KeyStatus { last_success_unix_s: Some(5000), keys: 2, ..KeyStatus::default() };
    assert_eq!(bench.status(), expected, "fetched keys win");
    written(&file, |text| text.contains("\"b\"") && !text.contains("\"a\"")).await;
}

#[tokio::test]
async fn when_the_issuer_hangs_they_are_in_place_long_before_the_fetch_is_given_up() {
    let (server, file) = kept().await;
    server.answer("/jwks", Answer::Held(Arc::new(Semaphore::new(0)), Vec::new()));
    let hour = Duration::from_secs(3600);
    let mut bench = Bench::new(vec![IssuerSettings { fetch_timeout: hour, ..cached(&server, "/jwks", &file) }]);
    bench.run();
    // It waits for the first fetch, which is given up with the patience.
    bench.await_keys().await;
    assert_eq!((bench.next().await, bench.next().await), (FetchResult::Failed, FetchResult::Restored));
    assert_eq!((bench.error().as_str(), bench.keys()), ("not complete within 500ms", 1));
}

#[tokio::test]
async fn while_the_issuer_answers_a_removed_key_does_not_come_back() {
    let (server, file) = kept().await;
    server.answer("/jwks", Answer::ok(&test_keys::jwks(&[("b", &RSA)])));
    let mut bench = Bench::started(cached(&server, "/jwks", &file)).await;
    server.answer("/jwks", Answer::with_status("503 Busy", ""));
    bench.demand().await;
    assert_eq!(bench.next().await, FetchResult::Failed);
    assert_eq!((bench.keys(), bench.status().restored), (1, false), "not with a later failure either");
    assert!(bench.events.try_recv().is_err());
}

#[tokio::test]
async fn keys_that_a_reload_took_over_are_better_than_the_files() {
    let (server, file) = kept().await;
    server.answer("/jwks", Answer::with_status("503 Busy", ""));
    let authenticator = Authenticator::new(vec![cached(&server, "/jwks", &file)], 8192, crate::auth::Revocations::none());
    authenticator.issuers()[0].keys.replace(key_set(&[("b", &P256), ("c", &RSA)]));
    let mut bench = Bench::new(Vec::new());
    bench.fetcher.adopt(&authenticator);
    bench.run();
    assert_eq!(bench.next().await, FetchResult::Failed);
    soon(bench.fetcher.await_keys(&authenticator.issuers()[0])).await;
    let status = bench.fetcher.status(&authenticator.issuers()[0]);
    assert_eq!((status.keys, status.restored), (2, false));
}

/// Nothing of the file is used; the gateway starts all the same, and the next good fetch replaces it.
async fn not_used(change: impl Fn(&ScratchFile)) {
    let (server, file) = kept().await;
    change(&file);
    server.answer("/jwks", Answer::with_status("503 Busy", ""));
    let mut bench = Bench::new(vec![cached(&server, "/jwks", &file)]);
    bench.run();
    bench.await_keys().await;
    assert_eq!((bench.next().await, bench.keys(), bench.status().restored), (FetchResult::Failed, 0, false));
    server.answer("/jwks", Answer::ok(&test_keys::jwks(&[("b", &P256)])));
    bench.demand().await;
    written(&file, |text| text.contains("\"b\"")).await;
}

#[tokio::test]
async fn a_damaged_huge_or_missing_file_is_passed_over_and_replaced() {
    not_used(|file| file.write("")).await;
    not_used(|file| file.write("{}")).await;
    not_used(|file| file.write(&" ".repeat(1 << 20))).await;
    not_used(|file| std::fs::remove_file(file.path()).expect("the file")).await;
}

#[tokio::test]
async fn the_file_of_another_issuer_or_url_is_not_used() {
    let (server, file) = kept().await;
    let other = IssuerSettings { issuer: "https://second.example".to_owned(), ..cached(&server, "/gone", &file) };
    for settings in [other, cached(&server, "/gone", &file)] {
        let mut bench = Bench::new(vec![settings]);
        bench.run();
        assert_eq!(bench.next().await, FetchResult::Failed);
        bench.await_keys().await;
        assert_eq!(bench.keys(), 0);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_counted_and_serving_goes_on() {
    let server = Server::start().await;
    server.answer("/jwks", one_key());
    let file = ScratchFile::new("no-folder/cache");
    let mut bench = Bench::started(cached(&server, "/jwks", &file)).await;
    assert_eq!((bench.next().await, bench.keys(), bench.error().as_str()), (FetchResult::Unsaved, 1, ""));
    // The same keys again: what is not on the disk is tried again, and in the end it is there.
    let folder = file.path().parent().expect("a folder");
    std::fs::create_dir(folder).expect("a folder");
    bench.demand().await;
    written(&file, |text| text.contains("\"a\"")).await;
    assert_eq!(bench.next().await, FetchResult::Unchanged);
    std::fs::remove_dir_all(folder).expect("the folder");
}

/// The work of the last fetch on the disk has ended.
async fn saved(bench: &Bench) {
    soon(async {
        while !bench.fetcher.watched.load()[0].is_saved() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// By what a file is known that was not written again.
fn inode_and_time(file: &ScratchFile) -> (u64, i64) {
    let about = std::fs::metadata(file.path()).expect("the file");
    (about.ino(), about.mtime_nsec())
}

fn behind_head(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, document)| document)
}

#[tokio::test]
async fn a_file_that_was_removed_damaged_opened_or_restored_is_written_again() {
    let (server, file) = kept().await;
    let mut bench = Bench::started(cached(&server, "/jwks", &file)).await;
    saved(&bench).await;
    let good = std::fs::read_to_string(file.path()).expect("text");
    let backup = good.replace("\"a\"", "\"old\"");
    let mode = |mode: u32| std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("our file");
    let changes: [&dyn Fn(); 4] =
        [&|| std::fs::remove_file(file.path()).expect("the file"), &|| file.write("?"), &|| mode(0o666), &|| file.write(&backup)];
    for (index, change) in changes.iter().enumerate() {
        change();
        bench.demand().await;
        assert_eq!(bench.next().await, FetchResult::Unchanged);
        written(&file, |text| behind_head(text) == behind_head(&good)).await;
        saved(&bench).await;
        let about = std::fs::metadata(file.path()).expect("the file");
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "change {index}");
    }
}

#[tokio::test]
async fn the_same_set_is_written_once_an_hour_and_its_time_is_that_of_the_fetch() {
    let (server, file) = kept().await;
    let mut bench = Bench::started(cached(&server, "/jwks", &file)).await;
    saved(&bench).await;
    let first = inode_and_time(&file);
    let mut fetch_at = async |now_s: u64| {
        bench.now_s.store(now_s - COOLDOWN_S, Ordering::SeqCst);
        bench.demand().await;
        assert_eq!(bench.next().await, FetchResult::Unchanged);
        saved(&bench).await;
        inode_and_time(&file)
    };
    assert_eq!((fetch_at(2000).await, fetch_at(4569).await), (first, first), "just before");
    let second = fetch_at(4600).await;
    assert_ne!(second, first);
    assert!(std::fs::read_to_string(file.path()).expect("text").contains("\"fetched_unix_s\":4600,"));
    assert_eq!(fetch_at(8199).await, second);
}
