//! Patterns as a tree of segments, walked in one of two readings.
//!
//! At every segment a literal comes before `{name}`, and that before `{*rest}`; where the more specific branch leads
//! nowhere the next one is tried. Each node lies at one depth, so a walk visits it at most once: at worst a walk costs as
//! much as there are nodes, whatever the path. It allocates nothing.
//!
//! Not `matchit`: it refuses `{name}` beside `{*rest}`, panics at the 26th parameter, allocates when it may have to turn
//! back, and would need a folded copy of each path for the second reading.

use super::judge::Decoded;
use super::pattern::Segment;
use super::table::RouteIndex;
use std::cmp::Ordering;

/// How segments are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Byte for byte.
    Exact,
    /// As the most lenient server would: with all escapes decoded however often they are nested, without letter case, what
    /// follows `;` (or `?` or `#`, for a server that parses again what it has decoded), empty segments and trailing slash.
    Lenient,
}

/// Patterns in one reading.
#[derive(Debug)]
pub(super) struct Tree {
    reading: Reading,
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted, for the binary search.
    literals: Vec<(Vec<u8>, Node)>,
    name: Option<Box<Node>>,
    /// Routes that end here. Several only in the lenient reading.
    routes: Vec<RouteIndex>,
    /// Routes whose `{*rest}` begins here.
    rest: Vec<RouteIndex>,
}

impl Tree {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading, root: Node::default() }
    }

    /// Adds a route and says which are there that match the same paths in this reading.
    pub(super) fn insert(&mut self, segments: &[Segment], route: RouteIndex) -> &[RouteIndex] {
        let mut node = &mut self.root;
        let mut is_rest = false;
        for segment in segments {
            match segment {
                Segment::Literal(text) => {
                    if let Some(key) = self.reading.key(text) {
                        node = node.literal(key);
                    }
                }
                Segment::Name => node = node.name.get_or_insert_default(),
                Segment::Rest => is_rest = true,
            }
        }
        let routes = if is_rest { &mut node.rest } else { &mut node.routes };
        routes.push(route);
        &routes[..routes.len() - 1]
    }

    /// The routes of the most specific pattern that matches; `path` begins with `/`.
    pub(super) fn find(&self, path: &str) -> &[RouteIndex] {
        let segments = path.strip_prefix('/').filter(|segments| !segments.is_empty());
        self.root.find(segments, self.reading).unwrap_or_default()
    }
}

impl Node {
    fn literal(&mut self, key: Vec<u8>) -> &mut Self {
        let at = match self.literals.binary_search_by(|(literal, _)| literal.cmp(&key)) {
            Ok(at) => at,
            Err(at) => {
                self.literals.insert(at, (key, Self::default()));
                at
            }
        };
        &mut self.literals[at].1
    }

    /// As deep as the longest pattern, not as the path. `remaining`: none when the path is used up, empty after a trailing slash.
    fn find(&self, remaining: Option<&str>, reading: Reading) -> Option<&[RouteIndex]> {
        let Some((segment, after)) = reading.next(remaining) else {
            return non_empty(&self.routes);
        };
        let literal = self.literals.binary_search_by(|(literal, _)| reading.compare(literal, segment)).ok();
        if let Some(routes) = literal.and_then(|at| self.literals[at].1.find(after, reading)) {
            return Some(routes);
        }
        if segment.is_empty() {
            return None;
        }
        let name = self.name.as_ref().and_then(|name| name.find(after, reading));
        name.or_else(|| non_empty(&self.rest))
    }
}

fn non_empty(routes: &[RouteIndex]) -> Option<&[RouteIndex]> {
    (!routes.is_empty()).then_some(routes)
}

impl Reading {
    /// Under what a literal is kept; none where the lenient reading sees no segment at all (`;x`).
    fn key(self, literal: &str) -> Option<Vec<u8>> {
        match self {
            Self::Exact => Some(literal.as_bytes().to_owned()),
            Self::Lenient => Some(leniently(literal).collect::<Vec<_>>()).filter(|key| !key.is_empty()),
        }
    }

    /// The next segment and what follows it.
    fn next(self, mut remaining: Option<&str>) -> Option<(&str, Option<&str>)> {
        loop {
            let text = remaining?;
            let (segment, after) = match text.split_once('/') {
                Some((segment, after)) => (segment, Some(after)),
                None => (text, None),
            };
            if self == Self::Exact || leniently(segment).next().is_some() {
                return Some((segment, after));
            }
            remaining = after;
        }
    }

    fn compare(self, literal: &[u8], segment: &str) -> Ordering {
        match self {
            Self::Exact => literal.cmp(segment.as_bytes()),
            Self::Lenient => literal.iter().copied().cmp(leniently(segment)),
        }
    }
}

/// What the most lenient server makes of a segment of a judged path.
fn leniently(segment: &str) -> impl Iterator<Item = u8> {
    let name = Decoded(segment.as_bytes()).take_while(|byte| !matches!(byte, b';' | b'?' | b'#'));
    name.map(|byte| byte.to_ascii_lowercase())
}
