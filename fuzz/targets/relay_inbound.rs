//! The body is `peerhub::fuzzing::relay_inbound`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::relay_inbound::run(data));
