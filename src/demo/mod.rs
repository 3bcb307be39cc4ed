//! demo

pub mod api;
pub mod guide;
