//! What an error of the operating system becomes, where a test cannot have it: tests may run as root.

use super::*;

fn check(kind: io::ErrorKind, expected: &str) {
    let failure = failure("cannot open", Path::new("k.toml"), &kind.into());
    let code = if matches!(failure, Failure::System(_)) { 1 } else { 2 };
    assert_eq!(format!("{code} {failure}"), expected);
}

#[test]
fn who_may_not_is_told_who_may() {
    check(io::ErrorKind::PermissionDenied, "1 cannot open k.toml: permission denied: run it as root or as the gateway's user");
    check(io::ErrorKind::StorageFull, "1 cannot open k.toml: no storage space");
}

#[test]
fn what_is_no_list_of_accounts_is_a_bad_file() {
    check(io::ErrorKind::InvalidData, "2 k.toml:1:1: service_accounts: is not UTF-8; write a text file in UTF-8");
    let remedy = "write another path for `auth.token_endpoint.api_keys`";
    check(io::ErrorKind::InvalidInput, &format!("2 k.toml:1:1: service_accounts: is not a regular file; {remedy}"));
    check(io::ErrorKind::IsADirectory, &format!("2 k.toml:1:1: service_accounts: is a folder; {remedy}"));
    check(io::ErrorKind::FileTooLarge, &format!("2 k.toml:1:1: service_accounts: is too large; {remedy}"));
}
