//! What the tests share: chance that can be replayed, and a hub in this process with false sockets and a false clock.
//!
//! - `memory_socket` — the bytes in between; `seal` — TLS around them; `test_hub` — the hub, its clock and its edges;
//!   `test_peer` — a client
//!
//! Must not: read a clock or the system's randomness, so that a failure comes back with its seed.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses its own part of this"
)]

pub mod memory_socket;
pub mod seal;
pub mod test_hub;
pub mod test_peer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of chance that gives the same numbers for the same seed (splitmix64: a Weyl sequence, its steps mixed).
#[derive(Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice that always fall in the order that `seed` fixes.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number from 0 to `n - 1`; for the small `n` of tests its lean towards low numbers is nothing.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// `count` bytes of which each is as likely as any other.
    pub fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Runs `body` with dice of the seeds from 0 to `seed_count - 1`, or of the one that the environment variable
/// `PEERHUB_SEED` names. A failure prints its seed.
pub fn for_each_seed(seed_count: u64, body: impl Fn(&mut Dice)) {
    let seeds = match std::env::var("PEERHUB_SEED") {
        Ok(text) => {
            let seed: u64 = text.parse().expect("PEERHUB_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..seed_count,
    };
    for seed in seeds {
        let told = TellSeed(seed);
        body(&mut Dice::new(seed));
        drop(told);
    }
}

/// The same with all processors, and to the last seed even if some fail: they are named at the end.
pub fn for_each_seed_at_once(seed_count: u64, body: impl Fn(&mut Dice) + Sync) {
    if std::env::var("PEERHUB_SEED").is_ok() {
        return for_each_seed(seed_count, body);
    }
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seed_count {
                return;
            }
            let run = || {
                let told = TellSeed(seed);
                body(&mut Dice::new(seed));
                drop(told);
            };
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                failed.lock().expect("none panics with it").push(seed);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("none panics with it");
    assert!(
        failed.is_empty(),
        "of {seed_count} seeds these fail: {failed:?}"
    );
}

/// Prints its seed if it is dropped by a panic.
struct TellSeed(u64);

impl Drop for TellSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to see this failure again: PEERHUB_SEED={}", self.0);
        }
    }
}
