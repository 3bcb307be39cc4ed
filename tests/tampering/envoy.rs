//! The same tokens before Envoy's filter `jwt_authn`, each sent to both over HTTP: what Envoy refuses is refused here too, and what it
//! lets through stands here by name.
use crate::{
    good::{Court, Good, Kind},
    http,
    pairs::ISSUER,
    support::{Door, Envoy},
    tables::{Kinds, Token, names, spoiled, taken},
};

/// What Envoy takes and the gateway refuses.
const LET_THROUGH: &[&str] = &[
    "audience: a list of one",
    "audience: among others",
    "audience: an id token that says it is an access token",
    "base64url: a space in the claims",
    "base64url: the claims with bits that no byte needs",
    "base64url: the header padded",
    "base64url: the header with bits that no byte needs",
    "base64url: the signature padded as MIME does",
    "base64url: the signature with bits that no byte needs",
    "critical: a name of nobody",
    "critical: a text",
    "critical: a token in a token",
    "critical: a token in a token, by its media type",
    "critical: an empty list",
    "critical: an object",
    "critical: b64",
    "critical: b64 without crit",
    "critical: b64, as it would be without",
    "critical: enc",
    "critical: exp",
    "critical: false",
    "critical: null",
    "critical: the name in escapes",
    "critical: zip",
    "json: a comma at the claims' end",
    "json: a control character in a text",
    "json: a line feed in a text",
    "json: a name without quotes",
    "json: lists in each other in the header",
    "json: seventeen lists in each other",
    "json: single quotes",
    "key: an empty name",
    "key: no name",
    "segments: an empty fourth segment",
    "segments: an empty segment before",
    "segments: an empty segment inside",
    "segments: longer than a token may be",
    "segments: one byte longer than a token may be",
    "subject: a group that is no text",
    "subject: a scope that is no text",
    "subject: a user name that is no text",
    "subject: an empty one",
    "subject: groups that are null",
    "subject: groups that are true",
    "subject: none",
    "subject: scopes in a list",
    "subject: scopes that are a number",
    "subject: scopes that are an object",
    "subject: scopes that are null",
    "time: issued ahead",
    "time: issued in milliseconds",
    "type: a list",
    "type: a logout token",
    "type: a number",
    "type: a proof of possession",
    "type: a request object",
    "type: a security event",
    "type: a space after it",
    "type: an empty one",
    "type: an encrypted token",
    "type: null",
    "type: the long form of an access token",
    "use: a client and a space",
    "use: a client in a list",
    "use: a client in upper case",
    "use: a client that is a number",
    "use: a client that is null",
    "use: a list",
    "use: a refresh token",
    "use: a space after it",
    "use: an access token that says it is an id token",
    "use: an empty client",
    "use: another client",
    "use: no client",
    "use: none",
    "use: null",
    "use: the beginning of a client",
    "use: two clients in one",
    "use: upper case",
];

/// Keys, signatures and headers that Envoy takes and the gateway refuses.
const OTHERS_LET_THROUGH: &[&str] = &[
    "headers: a space and a tab after the scheme",
    "headers: the scheme after another",
    "headers: a folded line",
    "keys: ES256: a coordinate with a zero before it",
    "keys: ES256: for agreement",
    "keys: ES256: for encryption",
    "keys: ES256: no curve",
    "keys: EdDSA: for encryption",
    "keys: RS256: a modulus with padding",
    "keys: RS256: for a number",
    "keys: RS256: for encryption",
    "keys: RS256: for no operation",
    "keys: RS256: for null",
    "keys: RS256: for operations in a text",
    "keys: RS256: for signing only",
    "keys: RS256: for something in upper case",
    "keys: RS256: for wrapping only",
    "keys: RS256: of 2041 bits",
    "keys: RS256: of 2047 bits",
    "signatures: ES256: a zero after",
    "signatures: ES256: a zero before each number",
    "signatures: ES384: a zero after",
    "signatures: ES384: a zero before each number",
];

/// Cognito's access tokens have no `aud`, so that only id tokens can be held to one.
const DOORS: [(&str, &[&str]); 2] = [("/access", &[]), ("/id", &["test-client", "second-client"])];

fn bearer(token: &Token) -> String {
    format!("Authorization: Bearer {}\r\n", token.text)
}

#[test]
fn what_envoy_refuses_is_refused_here_and_more() {
    let court = Court::start();
    let issuers = || vec![(Good::issuer().name.as_str(), &court.issuers[0]), (Good::other().name.as_str(), &court.issuers[1])];
    let envoy = Envoy::start(&DOORS.map(|(path, audiences)| Door { path, issuers: issuers(), audiences }));
    let there = |token: &Token| envoy.lets_through(if token.kind == Kind::Id { "/id" } else { "/access" }, &bearer(token));
    let here = |token: &Token| court.trial.ask(&token.text).status == 200;
    let keys_of_stranger = court.stranger.url();
    let (spoiled, taken) = (spoiled(&keys_of_stranger), taken(&keys_of_stranger));
    assert_eq!(names(&spoiled, here), [""; 0], "the gateway refuses all");
    assert_eq!(names(&taken, |token| !here(token)), [""; 0], "the gateway takes all");
    assert_eq!(names(&spoiled, there), LET_THROUGH, "of {}", spoiled.len());
    assert_eq!(names(&taken, |token| !there(token)), [""; 0], "Envoy takes all");
    println!("of {} spoiled tokens Envoy lets {} through", spoiled.len(), LET_THROUGH.len());
}

#[test]
fn keys_signatures_and_headers_that_envoy_refuses_are_refused_here_and_more() {
    let kinds = Kinds::start();
    let door = Door { path: "/kinds", issuers: vec![(ISSUER, &kinds.court.server)], audiences: &["api"] };
    let envoy = Envoy::start(&[door]);
    let there = |token: &Token| envoy.lets_through("/kinds", &bearer(token));
    let here = |token: &Token| kinds.court.trial.ask(&token.text).status == 200;
    assert_eq!(names(&kinds.taken, |token| !here(token) || !there(token)), [""; 0], "both take all");
    assert_eq!(names(&kinds.spoiled, here), [""; 0], "the gateway refuses all");
    // That the gateway refuses these is what the tests beside the table say.
    let good = &kinds.taken[0].text;
    let headers = http::CASES.iter().filter(|(_, lines, _)| envoy.lets_through("/kinds", &lines(good)));
    let headers: Vec<String> = headers.map(|(case, _, _)| format!("headers: {case}")).collect();
    let tokens = names(&kinds.spoiled, there);
    let all: Vec<&str> = headers.iter().map(String::as_str).chain(tokens).collect();
    assert_eq!(all, OTHERS_LET_THROUGH, "of {}", http::CASES.len() + kinds.spoiled.len());
}
