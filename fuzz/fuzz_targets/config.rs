//! libFuzzer's way into [`targets::config`].
#![no_main]
#[path = "../targets.rs"]
#[expect(dead_code, reason = "each target is a binary of its own and uses one function")]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::config(input));
