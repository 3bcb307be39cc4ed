//! Which route a path belongs to.
mod judge;
mod pattern;
mod table;

pub use judge::{PathError, judge};
pub use pattern::{Pattern, PatternError};
pub use table::{Place, RouteIndex, RouteTable, TableError};
