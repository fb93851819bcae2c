//! The body is `peerhub::fuzzing::tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::tokens::run(data));
