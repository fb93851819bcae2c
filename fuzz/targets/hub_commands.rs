//! The body is `peerhub::fuzzing::hub_commands`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::hub_commands::run(data));
