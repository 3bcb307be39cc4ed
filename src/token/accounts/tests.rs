//! Who proves an account, and until when.
use super::*;

fn account(expires: Option<&str>) -> Account {
    let expires_unix_s = expires.map(|text| end_of(&text.parse().expect("a date")).expect("a moment"));
    Account {
        name: "one".to_owned(),
        client_id: "id-1".to_owned(),
        secret_sha256: SecretHash::of(&Secret::new("test".to_owned())),
        scopes: vec!["a".to_owned()],
        expires: expires.map(str::to_owned),
        expires_unix_s,
    }
}

fn check_moment(written: &str, expected: Option<u64>) {
    assert_eq!(written.parse().ok().and_then(|written| end_of(&written)), expected, "{written}");
}

#[test]
fn what_is_another_moment_at_each_place_is_none() {
    for written in ["2030-01-31T00:00:00", "10:00:00", "2030-02-30", "2030-02-30T00:00:00Z", ""] {
        check_moment(written, None);
    }
}

#[test]
fn moments_are_counted_in_the_gregorian_calendar() {
    for (written, expected) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("1969-12-31", 0),
        ("1970-01-01T00:00:00-01:00", 3600),
        ("2000-02-29T12:00:00Z", 951_825_600),
        ("2001-03-01T00:00:00Z", 983_404_800),
        ("2001-03-01", 983_404_800),
        ("2027-01-15T08:00:00Z", 1_800_000_000),
        ("2027-01-15T10:30:00+02:30", 1_800_000_000),
        ("2027-01-15 08:00:00.999Z", 1_800_000_000),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
    ] {
        check_moment(written, Some(expected));
    }
}

fn proven(accounts: &ServiceAccounts, id: &str, secret: &str, unix_s: u64) -> bool {
    accounts.proven(id, &Secret::new(secret.to_owned()), unix_s).is_some()
}

#[test]
fn only_the_right_secret_in_time_proves_an_account() {
    let accounts: ServiceAccounts = [account(Some("2027-01-15T08:00:00Z"))].into_iter().collect();
    let SecretHash(hash) = SecretHash::of(&Secret::new("test".to_owned()));
    for (id, secret, unix_s) in [
        ("id-1", "Test", 0),
        ("id-1", "", 0),
        ("id-1", crate::hex::encode(&hash).as_str(), 0),
        ("id-2", "test", 0),
        ("one", "test", 0),
        ("", "", 0),
        ("ID-1", "test", 0),
        ("id-1", "test", 1_800_000_000),
        ("id-1", "test", u64::MAX),
    ] {
        assert!(!proven(&accounts, id, secret, unix_s), "{id} {secret} {unix_s}");
    }
    assert!(proven(&accounts, "id-1", "test", 1_799_999_999));
}

#[test]
fn an_account_without_expiry_stays() {
    let accounts: ServiceAccounts = [account(None)].into_iter().collect();
    assert!(proven(&accounts, "id-1", "test", u64::MAX));
}

#[test]
fn hashes_are_not_printed() {
    let accounts = ServiceAccounts::single("id-1", &Secret::new("test".to_owned()), vec!["a".to_owned()]);
    assert!(proven(&accounts, "id-1", "test", 5) && accounts.len() == 1);
    let printed = format!("{accounts:?}");
    assert!(printed.contains("[redacted]") && !printed.contains("159"), "{printed}");
}
