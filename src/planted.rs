//! Mistakes that are made on purpose, one at a time, so that a test can show that the simulator finds such ones.
//!
//! Each is one `if` where a slip of the pen could have been, and is none of the code's business otherwise: without the
//! feature `planted`, and in every build without debug assertions, `bug` is the constant `false` and leaves nothing
//! behind. This is the one place where pure rooms ask something that is not an argument. What is planted and how soon it
//! is found: `tests/simulation/planted.rs`.

/// Whether the mistake of this name is to be made: the one that the environment variable `PEERHUB_PLANTED` names.
#[cfg(all(feature = "planted", debug_assertions))]
pub(crate) fn bug(name: &str) -> bool {
    use std::sync::OnceLock;
    static PLANTED: OnceLock<Option<String>> = OnceLock::new();
    let planted = PLANTED.get_or_init(|| std::env::var("PEERHUB_PLANTED").ok());
    planted.as_deref() == Some(name)
}

/// Whether the mistake of this name is to be made: none is.
#[cfg(not(all(feature = "planted", debug_assertions)))]
pub(crate) const fn bug(_name: &str) -> bool {
    false
}
