//! Bounds and what gives way.
use super::*;
use crate::auth::{
    IssuerIndex,
    claims::{Claims, Holder, Times},
};

fn remembered(end_ns: u64) -> Remembered {
    let holder = Holder { subject: "a".to_owned(), client_id: None, scopes: Vec::new(), groups: Vec::new(), jti: None };
    let claims = Claims { holder, username: None };
    let verified = VerifiedToken::new(IssuerIndex(0), "i".into(), claims, Times { begin_ns: 0, end_ns, issued_ns: None });
    Remembered { verified: Arc::new(verified), keys: Weak::new(), revocations: Weak::new() }
}

fn put(cache: &TokenCache, token: &str, end_ns: u64, now_ns: u64) {
    cache.remember(token, remembered(end_ns), now_ns);
}

fn has(cache: &TokenCache, token: &str) -> bool {
    cache.find(token, |_| true).is_some()
}

#[test]
fn never_more_than_the_capacity_is_kept() {
    for capacity in [0, 1, 2, 3, 7, 100, SMALL - 1, SMALL, SMALL + 1, SMALL + 63] {
        let cache = TokenCache::new(capacity);
        for number in 0..capacity * 2 + 2 {
            put(&cache, &number.to_string(), 10, 0);
            assert!(number % 97 != 0 || cache.len() <= capacity);
        }
        assert!(cache.len() <= capacity, "{capacity}");
        assert!(cache.len() >= capacity * 9 / 10, "{capacity}: {}", cache.len());
    }
}

#[test]
fn the_shares_of_the_shards_add_up() {
    for capacity in [SMALL, SMALL + 1, SMALL + 63, 100_000] {
        let cache = TokenCache::new(capacity);
        assert_eq!(cache.shards.iter().map(|shard| read(shard).capacity).sum::<usize>(), capacity);
    }
}

#[test]
fn a_small_cache_keeps_as_many_as_it_says() {
    let cache = TokenCache::new(100);
    for number in 0..100 {
        put(&cache, &number.to_string(), 10, 0);
    }
    assert_eq!(cache.len(), 100);
    assert!((0..100).all(|number| has(&cache, &number.to_string())));
}

#[test]
fn an_expired_entry_gives_way_first() {
    let cache = TokenCache::new(4);
    for (token, end_ns) in [("a", 10), ("b", 10), ("old", 3), ("c", 10)] {
        put(&cache, token, end_ns, 0);
    }
    put(&cache, "d", 10, 3);
    assert!(!has(&cache, "old"));
    assert!(["a", "b", "c", "d"].iter().all(|token| has(&cache, token)));
    put(&cache, "e", 10, 3);
    assert_eq!((cache.len(), has(&cache, "e")), (4, true), "with none expired a good one gives way");
}

#[test]
fn in_a_full_cache_each_place_gives_way_in_turn() {
    let cache = TokenCache::new(3);
    for number in 0..300 {
        put(&cache, &number.to_string(), 1000, 0);
        for earlier in 0..3.min(number + 1) {
            assert!(has(&cache, &(number - earlier).to_string()), "{earlier} before {number}");
        }
    }
}

#[test]
fn the_same_token_takes_its_own_place() {
    let cache = TokenCache::new(2);
    put(&cache, "a", 10, 0);
    put(&cache, "b", 10, 0);
    put(&cache, "b", 20, 0);
    assert_eq!((cache.len(), has(&cache, "a"), has(&cache, "b")), (2, true, true));
    assert!(cache.find("b", |kept| kept.verified.times().end_ns == 20).is_some());
}

#[test]
fn the_same_hash_is_not_the_same_token() {
    let cache = TokenCache::new(1);
    let kept = Kept { hash: cache.hash("forged"), token: "good".into(), remembered: remembered(10) };
    write(&cache.shards[0]).put(kept, 0);
    assert!(!has(&cache, "forged"));
}

#[test]
fn tokens_with_the_same_end_are_told_apart() {
    let (cache, end) = (TokenCache::new(10), "e".repeat(HASHED_END));
    put(&cache, &format!("a.{end}"), 10, 0);
    assert!(!has(&cache, &format!("b.{end}")) && !has(&cache, &end));
    put(&cache, &format!("b.{end}"), 10, 0);
    assert_eq!((cache.len(), has(&cache, &format!("a.{end}")), has(&cache, &format!("b.{end}"))), (1, false, true));
}

#[test]
fn what_no_longer_holds_is_not_found() {
    let cache = TokenCache::new(1);
    put(&cache, "a", 10, 0);
    assert!(cache.find("a", |_| false).is_none());
    assert!(has(&cache, "a") && !has(&cache, "b") && !cache.is_empty());
}

#[test]
fn two_caches_hash_differently() {
    assert_ne!(TokenCache::new(1).hash("a"), TokenCache::new(1).hash("a"));
}

#[test]
fn tokens_are_not_printed() {
    let cache = TokenCache::new(1);
    put(&cache, "secret", 10, 0);
    assert_eq!(format!("{cache:?}"), "TokenCache { len: 1, .. }");
}

#[test]
fn many_threads_keep_the_bound() {
    let cache = TokenCache::new(50);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || (0..500).for_each(|number| put(cache, &format!("{thread}-{number}"), 10, 0)));
        }
    });
    assert_eq!(cache.len(), 50);
}

proptest::proptest! {
    #[test]
    fn places_and_entries_agree_after_any_use(steps in proptest::collection::vec((0_u8..20, 0_u64..10, 0_u64..10), 0..200)) {
        let cache = TokenCache::new(5);
        for (token, end_ns, now_ns) in steps {
            put(&cache, &token.to_string(), end_ns, now_ns);
            let shard = read(&cache.shards[0]);
            proptest::prop_assert_eq!(shard.places.len(), shard.kept.len());
            for (hash, &place) in &shard.places {
                proptest::prop_assert_eq!(shard.kept[place].hash, *hash);
            }
        }
    }
}
