//! The head of a request: what passes has one reading, which the plainest reader finds too, and what stands for the rest is good.
use stackflow_gateway::proxy::guard::{
    head::{BodyFraming, Head, Scan, read},
    stand_in::stand_in,
};

/// What a client sends first.
pub fn head(input: &[u8]) {
    if let Ok(Some(head)) = read(input) {
        assert_ends_once(input, head.length);
        let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
        assert_plain(&input[skipped..head.length], head.body, input[skipped..].starts_with(b"OPTIONS"));
        if let Some(rewritten) = &head.rewritten {
            let again = Head { length: rewritten.len(), body: head.body, rewritten: None };
            assert_eq!(read(rewritten), Ok(Some(again)), "what is handed on is well formed");
        }
    }
    if let Some(head) = stand_in(input) {
        let only = Head { length: head.len(), body: BodyFraming::Length(0), rewritten: None };
        // Without a host a head is none of a client's, but the stand-in of one that had none.
        let with_host = if find(&head, b"\nhost:") { head.to_vec() } else { head.to_vec().replace_end(b"Host: a\r\n\r\n") };
        let only = Head { length: with_host.len(), ..only };
        assert_eq!(read(&with_host), Ok(Some(only)), "{}", head.escape_ascii());
    }
}

/// However few bytes come at a time, the end is found where it is.
fn assert_ends_once(input: &[u8], length: usize) {
    let mut scan = Scan::default();
    for end in 0..length {
        assert_eq!(read(&input[..end]), Ok(None), "at {end}");
        assert_eq!(scan.is_complete(&input[..end]), Ok(false), "at {end}");
    }
    assert_eq!(scan.is_complete(&input[..length]), Ok(true));
}

/// Read again line by line.
fn assert_plain(head: &[u8], body: BodyFraming, is_options: bool) {
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let lines: Vec<&str> = text.strip_suffix("\r\n\r\n").expect("the end").split("\r\n").collect();
    assert!(lines.iter().all(|line| line.chars().all(|one| one == '\t' || !one.is_ascii_control())));
    let words: Vec<&str> = lines[0].split(' ').collect();
    assert!(words.len() == 3 && ["HTTP/1.0", "HTTP/1.1"].contains(&words[2]), "{words:?}");
    let target = words[1].to_ascii_lowercase();
    assert!(target.starts_with('/') || target.starts_with("http") || (is_options && target == "*"), "{target}");
    let fields: Vec<(String, &str)> = lines[1..]
        .iter()
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a colon");
            assert!(!name.is_empty() && name.chars().all(|one| one.is_ascii_graphic()), "{name:?}");
            (name.to_ascii_lowercase().replace('_', "-"), value.trim_matches([' ', '\t']))
        })
        .collect();
    let all = |name: &str| fields.iter().filter(|field| field.0 == name).map(|field| field.1).collect::<Vec<_>>();
    assert_eq!(all("host").len(), 1);
    let expected = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => BodyFraming::Length(0),
        ([length], []) => BodyFraming::Length(length.parse().expect("a number")),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => BodyFraming::Chunked,
        other => panic!("{other:?} passed"),
    };
    assert_eq!(body, expected);
}

fn find(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

trait ReplaceEnd {
    /// In place of the empty line.
    fn replace_end(self, end: &[u8]) -> Self;
}

impl ReplaceEnd for Vec<u8> {
    fn replace_end(mut self, end: &[u8]) -> Self {
        self.truncate(self.len() - 2);
        self.extend_from_slice(end);
        self
    }
}
