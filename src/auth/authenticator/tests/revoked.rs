//! Revoked tokens: never seen, or verified before.
use super::*;
use crate::auth::{Revoked, Target};

fn revoked(target: Target, before: Option<u64>) -> Revocations {
    let issued_before_ns = before.map(|seconds| seconds * 1_000_000_000);
    [Revoked { target, issuer: None, issued_before_ns }].into_iter().collect()
}

fn subject(name: &str) -> Revocations {
    revoked(Target::Subject(name.to_owned()), None)
}

/// The same issuer as before under other revocations, as a reload makes it.
fn reloaded(old: &Authenticator, revocations: Revocations) -> Authenticator {
    let settings = old.issuers().iter().map(|issuer| issuer.settings.clone()).collect();
    let mut new = Authenticator::new(settings, old.token_size, revocations);
    new.inherit(old);
    new
}

/// A token that is accepted; after the reload it is refused.
fn refused_after(revocations: Revocations, draft: &Draft) {
    let (before, token) = (authenticator(settings(Profile::Generic)), draft.token());
    assert_eq!(reason(&before, &token), None);
    assert_eq!(reason(&reloaded(&before, revocations), &token), Some(InvalidReason::Revoked));
}

/// A token that the revocations do not concern.
fn spared_by(revocations: Revocations, draft: &Draft) {
    assert_eq!(reason(&reloaded(&authenticator(settings(Profile::Generic)), revocations), &draft.token()), None);
}

#[test]
fn each_target_is_refused() {
    let draft = Draft::good(Profile::Generic).claim("jti", json!("token-1"));
    refused_after(revoked(Target::Jti("token-1".to_owned()), None), &draft);
    refused_after(subject("user-1"), &draft);
    refused_after(revoked(Target::ClientId("client-1".to_owned()), None), &draft);
    refused_after(revoked(Target::Anyone, Some(NOW_S)), &draft);
    spared_by(revoked(Target::Jti("token-2".to_owned()), None), &draft);
    spared_by(subject("user-2"), &draft);
    spared_by(revoked(Target::ClientId("client-2".to_owned()), None), &draft);
    spared_by(revoked(Target::Anyone, Some(NOW_S - 10)), &draft);
}

#[test]
fn the_client_is_the_one_of_the_profile() {
    let by_azp = Draft::good(Profile::Generic).claim("client_id", json!(null)).claim("azp", json!("client-2"));
    refused_after(revoked(Target::ClientId("client-2".to_owned()), None), &by_azp);
    let id_token = Draft::good(Profile::Cognito)
        .claim("token_use", json!("id"))
        .claim("aud", json!("client-2"))
        .claim("client_id", json!(null));
    let cognito = authenticator(settings(Profile::Cognito));
    assert_eq!(reason(&cognito, &id_token.token()), None);
    let after = reloaded(&cognito, revoked(Target::ClientId("client-2".to_owned()), None));
    assert_eq!(reason(&after, &id_token.token()), Some(InvalidReason::Revoked));
}

#[test]
fn issued_before_is_compared_with_iat_itself_whatever_the_leeway() {
    let at_second = |iat: serde_json::Value| Draft::good(Profile::Generic).claim("iat", iat);
    refused_after(revoked(Target::Anyone, Some(NOW_S)), &at_second(json!(1_799_999_999.5)));
    refused_after(revoked(Target::Anyone, Some(NOW_S)), &at_second(json!(NOW_S - 1)));
    refused_after(revoked(Target::Anyone, Some(NOW_S)), &at_second(json!(0)));
    refused_after(revoked(Target::Anyone, Some(1)), &at_second(json!(null)));
    spared_by(revoked(Target::Anyone, Some(NOW_S)), &at_second(json!(NOW_S)));
    spared_by(revoked(Target::Anyone, Some(NOW_S)), &at_second(json!(NOW_S + 30)));
}

#[test]
fn a_jti_is_text() {
    for jti in [json!(1), json!(["token-1"]), json!({}), json!(true)] {
        refused_in_every_profile(|draft| draft.claim("jti", jti.clone()), InvalidReason::Claims);
    }
}

