//! One JSON object, read strictly: what two readers could read differently is refused.
//!
//! `serde_json` alone refuses a byte order mark, bytes that are not UTF-8, lone surrogates, NaN, numbers beyond a double, and
//! anything after the object. Added here: a member may appear once, at every depth (RFC 7515, section 4, and RFC 7519,
//! section 4, allow to take the last one, but then a checker that takes the first sees another token), and nesting is bounded.
//!
//! Text is borrowed from what is read, and of what no claim is made of only the form is looked at: strangers have every token read
//! this far, so that it has to be cheap (a third of the time that a tree of owned values takes).
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use std::{borrow::Cow, cmp::Ordering, fmt};

/// Claims of real issuers nest two or three deep; each level costs stack.
const DEPTH: u8 = 16;

/// Members that are looked through one by one: more than an issuer writes, and so few that it gains a stranger nothing. Sorting them
/// takes longer than looking, by a tenth of the time of reading them.
const FEW: usize = 32;

/// A value, as far as claims are made of it.
#[derive(Debug, PartialEq)]
pub(super) enum Json<'a> {
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// `null`, a boolean or an object, in order but not kept.
    Other,
}

impl Json<'_> {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::List(_) | Self::Other => None,
        }
    }
}

/// The members of an object, each name once: up to [`FEW`] in the order of the text, more of them sorted.
#[derive(Debug, PartialEq)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Members<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        let Self(members) = self;
        let place = if members.len() <= FEW {
            members.iter().position(|(own, _)| own == name)
        } else {
            members.binary_search_by(|(own, _)| by_length(own, name)).ok()
        };
        Some(&members[place?].1)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Of few members, [`Seen`] has found a repeated one. Many are sorted, so that it is found in `n log n` whatever a stranger writes.
    fn of(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Option<Self> {
        if members.len() > FEW {
            members.sort_unstable_by(|(a, _), (b, _)| by_length(a, b));
            if members.windows(2).any(|pair| by_length(&pair[0].0, &pair[1].0).is_eq()) {
                return None;
            }
        }
        Some(Self(members))
    }
}

/// An order of names. Most differ in length or in their first byte, and then no more of them is looked at.
fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.bytes().next().cmp(&b.bytes().next())).then_with(|| a.cmp(b))
}

/// Reads `text` as exactly one object.
pub(super) fn object(text: &[u8]) -> Option<Members<'_>> {
    if !ends_as_object(text) {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(std::str::from_utf8(text).ok()?);
    let members = reader.deserialize_map(Object(Depth(DEPTH))).ok()??;
    reader.end().ok()?;
    Members::of(members)
}

/// Whether the last byte that is no white space (RFC 8259, section 2) can be an object's. Of what was cut off or has something after
/// the object this looks at one byte instead of all.
fn ends_as_object(text: &[u8]) -> bool {
    text.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) == Some(&b'}')
}

/// How much deeper it may go.
#[derive(Clone, Copy)]
struct Depth(u8);

impl Depth {
    fn is_outermost(self) -> bool {
        self.0 == DEPTH
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deep"))
    }
}

/// The members in the order of the text, the first [`FEW`] and the one after them with names that differ; `None` if they do not. That is
/// no error, because to make one takes longer than two members.
struct Object(Depth);

impl<'de> Visitor<'de> for Object {
    type Value = Option<Vec<(Cow<'de, str>, Json<'de>)>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Self(depth) = self;
        let inner = depth.deeper()?;
        // A stranger can write thousands of objects within; only the outermost has the members of a token.
        let mut read = if depth.is_outermost() { Vec::with_capacity(16) } else { Vec::new() };
        let mut seen = Seen::default();
        while let Some(name) = members.next_key_seed(Name)? {
            if seen.is_repeated(&name, &read) {
                return Ok(None);
            }
            read.push((name, Json::Other));
            let Some((_, place)) = read.last_mut() else { break };
            members.next_value_seed(Value { place, depth: inner })?;
        }
        Ok(Some(read))
    }
}

/// What the names so far look like. One that looks like none of them is new, and most are.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    /// Whether `name` is among those that were read. What is refused for it costs neither the reading of the rest nor the search for
    /// claims.
    fn is_repeated(&mut self, name: &str, read: &[(Cow<'_, str>, Json<'_>)]) -> bool {
        let look = look(name);
        let known = self.0 & look != 0;
        self.0 |= look;
        known && read.len() <= FEW && read.iter().any(|(other, _)| other == name)
    }
}

/// One bit of 64, by length, first and last byte: another one for each claim that Cognito writes.
fn look(name: &str) -> u64 {
    let name = name.as_bytes();
    let ends = name.first().zip(name.last()).map_or(0, |(&first, &last)| usize::from(first) + 4 * usize::from(last));
    1 << ((ends + 4 * name.len()) % 64)
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    /// With escapes, which another reader resolves too: `sub` can be written `\u0073ub`.
    fn visit_str<E: Error>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// A value, written where it is to be: to hand it on through serde's results takes a tenth of the time of reading an object.
struct Value<'a, 'de> {
    place: &'a mut Json<'de>,
    depth: Depth,
}

impl<'de> Value<'_, 'de> {
    fn is(self, value: Json<'de>) {
        *self.place = value;
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.is(Json::Other);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.is(Json::Other);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.is(Json::Number(value.into()));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.is(Json::Number(value.into()));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.is(Json::Number(Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?));
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.is(Json::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.is(Json::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let depth = self.depth.deeper()?;
        let mut values = Vec::new();
        loop {
            let mut value = Json::Other;
            if sequence.next_element_seed(Value { place: &mut value, depth })?.is_none() {
                break;
            }
            values.push(value);
        }
        self.is(Json::List(values));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let members = Object(self.depth).visit_map(members)?;
        members.and_then(Members::of).ok_or_else(|| A::Error::custom("a member appears twice"))?;
        self.is(Json::Other);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
