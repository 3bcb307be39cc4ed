//! Whatever a key server does: known keys go on, nothing grows, and the log says why.
use super::*;
use support::{DEADLINE, NOBODY};

/// What can be said of a body without end: how long it is, nothing, in chunks; and heads without end.
fn gigabytes() -> Vec<KeyServing> {
    let gigabyte = |head: &str, again: &str| KeyServing::Gigabyte(format!("HTTP/1.1 200 OK\r\n{head}"), again.to_owned());
    vec![
        gigabyte("Content-Length: 1073741824\r\n\r\n", " "),
        gigabyte("\r\n", " "),
        gigabyte("Transfer-Encoding: chunked\r\n\r\n", "10\r\n                \r\n"),
        gigabyte("Transfer-Encoding: chunked\r\n\r\n1;", "x"),
        gigabyte("", "X-More: more\r\n"),
        gigabyte("X-More: ", "x"),
        KeyServing::Gigabyte(String::new(), "HTTP/1.1 103 Early Hints\r\n\r\n".to_owned()),
    ]
}

/// While a fetch is known not to have ended, users come with known keys, some seen before and some not. None waits for it:
/// the fetch is still under way when the last of them has been answered.
fn known_keys_do_not_wait(serving: KeyServing) {
    let pool = Pool::new();
    let gateway = pool.start("fetch_timeout = \"60s\"");
    let seen = pool.issuer.user("seen");
    assert_eq!(status(&gateway, &seen), 200);
    pool.server.switch(serving);
    let _waits = ask_for_unknown_key(&gateway, &pool.issuer);
    pool.server.wait_fetches(2);
    for user in 0..50 {
        assert_eq!(status(&gateway, &pool.issuer.user(&format!("user-{user}"))), 200);
        assert_eq!(status(&gateway, &seen), 200);
    }
    assert!(pool.server.is_asking(), "or this has shown nothing");
    assert_eq!((gateway.metric(&refreshes("failed")), pool.server.fetches()), (0.0, 2));
}

#[test]
fn a_hanging_issuer_delays_nobody_whose_key_is_known() {
    known_keys_do_not_wait(KeyServing::Hanging);
}

#[test]
fn a_dripping_issuer_delays_nobody_whose_key_is_known() {
    known_keys_do_not_wait(KeyServing::Dripping);
}

#[test]
fn a_dead_or_flooding_issuer_delays_nobody_whose_key_is_known() {
    let pool = Pool::new();
    let gateway = pool.start("refresh = \"1s\"\nrefresh_cooldown = \"1s\"");
    for (round, serving) in [KeyServing::Dead].into_iter().chain(gigabytes()).enumerate() {
        pool.server.switch(serving);
        let before = gateway.metric(&refreshes("failed"));
        gateway.poll("a failed fetch", || {
            // Before, while and after it fails.
            let token = pool.issuer.user(&format!("user-{round}"));
            assert_eq!(status(&gateway, &token), 200);
            (gateway.metric(&refreshes("failed")) > before).then_some(())
        });
    }
}

#[test]
fn a_gigabyte_is_neither_kept_nor_read() {
    let pool = Pool::new();
    let gateway = pool.start("refresh = \"1s\"\nrefresh_cooldown = \"1s\"");
    let (before, mut rounds) = (gateway.status("VmHWM"), 0);
    for serving in gigabytes() {
        pool.server.switch(serving);
        rounds += 1;
        let failed = gateway.metric(&refreshes("failed"));
        gateway.poll("a failed fetch", || (gateway.metric(&refreshes("failed")) > failed).then_some(()));
    }
    gateway.poll("none of them was read to its end", || (pool.server.given_up() >= rounds).then_some(()));
    let grown = gateway.status("VmHWM") - before;
    assert!(grown < 24 * 1024, "{grown} KiB more after {rounds} answers of a gigabyte");
}

