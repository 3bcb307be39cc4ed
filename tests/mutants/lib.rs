//! The limiter's own sources, copied here.

pub mod limit;
pub mod time;
