//! Accounts added to and taken from texts, refusals first.

use super::*;

fn file() -> &'static Path {
    Path::new("k.toml")
}

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"; // "test"

/// A file as people keep it.
fn kept() -> String {
    format!(
        "# Accounts of the site.\n# Ask Ada before you change them.\n\n# Nightly reports.\n[[service_accounts]]\n\
         name = \"one\" # the first\nclient_id = 'id-1'\nsecret_sha256 = \"{HASH}\"\n\n\
         # Imports.\n  [[service_accounts]]\nclient_id = \"id-2\"\nname = \"two\"\nsecret_sha256 = \"{HASH}\"\n\n\
         # [[service_accounts]]\n# name = \"three\"\n"
    )
}

fn new(name: &str) -> NewAccount {
    let secret = Secret::new("test".to_owned());
    NewAccount { name: name.to_owned(), client_id: "id-9".to_owned(), secret, scopes: vec!["read".to_owned()], expires: None }
}

fn entry_of(name: &str) -> String {
    format!("[[service_accounts]]\nname = \"{name}\"\nclient_id = \"id-9\"\nsecret_sha256 = \"{HASH}\"\nscopes = [\"read\"]\n")
}

fn refused(text: &str, new: &NewAccount, expected: &EditError) {
    assert_eq!(add_account(file(), text, new).as_ref().map(|(text, _)| text.as_str()), Err(expected));
}

#[test]
fn a_text_with_a_problem_is_not_changed() {
    for text in ["service_accounts = 1", "[[service_accounts]]", "accounts = []", "[[service_accounts"] {
        assert!(matches!(add_account(file(), text, &new("nine")), Err(EditError::Unreadable(_))), "{text}");
        assert!(matches!(remove_account(file(), text, "one"), Err(EditError::Unreadable(_))), "{text}");
    }
}

#[test]
fn an_account_with_a_problem_is_not_added() {
    refused(&kept(), &new("one"), &EditError::NameTaken("one".to_owned()));
    for name in ["", "a\nb"] {
        refused("", &new(name), &EditError::Name(name.to_owned()));
    }
    for scope in ["", "a b", "a\"", "\u{e9}"] {
        let scopes = vec!["good".to_owned(), scope.to_owned()];
        refused("", &NewAccount { scopes, ..new("nine") }, &EditError::Scope(scope.to_owned()));
    }
    for moment in ["", "tomorrow", "2030-01-31T12:00:00", "12:00:00", "2030-02-30", "20300131"] {
        let expires = Some(moment.to_owned());
        refused("", &NewAccount { expires, ..new("nine") }, &EditError::Moment(moment.to_owned()));
    }
    let same_id = NewAccount { client_id: "id-1".to_owned(), ..new("nine") };
    assert!(matches!(add_account(file(), &kept(), &same_id), Err(EditError::Unreadable(_))));
}

#[test]
fn what_stood_there_stays_byte_for_byte() {
    for (text, between) in [("", ""), ("# none yet\n", "\n"), ("# none yet", "\n\n"), (&kept(), "\n")] {
        let (changed, made) = add_account(file(), text, &new("nine")).expect("an account");
        assert_eq!(changed, format!("{text}{between}{}", entry_of("nine")));
        assert_eq!((made.name.as_str(), made.client_id.as_str(), made.expires), ("nine", "id-9", None));
    }
}

#[test]
fn a_list_in_brackets_grows_too() {
    let one = format!("{{ name = \"one\", client_id = \"id-1\", secret_sha256 = \"{HASH}\" }}");
    for text in ["# x\nservice_accounts = []\n".to_owned(), format!("service_accounts = [{one}] # x\n")] {
        let (changed, _) = add_account(file(), &text, &new("nine")).expect("an account");
        assert_eq!(
            read_accounts(file(), &changed).expect("accounts").last().map(|made| made.name.clone()),
            Some("nine".to_owned())
        );
        assert!(changed.contains("# x"), "{changed}");
        let (back, _) = remove_account(file(), &changed, "id-9").expect("it is there");
        assert_eq!(read_accounts(file(), &back), read_accounts(file(), &text), "{back}");
    }
}

