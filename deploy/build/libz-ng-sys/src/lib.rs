//! The names of `libz-ng-sys`, provided by zlib itself.
//!
//! Pingora asks flate2 for its zlib-ng backend, and zlib-ng's build asks for `CMake`, which a machine with a C toolchain
//! need not have. The gateway never compresses, so the faster library would buy nothing: this crate takes its place
//! (`[patch.crates-io]` in the workspace's `Cargo.toml`) and the build needs only Rust and a C compiler.
//! Both crates are generated from one source (rust-lang/libz-sys) and declare the same items.

pub use libz_sys::*;
