//! The body is `peerhub::fuzzing::conversations`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::conversations::run(data));
