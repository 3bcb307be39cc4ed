//! What is kept of a key as it is written: the members that are read, each as far as it is read.
//!
//! A key server may write anything into a key. As a tree of values, lists of small objects take a hundred times their text; here
//! they are passed over as they come, so that a key takes no more memory than its text. Of a member that is repeated the last
//! counts, as with other readers of JSON.
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// The members that are read (RFC 7517, section 4; RFC 7518, section 6).
const READ: [&str; 10] = ["kty", "use", "key_ops", "alg", "kid", "n", "e", "crv", "x", "y"];

/// A key as written. What is no object has no members.
#[derive(Debug, Default)]
pub(in crate::auth) struct Jwk([Option<Member>; READ.len()]);

/// The value of a member.
#[derive(Debug)]
pub(super) enum Member {
    Text(String),
    /// `key_ops`, if it is one.
    List {
        has_verify: bool,
    },
    Other,
}

impl Jwk {
    /// A member that is read.
    pub(super) fn get(&self, name: &str) -> Option<&Member> {
        self.0[READ.iter().position(|read| *read == name)?].as_ref()
    }

    /// The same, if it is a text.
    pub(in crate::auth) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Member::Text(text) => Some(text),
            Member::List { .. } | Member::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(AnyKey)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(AnyMember)
    }
}

struct AnyKey;

impl<'de> Visitor<'de> for AnyKey {
    type Value = Jwk;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Jwk, A::Error> {
        let mut jwk = Jwk::default();
        while let Some(name) = map.next_key::<String>()? {
            match READ.iter().position(|read| *read == name) {
                Some(index) => jwk.0[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(jwk)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Jwk, A::Error> {
        IgnoredAny.visit_seq(sequence).map(|_| Jwk::default())
    }

    fn visit_unit<E>(self) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }
}

struct AnyMember;

impl<'de> Visitor<'de> for AnyMember {
    type Value = Member;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member of a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Member, A::Error> {
        let mut has_verify = false;
        while let Some(element) = sequence.next_element::<Member>()? {
            has_verify |= matches!(element, Member::Text(text) if text == "verify");
        }
        Ok(Member::List { has_verify })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Member, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Member::Other)
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
        Ok(Member::Other)
    }
}
