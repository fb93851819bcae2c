//! The body is `peerhub::fuzzing::peero_lobby`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::peero_lobby::run(data));
