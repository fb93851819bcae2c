//! The body is `peerhub::fuzzing::netpeer_inbound`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::netpeer_inbound::run(data));
