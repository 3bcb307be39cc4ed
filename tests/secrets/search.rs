//! Secrets, and the search for any part of them.
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{collections::HashMap, fmt::Write};

/// So many bytes in a row are no coincidence, and a part of a secret that is too short to be one.
const WINDOW: usize = 16;

/// What nobody may write, by every part of it.
#[derive(Default)]
pub struct Secrets {
    parts: HashMap<Vec<u8>, String>,
    count: usize,
}

/// As Basic credentials have it.
pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

impl Secrets {
    /// One more, also in base64.
    pub fn add(&mut self, name: &str, secret: String) -> String {
        assert!(secret.len() >= WINDOW, "{name} is long enough to be told from chance");
        self.count += 1;
        for form in [base64(&secret), secret.clone()] {
            for part in form.as_bytes().windows(WINDOW) {
                self.parts.insert(part.to_owned(), name.to_owned());
            }
        }
        secret
    }

    /// One that nobody has seen before.
    pub fn fresh(&mut self, name: &str) -> String {
        let mut bytes = [0; 20];
        getrandom::fill(&mut bytes).expect("the system's randomness");
        let mut text = String::new();
        for byte in bytes {
            write!(text, "{byte:02x}").expect("writing to a string");
        }
        self.add(name, text)
    }

    /// As a client sends them by Basic.
    pub fn add_credentials(&mut self, id: &str, secret: &str) {
        self.add(&format!("the credentials of {id}"), base64(&format!("{id}:{secret}")));
    }

    /// The lines between the first and the last.
    pub fn add_pem(&mut self, name: &str, pem: &str) {
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        self.add(name, lines.join("\n"));
        self.add(name, lines.concat());
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The name of a secret that shares a part with this text.
    pub fn found(&self, text: &str) -> Option<&str> {
        text.as_bytes().windows(WINDOW).find_map(|part| self.parts.get(part)).map(String::as_str)
    }

    /// No secret shares a part with this text. (A failure shows the line, secret and all: these are of this test alone.)
    #[track_caller]
    pub fn check_absent(&self, place: &str, text: &str) {
        for line in text.lines() {
            assert_eq!(self.found(line), None, "{place}: {line}");
        }
    }
}
