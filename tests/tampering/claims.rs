//! The claims: each of its type, times by one clock, names exact, an access token never for an id token.
use crate::{
    good::{Case, Court, Good, Kind, Taken, check, check_taken},
    support::epoch_seconds,
};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

pub const ISSUER: &[Case] = &[
    ("another pool", |good| good.claim("iss", "https://pool.test/three"), "unknown_issuer"),
    ("a slash after it", |good| good.claim("iss", "https://pool.test/one/"), "unknown_issuer"),
    ("upper case", |good| good.claim("iss", "HTTPS://POOL.TEST/ONE"), "unknown_issuer"),
    ("another scheme", |good| good.claim("iss", "http://pool.test/one"), "unknown_issuer"),
    ("no scheme", |good| good.claim("iss", "pool.test/one"), "unknown_issuer"),
    ("the default port", |good| good.claim("iss", "https://pool.test:443/one"), "unknown_issuer"),
    ("a space after it", |good| good.claim("iss", "https://pool.test/one "), "unknown_issuer"),
    ("a NUL after it", |good| good.claim("iss", "https://pool.test/one\0"), "unknown_issuer"),
    ("a query after it", |good| good.claim("iss", "https://pool.test/one?x"), "unknown_issuer"),
    ("a longer path", |good| good.claim("iss", "https://pool.test/one2"), "unknown_issuer"),
    ("dot segments", |good| good.claim("iss", "https://pool.test/two/../one"), "unknown_issuer"),
    ("its place as another's user", |good| good.claim("iss", "https://pool.test/one@evil.test"), "unknown_issuer"),
    ("a list", |good| good.claim("iss", json!(["https://pool.test/one"])), "unknown_issuer"),
    ("null", |good| good.claim("iss", Value::Null), "unknown_issuer"),
    ("a number", |good| good.claim("iss", 1), "unknown_issuer"),
    ("none", |good| good.without("iss"), "unknown_issuer"),
    ("another pool's name under this pool's key", |good| good.claim("iss", "https://pool.test/two"), "signature"),
    ("this pool's name under another pool's key", |good| Good::other().sign_text(&good.signed(), Algorithm::RS256), "signature"),
];

pub const TIME: &[Case] = &[
    ("over", |good| good.claim("exp", epoch_seconds() - 61), "expired"),
    ("over in 1970", |good| good.claim("exp", 0), "expired"),
    ("over before 1970", |good| good.claim("exp", -1), "claims"),
    ("over by a fraction", |good| good.claim_text("exp", &format!("{}.5", epoch_seconds() - 62)), "expired"),
    ("over before every other time", |good| good.claim_text("exp", "-1e300"), "claims"),
    ("an end beyond every clock", |good| good.claim_text("exp", "1e300"), "claims"),
    ("an end beyond 64 bits", |good| good.claim_text("exp", "18446744073709551616"), "claims"),
    ("no end", |good| good.without("exp"), "claims"),
    ("an end in words", |good| good.claim("exp", "never"), "claims"),
    ("an end in quotes", |good| good.claim("exp", "9999999999"), "claims"),
    ("an end that is null", |good| good.claim("exp", Value::Null), "claims"),
    ("an end that is true", |good| good.claim("exp", true), "claims"),
    ("an end in a list", |good| good.claim("exp", json!([9_999_999_999_u64])), "claims"),
    ("an end in an object", |good| good.claim("exp", json!({"$gt": 0})), "claims"),
    ("an end as a date", |good| good.claim("exp", "2099-01-01T00:00:00Z"), "claims"),
    ("not yet good", |good| good.claim("nbf", epoch_seconds() + 90), "not_yet_valid"),
    ("never good yet", |good| good.claim_text("nbf", "1e300"), "claims"),
    ("good before 1970", |good| good.claim("nbf", -1), "claims"),
    ("a beginning in milliseconds", |good| good.claim("nbf", epoch_seconds() * 1000), "not_yet_valid"),
    ("a beginning in quotes", |good| good.claim("nbf", "0"), "claims"),
    ("a beginning that is null", |good| good.claim("nbf", Value::Null), "claims"),
    ("a beginning that is false", |good| good.claim("nbf", false), "claims"),
    ("a beginning in a list", |good| good.claim("nbf", json!([0])), "claims"),
    ("issued ahead", |good| good.claim("iat", epoch_seconds() + 90), "issued_ahead"),
    ("issued in milliseconds", |good| good.claim("iat", epoch_seconds() * 1000), "issued_ahead"),
    ("issued in quotes", |good| good.claim("iat", "0"), "claims"),
    ("issued null", |good| good.claim("iat", Value::Null), "claims"),
];

