//! The body is `peerhub::fuzzing::tls_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::tls_bytes::run(data));
