//! What is fuzzed, on inputs that are kept: good ones, from which libFuzzer sets out, and whatever has ever broken something.
//!
//! The fuzzing itself is `tests/run.sh fuzz`.
#[path = "../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};
use targets::TARGETS;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let read = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").path();
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).map(read).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).collect()
}

/// Shows the input that something failed with.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} fails with {}", self.0, self.1.escape_ascii());
        }
    }
}

/// Whole, and cut off anywhere.
#[test]
fn the_targets_hold_for_the_seeds() {
    for (name, target) in TARGETS {
        for seed in seeds(name) {
            let step = seed.len().div_ceil(200).max(1);
            for end in (0..seed.len()).step_by(step).chain([seed.len()]) {
                let _shown = Shown(name, &seed[..end]);
                target(&seed[..end]);
            }
        }
    }
}

#[test]
fn the_seeds_are_worth_mutating() {
    for name in TARGETS.map(|(name, _)| name) {
        assert!(seeds(name).len() >= 4, "{name}");
    }
    assert!(seeds("token").iter().any(|seed| targets::is_accepted(seed)), "one of the tokens is good");
}

/// A target that nobody runs finds nothing.
#[test]
fn every_target_is_run_and_has_something_to_reach() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets.txt");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let listed: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, TARGETS.map(|(name, _)| name));
}
