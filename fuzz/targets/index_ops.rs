//! The body is `peerhub::fuzzing::index_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::index_ops::run(data));