/// Whoever cannot sign must not learn whose tokens are revoked: neither by the reason, nor by the answer, nor by a wait.
#[test]
fn nobody_learns_who_is_revoked_without_a_good_signature() {
    let authenticator = || {
        let authenticator = Authenticator::new(vec![settings(Profile::Generic)], 8192, subject("user-1"));
        authenticator.issuers()[0].keys.replace(key_set(&[("rsa", &RSA)]));
        authenticator
    };
    for touched in [
        |draft: Draft| draft.signed_by(&OTHER_RSA),
        |draft: Draft| draft.header("kid", json!("unknown")),
        |draft: Draft| draft.header("kid", json!("unknown")).claim("exp", json!(1)),
    ] {
        let verdict = |name: &str| {
            let token = touched(Draft::good(Profile::Generic).claim("sub", json!(name))).token();
            verify(&authenticator(), &token, at(NOW_S)).err()
        };
        assert!(verdict("user-1").is_some());
        assert_eq!(verdict("user-1"), verdict("user-2"));
    }
}

#[test]
fn revoked_is_told_before_expired() {
    let authenticator = Authenticator::new(vec![settings(Profile::Generic)], 8192, subject("user-1"));
    authenticator.issuers()[0].keys.replace(key_set(&[("rsa", &RSA)]));
    let draft = Draft::good(Profile::Generic);
    assert_eq!(reason(&authenticator, &draft.token()), Some(InvalidReason::Revoked));
    assert_eq!(reason(&authenticator, &draft.claim("exp", json!(1)).token()), Some(InvalidReason::Revoked));
}

/// A token verified and remembered before the reload.
fn remembered(draft: &Draft) -> (Authenticator, TokenCache, String) {
    let (before, cache, token) = (authenticator(settings(Profile::Generic)), TokenCache::new(10), draft.token());
    before.verify(&cache, UnverifiedToken(&token), at(NOW_S)).expect("a good token");
    (before, cache, token)
}

fn recalled(authenticator: &Authenticator, cache: &TokenCache, token: &str) -> bool {
    authenticator.recall(cache, UnverifiedToken(token), at(NOW_S)).is_some()
}

#[test]
fn a_remembered_token_is_refused_at_the_next_request() {
    let draft = Draft::good(Profile::Generic).claim("jti", json!("token-1"));
    let (before, cache, token) = remembered(&draft);
    for revocations in [
        subject("user-1"),
        revoked(Target::Jti("token-1".to_owned()), None),
        revoked(Target::ClientId("client-1".to_owned()), None),
        revoked(Target::Anyone, Some(NOW_S)),
    ] {
        let after = reloaded(&before, revocations);
        assert!(!recalled(&after, &cache, &token));
        assert_eq!(reason(&after, &token), Some(InvalidReason::Revoked));
    }
    assert!(recalled(&before, &cache, &token), "whoever still runs under the old ones judges by them");
}

#[test]
fn a_remembered_token_that_is_not_concerned_stays_and_is_not_judged_again() {
    let (before, cache, token) = remembered(&Draft::good(Profile::Generic));
    let after = reloaded(&before, subject("user-2"));
    let under = |cache: &TokenCache| {
        let mut under = None;
        let _ = cache.find(&token, |remembered| {
            under = Some(remembered.revocations.as_ptr());
            true
        });
        under
    };
    assert_eq!(under(&cache), Some(Arc::as_ptr(&before.revocations)));
    assert!(recalled(&after, &cache, &token));
    assert_eq!(under(&cache), Some(Arc::as_ptr(&after.revocations)), "noted, so that the next hit only compares addresses");
    assert!(recalled(&after, &cache, &token) && recalled(&before, &cache, &token) && recalled(&after, &cache, &token));
}

#[test]
fn a_token_comes_back_when_its_entry_goes() {
    let (before, cache, token) = remembered(&Draft::good(Profile::Generic));
    let during = reloaded(&before, subject("user-1"));
    assert!(!recalled(&during, &cache, &token));
    let after = reloaded(&during, Revocations::none());
    assert!(recalled(&after, &cache, &token));
}

#[test]
fn equal_revocations_are_kept_over_a_reload() {
    let before = Authenticator::new(Vec::new(), 8192, subject("user-1"));
    assert!(Arc::ptr_eq(&reloaded(&before, subject("user-1")).revocations, &before.revocations));
    assert!(!Arc::ptr_eq(&reloaded(&before, subject("user-2")).revocations, &before.revocations));
}

#[test]
fn to_recall_under_changed_revocations_allocates_nothing() {
    let (before, cache, token) = remembered(&Draft::good(Profile::Generic));
    let after = reloaded(&before, subject("user-2"));
    assert!(recalled(&before, &cache, &token));
    assert_eq!(allocation_counter::measure(|| assert!(recalled(&after, &cache, &token))).count_total, 0);
}
