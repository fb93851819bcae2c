//! The body is `peerhub::fuzzing::relay_node`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerhub::fuzzing::relay_node::run(data));
