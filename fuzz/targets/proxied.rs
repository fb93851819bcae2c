//! The body is `peerhub::fuzzing::proxied`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::proxied::run(data));
