//! Keys that are not known yet: who fetches them, who waits, and how few fetches a stranger can cause.
use super::*;
use std::{
    thread,
    time::{Duration, Instant},
};
use support::{Gate, request};

/// So many threads ask as fast as they can with keys that nobody knows, each request with another one, until `enough` says so.
fn flood(gateway: &Gateway, token: &str, enough: impl Fn(usize) -> bool + Sync) -> Duration {
    let began = Instant::now();
    thread::scope(|scope| {
        for thread in 0..4 {
            let enough = &enough;
            scope.spawn(move || {
                let mut client = gateway.connect();
                for count in 0.. {
                    if enough(count) {
                        break;
                    }
                    let answer = client.get_as(&with_key_id(token, &format!("{thread}-{count}")), LIST);
                    assert_eq!(answer.status, 401, "{answer:?}");
                }
            });
        }
    });
    began.elapsed()
}

#[test]
fn a_flood_of_unknown_keys_causes_one_fetch_in_a_cooldown() {
    let pool = Pool::new();
    let gateway = pool.setup("refresh_cooldown = \"1s\"").with(UNLIMITED).start();
    let before = pool.server.fetches();
    let token = pool.issuer.user("eve");
    // Three fetches, and what came in the time of them.
    let took = flood(&gateway, &token, |_| pool.server.fetches() >= before + 3);
    let fetches = pool.server.fetches() - before;
    assert!(fetches as u64 <= took.as_secs() + 1, "{fetches} in {took:?}");
    assert_eq!(status(&gateway, &pool.issuer.user("ada")), 200);
}

/// The address's limit is not what holds it off.
const UNLIMITED: &str = "[limits]\nper_address = { rate = 100000, burst = 100000 }";

#[test]
fn a_flood_in_one_cooldown_causes_one_fetch() {
    let pool = Pool::new();
    let gateway = pool.setup("refresh_cooldown = \"10m\"").with(UNLIMITED).start();
    flood(&gateway, &pool.issuer.user("eve"), |count| count >= 300);
    assert_eq!(pool.server.fetches(), 2);
}

#[test]
fn a_flood_at_a_dead_issuer_without_keys_causes_no_more() {
    let pool = Pool::new();
    pool.server.switch(KeyServing::Dead);
    let gateway = pool.setup("refresh_cooldown = \"10m\"").with(UNLIMITED).start_unready();
    let token = pool.issuer.user("ada");
    let began = Instant::now();
    let mut client = gateway.connect();
    for _ in 0..500 {
        assert_eq!(client.get_as(&token, LIST).status, 503);
    }
    // One of the requests; the others are its own: the first, then 1, 2, 4 … seconds later, each up to a tenth earlier.
    let own = 1 + (2 * began.elapsed().as_secs() + 4).ilog2() as usize;
    assert!(pool.server.fetches() <= 1 + own, "{} in {:?}", pool.server.fetches(), began.elapsed());
}

#[test]
fn all_who_wait_share_one_fetch_and_are_let_in_by_it() {
    let pool = Pool::new();
    let gateway = pool.start("fetch_timeout = \"60s\"");
    let new = rotated("new-key");
    let gate = Gate::default();
    pool.server.switch(KeyServing::Gated(gate.clone(), new.jwks_json()));
    let mut waiting: Vec<_> = (0..30).map(|_| gateway.connect()).collect();
    for (user, client) in waiting.iter_mut().enumerate() {
        let bearer = format!("Bearer {}", new.user(&format!("user-{user}")));
        client.send(&request("GET", LIST, &[("Authorization", &bearer)], b""));
    }
    pool.server.wait_fetches(2);
    gateway.wait_metric("stackflow_gateway_requests_in_flight", 30.0);
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.read_response("GET").status, 200);
    }
    assert_eq!(pool.server.fetches(), 2);
}

#[test]
fn a_client_that_leaves_waits_no_longer() {
    let pool = Pool::new();
    let gateway = pool.start("fetch_timeout = \"60s\"");
    pool.server.switch(KeyServing::Hanging);
    let client = ask_for_unknown_key(&gateway, &pool.issuer);
    pool.server.wait_fetches(2);
    gateway.wait_metric("stackflow_gateway_requests_in_flight", 1.0);
    drop(client);
    gateway.wait_metric("stackflow_gateway_requests_in_flight", 0.0);
    assert!(pool.server.is_asking(), "or this has shown nothing");
    let left = "stackflow_gateway_requests_total{code=\"499\",method=\"GET\",outcome=\"unauthorized\",route=\"/incidents\"}";
    gateway.wait_metric(left, 1.0);
}

