//! That the simulator finds bugs: it is run with each of those that are planted in `src`, and must fail within the seeds
//! of a usual run.
//!
//! Each bug has a process of its own, which is this program again. `--nocapture` shows what was found, and how soon.

use super::{SEEDS, STEPS};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The planted bugs, and what is wrong with each.
const PLANTED: &[(&str, &str)] = &[
    (
        "stale-seat",
        "whoever moves into a leaver's seat does not learn of it",
    ),
    ("deadline-rounded-down", "deadlines come a little early"),
    (
        "cascade-loses",
        "of the timers that move on together only one is kept",
    ),
    (
        "replaced-silently",
        "a peer that is replaced by one in another linkage is never said to leave",
    ),
    (
        "request-unended",
        "who asked somebody that has gone is not told",
    ),
    (
        "claim-timer-kept",
        "the deadline of a claim outlives the claim",
    ),
    (
        "read-edge-lost",
        "a full read buffer is taken for all that there was",
    ),
    (
        "put-off-dropped",
        "what was read and made too much work for one turn is forgotten",
    ),
    (
        "backlog-turned-round",
        "what a socket did not take is not kept in order",
    ),
    (
        "blocked-for-ever",
        "room to write is not noticed after a short write",
    ),
    (
        "dirty-kept",
        "who had a short write is not flushed a second time",
    ),
    (
        "refused-for-ever",
        "those who were turned away are counted after they have gone",
    ),
    (
        "waiting-unbounded",
        "any number of messages waits for one who is not there",
    ),
    ("remove-untold", "nobody hears that a visitor has left"),
    (
        "expired-stays",
        "nobody is sent away when his token has expired",
    ),
    (
        "named-uncounted",
        "for whom a proxy comes is not counted among those of his address",
    ),
    (
        "rests-for-ever",
        "who has done too much is never read from again",
    ),
    (
        "plaintext-left",
        "what a full socket did not take is put before what somebody else is told in TLS",
    ),
];

#[test]
#[cfg_attr(not(debug_assertions), ignore = "nothing is planted in such a build")]
fn planted_bugs_are_found() {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((bug, what)) = PLANTED.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (seed, step, how) = find(bug);
            let steps = seed * STEPS + step;
            println!("{bug} ({what}): found in seed {seed} after {steps} steps: {how}");
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
}

/// Runs the simulation with this bug in it. The seed and the step that have found it, and the first words about it.
fn find(bug: &str) -> (u64, u64, String) {
    let program = std::env::current_exe().expect("this program has a path");
    let run = Command::new(program)
        .args(["--exact", "peers_see_the_truth_whatever_they_do"])
        .env("PEERHUB_PLANTED", bug)
        .env("RUST_BACKTRACE", "0")
        .env_remove("PEERHUB_SEED")
        .env_remove("PEERHUB_SIM_SEEDS")
        .env_remove("PEERHUB_SIM_STEPS")
        .output()
        .expect("this program can be run");
    let told = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success(),
        "{SEEDS} seeds do not find the bug {bug}"
    );
    let number = |before: &str| {
        let (_, rest) = told.split_once(before)?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        rest[..end?].parse().ok()
    };
    let seed = number("PEERHUB_SEED=");
    let step = number("it happened in step ");
    let (_, how) = told.split_once("panicked at ").unwrap_or_default();
    let how: Vec<&str> = how.lines().take(2).collect();
    let how = how.join(" ").chars().take(200).collect();
    match (seed, step) {
        (Some(seed), Some(step)) => (seed, step, how),
        _ => panic!("the bug {bug} ends the simulation in another way: {told}"),
    }
}
