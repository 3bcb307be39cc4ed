//! That what the demo prints works when it is pasted.

use super::*;
use std::process::Command;

fn sample() -> String {
    text("http://127.0.0.1:8080", "http://127.0.0.1:9901", "demo", "s3cret-_'x")
}

fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn parses(script: &str) -> bool {
    Command::new("sh").args(["-n", "-c", script]).output().expect("sh runs").status.success()
}

#[test]
fn no_placeholder_is_left() {
    for placeholder in ["{BASE}", "{ADMIN}", "{CREDENTIALS}"] {
        assert!(!sample().contains(placeholder), "{placeholder}");
    }
}

#[test]
fn every_line_is_a_comment_or_one_whole_command() {
    for line in commands(&sample()) {
        assert!(line.starts_with("export ") || line.starts_with("curl "), "{line}");
        assert!(parses(line), "{line}");
    }
}

#[test]
fn the_whole_can_be_pasted() {
    assert!(parses(&sample()));
    assert!(!parses("export TOKEN=$(curl"), "the test sees what does not parse");
}

#[test]
fn a_quote_in_the_secret_does_not_end_the_word() {
    assert!(sample().contains(r"-u 'demo:s3cret-_'\''x' "));
}

#[test]
fn every_variable_is_set_before_it_is_used() {
    let text = sample();
    for name in ["TOKEN", "CURSOR", "JOB"] {
        let set = commands(&text).position(|line| line.starts_with(&format!("export {name}=")));
        let used = commands(&text).position(|line| line.contains(&format!("${name}")));
        assert!(set.is_some() && set < used, "{name}");
    }
}
