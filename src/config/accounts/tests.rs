//! The file of service accounts: every mistake has its place and its remedy, and nothing is taken of a file that has one.

use super::*;

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"; // "test"
const SHA256: &str = "write `secret_sha256`, from `printf %s \"$SECRET\" | sha256sum`";
const END: &str = "write a date (midnight UTC), or a date and time with its offset, as in 2030-01-31T12:00:00Z";

fn read(text: &str) -> Result<Vec<Account>, Problems> {
    read_accounts(Path::new("k.toml"), text)
}

fn account(more: &str) -> String {
    format!("[[service_accounts]]\nname = \"one\"\nclient_id = \"id-1\"\nsecret_sha256 = \"{HASH}\"\n{more}")
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let problems = read(text).expect_err(text).to_string();
    assert_eq!(problems.trim_end(), expected);
}

/// One line of a good table replaced.
fn replaced(line: usize, with: &str) -> String {
    let text = account("");
    assert!(read(&text).is_ok());
    let mut lines: Vec<&str> = text.lines().collect();
    lines[line - 1] = with;
    lines.join("\n")
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    refused("accounts = []", "k.toml:1:1: accounts: unknown key; known here are `service_accounts`");
    refused("[service_account]", "k.toml:1:2: service_account: unknown key; did you mean `service_accounts`?");
    refused(&account("scope = [\"a\"]"), "k.toml:5:1: service_accounts.scope: unknown key; did you mean `scopes`?");
    refused(
        &account("secre = \"a\""),
        "k.toml:5:1: service_accounts.secre: unknown key; known here are `name`, `client_id`, `secret_sha256`, `scopes`, `expires`",
    );
}

#[test]
fn a_secret_in_clear_is_refused_and_not_shown() {
    for key in ["secret", "client_secret"] {
        let what = "would be a secret in clear, and only its hash is kept";
        let column = key.len() + 4;
        refused(
            &account(&format!("{key} = \"hunter2\"")),
            &format!("k.toml:5:{column}: service_accounts.{key}: {what}; {SHA256}"),
        );
        let instead = replaced(4, &format!("{key} = \"hunter2\""));
        refused(&instead, &format!("k.toml:4:{column}: service_accounts.{key}: {what}; {SHA256}"));
    }
    let what = "k.toml:4:17: service_accounts.secret_sha256: is not 64 hexadecimal digits";
    for hash in ["", "00", &HASH[1..], &format!("{HASH}0"), &format!("+{}", &HASH[1..]), &format!("{}é", &HASH[2..]), "hunter2"]
    {
        refused(&replaced(4, &format!("secret_sha256 = \"{hash}\"")), &format!("{what}; {SHA256}"));
    }
}

#[test]
fn what_must_be_there_is_missed() {
    refused(&replaced(2, ""), "k.toml:1:1: service_accounts.name: is missing; write what people call the account");
    refused(&replaced(3, ""), "k.toml:1:1: service_accounts.client_id: is missing; write the name that its programs say");
    refused(&replaced(4, ""), &format!("k.toml:1:1: service_accounts.secret_sha256: is missing; {SHA256}"));
}

#[test]
fn wrong_toml_is_refused_where_it_is_wrong() {
    refused(&account("name = \"two\""), "k.toml:5:1: TOML: duplicate key; correct the line");
    refused("service_accounts = 1", "k.toml:1:20: service_accounts: is a whole number; write [[service_accounts]]");
    refused(&replaced(2, "name = 1"), "k.toml:2:8: service_accounts.name: is a whole number; write a text in quotes");
    refused(&account("scopes = \"a\""), "k.toml:5:10: service_accounts.scopes: is a text; write a list, as in [ … ]");
    refused(&account("scopes = [1]"), "k.toml:5:11: service_accounts.scopes: is a whole number; write a text in quotes");
}