/// Sets of a megabyte that would be a hundred as trees of values: small objects as keys, and in a key where nothing is read, where
/// a number is read, and where a list is.
fn rubbish() -> Vec<String> {
    let objects = |size: usize| vec!["{\"\":0}"; size / 7].join(",");
    let size = 1000 * 1000;
    let in_member = |name: &str| format!("{{\"keys\":[{{\"kty\":\"RSA\",\"{name}\":[{}]}}]}}", objects(size));
    vec![
        format!("{{\"keys\":[{}]}}", objects(size)),
        in_member("x5c"),
        in_member("n"),
        in_member("key_ops"),
        format!("{{\"rubbish\":[{}],\"keys\":[]}}", objects(size)),
    ]
}

#[test]
fn a_megabyte_of_rubbish_stays_a_megabyte() {
    let pool = Pool::new();
    let gateway = pool.start("refresh = \"1s\"\nrefresh_cooldown = \"1s\"");
    let before = gateway.status("VmHWM");
    for set in rubbish() {
        pool.server.switch(KeyServing::Good(set));
        let failed = gateway.metric(&refreshes("failed"));
        gateway.poll("a failed fetch", || (gateway.metric(&refreshes("failed")) > failed).then_some(()));
    }
    gateway.stdout.wait("it was read to its end", DEADLINE, |line| line.contains("no key in the set can be used").then_some(()));
    let grown = gateway.status("VmHWM") - before;
    assert!(grown < 24 * 1024, "{grown} KiB more");
    assert_eq!(status(&gateway, &pool.issuer.user("ada")), 200);
}

#[test]
fn a_fetch_that_is_given_up_holds_no_connection() {
    let pool = Pool::new();
    pool.server.switch(KeyServing::Hanging);
    let gateway = pool.setup("fetch_timeout = \"100ms\"\nrefresh_cooldown = \"1s\"").start_unready();
    gateway.poll("two ends", || (pool.server.given_up() >= 2).then_some(()));
    assert!(gateway.metric(&refreshes("failed")) > 1.5);
}

#[test]
fn after_every_kind_of_failure_the_old_keys_stay() {
    let pool = Pool::new();
    let gateway = pool.start("refresh = \"1s\"\nrefresh_cooldown = \"1s\"\nfetch_timeout = \"300ms\"\njwks_size = \"64KiB\"");
    let seen = pool.issuer.user("seen");
    assert_eq!(status(&gateway, &seen), 200);
    let answer =
        |status: &str, body: &str| KeyServing::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let symmetric = "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":\"test-key\",\"alg\":\"HS256\"}]}";
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(64 * 1024));
    for (serving, reason) in [
        (KeyServing::Dead, "no answer"),
        (KeyServing::Hanging, "not complete within 300ms"),
        (KeyServing::Dripping, "not complete within 300ms"),
        (answer("500 Oops", &pool.issuer.jwks_json()), "status 500"),
        (answer("204 No Content", ""), "status 204"),
        (answer("200 OK", "<html>"), "not a key set"),
        (answer("200 OK", "[]"), "not a key set"),
        (answer("200 OK", "{\"keys\":{}}"), "not a key set"),
        (answer("200 OK", "{\"keys\":[]}"), "no key in the set can be used"),
        (answer("200 OK", symmetric), "no key in the set can be used"),
        (answer("200 OK", &large), "larger than 65536 bytes"),
        (KeyServing::Raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_owned()), "the answer broke off"),
    ] {
        pool.server.switch(serving);
        gateway.poll(reason, || gateway.admin_get("/readyz").text().contains(reason).then_some(()));
        let ready = gateway.admin_get("/readyz");
        assert_eq!(ready.status, 200, "{reason}: it has keys");
        assert!(ready.text().contains(NAME), "{reason}: {}", ready.text());
        assert_eq!((status(&gateway, &seen), status(&gateway, &pool.issuer.user(reason))), (200, 200), "{reason}");
        gateway.stdout.wait(reason, DEADLINE, |line| {
            (line.contains(reason) && line.contains(NAME) && line.contains("keys could not be fetched")).then_some(())
        });
    }
    pool.server.switch(KeyServing::Good(pool.issuer.jwks_json()));
    gateway.poll("recovery", || (!gateway.admin_get("/readyz").text().contains(NAME)).then_some(()));
}

