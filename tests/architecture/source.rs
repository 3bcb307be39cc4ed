//! Rust sources as text: the tree's files, and their code without comments and literals. No parser: what these tests ask
//! can be answered by names and braces.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of the tree.
pub struct Source {
    /// From the root, with slashes.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// The same with comments and the insides of literals blanked; lines stay lines.
    pub code: String,
}

/// Folders that are no part of the tree.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All text files of the tree.
pub fn tree() -> Vec<Source> {
    let mut files = Vec::new();
    walk(root(), &mut files);
    files.sort();
    files.iter().filter_map(|file| read(file)).collect()
}

/// The Rust files of `src`.
pub fn sources() -> Vec<Source> {
    let sources: Vec<_> = tree().into_iter().filter(|file| file.is_rust() && file.path.starts_with("src/")).collect();
    assert!(sources.len() > 50, "the sources were found");
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if SKIPPED.iter().any(|skipped| path.ends_with(skipped)) {
            continue;
        }
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

fn read(path: &Path) -> Option<Source> {
    let text = String::from_utf8(fs::read(path).ok()?).ok()?;
    let path = path.strip_prefix(root()).ok()?.to_string_lossy().replace('\\', "/");
    let mut source = Source { path, text, code: String::new() };
    if source.is_rust() {
        source.code = code(&source.text);
    }
    Some(source)
}

impl Source {
    pub fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// Unit tests, and what only they use.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/") || name == "tests.rs" || name.starts_with("test_")
    }

    /// Whether it lies in one of these folders of `src`, or is one of these files.
    pub fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == format!("src/{place}.rs") || self.path.starts_with(&format!("src/{place}/")))
    }

    /// The modules of this crate that it names by `crate::`, in groups and alone.
    pub fn imports(&self) -> Vec<&str> {
        self.code.match_indices("crate::").flat_map(|(at, found)| first_names(&self.code[at + found.len()..])).collect()
    }

    /// Each function's name and number of lines.
    pub fn functions(&self) -> Vec<(&str, usize)> {
        let starts = self.code.match_indices("fn ").filter(|(at, _)| {
            let before = self.code[..*at].chars().next_back();
            before.is_none_or(|before| before.is_whitespace() || before == '(')
        });
        starts.filter_map(|(at, _)| function(&self.code[at + 3..])).collect()
    }
}

/// What a path after `crate::` begins with; of a group, each of its members.
fn first_names(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(name(group[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> &str {
    text.split(|character: char| !(character.is_alphanumeric() || character == '_')).next().unwrap_or_default()
}

/// The function whose name `text` begins with; none where it has no body.
fn function(text: &str) -> Option<(&str, usize)> {
    let name = name(text);
    let mut nested = 0;
    let body = text.char_indices().find(|(_, character)| {
        match character {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            _ => {}
        }
        nested == 0 && matches!(character, '{' | ';')
    });
    let (start, '{') = body? else { return None };
    let mut depth = 0;
    let end = text[start..].char_indices().find(|(_, character)| {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let lines = text[..start + end?.0].matches('\n').count() + 1;
    (!name.is_empty()).then_some((name, lines))
}

/// Blanks comments and the insides of literals.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let word_before = code.chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest).filter(|_| !word_before) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len())
        } else if next == '"' {
            quoted(rest, '"')
        } else if next == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        code.extend(rest[..length].chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    code
}

/// The number of hashes of a raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// A character, not a lifetime: one character or an escape, then the quote.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}

/// Length of a literal that may hold escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, character)| {
        let closes = *character == quote && !escaped;
        escaped = *character == '\\' && !escaped;
        closes
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

#[test]
fn comments_and_literals_are_no_code() {
    let check = |text: &str, expected: &str| assert_eq!(code(text).split_whitespace().collect::<Vec<_>>().join(" "), expected);
    check("a // b", "a");
    check("a /* b\n*/ c", "a c");
    check(r#"a("{ \" //") b"#, "a( ) b");
    check("a(r#\"{\"}\"#) b", "a( ) b");
    check(r"a('{') 'b c('\'') d('\u{7b}')", "a( ) 'b c( ) d( )");
    check(r#"b"{" br"{""#, "b br");
}

#[test]
fn imports_are_found_in_groups_too() {
    let code = "use crate::{auth::{A, B}, limit::C,\n    time};\nuse crate::route;\nfn f(x: crate::cors::X) {}".to_owned();
    let source = Source { path: String::new(), text: String::new(), code };
    assert_eq!(source.imports(), ["auth", "limit", "time", "route", "cors"]);
}

#[test]
fn functions_are_measured_from_their_name_to_their_last_brace() {
    let code =
        "pub fn a(x: [u8; 3]) -> [u8; 3] {\n    if y {\n    }\n}\nfn b();\nfn c<T>() where T: A { }\nlet d: fn (u8);".to_owned();
    let source = Source { path: String::new(), text: String::new(), code };
    assert_eq!(source.functions(), [("a", 4), ("c", 1)]);
}
