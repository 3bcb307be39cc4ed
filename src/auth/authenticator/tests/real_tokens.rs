//! Claims as the issuers that people use write them, shortened only in their values.
use super::*;

/// `iss`, `sub` and the times are the test's; the rest is the issuer's.
fn check(profile: Profile, typ: Option<&str>, claims: serde_json::Value, expected: (&str, &str, &str, &str)) {
    let any = authenticator(IssuerSettings { client_ids: Allowed::Listed(vec!["client".to_owned()]), ..settings(profile) });
    let mut draft = Draft::good(profile).header("typ", json!(typ));
    draft.claims =
        with(claims, &[("iss", json!(ISSUER)), ("sub", json!("subject")), ("exp", json!(NOW_S + 3600)), ("iat", json!(NOW_S))]);
    let verified = verify(&any, &draft.token(), at(NOW_S)).unwrap_or_else(|error| panic!("{error:?}: {}", draft.claims));
    let identity = verified.identity();
    let text = |value: &Option<http::HeaderValue>| value.as_ref().map_or("", |value| value.to_str().expect("ASCII")).to_owned();
    let found = (text(&identity.client_id), text(&identity.username), text(&identity.scopes), text(&identity.groups));
    let (client_id, username, scopes, groups) = expected;
    assert_eq!(found, (client_id.to_owned(), username.to_owned(), scopes.to_owned(), groups.to_owned()));
}

#[test]
fn a_cognito_access_token() {
    let claims = json!({
        "cognito:groups": ["operators", "eu-west"], "version": 2, "client_id": "client", "origin_jti": "aaaaaaaa",
        "event_id": "bbbbbbbb", "token_use": "access", "scope": "phone openid profile email", "auth_time": NOW_S,
        "jti": "cccccccc", "username": "my-test-user", "device_key": "us-east-1_d",
    });
    let expected = ("client", "my-test-user", "phone openid profile email", "operators,eu-west");
    check(Profile::Cognito, None, claims, expected);
}

#[test]
fn a_cognito_machine_token() {
    let claims = json!({
        "token_use": "access", "scope": "stackflow/read stackflow/write", "auth_time": NOW_S, "version": 2, "jti": "a", "client_id": "client",
    });
    check(Profile::Cognito, None, claims, ("client", "", "stackflow/read stackflow/write", ""));
}

#[test]
fn a_cognito_id_token() {
    let claims = json!({
        "cognito:groups": ["operators"], "email_verified": true, "cognito:preferred_role": "arn:aws:iam::111122223333:role/my-role",
        "cognito:username": "my-test-user", "middle_name": "Jane", "nonce": "abcdefg", "origin_jti": "a", "aud": "client",
        "cognito:roles": ["arn:aws:iam::111122223333:role/my-role"], "event_id": "b", "token_use": "id", "custom:tenant": "t1",
        "identities": [{"userId": "amzn1.account.EXAMPLE", "providerName": "LoginWithAmazon", "issuer": null, "primary": "true"}],
        "address": {"formatted": "a"}, "auth_time": NOW_S, "jti": "c", "email": "jane@example.com",
    });
    check(Profile::Cognito, None, claims, ("client", "my-test-user", "", "operators"));
}

#[test]
fn a_keycloak_token() {
    let claims = json!({
        "auth_time": NOW_S, "jti": "onrtac:1", "aud": ["account", "api"], "typ": "Bearer", "azp": "client", "sid": "s", "acr": "1",
        "allowed-origins": ["https://app.example"], "realm_access": {"roles": ["offline_access"]},
        "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}}, "scope": "openid email profile",
        "email_verified": false, "name": "Ann", "groups": ["/ops", "/dev"], "preferred_username": "ann",
    });
    check(Profile::Generic, Some("JWT"), claims, ("client", "ann", "openid email profile", "/ops,/dev"));
}

#[test]
fn entra_tokens() {
    let second = json!({
        "aud": "api", "azp": "client", "azpacr": "1", "name": "Ann", "oid": "o", "preferred_username": "ann@example.com", "rh": "r",
        "scp": "Incidents.Read Incidents.Write", "tid": "t", "uti": "u", "ver": "2.0", "groups": ["f7b3"], "nbf": NOW_S,
    });
    check(Profile::Generic, Some("JWT"), second, ("client", "ann@example.com", "Incidents.Read Incidents.Write", "f7b3"));
    let first =
        json!({"aud": "api", "appid": "client", "appidacr": "1", "upn": "ann", "scp": "user_impersonation", "ver": "1.0"});
    check(Profile::Generic, Some("JWT"), first, ("client", "", "user_impersonation", ""));
}

#[test]
fn an_okta_token() {
    let claims = json!({"ver": 1, "jti": "AT.0mP4", "aud": "api", "cid": "client", "uid": "00u", "scp": ["openid", "incidents"], "auth_time": NOW_S});
    check(Profile::Generic, None, claims, ("client", "", "openid incidents", ""));
}

#[test]
fn an_auth0_token() {
    let claims = json!({"aud": ["api", "https://t.auth0.com/userinfo"], "azp": "client", "scope": "openid read:a", "gty": "password", "permissions": ["read:a"]});
    check(Profile::Generic, Some("JWT"), claims, ("client", "", "openid read:a", ""));
    let standard = json!({"aud": "api", "client_id": "client", "jti": "j", "scope": "openid read:a"});
    check(Profile::Rfc9068, Some("at+jwt"), standard, ("client", "", "openid read:a", ""));
}
