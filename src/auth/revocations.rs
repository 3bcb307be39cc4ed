//! Tokens that are refused though all else about them is good: single ones, a subject's, a client's, or all issued before a moment.
//!
//! Immutable once made; a reload replaces it whole. Subjects are (`iss`, `sub`): an entry may name the issuer it is about, and
//! without one it is about every issuer. A token without `iat` cannot prove that it is newer than `issued_before`, and is refused.
//!
//! Not here: reading the file (`config`), and when an earlier verdict is judged again (`Authenticator::recall`).
use std::collections::HashMap;

/// One entry of the file, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Which tokens.
    pub target: Target,
    /// Only those of this `iss`; `None`: of any.
    pub issuer: Option<String>,
    /// Only those whose `iat` lies before, in nanoseconds since 1970; `None`: whenever issued.
    pub issued_before_ns: Option<u64>,
}

/// What an entry is about, each compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One token, by its `jti`.
    Jti(String),
    /// All tokens of a `sub`.
    Subject(String),
    /// All tokens of a client: `client_id`, or what stands for it in the issuer's profile.
    ClientId(String),
    /// All tokens.
    Anyone,
}

/// What a token says about itself that an entry can be about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) issuer: &'a str,
    pub(super) jti: Option<&'a str>,
    pub(super) subject: &'a str,
    pub(super) client_id: Option<&'a str>,
    pub(super) issued_ns: Option<u64>,
}

/// All entries, by what they are about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    jtis: HashMap<String, Vec<Condition>>,
    subjects: HashMap<String, Vec<Condition>>,
    client_ids: HashMap<String, Vec<Condition>>,
    anyone: Vec<Condition>,
}

/// The rest of an entry.
#[derive(Debug, PartialEq, Eq)]
struct Condition {
    issuer: Option<String>,
    issued_before_ns: Option<u64>,
}

impl Revocations {
    /// Nothing is revoked.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        let named = [&self.jtis, &self.subjects, &self.client_ids];
        self.anyone.len() + named.iter().flat_map(|by_name| by_name.values()).map(Vec::len).sum::<usize>()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether some entry is about this token. At most three look-ups, however many entries there are; only the entries that
    /// share a name, and those about anyone, are compared one by one.
    pub(super) fn concern(&self, token: Facts<'_>) -> bool {
        let named = |by_name: &HashMap<String, Vec<Condition>>, name: Option<&str>| {
            name.and_then(|name| by_name.get(name)).is_some_and(|conditions| any_holds(conditions, token))
        };
        any_holds(&self.anyone, token)
            || named(&self.subjects, Some(token.subject))
            || named(&self.jtis, token.jti)
            || named(&self.client_ids, token.client_id)
    }
}

impl FromIterator<Revoked> for Revocations {
    fn from_iter<I: IntoIterator<Item = Revoked>>(entries: I) -> Self {
        let mut revocations = Self::none();
        for Revoked { target, issuer, issued_before_ns } in entries {
            let conditions = match target {
                Target::Jti(jti) => revocations.jtis.entry(jti).or_default(),
                Target::Subject(subject) => revocations.subjects.entry(subject).or_default(),
                Target::ClientId(client_id) => revocations.client_ids.entry(client_id).or_default(),
                Target::Anyone => &mut revocations.anyone,
            };
            conditions.push(Condition { issuer, issued_before_ns });
        }
        revocations
    }
}

fn any_holds(conditions: &[Condition], token: Facts<'_>) -> bool {
    conditions.iter().any(|Condition { issuer, issued_before_ns }| {
        let of_issuer = issuer.as_deref().is_none_or(|issuer| issuer == token.issuer);
        of_issuer && issued_before_ns.is_none_or(|before_ns| token.issued_ns.is_none_or(|issued_ns| issued_ns < before_ns))
    })
}

#[cfg(test)]
mod tests;