pub const USE: &[Case] = &[
    ("a refresh token", |good| good.claim("token_use", "refresh"), "token_use"),
    ("upper case", |good| good.claim("token_use", "ACCESS"), "token_use"),
    ("a space after it", |good| good.claim("token_use", "access "), "token_use"),
    ("a list", |good| good.claim("token_use", json!(["access"])), "token_use"),
    ("null", |good| good.claim("token_use", Value::Null), "token_use"),
    ("none", |good| good.without("token_use"), "token_use"),
    ("an access token that says it is an id token", |good| good.claim("token_use", "id"), "audience"),
    ("another client", |good| good.claim("client_id", "other-client"), "client_id"),
    ("a client in upper case", |good| good.claim("client_id", "TEST-CLIENT"), "client_id"),
    ("a client and a space", |good| good.claim("client_id", "test-client "), "client_id"),
    ("the beginning of a client", |good| good.claim("client_id", "test"), "client_id"),
    ("two clients in one", |good| good.claim("client_id", "test-client second-client"), "client_id"),
    ("an empty client", |good| good.claim("client_id", ""), "client_id"),
    ("no client", |good| good.without("client_id"), "client_id"),
    ("a client in a list", |good| good.claim("client_id", json!(["test-client"])), "claims"),
    ("a client that is null", |good| good.claim("client_id", Value::Null), "claims"),
    ("a client that is a number", |good| good.claim("client_id", 1), "claims"),
];

pub const SUBJECT: &[Case] = &[
    ("none", |good| good.without("sub"), "claims"),
    ("an empty one", |good| good.claim("sub", ""), "claims"),
    ("null", |good| good.claim("sub", Value::Null), "claims"),
    ("a number", |good| good.claim("sub", 1), "claims"),
    ("a list", |good| good.claim("sub", json!(["ada"])), "claims"),
    ("a user name that is no text", |good| good.claim("username", json!({})), "claims"),
    ("scopes that are null", |good| good.claim("scope", Value::Null), "claims"),
    ("scopes in a list", |good| good.claim("scope", json!(["a", "b"])), "claims"),
    ("scopes that are a number", |good| good.claim("scope", 7), "claims"),
    ("scopes that are an object", |good| good.claim("scope", json!({"admin": true})), "claims"),
    ("a scope that is no text", |good| good.claim("scope", json!(["incidents:read", 1])), "claims"),
    ("groups that are null", |good| good.claim("cognito:groups", Value::Null), "claims"),
    ("groups that are true", |good| good.claim("cognito:groups", true), "claims"),
    ("a group that is no text", |good| good.claim("cognito:groups", json!(["operators", ["admins"]])), "claims"),
];

pub const AUDIENCE: &[Case] = &[
    ("another client", |good| good.claim("aud", "other-client"), "audience"),
    ("other clients", |good| good.claim("aud", json!(["other-client", "third-client"])), "audience"),
    ("upper case", |good| good.claim("aud", "TEST-CLIENT"), "audience"),
    ("a space after it", |good| good.claim("aud", "test-client "), "audience"),
    ("two clients in one", |good| good.claim("aud", "test-client second-client"), "audience"),
    ("an empty list", |good| good.claim("aud", json!([])), "audience"),
    ("a list of one", |good| good.claim("aud", json!(["test-client"])), "audience"),
    ("among others", |good| good.claim("aud", json!(["other-client", "second-client"])), "audience"),
    ("a list in a list", |good| good.claim("aud", json!([["test-client"]])), "audience"),
    ("a number beside it", |good| good.claim("aud", json!(["test-client", 1])), "audience"),
    ("an object", |good| good.claim("aud", json!({"test-client": true})), "audience"),
    ("null", |good| good.claim("aud", Value::Null), "audience"),
    ("none", |good| good.without("aud"), "audience"),
    ("an id token that says it is an access token", |good| good.claim("token_use", "access"), "client_id"),
    ("an id token with a client in place of its audience", only_client, "audience"),
];

