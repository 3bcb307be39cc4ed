//! Which route a path belongs to.
//!
//! A path is judged first; only what has one reading is looked up and forwarded, in that form. No I/O, no allocation for a
//! path that arrives in canonical form.
mod judge;
mod pattern;
mod table;
mod tree;

pub use judge::{PathError, judge};
pub use pattern::{Pattern, PatternError};
pub use table::{Place, RouteIndex, RouteTable, TableError};
