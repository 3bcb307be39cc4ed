//! From a judged path to a place in the API.
use super::Pattern;

/// Place of a route in the configuration; also the index of its metric handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteIndex(pub usize);

/// Where a path lies. `rest` is what follows the base path, always with a leading `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'p> {
    /// Outside every base path.
    Outside,
    /// A configured route.
    Known { /// Which.
        index: RouteIndex, /// Behind the base path.
        rest: &'p str, /// The base path it came by.
        base: usize },
    /// Under a base path, no route.
    Unknown { /// Behind the base path.
        rest: &'p str, /// The base path it came by.
        base: usize },
    /// Under a base path; differs from a route only by trailing slash, letter case or `;parameters`.
    Lookalike,
}

/// Base paths and patterns.
#[derive(Debug)]
pub struct RouteTable {}

/// Why patterns cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// The later of the two.
    pub index: RouteIndex,
    /// The earlier of the two.
    pub conflicts_with: RouteIndex,
}

impl RouteTable {
    /// `base_paths`: each `/` or an absolute path without a trailing slash.
    ///
    /// # Errors
    /// All pairs of patterns that match the same paths.
    pub fn new(base_paths: &[String], patterns: &[Pattern]) -> Result<Self, Vec<TableError>> { let _ = (base_paths, patterns); todo!() }
    /// Finds the place of a judged path.
    #[must_use]
    pub fn find<'p>(&self, path: &'p str) -> Place<'p> { let _ = path; todo!() }
}
