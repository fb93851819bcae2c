//! The body is `peerhub::fuzzing::peerjs_realm`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::peerjs_realm::run(data));
