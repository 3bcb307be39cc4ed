//! Malformations of good tokens, in the manner of Wycheproof: one line each, how to spoil the token and the reason of its refusal.
//! Each begins with a token that is taken. What is spoiled is signed again wherever a signer could have written it so: the form
//! or the claim is then all that is wrong, and not the signature too.
mod support;

#[path = "tampering/beside.rs"]
mod beside;
#[path = "tampering/claims.rs"]
mod claims;
#[path = "tampering/envoy.rs"]
mod envoy;
#[path = "tampering/form.rs"]
mod form;
#[path = "tampering/good.rs"]
mod good;
#[path = "tampering/header.rs"]
mod header;
#[path = "tampering/http.rs"]
mod http;
#[path = "tampering/keys.rs"]
mod keys;
#[path = "tampering/pairs.rs"]
mod pairs;
#[path = "tampering/signatures.rs"]
mod signatures;
#[path = "tampering/tables.rs"]
mod tables;