#[test]
fn a_request_that_comes_while_the_one_before_it_waits_is_answered_after_it() {
    let pool = Pool::new();
    let gateway = pool.start("fetch_timeout = \"60s\"");
    let new = rotated("new-key");
    let gate = Gate::default();
    pool.server.switch(KeyServing::Gated(gate.clone(), new.jwks_json()));
    let mut client = gateway.connect();
    let ask = |user: &str| request("GET", LIST, &[("Authorization", &format!("Bearer {}", new.user(user)))], b"");
    client.send(&ask("ada"));
    pool.server.wait_fetches(2);
    client.send(&ask("eve"));
    gate.open();
    for _ in 0..2 {
        assert_eq!(client.read_response("GET").status, 200);
    }
    assert_eq!(pool.backend.requests().len(), 2);
}

#[test]
fn what_is_wrong_without_a_key_asks_for_none() {
    let pool = Pool::new();
    let gateway = pool.start("refresh_cooldown = \"1s\"");
    let before = pool.server.fetches();
    let expired = pool.issuer.token(|claims| claims["exp"] = json!(1000));
    let stranger = Issuer::new("https://stranger.test").user("eve");
    let refresh = pool.issuer.token(|claims| claims["token_use"] = json!("refresh"));
    for token in [expired, stranger, refresh, pool.issuer.token_without("sub"), "a.b.c".to_owned()] {
        assert_eq!(status(&gateway, &with_key_id(&token, "unheard")), 401);
    }
    assert_eq!(pool.server.fetches(), before);
}

#[test]
fn how_many_may_wait_is_bounded_by_what_their_address_has_left() {
    let pool = Pool::new();
    pool.server.switch(KeyServing::Hanging);
    let limits = "[limits]\nper_address = { rate = 1, burst = 20 }";
    let gateway = pool.setup("fetch_timeout = \"60s\"").with(limits).start_unready();
    pool.server.wait_fetches(1);
    let token = pool.issuer.user("ada");
    let bearer = format!("Bearer {token}");
    let mut waiting: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    for client in &mut waiting {
        client.send(&request("GET", LIST, &[("Authorization", &bearer)], b""));
    }
    gateway.wait_metric("stackflow_gateway_requests_in_flight", 20.0);
    // Each that waits has paid; there is a new token a second.
    let refused = gateway.poll("a refusal at once", || {
        let mut client = gateway.connect();
        client.send(&request("GET", LIST, &[("Authorization", &bearer)], b""));
        client.wait_for_answers(Duration::from_millis(500));
        let answered = client.read_byte().is_some();
        (answered || gateway.metric("stackflow_gateway_requests_total{code=\"429\"}") > 0.5).then_some(answered)
    });
    assert!(refused && pool.server.is_asking(), "429 while the fetch is still under way");
    gateway.wait_metric("stackflow_gateway_requests_total{code=\"429\",outcome=\"limited\"}", 1.0);
}

#[test]
fn a_removed_key_is_refused_also_for_tokens_seen_before() {
    let pool = Pool::new();
    let gateway = pool.start("refresh = \"1s\"\nrefresh_cooldown = \"10m\"");
    let (old, new) = (pool.issuer.user("ada"), rotated("new-key"));
    assert_eq!((status(&gateway, &old), status(&gateway, &old)), (200, 200));
    pool.server.switch(KeyServing::Good(new.jwks_json()));
    gateway.wait_metric(&refreshes("updated"), 2.0);
    assert_eq!((status(&gateway, &old), status(&gateway, &new.user("ada"))), (401, 200));
}

#[test]
fn a_key_replaced_under_its_name_is_refused_also_for_tokens_seen_before() {
    let pool = Pool::new();
    let gateway = pool.start("refresh = \"1s\"\nrefresh_cooldown = \"10m\"");
    let (old, replaced) = (pool.issuer.user("ada"), rotated("test-key"));
    assert_eq!((status(&gateway, &old), status(&gateway, &replaced.user("ada"))), (200, 401));
    pool.server.switch(KeyServing::Good(replaced.jwks_json()));
    gateway.wait_metric(&refreshes("updated"), 2.0);
    assert_eq!((status(&gateway, &old), status(&gateway, &replaced.user("ada"))), (401, 200));
}