#[test]
fn a_set_full_of_unusable_keys_does_not_fill_the_log() {
    let pool = Pool::new();
    let usable = pool.issuer.jwks_json();
    let set = usable.replacen("{\"keys\":[", &format!("{{\"keys\":[{}", "{},".repeat(100_000)), 1);
    pool.server.switch(KeyServing::Good(set));
    let gateway = pool.start("");
    assert_eq!(status(&gateway, &pool.issuer.user("ada")), 200);
    gateway.stdout.wait("the end of the list", DEADLINE, |line| line.contains("more keys are left out").then_some(()));
    let lines = |part: &str| gateway.stdout.all().iter().filter(|line| line.contains(part)).count();
    assert_eq!((lines("is left out"), lines("99992 more keys are left out")), (8, 1));
}

#[test]
fn a_dead_issuer_is_named_and_touches_no_other() {
    let (alive, dead) = (Pool::new(), Issuer::new("https://dead.test/two"));
    let table =
        format!("issuer = \"{}\"\njwks_url = \"http://{NOBODY}/\"\nclient_ids = \"any\"\nrefresh_cooldown = \"1s\"", dead.name);
    let gateway = alive.setup("").issuer(&table).start();
    assert_eq!(status(&gateway, &alive.issuer.user("ada")), 200);
    let refused = gateway.connect().get_as(&dead.user("ada"), LIST);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("keys_unavailable")));
    assert!(refused.number("Retry-After") >= 1);
    gateway.poll("what is degraded", || {
        let ready = gateway.admin_get("/readyz");
        assert_eq!(ready.status, 200);
        ready.text().contains("issuer https://dead.test/two: 0 keys; last error: no answer").then_some(())
    });
    assert!(!gateway.admin_get("/readyz").text().contains(NAME));
}

#[test]
fn what_the_key_server_says_of_caching_asks_for_no_fetch() {
    let pool = Pool::new();
    let body = pool.issuer.jwks_json();
    let head = "Cache-Control: no-store, max-age=0\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\nAge: 99999\r\nRetry-After: 0";
    pool.server.switch(KeyServing::Raw(format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())));
    let gateway = pool.start("");
    for user in 0..50 {
        assert_eq!(status(&gateway, &pool.issuer.user(&format!("user-{user}"))), 200);
    }
    assert_eq!(pool.server.fetches(), 1);
}

#[test]
fn metrics_and_log_say_what_happened_and_hold_no_token() {
    let pool = Pool::new();
    let gateway = pool.setup("refresh = \"1s\"\nrefresh_cooldown = \"1s\"").with("[log]\nlevel = \"trace\"").start();
    let (good, unknown) = (pool.issuer.user("ada"), with_key_id(&pool.issuer.user("eve"), "unheard"));
    assert_eq!((status(&gateway, &good), status(&gateway, &unknown)), (200, 401));
    pool.server.switch(KeyServing::Dead);
    gateway.poll("a failed fetch", || (gateway.metric(&refreshes("failed")) > 0.0).then_some(()));
    assert!(gateway.metric(&refreshes("updated")) > 0.5 && gateway.metric(&refreshes("unchanged")) > 0.5);
    let series = |name: &str| gateway.metric(&format!("stackflow_gateway_{name}{{issuer=\"{NAME}\"}}"));
    assert!((series("jwks_keys") - 1.0).abs() < 0.5);
    let last = series("jwks_last_success_timestamp_seconds");
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a double")]
    let now = support::epoch_seconds() as f64;
    assert!(last > now - 60.0 && last <= now + 1.0, "{last}");
    for token in [&good, &unknown] {
        for segment in token.split('.') {
            assert!(!gateway.written().contains(segment), "{segment}");
        }
    }
}
