//! Times, audiences, clients, uses; and who a good token proves.
use super::*;

#[test]
fn exp_must_be_there_and_be_a_number() {
    for exp in [json!(null), json!("1800003600"), json!(true), json!([NOW_S + 3600]), json!({}), json!("")] {
        refused_in_every_profile(|draft| draft.claim("exp", exp.clone()), InvalidReason::Claims);
    }
    let null = Draft::good(Profile::Generic).claims.to_string().replace(&(NOW_S + 3600).to_string(), "null");
    refused_text(|_| RSA.token_of("RS256", r#"{"alg":"RS256","kid":"rsa"}"#, &null), InvalidReason::Claims);
}

#[test]
fn an_expired_token_is_refused() {
    for exp in [json!(NOW_S - 60), json!(NOW_S - 61), json!(0), json!(1.5), json!(NOW_S - 3600)] {
        refused_in_every_profile(|draft| draft.claim("exp", exp.clone()), InvalidReason::Expired);
    }
}

#[test]
fn expiry_is_reported_only_when_nothing_else_is_wrong() {
    let expired = |draft: Draft| draft.claim("exp", json!(NOW_S - 3600));
    refused_in_every_profile(|draft| expired(draft).signed_by(&OTHER_RSA), InvalidReason::Signature);
    refused_in_every_profile(|draft| expired(draft).claim("sub", json!(null)), InvalidReason::Claims);
    refused(Profile::Generic, |draft| expired(draft).claim("aud", json!("other")), InvalidReason::Audience);
    refused_in_every_profile(|draft| expired(draft).claim("nbf", json!(NOW_S + 3600)), InvalidReason::NotYetValid);
}

#[test]
fn times_that_lie_ahead_are_refused() {
    for ahead in [json!(NOW_S + 61), json!(i64::MAX), json!(1e18), json!(60.5 + 1_800_000_000.0)] {
        refused_in_every_profile(|draft| draft.claim("nbf", ahead.clone()), InvalidReason::NotYetValid);
        refused_in_every_profile(|draft| draft.claim("iat", ahead.clone()), InvalidReason::IssuedAhead);
    }
    for wrong in [json!("1"), json!(true), json!([1]), json!({}), json!(-1), json!(u64::MAX), json!(1e300)] {
        refused_in_every_profile(|draft| draft.claim("exp", wrong.clone()), InvalidReason::Claims);
        refused_in_every_profile(|draft| draft.claim("nbf", wrong.clone()), InvalidReason::Claims);
        refused_in_every_profile(|draft| draft.claim("iat", wrong.clone()), InvalidReason::Claims);
    }
}

#[test]
fn times_within_the_leeway_are_accepted() {
    for exp in [json!(NOW_S - 59), json!(1_799_999_940.5), json!(i64::MAX), json!(1e18), json!(NOW_S + 1)] {
        let _ = accepted(Profile::Generic, |draft| draft.claim("exp", exp.clone()));
    }
    for begin in [json!(NOW_S + 60), json!(1_800_000_059.5), json!(0), json!(null)] {
        let _ = accepted(Profile::Generic, |draft| draft.claim("nbf", begin.clone()).claim("iat", begin.clone()));
    }
}

#[test]
fn without_leeway_the_second_of_expiry_is_too_late() {
    let exact = authenticator(IssuerSettings { leeway: Duration::ZERO, ..settings(Profile::Generic) });
    let token = Draft::good(Profile::Generic).claim("exp", json!(NOW_S)).token();
    assert!(verify(&exact, &token, Now { monotonic_ns: 0, unix_ns: NOW_S * 1_000_000_000 - 1 }).is_ok());
    assert_eq!(reason(&exact, &token), Some(InvalidReason::Expired));
}

#[test]
fn a_foreign_audience_is_refused() {
    for profile in [Profile::Rfc9068, Profile::Generic] {
        for aud in [
            json!("other"),
            json!(["other"]),
            json!([]),
            json!(""),
            json!("API"),
            json!("api "),
            json!(null),
            json!(1),
            json!({"api": 1}),
            json!([["api"]]),
            json!(["api", 1]),
        ] {
            refused(profile, |draft| draft.claim("aud", aud.clone()), InvalidReason::Audience);
        }
    }
}

#[test]
fn a_foreign_client_is_refused() {
    refused_in_every_profile(|draft| draft.claim("client_id", json!("client-3")), InvalidReason::ClientId);
    refused_in_every_profile(|draft| draft.claim("client_id", json!("CLIENT-1")), InvalidReason::ClientId);
    refused_in_every_profile(|draft| draft.claim("client_id", json!(1)), InvalidReason::Claims);
    refused(Profile::Cognito, |draft| draft.claim("client_id", json!(null)), InvalidReason::ClientId);
    refused(Profile::Rfc9068, |draft| draft.claim("client_id", json!(null)), InvalidReason::Claims);
    refused(Profile::Generic, |draft| draft.claim("client_id", json!(null)), InvalidReason::ClientId);
    refused(
        Profile::Generic,
        |draft| draft.claim("client_id", json!(null)).claim("azp", json!("client-3")),
        InvalidReason::ClientId,
    );
}

#[test]
fn another_token_use_is_refused() {
    for token_use in [json!(null), json!("refresh"), json!("Access"), json!(["access"]), json!(1)] {
        refused(Profile::Cognito, |draft| draft.claim("token_use", token_use.clone()), InvalidReason::TokenUse);
    }
    let access_only = authenticator(IssuerSettings { token_use: vec![TokenUse::Access], ..settings(Profile::Cognito) });
    assert_eq!(reason(&access_only, &Draft::good(Profile::Cognito).token()), None);
    assert_eq!(reason(&access_only, &id_token().token()), Some(InvalidReason::TokenUse));
}

fn id_token() -> Draft {
    Draft::good(Profile::Cognito).claim("token_use", json!("id")).claim("aud", json!("client-2")).claim("client_id", json!(null))
}

#[test]
fn the_kinds_of_cognito_tokens_are_not_confused() {
    refused(Profile::Cognito, |draft| draft.claim("token_use", json!("id")), InvalidReason::Audience);
    refused(Profile::Cognito, |_| id_token().claim("aud", json!("client-3")), InvalidReason::Audience);
    refused(
        Profile::Cognito,
        |_| id_token().claim("aud", json!(null)).claim("client_id", json!("client-1")),
        InvalidReason::Audience,
    );
    refused(Profile::Cognito, |_| id_token().claim("token_use", json!("access")), InvalidReason::ClientId);
}

#[test]
fn cognito_tokens_name_their_key() {
    refused(Profile::Cognito, |draft| draft.header("kid", json!(null)), InvalidReason::UnknownKey);
}

#[test]
fn a_token_about_nobody_is_refused() {
    for sub in [json!(null), json!(""), json!(1), json!(["user-1"])] {
        refused_in_every_profile(|draft| draft.claim("sub", sub.clone()), InvalidReason::Claims);
    }
}

#[test]
fn claims_of_wrong_types_are_refused() {
    for profile in PROFILES {
        refused(profile, |draft| draft.claim("scope", json!(1)), InvalidReason::Claims);
        refused(profile, |draft| draft.claim("scope", json!(["a", 1])), InvalidReason::Claims);
        refused(profile, |draft| draft.claim("username", json!(1)), InvalidReason::Claims);
    }
    refused(Profile::Cognito, |draft| draft.claim("cognito:groups", json!({"ops": true})), InvalidReason::Claims);
    refused(Profile::Generic, |draft| draft.claim("groups", json!([["ops"]])), InvalidReason::Claims);
}

#[test]
fn the_list_written_any_switches_the_check_off() {
    let any = authenticator(IssuerSettings { client_ids: Allowed::Any, audiences: Allowed::Any, ..settings(Profile::Generic) });
    for changes in [json!({}), json!({"client_id": null, "aud": null}), json!({"client_id": "x", "aud": "y"})] {
        let draft = changes
            .as_object()
            .expect("an object")
            .iter()
            .fold(Draft::good(Profile::Generic), |draft, (name, value)| draft.claim(name, value.clone()));
        assert_eq!(reason(&any, &draft.token()), None);
    }
    let wrong = Draft::good(Profile::Generic).claim("aud", json!(1));
    assert_eq!(reason(&any, &wrong.token()), Some(InvalidReason::Audience));
}

#[test]
fn who_a_cognito_access_token_proves() {
    let verified = accepted(Profile::Cognito, |draft| draft);
    assert_eq!((verified.subject(), verified.client_id()), ("user-1", Some("client-1")));
    assert_eq!(verified.scopes(), ["read", "write"]);
    let identity = verified.identity();
    let value = |header: &Option<http::HeaderValue>| header.as_ref().map(|value| value.to_str().expect("ASCII").to_owned());
    assert_eq!(value(&identity.subject).as_deref(), Some("user-1"));
    assert_eq!(value(&identity.issuer).as_deref(), Some(ISSUER));
    assert_eq!(value(&identity.client_id).as_deref(), Some("client-1"));
    assert_eq!(value(&identity.username).as_deref(), Some("ann"));
    assert_eq!(value(&identity.scopes).as_deref(), Some("read write"));
    assert_eq!(value(&identity.groups).as_deref(), Some("ops,dev"));
}

#[test]
fn who_other_tokens_prove() {
    let id = accepted(Profile::Cognito, |_| id_token().claim("cognito:username", json!("bob")));
    assert_eq!(
        (id.client_id(), id.identity().username.as_ref().map(http::HeaderValue::as_bytes)),
        (Some("client-2"), Some(&b"bob"[..]))
    );
    let spaced = accepted(Profile::Rfc9068, |draft| draft.claim("scope", json!("  read   write ")));
    assert_eq!(spaced.identity().scopes.as_ref().map(http::HeaderValue::as_bytes), Some(&b"read write"[..]));
    let listed = accepted(Profile::Generic, |draft| {
        draft.claim("scope", json!(null)).claim("scp", json!(["a", "b"])).claim("azp", json!("x"))
    });
    assert_eq!((listed.scopes().len(), listed.client_id()), (2, Some("client-1")));
    let bare = accepted(Profile::Cognito, |draft| {
        draft.claim("scope", json!(null)).claim("cognito:groups", json!(null)).claim("username", json!(null))
    });
    assert!(bare.identity().scopes.is_none() && bare.identity().groups.is_none() && bare.identity().username.is_none());
}
