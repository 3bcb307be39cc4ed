//! The file of `[[revoked]]`: every mistake has its place in that file, and refuses all of it.

use crate::config::compile::tests::check;

const NAMED: &str = "[auth]\nrevocations = \"revoked.toml\"\n";

fn refused(text: &str, expected: &str) {
    check(&[("revoked.toml", text)], NAMED, expected);
}

fn accepted(text: &str) {
    refused(text, "");
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    check(
        &[],
        NAMED,
        "gateway.toml:2:15: auth.revocations: there is no file `revoked.toml`; write the path of a file that exists; an empty one \
         revokes nothing",
    );
    check(&[], "[auth]\nrevocations = 1\n", "gateway.toml:2:15: auth.revocations: is a whole number; write a text in quotes");
}

#[test]
fn a_line_that_is_no_toml_is_refused_at_its_place() {
    refused(
        "[[revoked]]\njti = \"a\"\n\n[[revoked]]\njti = b\n",
        "revoked.toml:5:7: TOML: string values must be quoted, expected literal string; correct the line",
    );
}

#[test]
fn unknown_keys_are_refused() {
    refused("[[revokd]]\njti = \"a\"\n", "revoked.toml:1:3: revokd: unknown key; did you mean `revoked`?");
    refused(
        "[[revoked]]\njti = \"a\"\nissued_befor = 2026-07-01T00:00:00Z\n",
        "revoked.toml:3:1: revoked.issued_befor: unknown key; did you mean `issued_before`?",
    );
    refused(
        "[[revoked]]\nsub = \"a\"\njti = \"a\"\n",
        "revoked.toml:2:1: revoked.sub: unknown key; known here are `jti`, `subject`, `client_id`, `issuer`, `issued_before`",
    );
}

#[test]
fn values_of_other_types_are_refused() {
    refused("revoked = \"a\"\n", "revoked.toml:1:11: revoked: is a text; write [[revoked]]");
    refused("revoked = [\"a\"]\n", "revoked.toml:1:12: revoked: is a text; write a table, as in { … }");
    refused("[[revoked]]\njti = 1\n", "revoked.toml:2:7: revoked.jti: is a whole number; write a text in quotes");
    refused("[[revoked]]\nsubject = [\"a\"]\n", "revoked.toml:2:11: revoked.subject: is a list; write a text in quotes");
    refused("[[revoked]]\nclient_id = \"\"\n", "revoked.toml:2:13: revoked.client_id: is empty; write a value or remove the key");
}

#[test]
fn an_entry_is_about_one_thing() {
    refused(
        "[[revoked]]\njti = \"a\"\nsubject = \"b\"\n",
        "revoked.toml:3:11: revoked.subject: cannot stand beside `jti`; write an entry of its own",
    );
    refused(
        "[[revoked]]\nclient_id = \"c\"\njti = \"a\"\nsubject = \"b\"\n",
        "revoked.toml:2:13: revoked.client_id: cannot stand beside `jti`; write an entry of its own\n\
         revoked.toml:4:11: revoked.subject: cannot stand beside `jti`; write an entry of its own",
    );
}

#[test]
fn an_entry_that_would_revoke_everything_is_refused() {
    let remedy = "write `jti`, `subject` or `client_id`, or for the tokens of everyone `issued_before`";
    refused("[[revoked]]\n", &format!("revoked.toml:1:1: revoked: says nothing; {remedy}"));
    refused(
        "[[revoked]]\nissuer = \"https://issuer.example\"\n",
        &format!("revoked.toml:1:1: revoked: would revoke every token of its issuer; {remedy}"),
    );
}

#[test]
fn a_moment_has_a_date_a_time_and_an_offset() {
    let remedy = "write a date and time with its offset, without quotes, as in 2030-01-31T12:00:00Z";
    for moment in ["2026-07-01", "12:00:00", "2026-07-01T12:00:00"] {
        let problem = format!("revoked.toml:2:17: revoked.issued_before: `{moment}` is not a moment; {remedy}");
        refused(&format!("[[revoked]]\nissued_before = {moment}\n"), &problem);
    }
    refused(
        "[[revoked]]\nissued_before = \"2026-07-01T12:00:00Z\"\n",
        &format!("revoked.toml:2:17: revoked.issued_before: is a text; {remedy}"),
    );
    refused(
        "[[revoked]]\nissued_before = 1782907200\n",
        &format!("revoked.toml:2:17: revoked.issued_before: is a whole number; {remedy}"),
    );
    refused(
        "[[revoked]]\nissued_before = 1969-12-31T23:59:59Z\n",
        "revoked.toml:2:17: revoked.issued_before: `1969-12-31T23:59:59Z` is out of range; write a moment from 1970 to 2554",
    );
}

#[test]
fn an_issuer_that_the_configuration_does_not_have_is_refused() {
    refused(
        "[[revoked]]\nsubject = \"a\"\nissuer = \"https://issuer.example/\"\n",
        "revoked.toml:3:10: revoked.issuer: `https://issuer.example/` is no issuer of this configuration; write \
         \"https://issuer.example\", or remove the entry",
    );
}

#[test]
fn every_problem_is_reported_at_once_and_where_the_file_is_named() {
    check(
        &[("revoked.toml", "[[revoked]]\njti = 1\n[[revoked]]\n")],
        "[server]\nthreads = -1\n[auth]\nrevocations = \"revoked.toml\"\nleeway = \"6m\"\n",
        "gateway.toml:2:11: server.threads: -1 is out of range; write a whole number from 0 to 1024\n\
         revoked.toml:2:7: revoked.jti: is a whole number; write a text in quotes\n\
         revoked.toml:3:1: revoked: says nothing; write `jti`, `subject` or `client_id`, or for the tokens of everyone `issued_before`\n\
         gateway.toml:5:10: auth.leeway: `6m` is out of range; write \"0s\" to \"5m\"",
    );
}

#[test]
fn entries_are_read() {
    accepted("");
    accepted("# nothing is revoked\n");
    accepted("[[revoked]]\njti = \"a\"\n[[revoked]]\nsubject = \"b\"\nissuer = \"https://issuer.example\"\n");
    accepted("[[revoked]]\nclient_id = \"c\"\nissued_before = 2026-07-01T12:00:00+02:00\n");
    accepted("[[revoked]]\nissued_before = 2026-07-01T12:00:00.5Z\n");
    accepted("[[revoked]]\nissued_before = 2026-07-01T12:00:00Z\nissuer = \"https://issuer.example\"\n");
    accepted("revoked = [{ jti = \"a\" }, { jti = \"b\" }]\n");
}
