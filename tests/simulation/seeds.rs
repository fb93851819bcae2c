//! Seeds that once found a bug. They come first in every run.

/// A seed and what it found.
#[derive(Debug)]
pub(crate) struct Named {
    /// What was wrong.
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    /// Within so many steps.
    pub(crate) steps: u64,
}

pub(crate) const NAMED: &[Named] = &[
    Named {
        name: "the echo went on after the close frame of a hub that is stopped",
        seed: 78,
        steps: 300,
    },
    Named {
        name: "two deadlines of one connection in one tick ended the hub",
        seed: 85,
        steps: 300,
    },
    Named {
        name: "whoever was cut off for want of memory kept what waited sealed for him",
        seed: 64,
        steps: 300,
    },
    Named {
        name: "TLS's word of leave that has to wait was not counted as memory",
        seed: 206,
        steps: 300,
    },
];
