//! The limiter's own sources, with loom's locks and atomics in place of the standard library's.
#![allow(dead_code, reason = "a model uses a part of them")]

#[path = "../../../src/limit/mod.rs"]
pub mod limit;
#[path = "../../../src/time.rs"]
pub mod time;
