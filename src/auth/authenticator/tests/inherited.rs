//! What a configuration takes over from the one before it.
use super::*;
use crate::auth::KeyRing;
use std::path::PathBuf;

/// A configuration with keys and one remembered token.
fn before() -> (Authenticator, TokenCache, String) {
    let (before, cache) = (authenticator(settings(Profile::Generic)), TokenCache::new(10));
    let token = Draft::good(Profile::Generic).token();
    before.verify(&cache, UnverifiedToken(&token), at(NOW_S)).expect("a good token");
    (before, cache, token)
}

fn after(old: &Authenticator, issuers: Vec<IssuerSettings>) -> Authenticator {
    let mut new = Authenticator::new(issuers, 8192, Revocations::none());
    new.inherit(old);
    new
}

fn recalled(authenticator: &Authenticator, cache: &TokenCache, token: &str) -> bool {
    authenticator.recall(cache, UnverifiedToken(token), at(NOW_S)).is_some()
}

fn ring(authenticator: &Authenticator) -> &Arc<KeyRing> {
    &authenticator.issuers()[0].keys
}

/// After the change the token is judged anew, with the keys there were, and what comes out is this.
fn judged_anew(change: impl Fn(&mut IssuerSettings), expected: Option<InvalidReason>) {
    let (before, cache, token) = before();
    assert!(recalled(&before, &cache, &token));
    let mut changed = settings(Profile::Generic);
    change(&mut changed);
    let after = after(&before, vec![changed]);
    assert!(!recalled(&after, &cache, &token));
    assert!(!Arc::ptr_eq(ring(&after), ring(&before)) && ring(&after).len() == 5, "the keys are there, in a ring of its own");
    assert_eq!(reason(&after, &token), expected);
    assert!(recalled(&before, &cache, &token), "requests that began before are judged as they began");
}

#[test]
fn a_remembered_token_that_the_new_settings_refuse_is_refused() {
    judged_anew(|new| new.audiences = Allowed::Listed(vec!["other-api".to_owned()]), Some(InvalidReason::Audience));
    judged_anew(|new| new.client_ids = Allowed::Listed(vec!["client-2".to_owned()]), Some(InvalidReason::ClientId));
    judged_anew(|new| new.algorithms = vec![Algorithm::Es256], Some(InvalidReason::Algorithm));
    judged_anew(|new| new.profile = Profile::Rfc9068, Some(InvalidReason::Type));
    judged_anew(|new| new.profile = Profile::Cognito, Some(InvalidReason::TokenUse));
}

#[test]
fn a_remembered_token_that_other_settings_accept_too_is_judged_anew() {
    judged_anew(|new| new.leeway = Duration::ZERO, None);
    judged_anew(|new| new.audiences = Allowed::Any, None);
    judged_anew(|new| new.refresh = Duration::from_secs(60), None);
    judged_anew(|new| new.algorithms.reverse(), None);
    judged_anew(|new| new.ca_file = Some(PathBuf::from("ca.pem")), None);
}

#[test]
fn a_smaller_leeway_ends_a_token_that_lived_on_it() {
    let before = authenticator(settings(Profile::Generic));
    let (cache, token) = (TokenCache::new(10), Draft::good(Profile::Generic).claim("exp", json!(NOW_S - 30)).token());
    before.verify(&cache, UnverifiedToken(&token), at(NOW_S)).expect("within the leeway");
    let after = after(&before, vec![IssuerSettings { leeway: Duration::from_secs(10), ..settings(Profile::Generic) }]);
    assert!(recalled(&before, &cache, &token) && !recalled(&after, &cache, &token));
    assert_eq!(reason(&after, &token), Some(InvalidReason::Expired));
}

#[test]
fn a_smaller_token_size_refuses_what_is_remembered() {
    let (before, cache, token) = before();
    for (token_size, kept) in [(token.len() - 1, false), (token.len(), true)] {
        let mut after = Authenticator::new(vec![settings(Profile::Generic)], token_size, Revocations::none());
        after.inherit(&before);
        assert_eq!(recalled(&after, &cache, &token), kept);
        assert_eq!(reason(&after, &token), (!kept).then_some(InvalidReason::TooLarge));
    }
}