#[test]
fn names_are_written_so_that_they_are_read_again() {
    for name in ["plain", "with \"quotes\"", "back\\slash", "ä ö", "'", "[x]", "a = 1"] {
        let (changed, made) = add_account(file(), &kept(), &new(name)).expect("an account");
        assert_eq!((made.name.as_str(), read_accounts(file(), &changed).map(|list| list.len())), (name, Ok(3)));
        assert_eq!(remove_account(file(), &changed, name).map(|(_, gone)| gone.name), Ok(name.to_owned()));
    }
}

#[test]
fn an_expiry_is_a_moment() {
    for (written, expected) in
        [("2030-01-31", 1_896_048_000), ("2030-01-31T12:00:00Z", 1_896_091_200), ("2030-01-31T12:00:00+02:00", 1_896_084_000)]
    {
        let expires = Some(written.to_owned());
        let (changed, made) = add_account(file(), "", &NewAccount { expires, ..new("nine") }).expect("an account");
        assert_eq!(made.expires_unix_s, Some(expected), "{changed}");
    }
}

#[test]
fn only_an_account_that_is_meant_is_removed() {
    for who in ["", "three", "One", "id", "id-3"] {
        assert_eq!(remove_account(file(), &kept(), who).map(|_| ()), Err(EditError::Unknown(who.to_owned())));
    }
    let crossed = kept().replace("\"two\"", "\"id-1\"");
    assert_eq!(remove_account(file(), &crossed, "id-1").map(|_| ()), Err(EditError::Ambiguous("id-1".to_owned())));
    assert_eq!(remove_account(file(), &crossed, "id-2").map(|(_, gone)| gone.name), Ok("id-1".to_owned()));
}

fn removed(who: &str, expected: &str) {
    let (changed, gone) = remove_account(file(), &kept(), who).expect("it is there");
    assert!(gone.name == who || gone.client_id == who);
    assert_eq!(changed, expected);
}

#[test]
fn an_account_goes_with_the_comment_right_above_it() {
    let head = "# Accounts of the site.\n# Ask Ada before you change them.\n\n";
    let tail = "\n# [[service_accounts]]\n# name = \"three\"\n";
    let two = format!("# Imports.\n  [[service_accounts]]\nclient_id = \"id-2\"\nname = \"two\"\nsecret_sha256 = \"{HASH}\"\n");
    let one = format!(
        "# Nightly reports.\n[[service_accounts]]\nname = \"one\" # the first\nclient_id = 'id-1'\nsecret_sha256 = \"{HASH}\"\n"
    );
    for who in ["one", "id-1"] {
        removed(who, &format!("{head}{two}{tail}"));
    }
    for who in ["two", "id-2"] {
        removed(who, &format!("{head}{one}{tail}"));
    }
}

#[test]
fn the_last_one_leaves_what_is_set_apart() {
    let (one, _) = remove_account(file(), &kept(), "two").expect("it is there");
    let (none, _) = remove_account(file(), &one, "one").expect("it is there");
    assert_eq!(read_accounts(file(), &none), Ok(Vec::new()));
    assert!(none.starts_with("# Accounts of the site.") && none.ends_with("# name = \"three\"\n"), "{none}");
}

#[test]
fn one_cause_is_one_sentence() {
    let error = remove_account(file(), "[[", "one").expect_err("no TOML");
    assert!(std::error::Error::source(&error).is_some() && !error.to_string().contains('\n'));
}

proptest::proptest! {
    #[test]
    fn what_is_added_can_be_taken_away(name in "[^\\x00-\\x1f\\x7f-\\x9f]{1,12}") {
        proptest::prop_assume!(name != "one" && name != "two" && !name.starts_with("id-"));
        let (added, _) = add_account(file(), &kept(), &new(&name)).expect("an account");
        let (back, _) = remove_account(file(), &added, "id-9").expect("it is there");
        proptest::prop_assert_eq!(read_accounts(file(), &back), read_accounts(file(), &kept()));
    }
}