fn only_client(good: &Good<'_>) -> String {
    let parts = good.parts.with_claims(|claims| {
        claims["client_id"] = claims["aud"].take();
        claims.as_object_mut().expect("an object").remove("aud");
    });
    Good::sign(&parts.header, &parts.claims)
}

#[test]
fn the_issuer_is_compared_exactly_and_has_its_own_keys() {
    check(Kind::Access, ISSUER);
}

#[test]
fn times_are_numbers_and_the_token_is_inside_them() {
    check(Kind::Access, TIME);
    check(Kind::Id, TIME);
}

#[test]
fn an_access_token_is_for_a_client_of_the_list() {
    check(Kind::Access, USE);
}

#[test]
fn an_id_token_is_for_a_client_of_the_list() {
    check(Kind::Id, AUDIENCE);
}

#[test]
fn a_token_is_about_somebody_in_words() {
    check(Kind::Access, SUBJECT);
}

pub const TAKEN_ID: &[Taken] = &[("another client of the list", |good| good.claim("aud", "second-client"))];

pub const TAKEN_ACCESS: &[Taken] = &[
    ("over, within the leeway", |good| good.claim("exp", epoch_seconds() - 30)),
    ("a fraction", |good| good.claim_text("exp", &format!("{}.25", epoch_seconds() + 60))),
    ("an exponent", |good| good.claim_text("exp", "9.999999999e9")),
    ("an end at the end of the clocks", |good| good.claim_text("exp", "9223372036854775807")),
    ("good from 1970", |good| good.claim("nbf", 0)),
    ("good from now, by a clock ahead", |good| good.claim("nbf", epoch_seconds() + 30)),
    ("issued by a clock ahead", |good| good.claim("iat", epoch_seconds() + 30)),
    ("no time of issue", |good| good.without("iat")),
    ("another client of the list", |good| good.claim("client_id", "second-client")),
    ("no scopes", |good| good.without("scope")),
    ("a resource", |good| good.claim("aud", "https://other.test")),
    ("resources", |good| good.claim("aud", json!(["https://other.test", "https://api.test"]))),
    ("no groups", |good| good.without("cognito:groups")),
];

#[test]
fn times_and_clients_as_issuers_write_them_are_taken() {
    check_taken(Kind::Access, TAKEN_ACCESS);
    check_taken(Kind::Id, TAKEN_ID);
}

#[test]
fn a_claim_never_writes_a_header() {
    let court = Court::start();
    let names: [(&str, &str); 3] = [("sub", "X-Auth-Subject"), ("username", "X-Auth-Username"), ("scope", "X-Auth-Scopes")];
    for value in ["eve\r\nX-Auth-Groups: admins", "eve\nx: 1", "eve\0", "\u{7f}", " eve", "eve ", "é", "\u{202e}eve"] {
        for (claim, header) in names {
            let good = Court::good(Kind::Access, "");
            let head = court.trial.accept("as it was", &good.token());
            assert_eq!(head.all(header).len(), 1, "{header} of a plain {claim}");
            let head = court.trial.accept(value, &good.claim(claim, value));
            // Scopes are words, so that spaces around them belong to none.
            let plain = claim == "scope" && value.trim() == "eve";
            assert_eq!(head.all(header), if plain { vec!["eve"] } else { vec![] }, "{claim} {value:?}");
            assert!(head.all("X-Auth-Groups") == ["operators,on-call"] && head.all("x").is_empty(), "{head:?}");
        }
    }
}
