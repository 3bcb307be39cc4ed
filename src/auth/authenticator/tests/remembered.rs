//! When an earlier verification still counts.
use super::*;

/// A token, verified once and remembered.
fn remembered() -> (Authenticator, TokenCache, String) {
    let (authenticator, cache) = (authenticator(settings(Profile::Generic)), TokenCache::new(10));
    let token = Draft::good(Profile::Generic).claim("nbf", json!(NOW_S - 5)).token();
    assert!(authenticator.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_none());
    authenticator.verify(&cache, UnverifiedToken(&token), at(NOW_S)).expect("a good token");
    assert!(authenticator.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_some());
    (authenticator, cache, token)
}

#[test]
fn a_token_is_recalled_only_inside_its_times() {
    let (authenticator, cache, token) = remembered();
    for (unix_s, recalled) in [(NOW_S - 66, false), (NOW_S - 65, true), (NOW_S + 3659, true), (NOW_S + 3660, false), (0, false)] {
        assert_eq!(authenticator.recall(&cache, UnverifiedToken(&token), at(unix_s)).is_some(), recalled, "{unix_s}");
    }
}

#[test]
fn to_recall_allocates_nothing() {
    let (authenticator, cache, token) = remembered();
    let recall = || authenticator.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_some();
    // The first one of a thread makes the thread's slot in the key set's cell.
    assert!(recall());
    assert_eq!(allocation_counter::measure(|| assert!(recall())).count_total, 0);
}

#[test]
fn other_bytes_are_not_recalled() {
    let (authenticator, cache, token) = remembered();
    for other in
        [flip(&token, 5), flip(&token, token.len() - 1), token[..token.len() - 1].to_owned(), format!("{token}="), String::new()]
    {
        assert!(authenticator.recall(&cache, UnverifiedToken(&other), at(NOW_S)).is_none());
    }
}

#[test]
fn a_changed_key_set_ends_what_was_remembered() {
    let (authenticator, cache, token) = remembered();
    let keys = &authenticator.issuers()[0].keys;
    assert!(!keys.replace(ALL_KEYS.clone()), "the same content changes nothing");
    assert!(authenticator.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_some());
    assert!(keys.replace(key_set(&[("rsa", &OTHER_RSA)])), "the same kid, another key");
    assert!(authenticator.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_none());
    assert_eq!(reason(&authenticator, &token), Some(InvalidReason::Signature));
    keys.replace(key_set(&[("rsa", &RSA)]));
    assert!(authenticator.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_none(), "a set that comes back is a new one");
}

#[test]
fn what_another_configuration_remembered_does_not_count() {
    let (before, cache, token) = remembered();
    let after = Authenticator::new(
        vec![IssuerSettings { audiences: Allowed::Listed(vec!["other".to_owned()]), ..settings(Profile::Generic) }],
        8192,
        Revocations::none(),
    );
    after.issuers()[0].keys.replace(ALL_KEYS.clone());
    assert_eq!(after.issuers()[0].keys.len(), 5);
    assert!(after.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_none());
    assert!(before.recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_some());
    assert!(
        Authenticator::new(Vec::new(), 8192, Revocations::none()).recall(&cache, UnverifiedToken(&token), at(NOW_S)).is_none()
    );
}

#[test]
fn refused_tokens_are_not_remembered() {
    let (authenticator, cache) = (authenticator(settings(Profile::Generic)), TokenCache::new(10));
    let good = Draft::good(Profile::Generic);
    for token in [good.clone().signed_by(&OTHER_RSA), good.clone().header("kid", json!("new")), good.claim("exp", json!(1))] {
        assert!(authenticator.verify(&cache, UnverifiedToken(&token.token()), at(NOW_S)).is_err());
    }
    assert_eq!(cache.len(), 0);
}

#[test]
fn the_gateways_own_keys_are_there_from_the_start() {
    let own = Arc::new(key_set(&[("rsa", &RSA)]));
    let authenticator = Authenticator::new(
        vec![IssuerSettings { keys: KeySource::Own(own), ..settings(Profile::Rfc9068) }],
        8192,
        Revocations::none(),
    );
    assert_eq!(reason(&authenticator, &Draft::good(Profile::Rfc9068).token()), None);
    assert_eq!(jwks(&[("rsa", &RSA)]).matches("kty").count(), 1);
}
