//! From a judged path to a place in the API.
//!
//! The longest base path that the path lies under, at a segment's boundary, then the most specific pattern. A path is
//! looked up twice, byte for byte and as the most lenient server would read it. If the second look ends elsewhere than the
//! first, the path is a lookalike: `/incidents/BULK` is not an incident of that name, `/incidents/bulk/` is not an unknown
//! path, for a server behind us may take either for `/incidents/bulk` and its rules must not be escaped by spelling.
//! `/incidents/INC0001` is the same route both times, and known.
//!
//! Both ways count: the path `/bulk` is a lookalike of the route `/Bulk`. Escapes are decoded for the second look however often
//! they are nested, as the judge does it: `/incidents/b%2575lk` is `bulk` to a chain of servers that decodes twice. Base paths
//! have no lookalikes: what is not under one, spelled exactly, is outside, and nothing outside is forwarded.

use super::Pattern;
use super::tree::{Reading, Tree};
use std::fmt;

/// Place of a route in the configuration; also the index of its metric handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteIndex(pub usize);

/// Where a path lies. `rest` is what follows the base path, always with a leading `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'p> {
    /// Outside every base path.
    Outside,
    /// A configured route.
    Known {
        /// Which.
        index: RouteIndex,
        /// Behind the base path.
        rest: &'p str,
        /// The base path it came by.
        base: usize,
    },
    /// Under a base path, no route.
    Unknown {
        /// Behind the base path.
        rest: &'p str,
        /// The base path it came by.
        base: usize,
    },
    /// Under a base path; differs from a route only by trailing slash, letter case, `;parameters` or nested escapes.
    Lookalike,
}

/// Base paths and patterns.
#[derive(Debug)]
pub struct RouteTable {
    /// Without a trailing slash, so `/` is empty; longest first; with their places as configured.
    base_paths: Vec<(String, usize)>,
    exact: Tree,
    lenient: Tree,
}

/// Why patterns cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// The later of the two.
    pub index: RouteIndex,
    /// The earlier of the two.
    pub conflicts_with: RouteIndex,
}

impl RouteTable {
    /// `base_paths`: each `/` or a path in canonical form (see [`judge`](super::judge())) without a trailing slash.
    ///
    /// # Errors
    /// Every pattern that matches the same paths as an earlier one (names of parameters make no difference), each with the first of those.
    pub fn new(base_paths: &[String], patterns: &[Pattern]) -> Result<Self, Vec<TableError>> {
        let mut exact = Tree::new(Reading::Exact);
        let mut lenient = Tree::new(Reading::Lenient);
        let mut errors = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let index = RouteIndex(index);
            if let Some(&conflicts_with) = exact.insert(pattern.segments(), index).first() {
                errors.push(TableError { index, conflicts_with });
            }
            lenient.insert(pattern.segments(), index);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let trimmed = base_paths.iter().map(|base| base.trim_end_matches('/').to_owned());
        let mut base_paths: Vec<(String, usize)> = trimmed.zip(0..).collect();
        base_paths.sort_by_key(|(base, _)| std::cmp::Reverse(base.len()));
        Ok(Self { base_paths, exact, lenient })
    }

    /// Finds the place of a judged path.
    #[must_use]
    pub fn find<'p>(&self, path: &'p str) -> Place<'p> {
        let Some((rest, base)) = self.base_paths.iter().find_map(|(base, place)| Some((behind(base, path)?, *place))) else {
            return Place::Outside;
        };
        let alike = self.lenient.find(rest);
        match self.exact.find(rest).first() {
            Some(&index) if alike.is_empty() || alike.contains(&index) => Place::Known { index, rest, base },
            None if alike.is_empty() => Place::Unknown { rest, base },
            Some(_) | None => Place::Lookalike,
        }
    }
}

/// What follows the base path; none where the path is not under it (`/prod/apix` is not under `/prod/api`).
/// With and without a slash the base path itself is `/`, so it is one path here and towards the upstream.
fn behind<'p>(base: &str, path: &'p str) -> Option<&'p str> {
    match path.strip_prefix(base)? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route {} matches the same paths as route {}", self.index.0 + 1, self.conflicts_with.0 + 1)
    }
}

impl std::error::Error for TableError {}

#[cfg(test)]
mod tests;
