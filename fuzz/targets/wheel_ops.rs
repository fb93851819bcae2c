//! The body is `peerhub::fuzzing::wheel_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::wheel_ops::run(data));
