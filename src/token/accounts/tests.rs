//! The accounts file, problems first.
use super::*;

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"; // "test"

fn account(more: &str) -> String {
    format!("[[service_accounts]]\nname = \"one\"\nclient_id = \"id-1\"\nsecret_sha256 = \"{HASH}\"\n{more}")
}

fn refused(text: &str, line: usize, column: usize, what: &str) {
    let error = ServiceAccounts::parse(text).expect_err(text);
    let before: String = text.split_inclusive('\n').take(line - 1).collect();
    assert_eq!(error.at, before.len() + column - 1, "{error}");
    assert!(error.what.contains(what), "{error}");
}

/// One line of a good table replaced.
fn replaced(line: usize, with: &str) -> String {
    let text = account("");
    assert!(ServiceAccounts::parse(&text).is_ok());
    let mut lines: Vec<&str> = text.lines().collect();
    lines[line - 1] = with;
    lines.join("\n")
}

#[test]
fn unknown_and_missing_keys_are_refused() {
    refused("accounts = []", 1, 1, "unknown field");
    refused("[service_account]", 1, 2, "unknown field");
    refused(&account("scope = [\"a\"]"), 5, 1, "unknown field");
    refused(&account("secret = \"test\""), 5, 1, "unknown field");
    refused(&replaced(2, ""), 1, 1, "name");
    refused(&replaced(3, ""), 1, 1, "client_id");
    refused(&replaced(4, ""), 1, 1, "secret_sha256");
}

#[test]
fn wrong_toml_is_refused_where_it_is_wrong() {
    refused("[[service_accounts]]\nname = one", 2, 8, "");
    refused(&account("name = \"two\""), 5, 1, "duplicate");
    refused("service_accounts = 1", 1, 20, "");
    refused(&replaced(2, "name = 1"), 2, 8, "string");
    refused(&account("scopes = \"a\""), 5, 10, "");
    refused(&account("scopes = [1]"), 5, 11, "");
}

#[test]
fn two_accounts_of_one_name_or_id_are_refused() {
    let second = |name: &str, id: &str| {
        format!("{}\n[[service_accounts]]\nname = \"{name}\"\nclient_id = \"{id}\"\nsecret_sha256 = \"{HASH}\"", account(""))
    };
    refused(&second("one", "id-2"), 7, 8, "another account has this name");
    refused(&second("two", "id-1"), 8, 13, "another account has this client_id");
    assert_eq!(ServiceAccounts::parse(&second("two", "id-2")).expect("two accounts").len(), 2);
}

#[test]
fn values_of_a_wrong_form_are_refused() {
    for name in ["\"\"", "\"a\\n\"", "\"\\u0000\""] {
        refused(&replaced(2, &format!("name = {name}")), 2, 8, "name: ");
    }
    for id in ["\"\"", "\"a b\"", "\"é\"", "\"a\\t\""] {
        refused(&replaced(3, &format!("client_id = {id}")), 3, 13, "client_id: ");
    }
    for hash in [
        "",
        "00",
        &HASH[1..],
        &format!("{HASH}0"),
        &format!("+{}", &HASH[1..]),
        &format!("{}é", &HASH[2..]),
        &format!("g{}", &HASH[1..]),
    ] {
        refused(&replaced(4, &format!("secret_sha256 = \"{hash}\"")), 4, 17, "secret_sha256: ");
    }
    for scope in ["\"\"", "\"a b\"", "\"a\\\"\"", "'a\\'", "\"é\""] {
        refused(&account(&format!("scopes = [\"a\", {scope}]")), 5, 16, "scopes: ");
    }
}

#[test]
fn expires_must_be_one_moment() {
    for expires in [
        "\"\"",
        "\"tomorrow\"",
        "1",
        "true",
        "2030-01-31",
        "\"2030-01-31\"",
        "2030-01-31T00:00:00",
        "\"2030-01-31T00:00:00\"",
        "10:00:00",
        "[]",
        "\"2030-02-30T00:00:00Z\"",
    ] {
        refused(&account(&format!("expires = {expires}")), 5, 11, "expires: ");
    }
}

fn check_moment(written: &str, expected: u64) {
    for written in [written.to_owned(), format!("\"{written}\"")] {
        let accounts = ServiceAccounts::parse(&account(&format!("expires = {written}"))).expect("an account");
        assert_eq!(accounts.by_client_id["id-1"].expires_unix_s, Some(expected), "{written}");
    }
}

#[test]
fn moments_are_counted_in_the_gregorian_calendar() {
    check_moment("1970-01-01T00:00:00Z", 0);
    check_moment("1969-12-31T23:59:59Z", 0);
    check_moment("1970-01-01T00:00:00-01:00", 3600);
    check_moment("2000-02-29T12:00:00Z", 951_825_600);
    check_moment("2001-03-01T00:00:00Z", 983_404_800);
    check_moment("2027-01-15T08:00:00Z", 1_800_000_000);
    check_moment("2027-01-15T10:30:00+02:30", 1_800_000_000);
    check_moment("2027-01-15 08:00:00.999Z", 1_800_000_000);
    check_moment("2100-03-01T00:00:00Z", 4_107_542_400);
}

fn proven(accounts: &ServiceAccounts, id: &str, secret: &str, unix_s: u64) -> bool {
    accounts.proven(id, &Secret::new(secret.to_owned()), unix_s).is_some()
}

#[test]
fn only_the_right_secret_in_time_proves_an_account() {
    let accounts = ServiceAccounts::parse(&account("expires = 2027-01-15T08:00:00Z")).expect("an account");
    for (id, secret, unix_s) in [
        ("id-1", "Test", 0),
        ("id-1", "", 0),
        ("id-1", HASH, 0),
        ("id-2", "test", 0),
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
    let upper = account("scopes = [\"a\", \"b:c/d\"]").replace(HASH, &HASH.to_uppercase());
    let accounts = ServiceAccounts::parse(&upper).expect("an account");
    assert!(proven(&accounts, "id-1", "test", u64::MAX));
    assert_eq!(accounts.named("id-1").expect("it").scopes, ["a", "b:c/d"]);
}

#[test]
fn an_empty_file_is_no_account() {
    for text in ["", "# nothing", "service_accounts = []"] {
        assert!(ServiceAccounts::parse(text).expect("no accounts").is_empty());
    }
}

#[test]
fn hashes_are_not_printed() {
    let accounts = ServiceAccounts::single("id-1", &Secret::new("test".to_owned()), vec!["a".to_owned()]);
    assert!(proven(&accounts, "id-1", "test", 5) && accounts.len() == 1);
    let printed = format!("{accounts:?}");
    assert!(printed.contains("[redacted]") && !printed.contains("159"), "{printed}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged(text: String) {
        let _ = ServiceAccounts::parse(&text);
    }

    #[test]
    fn any_value_is_judged(value in "[-0-9TZ:+\"'. a\\\\\u{e9}]{0,30}") {
        let _ = ServiceAccounts::parse(&account(&format!("expires = {value}")));
    }
}
