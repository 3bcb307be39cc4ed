//! The invariants of the architecture that the compiler does not hold, held by reading the sources; and that the map in the
//! crate docs is true.
//!
//! What the types hold is not here: that only a verified token or an open route forwards stands as examples, one that
//! compiles and one that must not, at `pipeline::Forward` and `auth::VerifiedToken`.

#[path = "architecture/source.rs"]
mod source;

use source::{Source, sources, tree};

/// What touches the world.
const OUTSIDE: [&str; 6] = ["proxy", "remote", "admin", "cli", "demo", "main"];
/// The configuration's loader, which reads files once, before anything is served.
const LOADER: [&str; 3] = ["config/compile", "config/compile/attached", "config/files"];
const STAGES: [&str; 5] = ["route", "cors", "auth", "limit", "validate"];

/// Files that a rule finds something in.
fn offenders(sources: &[Source], offends: impl Fn(&Source) -> bool) -> Vec<&str> {
    sources.iter().filter(|source| offends(source)).map(|source| source.path.as_str()).collect()
}

fn check(rule: &str, offends: impl Fn(&Source) -> bool) {
    let sources = sources();
    let product: Vec<Source> = sources.into_iter().filter(|source| !source.is_test()).collect();
    let offenders = offenders(&product, offends);
    assert!(offenders.is_empty(), "{rule}: {offenders:#?}");
}

#[test]
fn only_the_proxy_and_the_admin_listener_name_pingora() {
    check("names pingora", |source| source.code.contains("pingora") && !source.is_in(&["proxy", "admin"]));
}

#[test]
fn one_file_reads_the_clocks() {
    let clocks = ["Instant::now", "SystemTime::now", "Timestamp::now", "Utc::now", "Local::now", ".elapsed(", "clock_gettime"];
    check("reads a clock", |source| {
        source.path != "src/proxy/clock.rs" && clocks.iter().any(|clock| source.code.contains(clock))
    });
}

#[test]
fn the_configuration_has_one_cell() {
    check("holds the configuration in a cell", |source| {
        let holds = ["ArcSwap<Gateway>", "ArcSwap<InForce>"].iter().any(|cell| source.code.contains(cell));
        source.path != "src/proxy/shared.rs" && holds
    });
}

#[test]
fn only_the_outside_and_the_loader_touch_network_disk_or_process() {
    let world = [
        "std::fs",
        "fs::read",
        "fs::write",
        "File::open",
        "File::create",
        "OpenOptions",
        "std::env",
        "env::var",
        "std::process",
        "process::Command",
        "thread::spawn",
        "thread::sleep",
        "tokio",
        "hyper",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "ToSocketAddrs",
        "stdout",
        "stderr",
        "println!",
        "eprintln!",
        "async fn",
        ".await",
        "log::info",
        "log::warn",
        "log::error",
        "log::debug",
    ];
    check("touches the world", |source| {
        let touches = world.iter().any(|word| has_word(&source.code, word));
        touches && !source.is_in(&OUTSIDE) && !LOADER.iter().any(|loader| source.path == format!("src/{loader}.rs"))
    });
}

/// Whether a path or name stands in the code, not as a part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let begins = |at: usize| !word.starts_with(is_name) || !code[..at].ends_with(is_name);
    let ends = |at: usize| !word.ends_with(is_name) || !code[at + word.len()..].starts_with(is_name);
    code.match_indices(word).any(|(at, _)| begins(at) && ends(at))
}

#[test]
fn no_stage_names_another() {
    for stage in STAGES {
        let known = [stage, "time", "secret", "request"];
        check(&format!("{stage} may name only {known:?}"), |source| {
            let climbs = STAGES.iter().any(|other| *other != stage && source.code.contains(&format!("super::{other}::")));
            source.is_in(&[stage]) && (climbs || source.imports().iter().any(|module| !known.contains(module)))
        });
    }
}

#[test]
fn nothing_panics_where_a_disk_is_full_or_nobody_reads() {
    let macros = ["print!", "println!", "eprint!", "eprintln!"];
    check("prints by macros", |source| macros.iter().any(|name| has_word(&source.code, name)));
}

#[test]
fn nothing_unwraps() {
    check("unwraps", |source| source.code.contains(".unwrap()"));
}

#[test]
fn what_is_expected_is_a_proof_and_its_failure_a_bug() {
    // Without random numbers there is no key that strangers cannot guess: the process must not start.
    let excepted = ["src/limit/key.rs", "src/auth/cache.rs"];
    check("expects without a proof", |source| {
        let unproven = source.text.matches(".expect(\"").count() - source.text.matches(".expect(\"BUG: ").count();
        unproven > usize::from(excepted.contains(&source.path.as_str()))
    });
}

#[test]
fn files_are_short_and_say_what_they_decide() {
    let sources: Vec<Source> = tree().into_iter().filter(Source::is_rust).collect();
    let long = offenders(&sources, |source| source.text.lines().count() > 500);
    assert!(long.is_empty(), "more than 500 lines: {long:#?}");
    let silent = offenders(&sources, |source| !source.text.starts_with("//! "));
    assert!(silent.is_empty(), "begins without `//! `: {silent:#?}");
}

#[test]
fn authentication_has_more_lines_of_tests_than_of_code() {
    let (tests, code): (Vec<_>, Vec<_>) =
        sources().into_iter().filter(|source| source.is_in(&["auth"])).partition(Source::is_test);
    let lines = |sources: &[Source]| sources.iter().map(|source| source.text.lines().count()).sum::<usize>();
    let (tests, code) = (lines(&tests), lines(&code));
    assert!(tests * 10 >= code * 13, "{tests} lines of unit tests for {code} of code, less than 1.3 to 1");
}

#[test]
fn functions_fit_on_a_screen() {
    let sources: Vec<Source> = tree().into_iter().filter(Source::is_rust).collect();
    let functions = sources.iter().flat_map(|source| source.functions().into_iter().map(|function| (&source.path, function)));
    let long: Vec<_> = functions.filter(|(_, (_, lines))| *lines > 70).collect();
    assert!(long.is_empty(), "more than 70 lines: {long:#?}");
}

#[test]
fn the_tree_stands_for_itself() {
    // In two parts, or this file would be found.
    let foreign = [
        concat!("../", "shared"),
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("registry.npm", "js.org"),
        concat!("static.", "crates.io"),
        concat!("index.", "crates.io"),
        concat!("files.python", "hosted.org"),
    ];
    let tree = tree();
    let offenders = offenders(&tree, |file| foreign.iter().any(|text| file.text.contains(text)));
    assert!(offenders.is_empty(), "names a place of one machine, or a registry: {offenders:#?}");
}

/// The crate docs.
fn map() -> String {
    include_str!("../src/lib.rs").lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_map_shows_every_module() {
    let map = map();
    let modules = include_str!("../src/lib.rs").lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let rows: Vec<&str> = map.lines().filter(|line| line.starts_with("//! | ")).collect();
    let missing: Vec<_> = modules.filter(|module| !rows.iter().any(|row| row.contains(&format!("[`{module}`]")))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_test_that_the_map_names_exists() {
    let tree = tree();
    let map = map();
    let is_name = |word: &str| word.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    let names: Vec<&str> = map.split('`').filter(|word| is_name(word) && word.matches('_').count() >= 3).collect();
    assert!(names.len() > 12, "{names:?}");
    let exists = |name: &str| tree.iter().any(|file| file.text.contains(&format!("#[test]\nfn {name}()")));
    let missing: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