#[test]
fn equal_settings_keep_the_ring_and_what_was_verified_with_it() {
    let (before, cache, token) = before();
    let after = after(&before, vec![settings(Profile::Generic)]);
    assert!(Arc::ptr_eq(ring(&after), ring(&before)));
    assert!(recalled(&after, &cache, &token));
    ring(&before).replace(key_set(&[("rsa", &OTHER_RSA)]));
    assert!(!recalled(&after, &cache, &token), "a refresh reaches both");
}

#[test]
fn a_changed_issuer_has_a_ring_of_its_own_from_then_on() {
    let (before, ..) = before();
    let after = after(&before, vec![IssuerSettings { leeway: Duration::ZERO, ..settings(Profile::Generic) }]);
    ring(&before).replace(key_set(&[("rsa", &OTHER_RSA)]));
    assert_eq!((ring(&before).len(), ring(&after).len()), (1, 5));
}

#[test]
fn keys_from_another_place_are_not_taken_over() {
    let (before, cache, token) = before();
    for keys in [KeySource::File(PathBuf::from("other.json")), KeySource::Url("https://issuer.example/keys".to_owned())] {
        let after = after(&before, vec![IssuerSettings { keys, ..settings(Profile::Generic) }]);
        assert!(ring(&after).is_empty() && !recalled(&after, &cache, &token));
        assert_eq!(verify(&after, &token, at(NOW_S)).err(), Some(AuthError::NoKeys { issuer: IssuerIndex(0) }));
    }
}

#[test]
fn another_issuer_takes_nothing_over() {
    let (before, cache, token) = before();
    let other = IssuerSettings { issuer: "https://issuer.example/".to_owned(), ..settings(Profile::Generic) };
    let after = after(&before, vec![other]);
    assert!(ring(&after).is_empty() && !recalled(&after, &cache, &token));
    assert_eq!(reason(&after, &token), Some(InvalidReason::UnknownIssuer));
}

#[test]
fn an_issuer_that_left_takes_its_tokens_along() {
    let (before, cache, token) = before();
    let without = after(&before, Vec::new());
    assert!(!recalled(&without, &cache, &token));
    let back = after(&without, vec![settings(Profile::Generic)]);
    assert!(ring(&back).is_empty() && !recalled(&back, &cache, &token), "who comes back is new");
}

#[test]
fn at_another_place_of_the_list_a_token_is_judged_once_more() {
    let (before, cache, token) = before();
    let other = IssuerSettings { issuer: "https://other.example".to_owned(), ..settings(Profile::Generic) };
    let after = after(&before, vec![other, settings(Profile::Generic)]);
    assert!(Arc::ptr_eq(&after.issuers()[1].keys, ring(&before)));
    assert!(!recalled(&after, &cache, &token), "its place is part of the verdict: metrics are counted by it");
    let verified = after.verify(&cache, UnverifiedToken(&token), at(NOW_S)).expect("a good token");
    assert_eq!((verified.issuer(), recalled(&after, &cache, &token)), (IssuerIndex(1), true));
}

#[test]
fn an_issuer_without_keys_hands_none_over() {
    let before = Authenticator::new(vec![settings(Profile::Generic)], 8192, Revocations::none());
    let after = after(&before, vec![IssuerSettings { leeway: Duration::ZERO, ..settings(Profile::Generic) }]);
    assert!(ring(&after).is_empty());
}

#[test]
fn own_keys_are_those_of_the_new_configuration() {
    let own = |key| IssuerSettings { keys: KeySource::Own(Arc::new(key_set(&[("rsa", key)]))), ..settings(Profile::Generic) };
    let before = Authenticator::new(vec![own(&RSA)], 8192, Revocations::none());
    let (cache, token) = (TokenCache::new(10), Draft::good(Profile::Generic).token());
    before.verify(&cache, UnverifiedToken(&token), at(NOW_S)).expect("a good token");
    let same = after(&before, vec![own(&RSA)]);
    assert!(Arc::ptr_eq(ring(&same), ring(&before)) && recalled(&same, &cache, &token));
    let rotated = after(&before, vec![own(&OTHER_RSA)]);
    assert!(!recalled(&rotated, &cache, &token));
    assert_eq!(reason(&rotated, &token), Some(InvalidReason::Signature));
}
