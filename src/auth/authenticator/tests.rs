//! Whole tokens: every refusal starts from a token that was accepted a moment before.
use super::*;
use crate::auth::{
    Algorithm, Allowed, KeySet, KeySource, TokenUse,
    test_keys::{
        ALL_KEYS, Draft, ED25519, ISSUER, NOW_S, OTHER_RSA, P256, P384, RSA, TestKey, at, authenticator, base64url, jwks,
        key_set, members, settings, with,
    },
};
use aws_lc_rs::hmac;
use serde_json::json;
use std::{sync::LazyLock, time::Duration};

const PROFILES: [Profile; 3] = [Profile::Cognito, Profile::Rfc9068, Profile::Generic];

fn verify(authenticator: &Authenticator, token: &str, now: Now) -> Result<Arc<VerifiedToken>, AuthError> {
    authenticator.verify(&TokenCache::new(0), UnverifiedToken(token), now)
}

fn reason(authenticator: &Authenticator, token: &str) -> Option<InvalidReason> {
    match verify(authenticator, token, at(NOW_S)) {
        Ok(_) => None,
        Err(AuthError::Invalid { reason, .. }) => Some(reason),
        Err(other) => panic!("{other:?}"),
    }
}

/// A good token of the profile is accepted; after the change it is refused for that reason.
fn refused(profile: Profile, change: impl Fn(Draft) -> Draft, expected: InvalidReason) {
    let authenticator = authenticator(settings(profile));
    let good = Draft::good(profile);
    assert_eq!(reason(&authenticator, &good.token()), None, "{profile:?}");
    let changed = change(good);
    assert_eq!(reason(&authenticator, &changed.token()), Some(expected), "{profile:?} {} {}", changed.header, changed.claims);
}

fn refused_in_every_profile(change: impl Fn(Draft) -> Draft, expected: InvalidReason) {
    for profile in PROFILES {
        refused(profile, &change, expected);
    }
}

/// The same, changing the text of the token.
fn refused_text(change: impl Fn(&str) -> String, expected: InvalidReason) {
    let authenticator = authenticator(settings(Profile::Generic));
    let token = Draft::good(Profile::Generic).token();
    assert_eq!(reason(&authenticator, &token), None);
    let changed = change(&token);
    assert_eq!(reason(&authenticator, &changed), Some(expected), "{changed}");
}

fn accepted(profile: Profile, change: impl Fn(Draft) -> Draft) -> Arc<VerifiedToken> {
    let draft = change(Draft::good(profile));
    let verified = verify(&authenticator(settings(profile)), &draft.token(), at(NOW_S));
    verified.unwrap_or_else(|error| panic!("{error:?}: {} {}", draft.header, draft.claims))
}

#[test]
fn a_token_longer_than_the_bound_is_refused_before_it_is_read() {
    let authenticator = Authenticator::new(vec![settings(Profile::Generic)], 100, Revocations::none());
    assert_eq!(reason(&authenticator, &"!".repeat(101)), Some(InvalidReason::TooLarge));
    assert_eq!(reason(&authenticator, &"!".repeat(100)), Some(InvalidReason::Malformed));
}

