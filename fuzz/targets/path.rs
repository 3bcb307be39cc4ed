//! The path of a request: what is accepted has one reading, whoever decodes it how often, and no spelling of a route is another's.
use stackflow_gateway::route::{Pattern, Place, RouteIndex, RouteTable, judge};
use std::{borrow::Cow, sync::LazyLock};

/// Those without parameters are the ones that must not be escaped.
const ROUTES: [&str; 6] = ["/open/{name}", "/open/admin", "/incidents/{id}", "/incidents/bulk", "/caf%C3%A9", "/{*all}"];

static TABLE: LazyLock<RouteTable> = LazyLock::new(|| {
    let patterns: Vec<_> = ROUTES.iter().map(|route| Pattern::parse(route).expect("a pattern")).collect();
    RouteTable::new(&["/".to_owned()], &patterns).expect("routes beside each other")
});

/// A path as it comes.
pub fn path(input: &[u8]) {
    let Ok(raw) = std::str::from_utf8(input) else { return };
    let Ok(path) = judge(raw) else { return };
    assert!(matches!(judge(&path), Ok(Cow::Borrowed(again)) if again == path), "{path} is judged otherwise the second time");
    assert_eq!(decoded(raw.as_bytes()), decoded(path.as_bytes()), "{path} is another path");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    assert!(path.starts_with('/') && path.bytes().all(plain), "{path}");
    let slashes = path.bytes().filter(|byte| *byte == b'/').count();
    let mut reading = path.as_bytes().to_vec();
    loop {
        assert_harmless(&reading, slashes);
        let next = decoded(&reading);
        if next == reading {
            break;
        }
        reading = next;
    }
    assert_guarded(&path, &reading);
}

/// The path to a server that has decoded it so far.
fn assert_harmless(reading: &[u8], slashes: usize) {
    let shown = reading.escape_ascii();
    assert!(!reading.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'), "{shown}");
    let segments: Vec<_> = reading.split(|byte| *byte == b'/').collect();
    assert_eq!(segments.len(), slashes + 1, "{shown} has other segments");
    let inner = &segments[1..slashes.max(1)];
    assert!(inner.iter().all(|segment| !segment.is_empty()), "{shown} has empty segments");
    assert!(segments.iter().all(|segment| !matches!(name(segment), b"." | b"..")), "{shown} has dot segments");
}

/// Whatever the most lenient server would take for a route without parameters is that route to us, or a lookalike.
fn assert_guarded(path: &str, decoded_path: &[u8]) {
    let lenient = |path: &[u8]| -> Vec<Vec<u8>> {
        let names = path.split(|byte| *byte == b'/').map(|segment| name(segment).to_ascii_lowercase());
        names.filter(|name| !name.is_empty()).collect()
    };
    for (index, route) in ROUTES.iter().enumerate().filter(|(_, route)| !route.contains('{')) {
        if lenient(&decoded(route.as_bytes())) != lenient(decoded_path) {
            continue;
        }
        match TABLE.find(path) {
            Place::Lookalike => {}
            Place::Known { index: RouteIndex(found), .. } => {
                assert!(found == index && path == *route, "{path} is {}", ROUTES[found]);
            }
            place => panic!("{path} is {place:?}, not {route}"),
        }
    }
}

/// What stands before parameters, or a query or fragment that comes out of an escape.
fn name(segment: &[u8]) -> &[u8] {
    segment.split(|byte| matches!(byte, b';' | b'?' | b'#')).next().unwrap_or_default()
}

/// Decoded once, by somebody who leaves alone what is no escape.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let value = value.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%');
        out.push(value.unwrap_or(byte));
        rest = if value.is_some() { &behind[2..] } else { behind };
    }
    out
}
