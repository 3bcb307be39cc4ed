//! Service accounts, as `api_keys` has them.
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::Write;

/// One that is named as its client is.
pub fn account(client_id: &str, secret: &str, scopes: &[&str]) -> String {
    let hash = digest(&SHA256, secret.as_bytes()).as_ref().iter().fold(String::new(), |mut hash, byte| {
        write!(hash, "{byte:02x}").expect("BUG: a string takes everything");
        hash
    });
    let names = format!("name = \"{client_id}\"\nclient_id = \"{client_id}\"");
    format!("[[service_accounts]]\n{names}\nsecret_sha256 = \"{hash}\"\nscopes = {scopes:?}\n")
}