/// A token with several faults is refused for the first that shows, and what comes after is not looked at.
#[test]
fn a_token_costs_no_more_than_its_first_failing_check() {
    let bad = base64url("no JSON");
    let header = |text: &str| base64url(text);
    let (good, signature) = (header(r#"{"alg":"RS256","kid":"rsa"}"#), "A".repeat(342));
    let claims = |value: serde_json::Value| base64url(value.to_string());
    for (token, expected) in [
        (format!("{}.{}.{}", "!".repeat(8192), bad, bad), InvalidReason::TooLarge),
        (format!("{}.{bad}.AAA=", header(r#"{"alg":"none"}"#)), InvalidReason::Malformed),
        (format!("{bad}.{bad}.{signature}"), InvalidReason::Malformed),
        (format!("{}.{bad}.{signature}", header(r#"{"alg":"none","crit":[]}"#)), InvalidReason::Critical),
        (format!("{}.{bad}.{signature}", header(r#"{"alg":"none"}"#)), InvalidReason::Algorithm),
        (format!("{}.{bad}.{signature}", header(r#"{"alg":"RS256","typ":"x"}"#)), InvalidReason::Type),
        (format!("{good}.{bad}.AAAA"), InvalidReason::Signature),
        (format!("{good}.{bad}.{signature}"), InvalidReason::Malformed),
        (format!("{good}.{}.{signature}", claims(json!({"iss": "x"}))), InvalidReason::UnknownIssuer),
        (format!("{good}.{}.{signature}", claims(json!({"iss": ISSUER}))), InvalidReason::Claims),
        (format!("{good}.{}.{signature}", claims(json!({"iss": ISSUER, "exp": 1, "aud": "x"}))), InvalidReason::Audience),
    ] {
        assert_eq!(reason(&authenticator(settings(Profile::Generic)), &token), Some(expected), "{token}");
    }
}

#[test]
fn malformed_tokens_are_refused() {
    refused_text(|token| format!("{token}="), InvalidReason::Malformed);
    refused_text(|token| format!("{token}.a"), InvalidReason::Malformed);
    refused_text(|token| token.replacen('.', "", 1), InvalidReason::Malformed);
    refused_text(|_| String::new(), InvalidReason::Malformed);
    refused_text(|_| "opaque-token".to_owned(), InvalidReason::Malformed);
}

#[test]
fn a_repeated_claim_is_refused_though_it_is_signed() {
    let claims = Draft::good(Profile::Generic).claims.to_string();
    let twice = claims.replacen('{', r#"{"sub":"admin","#, 1);
    refused_text(|_| RSA.token_of("RS256", r#"{"alg":"RS256","kid":"rsa"}"#, &twice), InvalidReason::Malformed);
    refused_text(|_| RSA.token_of("RS256", r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#, &claims), InvalidReason::Malformed);
}

#[test]
fn an_unsigned_token_is_refused() {
    for alg in ["none", "None", "NONE"] {
        refused_in_every_profile(|draft| draft.header("alg", json!(alg)), InvalidReason::Algorithm);
        refused_text(
            |token| format!("{}.{}.", base64url(json!({"alg": alg}).to_string()), token.split('.').nth(1).expect("claims")),
            InvalidReason::Algorithm,
        );
    }
    refused_text(|token| token.rsplit_once('.').expect("a dot").0.to_owned() + ".", InvalidReason::Signature);
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let claims = Draft::good(Profile::Generic).claims.to_string();
    for secret in [RSA.public_der(), RSA.jwk().to_string().into_bytes(), Vec::new()] {
        let signed = format!("{}.{}", base64url(r#"{"alg":"HS256","kid":"rsa"}"#), base64url(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        refused_text(|_| format!("{signed}.{}", base64url(tag)), InvalidReason::Algorithm);
    }
}

#[test]
fn an_algorithm_that_is_not_on_the_list_is_refused() {
    let only_es256 = IssuerSettings { algorithms: vec![Algorithm::Es256], ..settings(Profile::Generic) };
    assert_eq!(
        reason(&authenticator(only_es256.clone()), &Draft::good(Profile::Generic).token()),
        Some(InvalidReason::Algorithm)
    );
    let by_p256 = Draft::good(Profile::Generic).header("alg", json!("ES256")).header("kid", json!("p256")).signed_by(&P256);
    assert_eq!(reason(&authenticator(only_es256), &by_p256.token()), None);
}

#[test]
fn a_key_of_another_kind_than_the_algorithm_is_refused() {
    for (alg, kid, key) in [
        ("ES256", "rsa", &P256),
        ("RS256", "p256", &RSA),
        ("ES384", "p256", &P384),
        ("EdDSA", "rsa", &ED25519),
        ("ES256", "ed25519", &P256),
    ] {
        let key: &'static TestKey = LazyLock::force(key);
        refused(
            Profile::Generic,
            |draft| draft.header("alg", json!(alg)).header("kid", json!(kid)).signed_by(key),
            InvalidReason::Algorithm,
        );
    }
}

#[test]
fn a_key_reserved_for_one_algorithm_verifies_no_other() {
    let authenticator = Authenticator::new(vec![settings(Profile::Generic)], 8192, Revocations::none());
    let jwk = with(RSA.jwk(), &[("kid", json!("rsa")), ("alg", json!("RS256"))]);
    let set = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("a set").0;
    authenticator.issuers()[0].keys.replace(set);
    let draft = Draft::good(Profile::Generic);
    assert_eq!(reason(&authenticator, &draft.token()), None);
    for alg in ["PS256", "RS512"] {
        assert_eq!(reason(&authenticator, &draft.clone().header("alg", json!(alg)).token()), Some(InvalidReason::Algorithm));
    }
}

#[test]
fn a_token_cannot_bring_its_own_key() {
    for (name, value) in [
        ("jwk", with(OTHER_RSA.jwk(), &[("kid", json!("rsa"))])),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        refused_in_every_profile(|draft| draft.header(name, value.clone()).signed_by(&OTHER_RSA), InvalidReason::Signature);
        let _ = accepted(Profile::Generic, |draft| draft.header(name, value.clone()));
    }
}

#[test]
fn crit_is_refused() {
    refused_in_every_profile(|draft| draft.header("crit", json!(["exp"])), InvalidReason::Critical);
    refused_in_every_profile(|draft| draft.header("crit", json!(["b64"])).header("b64", json!(false)), InvalidReason::Critical);
}

#[test]
fn a_token_that_others_may_read_otherwise_is_refused() {
    for (name, value) in
        [("b64", json!(false)), ("b64", json!(true)), ("zip", json!("DEF")), ("zip", json!([])), ("enc", json!("A256GCM"))]
    {
        refused_in_every_profile(|draft| draft.header(name, value.clone()), InvalidReason::Critical);
    }
    refused_in_every_profile(|draft| draft.header("cty", json!("JWT")), InvalidReason::Type);
}

#[test]
fn another_type_is_refused() {
    refused_in_every_profile(|draft| draft.header("typ", json!("JWS")), InvalidReason::Type);
    refused(Profile::Rfc9068, |draft| draft.header("typ", json!("JWT")), InvalidReason::Type);
    refused(Profile::Rfc9068, |draft| draft.header("typ", json!(null)), InvalidReason::Type);
    refused(Profile::Cognito, |draft| draft.header("typ", json!("application/at+jwt")), InvalidReason::Type);
    refused(Profile::Generic, |draft| draft.header("typ", json!("application/at+jwt")), InvalidReason::Type);
}

#[test]
fn the_types_of_the_profile_are_accepted() {
    for typ in [json!(null), json!("JWT"), json!("jwt"), json!("at+jwt"), json!("AT+JWT")] {
        let _ = accepted(Profile::Cognito, |draft| draft.header("typ", typ.clone()));
        let _ = accepted(Profile::Generic, |draft| draft.header("typ", typ.clone()));
    }
    for typ in ["at+jwt", "At+JWT", "application/at+jwt", "APPLICATION/AT+JWT"] {
        let _ = accepted(Profile::Rfc9068, |draft| draft.header("typ", json!(typ)));
    }
}

#[test]
fn an_issuer_that_is_not_exactly_the_configured_one_is_refused() {
    for iss in [
        "https://issuer.example/",
        "https://Issuer.example",
        "https://issuer.example.attacker.example",
        "http://issuer.example",
        " https://issuer.example",
        "",
        "https://issuer.exampl",
    ] {
        refused_in_every_profile(|draft| draft.claim("iss", json!(iss)), InvalidReason::UnknownIssuer);
    }
    for iss in [json!(null), json!(1), json!([ISSUER]), json!({"iss": ISSUER})] {
        refused_in_every_profile(|draft| draft.claim("iss", iss.clone()), InvalidReason::UnknownIssuer);
    }
}

#[test]
fn a_changed_token_is_refused() {
    let other_claims = Draft::good(Profile::Generic).claim("sub", json!("admin"));
    refused_text(
        |token| {
            let (signed, signature) = token.rsplit_once('.').expect("a dot");
            let header = signed.split_once('.').expect("a dot").0;
            format!("{header}.{}.{signature}", base64url(other_claims.claims.to_string()))
        },
        InvalidReason::Signature,
    );
    refused_text(|token| flip(token, token.len() - 20), InvalidReason::Signature);
    refused_text(|token| token[..token.len() - 2].to_owned(), InvalidReason::Signature);
    refused_text(|token| format!("{}{}", &token[..token.len() - 342], "A".repeat(342)), InvalidReason::Signature);
}

fn flip(token: &str, at: usize) -> String {
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

#[test]
fn a_signature_by_another_key_is_refused() {
    refused_in_every_profile(|draft| draft.signed_by(&OTHER_RSA), InvalidReason::Signature);
    refused_in_every_profile(|draft| draft.header("kid", json!("other-rsa")), InvalidReason::Signature);
}

#[test]
fn signatures_of_trivial_numbers_are_refused() {
    for (alg, kid, length) in [("ES256", "p256", 64), ("ES384", "p384", 96), ("EdDSA", "ed25519", 64)] {
        let draft = Draft::good(Profile::Generic).header("alg", json!(alg)).header("kid", json!(kid));
        let signed = format!("{}.{}", base64url(draft.header.to_string()), base64url(draft.claims.to_string()));
        for byte in [0, 1, 0xff] {
            for length in [0, 1, length - 1, length, length + 1] {
                refused_text(|_| format!("{signed}.{}", base64url(vec![byte; length])), InvalidReason::Signature);
            }
        }
    }
}

#[test]
fn an_ecdsa_signature_in_der_is_refused() {
    let draft = Draft::good(Profile::Generic).header("alg", json!("ES256")).header("kid", json!("p256")).signed_by(&P256);
    let token = draft.token();
    assert_eq!(reason(&authenticator(settings(Profile::Generic)), &token), None);
    let signed = token.rsplit_once('.').expect("a dot").0;
    let fixed = P256.sign("ES256", signed.as_bytes());
    let integer = |half: &[u8]| [&[2, 33, 0], half].concat();
    let der = [vec![0x30, 70], integer(&fixed[..32]), integer(&fixed[32..])].concat();
    refused_text(|_| format!("{signed}.{}", base64url(&der)), InvalidReason::Signature);
}

#[test]
fn the_refusal_names_the_issuer_when_it_is_configured() {
    let authenticator = authenticator(settings(Profile::Generic));
    let issuer = |token: &str| match verify(&authenticator, token, at(NOW_S)) {
        Err(AuthError::Invalid { issuer, .. }) => issuer,
        other => panic!("{other:?}"),
    };
    let good = Draft::good(Profile::Generic);
    assert_eq!(issuer("a"), None);
    assert_eq!(issuer(&good.clone().claim("iss", json!("x")).token()), None);
    assert_eq!(issuer(&good.clone().header("alg", json!("none")).token()), None, "the payload is not read any more");
    assert_eq!(issuer(&good.clone().claim("aud", json!("x")).token()), Some(IssuerIndex(0)));
    assert_eq!(issuer(&good.signed_by(&OTHER_RSA).token()), Some(IssuerIndex(0)));
}

#[test]
fn an_unknown_key_is_reported_only_when_all_else_holds() {
    let unknown = |draft: Draft| draft.header("kid", json!("new"));
    for profile in PROFILES {
        let authenticator = authenticator(settings(profile));
        let token = unknown(Draft::good(profile)).token();
        assert_eq!(verify(&authenticator, &token, at(NOW_S)).err(), Some(AuthError::UnknownKey { issuer: IssuerIndex(0) }));
    }
    refused_in_every_profile(|draft| unknown(draft).claim("exp", json!(1)), InvalidReason::UnknownKey);
    refused_in_every_profile(|draft| unknown(draft).claim("nbf", json!(NOW_S + 99)), InvalidReason::NotYetValid);
    refused_in_every_profile(|draft| unknown(draft).claim("client_id", json!("x")), InvalidReason::ClientId);
    refused_in_every_profile(|draft| unknown(draft).claim("sub", json!("")), InvalidReason::Claims);
    refused_in_every_profile(|draft| unknown(draft).header("typ", json!("x")), InvalidReason::Type);
    refused_in_every_profile(|draft| unknown(draft).header("alg", json!("HS256")), InvalidReason::Algorithm);
}

#[test]
fn without_any_key_only_what_needs_none_is_refused() {
    let cold = Authenticator::new(vec![settings(Profile::Generic)], 8192, Revocations::none());
    let good = Draft::good(Profile::Generic);
    assert_eq!(verify(&cold, &good.token(), at(NOW_S)).err(), Some(AuthError::NoKeys { issuer: IssuerIndex(0) }));
    assert_eq!(reason(&cold, &good.clone().claim("exp", json!(1)).token()), Some(InvalidReason::UnknownKey));
    assert_eq!(reason(&cold, &good.claim("aud", json!("x")).token()), Some(InvalidReason::Audience));
}

#[test]
fn kids_are_compared_exactly() {
    for kid in ["RSA", "rsa ", "rsa\0", "rs", "rsa/../rsa", "' or 1=1"] {
        let token = Draft::good(Profile::Generic).header("kid", json!(kid)).token();
        let found = verify(&authenticator(settings(Profile::Generic)), &token, at(NOW_S));
        assert_eq!(found.err(), Some(AuthError::UnknownKey { issuer: IssuerIndex(0) }), "{kid}");
    }
}

#[test]
fn the_same_kid_of_two_issuers_is_two_keys() {
    let second = IssuerSettings { issuer: "https://second.example".to_owned(), ..settings(Profile::Generic) };
    let both = Authenticator::new(vec![settings(Profile::Generic), second], 8192, Revocations::none());
    both.issuers()[0].keys.replace(key_set(&[("rsa", &RSA)]));
    both.issuers()[1].keys.replace(key_set(&[("rsa", &OTHER_RSA)]));
    let first = Draft::good(Profile::Generic);
    let second = first.clone().claim("iss", json!("https://second.example"));
    assert_eq!(reason(&both, &first.token()), None);
    assert_eq!(reason(&both, &second.token()), Some(InvalidReason::Signature));
    assert_eq!(reason(&both, &second.clone().signed_by(&OTHER_RSA).token()), None);
    assert_eq!(reason(&both, &first.signed_by(&OTHER_RSA).token()), Some(InvalidReason::Signature));
    let verified = verify(&both, &second.signed_by(&OTHER_RSA).token(), at(NOW_S)).expect("a good token");
    assert_eq!((verified.issuer(), verified.issuer_name()), (IssuerIndex(1), "https://second.example"));
}

#[test]
fn every_algorithm_verifies_with_its_key() {
    let keys: [(&str, &str, &'static TestKey); 9] = [
        ("RS256", "rsa", &RSA),
        ("RS384", "rsa", &RSA),
        ("RS512", "rsa", &RSA),
        ("PS256", "rsa", &RSA),
        ("PS384", "rsa", &RSA),
        ("PS512", "rsa", &RSA),
        ("ES256", "p256", &P256),
        ("ES384", "p384", &P384),
        ("EdDSA", "ed25519", &ED25519),
    ];
    for (alg, kid, key) in keys {
        let signed = |draft: Draft| draft.header("alg", json!(alg)).header("kid", json!(kid)).signed_by(key);
        let _ = accepted(Profile::Generic, signed);
        refused(
            Profile::Generic,
            |draft| Draft { claims: with(draft.claims.clone(), &[("exp", json!(1))]), ..signed(draft) },
            InvalidReason::Expired,
        );
    }
}

#[test]
fn without_kid_the_fitting_keys_are_tried() {
    for (alg, key) in [("RS256", &RSA), ("RS256", &OTHER_RSA), ("ES256", &P256), ("EdDSA", &ED25519)] {
        let key: &'static TestKey = LazyLock::force(key);
        let _ = accepted(Profile::Generic, |draft| draft.header("kid", json!(null)).header("alg", json!(alg)).signed_by(key));
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged(text in "[ -~]{0,200}") {
        proptest::prop_assert!(verify(&authenticator(settings(Profile::Generic)), &text, at(NOW_S)).is_err());
    }

    #[test]
    fn any_change_of_one_character_is_refused(place in 0_usize..600, to in "[A-Za-z0-9_.=-]") {
        let token = GOOD.as_str();
        let place = place % token.len();
        let changed = format!("{}{to}{}", &token[..place], &token[place + 1..]);
        if changed != token {
            proptest::prop_assert!(verify(&authenticator(settings(Profile::Generic)), &changed, at(NOW_S)).is_err());
        }
    }

    #[test]
    fn any_claims_are_judged(exp: f64, nbf: i64, aud in "[a-z]{0,4}") {
        let draft = Draft::good(Profile::Generic).claim("exp", json!(exp)).claim("nbf", json!(nbf)).claim("aud", json!(aud));
        let signed = format!("{}.{}.AAAA", base64url(draft.header.to_string()), base64url(draft.claims.to_string()));
        proptest::prop_assert!(verify(&authenticator(settings(Profile::Generic)), &signed, at(NOW_S)).is_err());
    }
}

static GOOD: LazyLock<String> = LazyLock::new(|| Draft::good(Profile::Generic).token());

mod differential;
mod inherited;
mod judged_claims;
mod model;
mod real_tokens;
mod remembered;
mod revoked;
mod signatures;
