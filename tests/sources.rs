//! What the crate docs say of the sources, held to the sources: who may name what, and that the map is complete.

use std::{
    fs,
    path::{Path, PathBuf},
};

const MAP: &str = include_str!("../src/lib.rs");

/// The stages, which only the pipeline puts in order.
const STAGES: [&str; 5] = ["route", "cors", "auth", "limit", "validate"];

/// Every Rust file below a folder of the project.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The code of the product below `src`, by its path there: without comments, without tests and what they alone use.
fn product() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&source).expect("below src").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("text");
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        (name, code.join("\n"))
    };
    files("src").into_iter().map(read).filter(|(name, _)| !name.contains("test")).collect()
}

/// The files in which one of these words stands.
fn naming(words: &[&str]) -> Vec<String> {
    let found = product().into_iter().filter(|(_, code)| words.iter().any(|word| code.contains(word)));
    let mut names: Vec<String> = found.map(|(name, _)| name).collect();
    names.sort();
    names
}

#[test]
fn only_the_proxy_and_the_admin_listener_name_pingora() {
    let naming = naming(&["pingora_core", "pingora_proxy", "pingora_http"]);
    let others: Vec<_> = naming.iter().filter(|name| !name.starts_with("proxy/") && !name.starts_with("admin/")).collect();
    assert!(others.is_empty() && !naming.is_empty(), "{others:?} of {naming:?}");
}

#[test]
fn one_file_reads_the_clocks() {
    assert_eq!(naming(&["Instant::now", "SystemTime::now", "Timestamp::now", "Utc::now"]), ["proxy/clock.rs"]);
}

#[test]
fn no_stage_names_another() {
    for (name, code) in product() {
        let Some(stage) = STAGES.iter().find(|stage| name.starts_with(&format!("{stage}/"))) else { continue };
        for other in STAGES.iter().filter(|other| *other != stage) {
            // Paths end in `::`; imports from the crate are lists of such.
            let named = code.contains(&format!("crate::{other}")) || imports(&code).contains(&format!(" {other}::"));
            assert!(!named, "{name} names {other}");
        }
    }
}

/// What stands in `use crate::{…};`.
fn imports(code: &str) -> String {
    let lists = code.split("use crate::{").skip(1).filter_map(|rest| rest.split(';').next());
    lists.collect::<Vec<_>>().join(" ").replace(['\n', ','], " ")
}

#[test]
fn the_configuration_has_one_cell() {
    assert_eq!(naming(&["ArcSwap<Gateway>"]), ["proxy/shared.rs"]);
}

#[test]
fn the_map_shows_every_module() {
    for line in MAP.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        let row = MAP.lines().any(|line| line.starts_with("//! | ") && line.contains(&format!("[`{module}`]")));
        assert!(row, "{module} is not on the map");
    }
}

#[test]
fn every_test_that_the_map_names_exists() {
    let tests: String =
        ["src", "tests"].into_iter().flat_map(files).map(|path| fs::read_to_string(path).expect("text")).collect();
    let docs: String = MAP.lines().take_while(|line| line.starts_with("//!")).collect();
    let words: Vec<&str> = docs.split('`').filter(|word| word.matches('_').count() >= 3).collect();
    let names: Vec<&&str> =
        words.iter().filter(|word| word.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())).collect();
    assert!(names.len() > 12, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("#[test]\nfn {name}()")), "{name} is not a test");
    }
}
