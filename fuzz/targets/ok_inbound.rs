//! The body is `peerhub::fuzzing::ok_inbound`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::ok_inbound::run(data));
