//! The body is `peerhub::fuzzing::peerjs_inbound`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::peerjs_inbound::run(data));
