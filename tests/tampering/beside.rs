//! The same tokens before aws-jwt-verify, which most would use for Cognito: what it refuses is refused here too, and what it lets
//! through stands here by name.
use crate::{
    good::Good,
    support::{node, run_tool},
    tables::{Token, names, spoiled, taken},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What aws-jwt-verify takes and the gateway refuses.
const LET_THROUGH: &[&str] = &[
    "base64url: the claims padded",
    "base64url: the claims with bits that no byte needs",
    "base64url: the header padded",
    "base64url: the header with bits that no byte needs",
    "base64url: the signature padded",
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
    "json: a byte that is not UTF-8",
    "json: a byte that is not UTF-8 in the header",
    "json: a surrogate in UTF-8",
    "json: a thousand lists in each other",
    "json: an overlong NUL",
    "json: half a surrogate pair",
    "json: lists in each other in the header",
    "json: seventeen lists in each other",
    "segments: longer than a token may be",
    "segments: one byte longer than a token may be",
    "subject: a group that is no text",
    "subject: a user name that is no text",
    "subject: an empty one",
    "subject: groups that are null",
    "subject: groups that are true",
    "subject: none",
    "time: an end beyond 64 bits",
    "time: an end beyond every clock",
    "time: good before 1970",
    "time: issued ahead",
    "time: issued in milliseconds",
    "time: no end",
    "twice: a claim twice deep inside another",
    "twice: a claim twice inside another",
    "twice: a member that nobody reads twice",
    "twice: alg twice",
    "twice: alg twice, none at first",
    "twice: client_id twice",
    "twice: exp twice",
    "twice: sub twice",
    "twice: sub twice, once with an escape",
    "twice: typ twice",
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
];

/// What it makes of these tokens: null, or why it refuses them. And how many nanoseconds it takes for the good one.
fn judged(good: &str, tokens: &[Token]) -> (BTreeMap<String, Value>, u64) {
    let issuer = Good::issuer();
    let jwks: Value = serde_json::from_str(&issuer.jwks_json()).expect("a key set");
    let by_name: BTreeMap<&str, &str> = tokens.iter().map(|token| (token.name.as_str(), token.text.as_str())).collect();
    assert_eq!(by_name.len(), tokens.len(), "no name twice");
    let clients = ["test-client", "second-client"];
    let task = json!({"issuer": issuer.name, "jwks": jwks, "clients": clients, "good": good, "tokens": by_name});
    let output = run_tool(&mut node("aws_jwt_verify.mjs"), &task.to_string());
    let mut answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let errors = serde_json::from_value(answer["errors"].take()).expect("an error or null each");
    (errors, answer["nanoseconds"].as_u64().expect("a time"))
}

#[test]
fn what_aws_jwt_verify_refuses_is_refused_here_and_more() {
    let (spoiled, taken) = (spoiled("https://stranger.test/"), taken("https://stranger.test/"));
    let (refused_here, _) = judged(&taken[0].text, &spoiled);
    let (taken_here, nanoseconds) = judged(&taken[0].text, &taken);
    assert_eq!(names(&spoiled, |token| refused_here[&token.name].is_null()), LET_THROUGH, "of {}", spoiled.len());
    assert_eq!(names(&taken, |token| !taken_here[&token.name].is_null()), [""; 0], "it refuses what is taken here");
    println!(
        "of {} spoiled tokens aws-jwt-verify lets {} through; it takes {nanoseconds} ns for a token, also the second time",
        spoiled.len(),
        LET_THROUGH.len()
    );
}