#[test]
fn two_accounts_of_one_name_or_id_are_refused() {
    let second = |name: &str, id: &str| {
        format!("{}\n[[service_accounts]]\nname = \"{name}\"\nclient_id = \"{id}\"\nsecret_sha256 = \"{HASH}\"", account(""))
    };
    let taken = "is that of the account in line 1; write another one";
    refused(&second("one", "id-2"), &format!("k.toml:7:8: service_accounts.name: {taken}"));
    refused(&second("two", "id-1"), &format!("k.toml:8:13: service_accounts.client_id: {taken}"));
    assert_eq!(read(&second("two", "id-2")).map(|accounts| accounts.len()), Ok(2));
}

#[test]
fn values_of_a_wrong_form_are_refused() {
    for name in ["\"\"", "\"a\\n\"", "\"\\u0000\""] {
        let expected = "k.toml:2:8: service_accounts.name: is empty, or has control characters; write a text on one line";
        refused(&replaced(2, &format!("name = {name}")), expected);
    }
    for id in ["", "a b", "é", "a\\t"] {
        let expected =
            format!("k.toml:3:13: service_accounts.client_id: `{id}` is not a client id; write visible ASCII without spaces");
        refused(&replaced(3, &format!("client_id = \"{id}\"")), &expected);
    }
    let remedy = "write one scope an element, without spaces, quotes and backslashes";
    for scope in ["", "a b", "é"] {
        let expected = format!("k.toml:5:16: service_accounts.scopes: `{scope}` is not a scope; {remedy}");
        refused(&account(&format!("scopes = [\"a\", \"{scope}\"]")), &expected);
    }
}

#[test]
fn expires_must_be_one_moment() {
    for expires in [
        "\"\"",
        "\"tomorrow\"",
        "1",
        "true",
        "2030-01-31T00:00:00",
        "\"2030-01-31T00:00:00\"",
        "10:00:00",
        "[]",
        "\"2030-02-30T00:00:00Z\"",
    ] {
        refused(
            &account(&format!("expires = {expires}")),
            &format!("k.toml:5:11: service_accounts.expires: is not a moment; {END}"),
        );
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let text =
        "[[service_accounts]]\nname = \"\"\nclient_id = \"a b\"\nsecret = \"x\"\nexpire = 2030-01-31\n[[service_account]]\n";
    let keys: Vec<String> =
        read(text).expect_err("five").0.into_iter().map(|problem| format!("{}:{}", problem.line, problem.key)).collect();
    let expected = [
        "2:service_accounts.name",
        "3:service_accounts.client_id",
        "4:service_accounts.secret",
        "5:service_accounts.expire",
        "6:service_account",
    ];
    assert_eq!(keys, expected);
}

fn check_end(written: &str, expected: u64) {
    for written in [written.to_owned(), format!("\"{written}\"")] {
        let accounts = read(&account(&format!("expires = {written}"))).expect("an account");
        assert_eq!(accounts[0].expires_unix_s, Some(expected), "{written}");
        assert_eq!(accounts[0].expires.as_deref(), Some(written.trim_matches('"')));
    }
}

#[test]
fn an_end_is_a_date_or_a_moment_in_quotes_or_without() {
    check_end("2030-01-31", 1_896_048_000);
    check_end("2030-01-31T00:00:00Z", 1_896_048_000);
    check_end("2030-01-31T12:00:00+02:00", 1_896_084_000);
}

#[test]
fn accounts_are_read_as_they_are_written() {
    let upper = account("scopes = [\"a\", \"b:c/d\"]").replace(HASH, &HASH.to_uppercase());
    let accounts = read(&upper).expect("an account");
    assert_eq!((accounts[0].name.as_str(), accounts[0].client_id.as_str()), ("one", "id-1"));
    assert_eq!(accounts[0].scopes, ["a", "b:c/d"]);
    let SecretHash(hash) = &accounts[0].secret_sha256;
    assert_eq!(hex::encode(hash), HASH);
}

#[test]
fn an_empty_file_is_no_account() {
    for text in ["", "# nothing", "service_accounts = []"] {
        assert_eq!(read(text), Ok(Vec::new()));
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged(text: String) {
        let _ = read(&text);
    }

    #[test]
    fn any_value_is_judged(value in "[-0-9TZ:+\"'. a\\\\\u{e9}]{0,30}") {
        let _ = read(&account(&format!("expires = {value}")));
    }
}
