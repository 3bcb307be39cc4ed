//! One line an exchange: JSON, or text for people. Never a token, a secret, a cookie or a query value.

use super::Exchange;
use crate::{
    config::{Log, LogFormat},
    json,
    limit::Policy,
    reply::Outcome,
    time::civil,
};
use std::{io::Write, net::IpAddr};

/// Longest text taken over from a request into a field; the rest is cut. What strangers send must not fill the disk.
const LONGEST: usize = 1024;

impl Exchange<'_> {
    /// Whether the line is written: of 2xx and 3xx a share, of the rest all. `chance` is uniform in 0 to 1.
    #[must_use]
    pub fn is_logged(&self, log: &Log, chance: impl FnOnce() -> f64) -> bool {
        let fine = matches!(self.outcome, Outcome::Forwarded | Outcome::Answered | Outcome::Preflight) && self.status < 400;
        log.access && (!fine || log.sample_ok >= 1.0 || chance() < log.sample_ok)
    }

    /// Appends the line to `out`.
    pub fn write_line(&self, log: &Log, out: &mut Vec<u8>) {
        match log.format {
            LogFormat::Json => self.write_json(log, out),
            LogFormat::Text => self.write_text(log, out),
        }
    }

    fn write_json(&self, log: &Log, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        write_time(self.began_unix_ns, out);
        out.push(b'"');
        let mut line = Fields { out };
        line.plain(",\"request_id\":", Some(self.request_id));
        line.plain(",\"trace_id\":", Some(self.trace_id));
        line.address(",\"client_address\":", self.client);
        line.text(",\"method\":", Some(self.method));
        line.plain(",\"scheme\":", Some(self.scheme));
        line.text(",\"host\":", Some(self.host));
        line.text(",\"path\":", Some(self.path));
        line.text(",\"route\":", Some(self.route));
        line.plain(",\"protocol\":", Some(self.protocol));
        line.number(",\"status\":", Some(u64::from(self.status)));
        line.plain(",\"outcome\":", Some(self.outcome.label()));
        line.plain(",\"reason\":", self.reason);
        line.plain(",\"policy\":", self.policy.map(Policy::label));
        line.text(",\"subject\":", self.logged_subject(log.subject).as_deref());
        line.text(",\"client_id\":", self.client_id);
        line.text(",\"issuer\":", self.issuer);
        line.number(",\"request_bytes\":", Some(self.request_bytes));
        line.number(",\"response_bytes\":", Some(self.response_bytes));
        line.milliseconds(",\"duration_ms\":", Some(self.duration_ns));
        line.milliseconds(",\"upstream_ms\":", self.upstream_ns);
        line.text(",\"upstream\":", self.upstream);
        line.number(",\"upstream_status\":", self.upstream_status.map(u64::from));
        line.number(",\"retries\":", Some(u64::from(self.retries)));
        line.text(",\"user_agent\":", self.user_agent);
        line.text(",\"origin\":", self.origin);
        out.extend_from_slice(b"}\n");
    }

    fn write_text(&self, log: &Log, out: &mut Vec<u8>) {
        write_time(self.began_unix_ns, out);
        let subject = self.logged_subject(log.subject);
        let _ = write!(out, " {} ", self.client);
        write_plain(subject.as_deref().unwrap_or("-"), out);
        let _ = write!(out, " {} ", self.status);
        write_plain(self.method, out);
        out.push(b' ');
        write_plain(self.path, out);
        let _ = write!(
            out,
            " {} {}{} {} bytes {}.{:03} ms id=",
            self.outcome.label(),
            self.reason.unwrap_or("-"),
            self.policy.map_or(String::new(), |policy| format!("({})", policy.label())),
            self.response_bytes,
            self.duration_ns / 1_000_000,
            self.duration_ns / 1_000 % 1_000,
        );
        write_plain(self.request_id, out);
        out.push(b'\n');
    }
}

/// RFC 3339 in UTC with milliseconds, digit by digit: the formatting machinery takes longer than the rest of a line.
pub(crate) fn write_time(unix_ns: u64, out: &mut Vec<u8>) {
    let (days, second) = (unix_ns / 86_400_000_000_000, unix_ns / 1_000_000_000 % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"yyyy-mm-ddThh:mm:ss.mmmZ";
    let fields = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
        (20, 3, unix_ns / 1_000_000 % 1_000),
    ];
    for (from, digits, mut value) in fields {
        for digit in text[from..from + digits].iter_mut().rev() {
            *digit = b"0123456789"[(value % 10) as usize];
            value /= 10;
        }
    }
    out.extend_from_slice(&text);
}

/// Writes members of a JSON object, each with its leading comma; an absent value is `null`, so that every line has every field.
struct Fields<'o> {
    out: &'o mut Vec<u8>,
}

impl Fields<'_> {
    /// `name` comes as `,"name":`, so that it is one copy.
    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(name.as_bytes());
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => write_json_text(value, self.out),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn number(&mut self, name: &str, value: Option<u64>) {
        self.name(name);
        match value {
            Some(value) => self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn milliseconds(&mut self, name: &str, nanoseconds: Option<u64>) {
        let microseconds = nanoseconds.map(|nanoseconds| nanoseconds / 1_000);
        self.number(name, microseconds.map(|microseconds| microseconds / 1_000));
        if let Some(rest) = microseconds.map(|microseconds| microseconds % 1_000) {
            let digit = |place: u64| b'0' + u8::try_from(rest / place % 10).unwrap_or(0);
            self.out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
        }
    }

    /// Text that cannot need an escape or a cut: labels of ours, ids that were checked.
    fn plain(&mut self, name: &str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => {
                self.out.push(b'"');
                self.out.extend_from_slice(value.as_bytes());
                self.out.push(b'"');
            }
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// Nearly every client has an IPv4 address, and the formatting machinery takes longer than a decision for it.
    fn address(&mut self, name: &str, value: IpAddr) {
        self.name(name);
        self.out.push(b'"');
        match value {
            IpAddr::V4(address) => {
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        self.out.push(b'.');
                    }
                    self.out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            IpAddr::V6(address) => drop(write!(self.out, "{address}")),
        }
        self.out.push(b'"');
    }
}

/// A JSON string, cut at a bound.
pub(crate) fn write_json_text(text: &str, out: &mut Vec<u8>) {
    json::write_string(bounded(text), out);
}

/// Text for people: what could start a line or a field, or move a cursor, is escaped.
fn write_plain(text: &str, out: &mut Vec<u8>) {
    for character in bounded(text).chars() {
        if character.is_control() || character.is_whitespace() {
            // Not `escape_default`: it leaves a space as it is.
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            let _ = write!(out, "{character}");
        }
    }
}

fn bounded(text: &str) -> &str {
    text.get(..LONGEST).unwrap_or_else(|| {
        if text.len() <= LONGEST {
            return text;
        }
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        &text[..end]
    })
}

#[cfg(test)]
mod tests;
