//! What a list is asked for (`limit`, `cursor`), and the page it answers with.
//!
//! A cursor is the list's name and a place in it, in base64url: opaque to clients, and of no use on another list. Other
//! parameters are ignored.

#[cfg(test)]
mod tests;

use super::{answer, answer::Answer, answer::Refusal, caller::Caller, collection::Collection};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use serde::Serialize;
use std::str::FromStr;

const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 200;
/// Longer than any cursor this API makes; longer ones are not decoded.
const MAX_CURSOR: usize = 64;

/// Which part of a list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageRequest {
    list: &'static str,
    limit: usize,
    place: usize,
}

#[derive(Serialize)]
struct PageBody<'a, T> {
    items: Vec<&'a T>,
    next_cursor: Option<&'a str>,
    total: usize,
}

impl PageRequest {
    /// `list`: the list's path below the base, such as `/incidents`.
    ///
    /// # Errors
    /// A `limit` outside 1 to 200, a cursor that is not one of this list, either of them twice.
    pub(super) fn parse(list: &'static str, query: Option<&str>) -> Result<Self, Refusal> {
        let (mut limit, mut place) = (None, None);
        for pair in query.unwrap_or_default().split('&') {
            let known = match pair.split_once('=').unwrap_or((pair, "")) {
                ("limit", value) => limit.replace(parse_limit(value)?).map(|_| "limit"),
                ("cursor", value) => place.replace(parse_cursor(list, value).ok_or(INVALID_CURSOR)?).map(|_| "cursor"),
                _ => None,
            };
            if let Some(name) = known {
                return Err(Refusal::InvalidParameter(name, "is there twice"));
            }
        }
        Ok(Self { list, limit: limit.unwrap_or(DEFAULT_LIMIT), place: place.unwrap_or(0) })
    }

    /// The page, with `Link: …; rel="next"` (RFC 8288) where there is more.
    ///
    /// # Errors
    /// The cursor lies behind the list's end.
    pub(super) fn answer<T: Serialize>(&self, collection: &Collection<T>, caller: Caller<'_>) -> Result<Answer, Refusal> {
        let page = collection.page(self.place, self.limit).ok_or(INVALID_CURSOR)?;
        let next = page.next.map(|place| cursor(self.list, place));
        let body = PageBody { items: page.records, next_cursor: next.as_deref(), total: collection.len() };
        let answer = answer::json(StatusCode::OK, &body);
        Ok(match &next {
            Some(cursor) => answer::with_header(answer, header::LINK, &self.link(cursor, caller)),
            None => answer,
        })
    }

    fn link(&self, cursor: &str, caller: Caller<'_>) -> String {
        format!("<{}{}?limit={}&cursor={cursor}>; rel=\"next\"", caller.public_base(), self.list, self.limit)
    }
}

const INVALID_CURSOR: Refusal = Refusal::InvalidParameter("cursor", "is not one that this list gave");

fn parse_limit(value: &str) -> Result<usize, Refusal> {
    parse_digits(value)
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or(Refusal::InvalidParameter("limit", "must be a number from 1 to 200"))
}

fn cursor(list: &str, place: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{place}"))
}

fn parse_cursor(list: &str, value: &str) -> Option<usize> {
    if value.len() > MAX_CURSOR {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
    parse_digits(text.strip_prefix(list)?.strip_prefix(':')?)
}

/// `FromStr` alone would accept a sign: `+25`.
pub(super) fn parse_digits<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
