//! The fuzz targets, driven without libFuzzer: the seeds, and a bounded number of mutations of them, always the same ones.
//!
//! `FUZZ_RUNS` is the number of mutations for each target; `FUZZ_SEED` another sequence of them; `FUZZ_TARGETS` names some of them.
#[path = "../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};
use targets::TARGETS;

/// What readers of tokens, key sets, paths and bodies stumble over; put in anywhere.
const WORDS: [&str; 69] = [
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: b\r\n",
    "\r\n\r\n",
    "\n",
    "0\r\n\r\n",
    " HTTP/1.1\r\n",
    "http://a",
    ".",
    "..",
    "=",
    "==",
    "+",
    "/",
    "-",
    "_",
    "\0",
    " ",
    "\t",
    "\r\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{7f}",
    "é",
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "1.5",
    "18446744073709551616",
    "NaN",
    "\"exp\":",
    "\"nbf\":",
    "\"sub\":\"admin\",",
    "\"aud\":[\"api\"],",
    "\"alg\":\"none\",",
    "\"crit\":[],",
    "\"kid\":",
    "\"kty\":\"oct\",",
    "\"use\":\"enc\",",
    "\"key_ops\":[],",
    "\"e\":\"AQ\",",
    "Bearer ",
    "\"records\":[",
    "\"\\u0049tems\":",
    "\"data\":[1,2,3,4],",
    "\"cis\"",
    "\\ud83d\\ude00",
    "\\",
    "1,",
    "-0.5e+1",
    "%25",
    "%2e",
    "%2F",
    "%5c",
    "%3b",
    "%c0%ae",
    "%61",
    ";x",
    "/incidents/bulk",
];

/// `splitmix64`: a run is its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).expect("below a usize")
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(32) + 1)
    }
}

/// One change; `other` is another seed of the same target.
fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let range = random.range(input.len());
    match random.below(8) {
        0 if !input.is_empty() => {
            let place = random.below(input.len());
            input[place] ^= 1 << random.below(8);
        }
        1 if !input.is_empty() => {
            let place = random.below(input.len());
            input[place] = u8::try_from(random.below(256)).expect("a byte");
        }
        2 => drop(input.drain(range)),
        3 => {
            let copy = input[range.clone()].to_vec();
            input.splice(range.start..range.start, copy);
        }
        4 => {
            let from = random.range(other.len());
            input.splice(range, other[from].iter().copied());
        }
        5 => input.truncate(range.start),
        _ => {
            let word = WORDS[random.below(WORDS.len())];
            let end = if random.below(2) == 0 { range.start } else { range.end };
            input.splice(range.start..end, word.bytes());
        }
    }
}

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

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

#[test]
fn the_targets_hold_for_the_seeds_and_their_mutations() {
    let (runs, seed) = (variable("FUZZ_RUNS", 3000), variable("FUZZ_SEED", 1));
    let only = std::env::var("FUZZ_TARGETS").unwrap_or_default();
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| only.is_empty() || only.split(' ').any(|one| one == *name)) {
        let (mut random, seeds) = (Random(seed), seeds(name));
        for seed in &seeds {
            let _shown = Shown(name, seed);
            target(seed);
        }
        for _ in 0..runs {
            let mut input = seeds[random.below(seeds.len())].clone();
            for _ in 0..=random.below(4) {
                let other = random.below(seeds.len());
                mutate(&mut random, &mut input, &seeds[other]);
            }
            let _shown = Shown(name, &input);
            target(&input);
        }
        println!("{name}: {runs} mutations of {} seeds", seeds.len());
    }
}

#[test]
fn the_seeds_are_worth_mutating() {
    for name in TARGETS.map(|(name, _)| name) {
        assert!(seeds(name).len() >= 4, "{name}");
    }
    assert!(seeds("token").iter().any(|seed| targets::is_accepted(seed)), "one of the tokens is good");
}
