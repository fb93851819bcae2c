//! The body is `peerhub::fuzzing::lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::lines::run(data));
