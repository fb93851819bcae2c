//! The body is `peerhub::fuzzing::ws_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::ws_bytes::run(data));
