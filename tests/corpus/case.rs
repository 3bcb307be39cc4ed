//! A raw request and what must become of it, as the files of this folder write it.
//!
//! ```text
//! == a sentence that names the case
//! from: where it comes from
//! > @post
//! > Content-Length: 2
//! >
//! > {}\
//! forwarded POST /api/v1/incidents
//! body {}
//! or refused 400 invalid_request closed
//! ```
//!
//! A line of the request ends with CR LF unless a backslash ends it; `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN` are bytes. `@get` and
//! `@post` begin a good request to the list of incidents, `@auth` are a user's token and an origin. `*600*` repeats what follows
//! it on its line. What a forwarded request has reached the upstream with is said by lines below: `body`, `host`, `with`, `without`.

/// Where the good requests of the corpus go, and what the upstream sees of that.
pub const LIST: &str = "/prod/api/v1/incidents";
pub const LIST_UPSTREAM: &str = "/api/v1/incidents";
pub const HOST: &str = "api.test";
pub const ORIGIN: &str = "https://app.stackflow-tech.com";

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub source: String,
    pub bytes: Vec<u8>,
    /// Any of these is right.
    pub verdicts: Vec<Verdict>,
}

#[derive(Clone, Debug)]
pub enum Verdict {
    Refused(Refused),
    Forwarded(Forwarded),
}

#[derive(Clone, Debug)]
pub struct Refused {
    pub status: u16,
    /// `None`: no head can be made out, and a bare answer will do.
    pub code: Option<String>,
    pub closed: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Forwarded {
    pub method: String,
    pub target: String,
    pub host: String,
    pub body: Vec<u8>,
    pub with: Vec<(String, Vec<u8>)>,
    pub without: Vec<String>,
}

impl Verdict {
    /// A 400 in JSON, and the end of the connection.
    pub fn bad() -> Self {
        Self::Refused(Refused { status: 400, code: Some("invalid_request".to_owned()), closed: true })
    }

    /// A good request to the list, with this body.
    pub fn good(method: &str, body: &[u8]) -> Self {
        let (method, target, host) = (method.to_owned(), LIST_UPSTREAM.to_owned(), HOST.to_owned());
        Self::Forwarded(Forwarded { method, target, host, body: body.to_vec(), ..Forwarded::default() })
    }
}

impl Case {
    pub fn new(name: String, source: &str, bytes: Vec<u8>, verdicts: Vec<Verdict>) -> Self {
        Self { name, source: source.to_owned(), bytes, verdicts }
    }
}

/// The beginning of a good request, up to the fields that a case adds.
pub fn begin(method: &str, bearer: &str) -> Vec<u8> {
    let media_type = if method == "POST" { "Content-Type: application/json\r\n" } else { "" };
    format!("{method} {LIST} HTTP/1.1\r\nHost: {HOST}\r\n{media_type}{}", auth(bearer)).into_bytes()
}

fn auth(bearer: &str) -> String {
    format!("Authorization: {bearer}\r\nOrigin: {ORIGIN}\r\n")
}

/// All cases of a file.
pub fn read(file: &str, text: &str, bearer: &str) -> Vec<Case> {
    let blocks = text.split("\n== ").skip(1);
    blocks.map(|block| read_case(block, bearer).unwrap_or_else(|what| panic!("{file}: {what} in: {block}"))).collect()
}

fn read_case(block: &str, bearer: &str) -> Result<Case, String> {
    let (name, rest) = block.split_once('\n').ok_or("a name alone")?;
    let mut case = Case::new(name.to_owned(), "", Vec::new(), Vec::new());
    for line in rest.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(source) = line.strip_prefix("from: ") {
            source.clone_into(&mut case.source);
        } else if let Some(raw) = line.strip_prefix('>') {
            case.bytes.extend(raw_line(raw.strip_prefix(' ').unwrap_or(raw), bearer)?);
        } else {
            read_verdict(line, &mut case.verdicts)?;
        }
    }
    if case.source.is_empty() || case.bytes.is_empty() || case.verdicts.is_empty() {
        return Err("no source, request or verdict".to_owned());
    }
    Ok(case)
}

fn raw_line(line: &str, bearer: &str) -> Result<Vec<u8>, String> {
    match line {
        "@get" => return Ok(begin("GET", bearer)),
        "@post" => return Ok(begin("POST", bearer)),
        "@auth" => return Ok(auth(bearer).into_bytes()),
        _ => {}
    }
    let (line, ending) = match line.strip_suffix('\\') {
        Some(line) if !line.ends_with('\\') => (line, ""),
        _ => (line, "\r\n"),
    };
    let (times, line) = match line.strip_prefix('*').and_then(|rest| rest.split_once('*')) {
        Some((times, rest)) => (times.parse().map_err(|_| "a number of times")?, rest),
        None => (1, line),
    };
    Ok([unescape(line)?.repeat(times), ending.as_bytes().to_vec()].concat())
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(b'?')));
                u8::from_str_radix(&String::from_iter(digits), 16).map_err(|error| error.to_string())?
            }
            _ => return Err("a strange escape".to_owned()),
        });
    }
    Ok(bytes)
}

fn read_verdict(line: &str, verdicts: &mut Vec<Verdict>) -> Result<(), String> {
    let line = line.strip_prefix("or ").unwrap_or(line);
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "refused" => {
            let [status, code, end] = rest.split(' ').collect::<Vec<_>>()[..] else { return Err(format!("{line:?}")) };
            let status = status.parse().map_err(|_| "a status")?;
            let code = (code != "bare").then(|| code.to_owned());
            verdicts.push(Verdict::Refused(Refused { status, code, closed: end == "closed" }));
        }
        "forwarded" => {
            let (method, target) = rest.split_once(' ').ok_or("method and target")?;
            let (method, target, host) = (method.to_owned(), target.to_owned(), HOST.to_owned());
            verdicts.push(Verdict::Forwarded(Forwarded { method, target, host, ..Forwarded::default() }));
        }
        _ => {
            let Some(Verdict::Forwarded(forwarded)) = verdicts.last_mut() else { return Err(format!("{line:?}")) };
            match word {
                "body" => forwarded.body = unescape(rest)?,
                "host" => rest.clone_into(&mut forwarded.host),
                "without" => forwarded.without.push(rest.to_owned()),
                "with" => {
                    let (name, value) = rest.split_once(": ").ok_or("name and value")?;
                    forwarded.with.push((name.to_owned(), unescape(value)?));
                }
                _ => return Err(format!("{line:?}")),
            }
        }
    }
    Ok(())
}
